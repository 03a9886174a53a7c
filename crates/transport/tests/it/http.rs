//! The transport against raw servers: what is sent, what is refused, and how failures are told apart.

use std::{net::SocketAddr, time::Duration};

use handshake_core::{
    code::{ErrorClass, ErrorCode, Phase},
    error::{CallError, SendError},
};
use handshake_testkit::{capture::Capture, gate::World};
use handshake_transport::{Limits, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    calls::{cleared, cleared_for, record, transport},
    server::{Act, Server},
};

const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: 2\r\n\r\n{}";

fn quick() -> Limits {
    Limits {
        connect_timeout: Duration::from_millis(500),
        head_timeout: Duration::from_millis(600),
        idle_timeout: Duration::from_millis(300),
        ..Limits::default()
    }
}

async fn send(base_url: &str, limits: Limits) -> Result<Response, SendError> {
    let world = World::new(1);
    let record = record(base_url);
    world.register(&record).await;
    transport(&world, limits)
        .send(&cleared(&world, &record).await)
        .await
}

/// The failure of reading a whole answer.
async fn body_failure(answer: &'static [u8], limits: Limits) -> CallError {
    let server = Server::answering(answer).await;
    let response = send(&server.url(), limits).await.expect("a head");
    response.whole(1 << 20).await.expect_err("a failure")
}

/// The failure at the head.
async fn head_failure(acts: Vec<Act>) -> SendError {
    let server = Server::start(acts).await;
    send(&server.url(), quick()).await.expect_err("a failure")
}

#[tokio::test]
async fn s22_the_wire_carries_the_manifest_host_and_length_and_nothing_else() {
    let server = Server::answering(OK).await;
    let response = send(&server.url(), Limits::default())
        .await
        .expect("a head");
    assert_eq!(response.head.status, 200);
    assert_eq!(
        response.head.content_type.as_deref(),
        Some("application/x-ndjson")
    );
    assert_eq!(&response.whole(10).await.expect("a body")[..], b"{}");
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let mut lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /api/chat HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept-encoding: identity",
            "accept: application/x-ndjson",
            "content-length: 13",
            "content-type: application/json",
            &format!("host: {}", server.address),
        ]
    );
    assert_eq!(body, "{\"model\":\"m\"}");
}

#[tokio::test]
async fn a15_a_redirect_is_an_answer_and_nothing_is_dialled() {
    let elsewhere = Capture::start(b"").await;
    let head = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}/api/chat\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    );
    let server = Server::answering(head.leak().as_bytes()).await;
    let response = send(&server.url(), Limits::default())
        .await
        .expect("a head");
    assert_eq!(response.head.status, 307);
    elsewhere.assert_untouched();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn s21_an_address_outside_the_clearance_is_never_dialled() {
    let server = Server::answering(OK).await;
    let port = server.address.port();
    let world = World::new(1);
    let literal = record(&server.url());
    let localhost = record(&format!("http://localhost:{port}"));
    let other_port = record(&format!("http://127.0.0.1:{}", port ^ 1));
    for (record, peer, subject) in [
        (&literal, format!("127.0.0.2:{port}"), "address"),
        (&other_port, format!("127.0.0.1:{port}"), "port"),
    ] {
        let peers: [SocketAddr; 1] = [peer.parse().expect("an address")];
        let cleared = cleared_for(&world, record, &peers).await;
        let error = transport(&world, Limits::default())
            .send(&cleared)
            .await
            .expect_err("refused");
        assert_eq!(error.error.code, ErrorCode::SsrfBlocked);
        assert_eq!(
            (error.error.subject, error.in_doubt),
            (Some(subject), false)
        );
    }
    assert!(server.requests().is_empty(), "somebody connected");

    // A name goes to the pinned address, without any resolver.
    let pinned = cleared_for(&world, &localhost, &[server.address]).await;
    let response = transport(&world, Limits::default())
        .send(&pinned)
        .await
        .expect("a head");
    assert_eq!(response.head.status, 200);
    assert!(server.requests()[0].contains(&format!("host: localhost:{port}")));
}

#[tokio::test]
async fn s18_a_clearance_may_not_be_parked() {
    let server = Capture::start(OK).await;
    let world = World::new(1);
    let record = record(&server.url());
    world.register(&record).await;
    let cleared = cleared(&world, &record).await;
    world.memory.advance(Duration::from_secs(3600));
    let error = transport(&world, Limits::default())
        .send(&cleared)
        .await
        .expect_err("refused");
    assert_eq!(
        (error.error.code, error.error.subject),
        (ErrorCode::Timeout, Some("clearance"))
    );
    assert!(!error.in_doubt);
    server.assert_untouched();
}

