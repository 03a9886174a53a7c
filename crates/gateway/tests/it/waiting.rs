//! A person is asked, and the client waits.

use std::time::Duration;

use handshake_core::tier::Reach;

use super::{
    home::{Home, ask},
    upstream::{Piece, Upstream, say},
};

const CHUNK: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

async fn home(silence: Duration, waiting: usize) -> (Home, Upstream) {
    let upstream = Upstream::stream(vec![say(CHUNK), say(DONE)]).await;
    let home = Home::with(|limits| {
        limits.silence = silence;
        limits.comments = Duration::from_millis(20);
        limits.waiting = waiting;
    })
    .await;
    home.provider("cloud", "openai_compat", &upstream.url(), Reach::Relay)
        .await;
    (home, upstream)
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_an_approval_within_the_silence_leaves_no_trace_in_the_answer() {
    let (home, _upstream) = home(Duration::from_secs(600), 64).await;
    let body = ask("cloud", true, "");
    let (answer, ()) = tokio::join!(home.post("", &body), home.approve());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.text(), format!("{CHUNK}{DONE}"));
    assert_eq!(answer.header("x-request-id").as_deref(), Some("req-7"));
    assert_eq!(answer.header("x-handshake-tier").as_deref(), Some("cloud"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_after_the_silence_comments_keep_a_stream_alive() {
    let (home, upstream) = home(Duration::from_millis(50), 64).await;
    let mut client = home.open("", &ask("cloud", true, "")).await;
    assert!(client.see(": waiting").await);
    assert_eq!(upstream.bodies().len(), 0, "nothing left meanwhile");
    home.approve().await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(text.starts_with(": waiting\n\n"), "{text}");
    assert!(text.ends_with(&format!("{CHUNK}{DONE}")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_a_slow_upstream_is_waited_for_without_a_word() {
    let upstream = Upstream::start(vec![
        Piece::Wait,
        say(
            "HTTP/1.1 503 Loading\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        ),
    ]);
    let upstream = upstream.await;
    let home = Home::with(|limits| {
        limits.silence = Duration::from_millis(10);
        limits.comments = Duration::from_millis(10);
    })
    .await;
    home.local(&upstream.url()).await;
    let go_on = async {
        while upstream.bodies().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        for _ in 0..8 {
            upstream.go_on();
        }
    };
    let body = ask("local", true, "");
    let (answer, ()) = tokio::join!(home.post("", &body), go_on);
    assert_eq!(
        answer.status, 503,
        "nobody is asked, so the head is the provider's: {}",
        answer.head
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_calls_that_wait_for_a_person_have_a_limit_of_their_own() {
    let (home, _upstream) = home(Duration::from_secs(600), 1).await;
    let first = home.open("", &ask("cloud", true, "")).await;
    home.pending().await;
    let second = home.post("", &ask("cloud", true, r#","user":"x""#)).await;
    assert_eq!(second.status, 429, "{}", second.text());
    assert!(second.header("retry-after").is_some());
    assert_eq!(second.json()["error"]["type"], "rate_limit_error");
    home.approve().await;
    let first = first.answer().await;
    assert_eq!(first.status, 200, "{}", first.text());
}
