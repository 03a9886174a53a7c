//! The secret: fetched when it is sent, for the origin that it is bound to.

use std::sync::Arc;

use handshake_core::{
    code::ErrorCode,
    envelope::{HeaderValue, Prepared},
};
use handshake_testkit::{capture::Capture, gate::World};
use handshake_transport::{Limits, Transport};

use crate::{
    calls::{prepared, record, transport},
    server::Server,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn with_secret(prepared: Prepared) -> Prepared {
    prepared.edited(|envelope| {
        let secret = HeaderValue::Secret {
            secret_ref: "vault:k".parse().expect("a reference"),
            prefix: "Bearer ",
        };
        envelope.headers.insert("authorization".to_owned(), secret);
    })
}

#[tokio::test]
async fn a2_the_secret_is_filled_in_behind_its_prefix() {
    let server = Server::answering(OK).await;
    let world = World::new(1);
    let record = record(&server.url());
    world.register(&record).await;
    world
        .memory
        .bind_secret("vault:k", &server.url(), b"sk-hunter2");
    let cleared = world
        .clear(world.egress(&record, with_secret(prepared(&record))))
        .await;
    transport(&world, Limits::default())
        .send(&cleared)
        .await
        .expect("a head");
    assert!(server.requests()[0].contains("authorization: Bearer sk-hunter2\r\n"));
}

#[tokio::test]
async fn a2_an_unusable_secret_sends_nothing_and_is_not_repeated() {
    let server = Capture::start(OK).await;
    let gate = World::new(1);
    let record = record(&server.url());
    gate.register(&record).await;
    gate.memory
        .bind_secret("vault:k", &server.url(), b"sk-hunter2");

    // The store that the transport asks is another one: bound elsewhere, missing, or not one visible line.
    for (value, origin, code) in [
        (
            &b"sk-hunter2"[..],
            "http://127.0.0.1:1",
            ErrorCode::SecretUnbound,
        ),
        (
            b"hunter2\r\nx-injected: 1",
            server.url().as_str(),
            ErrorCode::InvalidConfig,
        ),
        (b"hunter2 ", server.url().as_str(), ErrorCode::InvalidConfig),
        (b"", server.url().as_str(), ErrorCode::InvalidConfig),
    ] {
        let cleared = gate
            .clear(gate.egress(&record, with_secret(prepared(&record))))
            .await;
        let other = World::new(2);
        other.memory.bind_secret("vault:k", origin, value);
        let transport = Transport::new(
            Arc::new(other.memory.clone()),
            Arc::new(gate.memory.clone()),
            Limits::default(),
        )
        .expect("a transport");
        let error = transport.send(&cleared).await.expect_err("refused");
        assert_eq!((error.error.code, error.in_doubt), (code, false));
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
    server.assert_untouched();
}