#[tokio::test]
async fn s20_a_lost_request_is_not_sent_again() {
    let server = Server::start(vec![]).await;
    let error = send(&server.url(), quick()).await.expect_err("no answer");
    assert!(error.in_doubt);
    assert_eq!(
        (error.error.code, error.error.phase),
        (ErrorCode::Provider, Phase::Status)
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_not_ready_and_nothing_was_sent() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = send(&url, quick()).await.expect_err("refused");
    assert!(!error.in_doubt);
    assert_eq!(error.error.code, ErrorCode::NotReady);
    assert_eq!(
        (error.error.class, error.error.phase),
        (ErrorClass::Transient, Phase::Connect)
    );
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_the_clear() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let greeted = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .expect("written");
        let mut said = Vec::new();
        // The client may reset the connection; what it said until then counts.
        let _ended = socket.read_to_end(&mut said).await;
        said
    });
    let error = send(&url, quick()).await.expect_err("no handshake");
    assert_eq!(
        (error.error.code, error.error.subject),
        (ErrorCode::Protocol, Some("tls"))
    );
    assert_eq!(
        (error.error.class, error.error.phase),
        (ErrorClass::Permanent, Phase::Connect)
    );
    assert!(!error.in_doubt);
    let said = greeted.await.expect("joined");
    assert!(!said.windows(5).any(|bytes| bytes == b"model"));
}

#[tokio::test]
async fn a14_a_head_that_does_not_come_is_a_timeout_in_doubt() {
    let error = head_failure(vec![Act::Wait(Duration::from_secs(30))]).await;
    assert_eq!(
        (error.error.code, error.error.phase),
        (ErrorCode::Timeout, Phase::Status)
    );
    assert!(error.in_doubt);
}

#[tokio::test]
async fn a_head_that_breaks_http_is_a_protocol_error() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200)).leak();
    for head in [
        &b"SSH-2.0-OpenSSH_9.9\r\n\r\n"[..],
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        many.as_bytes(),
    ] {
        let error = head_failure(vec![Act::Send(head)]).await;
        assert_eq!(
            error.error.code,
            ErrorCode::Protocol,
            "{}",
            String::from_utf8_lossy(head)
        );
        assert!(error.in_doubt);
    }
}

#[tokio::test]
async fn b5_a_body_that_breaks_off_is_truncated() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{}"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    ] {
        let error = body_failure(answer, quick()).await;
        assert_eq!(
            (error.code, error.phase),
            (ErrorCode::StreamTruncated, Phase::Stream)
        );
    }
}

#[tokio::test]
async fn q105_a_body_that_stalls_is_a_timeout() {
    let server = Server::start(vec![
        Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{"),
        Act::Gone,
    ])
    .await;
    let response = send(&server.url(), quick()).await.expect("a head");
    let error = response.whole(100).await.expect_err("stalled");
    assert_eq!(
        (error.code, error.phase),
        (ErrorCode::Timeout, Phase::Stream)
    );
    server.seen_gone().await;
}

#[tokio::test]
async fn q99_a_body_beyond_its_bound_is_refused_and_a_prefix_is_not() {
    let answer = b"HTTP/1.1 500 X\r\ncontent-length: 10\r\n\r\n0123456789";
    let limits = Limits {
        max_body_bytes: 9,
        ..quick()
    };
    assert_eq!(
        body_failure(answer, limits).await.code,
        ErrorCode::StreamLimit
    );
    let server = Server::answering(answer).await;
    let response = send(&server.url(), quick()).await.expect("a head");
    assert_eq!(
        response.whole(9).await.expect_err("a bound").code,
        ErrorCode::StreamLimit
    );
    let response = send(&server.url(), quick()).await.expect("a head");
    assert_eq!(&response.prefix(4).await[..], b"0123");
}

#[tokio::test]
async fn a14_retry_after_is_read_from_the_head() {
    let server = Server::answering(
        b"HTTP/1.1 429 Slow Down\r\nretry-after: 7\r\ncontent-type: Application/JSON; charset=utf-8\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let response = send(&server.url(), quick()).await.expect("a head");
    assert_eq!(response.head.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(
        response.head.content_type.as_deref(),
        Some("application/json")
    );
}

#[tokio::test]
async fn dropping_a_response_closes_the_connection() {
    let server = Server::start(vec![
        Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{"),
        Act::Gone,
    ])
    .await;
    drop(send(&server.url(), quick()).await.expect("a head"));
    server.seen_gone().await;
}

#[tokio::test]
async fn a2_errors_hold_neither_url_nor_payload() {
    let error = head_failure(vec![]).await;
    for text in [format!("{error:?}"), error.to_string()] {
        assert!(
            !text.contains("127.0.0.1") && !text.contains("api/chat"),
            "{text}"
        );
    }
}
