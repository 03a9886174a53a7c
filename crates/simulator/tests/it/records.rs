//! What the simulator saw, who may call it, and how it ends.

use std::time::Duration;

use handshake_simulator::{Fault, MAX_BODY_BYTES, Rule, Script, SimConfig, SimError, Simulator};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{OLLAMA, OPENAI, PATIENCE, begin, chat, exchange, get, parse, post, scripted};

#[tokio::test]
async fn a8_a_connection_that_sends_nothing_counts_but_has_no_bytes() {
    let sim = scripted(Script::new()).await;
    assert_eq!(
        (sim.connections(), sim.bytes_received(), sim.requests()),
        (0, 0, 0)
    );
    let stream = TcpStream::connect(sim.addr()).await.expect("connects");
    let seen = async {
        while sim.connections() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .expect("the connection is counted");
    assert_eq!((sim.bytes_received(), sim.requests()), (0, 0));
    drop(stream);
    tokio::time::timeout(PATIENCE, sim.wait_idle())
        .await
        .expect("gone");
}

#[tokio::test]
async fn bytes_count_even_where_no_request_comes_of_them() {
    let sim = scripted(Script::new()).await;
    let mut stream = TcpStream::connect(sim.addr()).await.expect("connects");
    stream.write_all(b"POST /api/ch").await.expect("writes");
    let seen = async {
        while sim.bytes_received() < 12 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .expect("the bytes are counted");
    assert_eq!((sim.bytes_received(), sim.requests()), (12, 0));
}

#[tokio::test]
async fn requests_are_kept_as_they_came() {
    let sim = scripted(Script::new()).await;
    let body = chat(false).to_string();
    exchange(
        &sim,
        "POST",
        "/api/chat?x=1",
        "X-Trace: abc\r\nauthorization: Bearer k\r\n",
        &body,
    )
    .await;
    get(&sim, "/api/version").await;
    tokio::time::timeout(PATIENCE, sim.wait_for_requests(2))
        .await
        .expect("both came");
    let received = sim.received();
    assert_eq!(received.len(), 2);
    let first = &received[0];
    assert_eq!((first.at_index, first.method.as_str()), (0, "POST"));
    assert_eq!(
        (first.path.as_str(), first.query.as_deref()),
        ("/api/chat", Some("x=1"))
    );
    assert_eq!(
        (first.header("x-trace"), first.header("authorization")),
        (Some("abc"), Some("Bearer k"))
    );
    assert_eq!(first.body, body.as_bytes());
    assert_eq!(first.json(), Some(chat(false)));
    assert_eq!(
        (received[1].at_index, received[1].path.as_str()),
        (1, "/api/version")
    );
    assert!(sim.bytes_received() > body.len() as u64);
    assert_eq!(sim.connections(), 2);
    let shown = format!("{first:?}");
    assert!(
        !shown.contains("Bearer") && !shown.contains("hello"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let sim = scripted(Script::new()).await;
    let mut stream = TcpStream::connect(sim.addr()).await.expect("connects");
    let body = chat(true).to_string();
    for path in [OLLAMA, OPENAI] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut bytes = Vec::new();
        while !parse(&bytes).is_some_and(|answer| answer.whole) {
            let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut bytes)).await;
            assert_ne!(read.expect("in time").expect("reads"), 0, "still open");
        }
    }
    assert_eq!((sim.connections(), sim.requests()), (1, 2));
}

#[tokio::test]
async fn q124_a_wrong_token_is_refused_and_partly_said_back() {
    let config = SimConfig::default().require_token("sk-right-token-0123456789");
    assert!(!format!("{config:?}").contains("sk-right"));
    let sim = Simulator::start(config).await.expect("starts");
    let body = chat(false).to_string();
    let ask = |path: &'static str, head: &'static str| exchange(&sim, "POST", path, head, &body);

    let none = ask(OPENAI, "").await.expect("answers");
    assert_eq!(
        (none.status, none.json()["error"]["code"].clone()),
        (401, json!("invalid_api_key"))
    );
    let wrong = "authorization: Bearer sk-wrong-token-987654321\r\n";
    let openai = ask(OPENAI, wrong).await.expect("answers");
    assert_eq!(openai.status, 401);
    insta::assert_snapshot!("unauthorized_openai", openai.text());
    let ollama = ask(OLLAMA, wrong).await.expect("answers");
    assert_eq!(ollama.status, 401);
    insta::assert_snapshot!("unauthorized_ollama", ollama.text());
    assert_eq!(get(&sim, "/api/tags").await.status, 401);
    assert_eq!(get(&sim, "/v1/models").await.status, 401);
    let right = "authorization: Bearer sk-right-token-0123456789\r\n";
    assert_eq!(ask(OPENAI, right).await.expect("answers").status, 200);
    let azure = "api-key: sk-right-token-0123456789\r\n";
    assert_eq!(ask(OPENAI, azure).await.expect("answers").status, 200);
    assert_eq!(sim.requests(), 7, "refused requests are kept, too");
}

#[tokio::test]
async fn bodies_are_bounded() {
    let sim = scripted(Script::new()).await;
    let large = "x".repeat(MAX_BODY_BYTES + 1);
    let mut stream = TcpStream::connect(sim.addr()).await.expect("connects");
    let head = format!(
        "POST /api/chat HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        large.len()
    );
    stream.write_all(head.as_bytes()).await.expect("writes");
    // The server may stop reading before all of it is written.
    stream.write_all(large.as_bytes()).await.ok();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("answers");
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert!(sim.received()[0].body.is_empty());
}

#[tokio::test]
async fn shutdown_cuts_what_is_open_and_frees_the_port() {
    let stalled = Script::new().rule(Rule::new(Fault::StallAfter { bytes: 5, ms: None }));
    let sim = scripted(stalled).await;
    let addr = sim.addr();
    let mut stalled = begin(&sim, "POST", OLLAMA, "", &chat(true).to_string()).await;
    let mut idle = TcpStream::connect(addr).await.expect("connects");
    sim.wait_for_requests(1).await;
    tokio::time::timeout(Duration::from_secs(2), sim.shutdown())
        .await
        .expect("does not wait for stalls");
    for stream in [&mut stalled, &mut idle] {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        end.expect("the connection ended").ok();
    }
    assert!(TcpStream::connect(addr).await.is_err());
    let again = SimConfig {
        port: addr.port(),
        ..SimConfig::default()
    };
    let again = Simulator::start(again).await.expect("the port is free");
    let taken = SimConfig {
        port: addr.port(),
        ..SimConfig::default()
    };
    let error = Simulator::start(taken).await.err();
    assert!(matches!(error, Some(SimError::Bind { .. })));
    drop(again);
}

#[tokio::test]
async fn dropping_stops_it() {
    let sim = scripted(Script::new()).await;
    let addr = sim.addr();
    let mut open = TcpStream::connect(addr).await.expect("connects");
    get(&sim, "/api/version").await;
    drop(sim);
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, open.read_to_end(&mut rest)).await;
    end.expect("the connection ended").ok();
    let closed = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed)
        .await
        .expect("the port is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once() {
    let sim = std::sync::Arc::new(scripted(Script::new()).await);
    let mut tasks = Vec::new();
    for n in 0..64 {
        let sim = std::sync::Arc::clone(&sim);
        tasks.push(tokio::spawn(async move {
            let request = json!({"model": "sim-small", "stream": false,
                "messages": [{"role": "user", "content": format!("number {n}.")}]});
            let path = if n % 2 == 0 { OLLAMA } else { OPENAI };
            post(&sim, path, &request)
                .await
                .text()
                .contains(&format!("number {n}."))
        }));
    }
    for task in tasks {
        assert!(task.await.expect("finishes"));
    }
    let mut indices: Vec<u64> = sim.received().iter().map(|one| one.at_index).collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..64).collect::<Vec<u64>>());
}
