//! What a call costs over a kept connection, and what it cost with a client and a connection of its own: against a
//! server on loopback that answers at once and keeps the connection.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use handshake_core::{
    envelope::{Envelope, HeaderValue, Method, Prepared},
    gate::Cleared,
    ids::{ModelId, Token},
    provider::ProviderRecord,
    reply::ReplySpec,
    tier::Reach,
};
use handshake_testkit::{fixture, gate::World};
use handshake_transport::{Limits, Transport};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// In a thread of its own. A request is complete when a read ends with the body's last byte.
fn server() -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((mut socket, _)) = listener.accept().await {
                socket.set_nodelay(true).expect("a socket");
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(n @ 1..) = socket.read(&mut buffer).await {
                        if buffer[..n].ends_with(b"}") && socket.write_all(ANSWER).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    address
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn prepared(record: &ProviderRecord) -> Prepared {
    let plain = |text: &str| HeaderValue::Plain(text.to_owned());
    Prepared::new(
        Envelope {
            method: Method::Post,
            base_url: record.base_url.clone(),
            path: "/v1/chat/completions".to_owned(),
            headers: BTreeMap::from([
                ("accept".to_owned(), plain("application/json")),
                ("content-type".to_owned(), plain("application/json")),
            ]),
            provider_id: record.provider_id.clone(),
            revision: record.revision,
            model_id: Some(ModelId::new("m").expect("valid")),
            body: Bytes::from_static(b"{\"model\":\"m\"}"),
        },
        ReplySpec::offline(Token::new("generic").expect("valid"), true),
        Vec::new(),
    )
}

async fn call(transport: &Transport, cleared: &Cleared) {
    let response = transport.send(cleared).await.expect("a head");
    response.whole(16).await.expect("a body");
}

fn connections(c: &mut Criterion) {
    let address = server();
    let runtime = runtime();
    let world = World::new(1);
    let record = fixture::record("bench", "unit", &format!("http://{address}"), Reach::Direct);
    runtime.block_on(world.register(&record));
    let memory = || Arc::new(world.memory.clone());
    let transport = Transport::new(memory(), memory(), Limits::default()).expect("a transport");
    let mut group = c.benchmark_group("connections");
    for (name, throw_away) in [("kept", false), ("throw_away", true)] {
        group.bench_function(BenchmarkId::new("call", name), |b| {
            b.iter_custom(|rounds| {
                runtime.block_on(async {
                    let mut spent = Duration::ZERO;
                    for _ in 0..rounds {
                        let cleared = world.clear(world.egress(&record, prepared(&record))).await;
                        let start = Instant::now();
                        call(&transport, &cleared).await;
                        if throw_away {
                            // What a client per call was: built, dialled, used once, closed.
                            transport.connections().retire_all();
                        }
                        spent += start.elapsed();
                    }
                    spent
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, connections);
criterion_main!(benches);
