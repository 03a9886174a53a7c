//! Which headers of an answer may reach a client of the same shape.

use handshake_testkit::gate::World;
use handshake_transport::Limits;

use crate::{
    calls::{cleared, record, transport},
    server::Server,
};

async fn forwarded(head: String) -> Vec<(String, String)> {
    let server = Server::answering(head.leak().as_bytes()).await;
    let record = record(&server.url());
    let world = World::new(1);
    world.register(&record).await;
    let response = transport(&world, Limits::default())
        .send(&cleared(&world, &record).await)
        .await
        .expect("a head");
    response.forwarded().into_iter().collect()
}

#[tokio::test]
async fn headers_are_forwarded_by_a_list_and_as_they_were_given() {
    let long = "x".repeat(1025);
    let seen = forwarded(format!(
        "HTTP/1.1 429 Slow Down\r\ncontent-length: 0\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n\
         Retry-After: 7\r\nx-request-id: r-1\r\nx-request-id: r-2\r\nx-should-retry: caf\u{e9}\r\n\
         x-ratelimit-remaining-tokens: 5\r\nanthropic-ratelimit-requests-limit: 6\r\nx-ratelimit-: 1\r\n\
         request-id: {long}\r\nset-cookie: a=b\r\nserver: s\r\nlocation: http://127.0.0.1/\r\n\
         openai-organization: o\r\nx-other: y\r\nconnection: close\r\n\r\n"
    ))
    .await;
    let seen: Vec<_> = seen
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("anthropic-ratelimit-requests-limit", "6"),
            ("content-type", "Text/Event-Stream; charset=utf-8"),
            ("retry-after", "7"),
            ("x-ratelimit-remaining-tokens", "5"),
            ("x-request-id", "r-1"),
        ]
    );
}

#[tokio::test]
async fn no_more_than_32_headers_are_forwarded_and_the_named_ones_first() {
    let many: String = (0..50)
        .map(|at| format!("x-ratelimit-{at:02}: 1\r\n"))
        .collect();
    let seen = forwarded(format!(
        "HTTP/1.1 200 OK\r\n{many}content-length: 0\r\nx-request-id: r\r\n\r\n"
    ))
    .await;
    assert_eq!(seen.len(), 32);
    assert!(seen.iter().any(|(name, _)| name == "x-request-id"));
}
