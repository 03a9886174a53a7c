//! What one client can do to all others: nothing, within the stated bounds.

use std::time::Duration;

use super::{
    client::{Client, head},
    home::{Home, TOKEN, ask},
    upstream::{Piece, Upstream, say},
};

const CHUNK: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"begun\"}}]}\n\n";
const DONE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const PATH: &str = "/v1/chat/completions";

fn bearer() -> String {
    format!("authorization: Bearer {TOKEN}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_stream_holds_its_place_to_its_end() {
    let upstream = Upstream::stream(vec![say(CHUNK), Piece::Wait, say(DONE)]).await;
    let home = Home::with(|limits| limits.calls = 2).await;
    home.local(&upstream.url()).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = home.open("", &ask("local", true, "")).await;
        assert!(client.see("begun").await, "its answer has begun");
        open.push(client);
    }
    let more = home.post("", &ask("local", true, "")).await;
    assert_eq!(more.status, 429, "{}", more.text());
    assert_eq!(more.header("retry-after").as_deref(), Some("1"));
    assert_eq!(more.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(home.request("GET", "/healthz", "", "").await.status, 200);
    upstream.go_on();
    upstream.go_on();
    for client in open {
        assert_eq!(client.answer().await.status, 200);
    }
    upstream.go_on();
    let after = home.post("", &ask("local", true, "")).await;
    assert_eq!(after.status, 200, "the places are free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_client_that_hangs_up_gives_its_place_back() {
    let upstream = Upstream::stream(vec![say(CHUNK), Piece::Wait, say(DONE)]).await;
    let home = Home::with(|limits| limits.calls = 1).await;
    home.local(&upstream.url()).await;
    let mut client = home.open("", &ask("local", true, "")).await;
    assert!(client.see("begun").await);
    drop(client);
    for _ in 0..8 {
        upstream.go_on();
    }
    for _ in 0..500 {
        if home.post("", &ask("local", true, "")).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place is still taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_many_streams_run_at_once() {
    let upstream = Upstream::stream(vec![say(CHUNK), Piece::Wait, say(DONE)]).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let mut open = Vec::new();
    for _ in 0..150 {
        open.push(home.open("", &ask("local", true, "")).await);
    }
    for client in &mut open {
        assert!(client.see("begun").await);
    }
    for _ in 0..150 {
        upstream.go_on();
    }
    for client in open {
        let answer = client.answer().await;
        assert_eq!(answer.text(), format!("{CHUNK}{DONE}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s71_heads_are_bounded_in_size_and_time() {
    let home = Home::with(|limits| limits.header_time = Duration::from_millis(300)).await;
    let mut large = Client::connect(home.address).await;
    let more = format!("{}x-large: {}\r\n", bearer(), "x".repeat(17 << 10));
    large
        .say(head(home.address, "GET", "/v1/models", &more, 0))
        .await;
    let answer = large.rest().await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.contains(" 431 "), "{answer}");
    let mut many = Client::connect(home.address).await;
    let more = bearer() + &"x-many: 1\r\n".repeat(200);
    many.say(head(home.address, "GET", "/v1/models", &more, 0))
        .await;
    let answer = many.rest().await;
    assert!(String::from_utf8_lossy(&answer).contains(" 431 "));
    // Drips: a byte now and then is no progress.
    let mut drip = Client::connect(home.address).await;
    let text = head(home.address, "GET", "/v1/models", &bearer(), 0);
    let closed = async {
        for byte in text.as_bytes() {
            drip.say([*byte]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drip.rest().await
    };
    let answer = closed.await;
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    // And silence is cut as well.
    let silent = Client::connect(home.address).await;
    assert!(!String::from_utf8_lossy(&silent.rest().await).contains(" 200 "));
    assert_eq!(home.request("GET", "/v1/models", "", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn s71_bodies_are_bounded_in_size_and_time() {
    let home = Home::with(|limits| {
        limits.body_idle = Duration::from_millis(200);
        limits.body_time = Duration::from_millis(600);
    })
    .await;
    let open = async |length: usize| {
        let mut client = Client::connect(home.address).await;
        client
            .say(head(home.address, "POST", PATH, &bearer(), length))
            .await;
        client
    };
    // A body that says how large it is is refused unread.
    let answer = open(64 << 20).await.answer().await;
    assert_eq!(answer.status, 413);
    // One that stands still.
    let mut still = open(1000).await;
    still.say("{").await;
    assert_eq!(still.answer().await.status, 408);
    // One that drips: each byte is progress, and the whole is not.
    let mut drip = open(1000).await;
    for _ in 0..12 {
        drip.say(" ").await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(drip.answer().await.status, 408);
    // One that never says how large it is.
    let mut endless = Client::connect(home.address).await;
    endless
        .say(format!(
            "POST {PATH} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{}transfer-encoding: chunked\r\n\r\n",
            home.address,
            bearer()
        ))
        .await;
    let piece = vec![b'['; 1 << 20];
    for _ in 0..64 {
        endless.say(format!("{:x}\r\n", piece.len())).await;
        endless.say(&piece).await;
        endless.say("\r\n").await;
    }
    let answer = endless.rest().await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.contains(" 413 "), "{answer}");
    assert_eq!(home.request("GET", "/v1/models", "", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn s71_nested_and_scattered_bodies_are_refused() {
    let upstream = Upstream::stream(vec![say(CHUNK), say(DONE)]).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let nested = format!(r#","x":{}"#, "[".repeat(15 << 20));
    let scattered = format!(r#","x":[{}0]"#, "0,".repeat(7 << 20));
    for more in [nested, scattered] {
        let (bad, good) = (ask("local", false, &more), ask("local", true, ""));
        let (answer, healthy) = tokio::join!(home.post("", &bad), home.post("", &good));
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(healthy.status, 200, "others are served meanwhile");
    }
    let bodies = upstream.bodies();
    assert!(
        bodies.iter().all(|body| body.len() < 200),
        "nothing was sent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s71_bytes_that_are_held_at_once_are_bounded() {
    let home = Home::with(|limits| limits.held_bytes = 64 << 10).await;
    let second = " ".repeat(40 << 10);
    // The one that is read first is held, and that need not be the one that was sent first.
    for patience in [50, 200, 800, 3_200] {
        let mut first = Client::connect(home.address).await;
        first
            .say(head(home.address, "POST", PATH, &bearer(), 60 << 10))
            .await;
        first.say(" ".repeat(48 << 10)).await;
        tokio::time::sleep(Duration::from_millis(patience)).await;
        let answer = home.post("", &second).await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some());
            first.say(" ".repeat(12 << 10)).await;
            assert_eq!(first.answer().await.status, 400, "blanks are no request");
            assert_eq!(
                home.post("", &second).await.status,
                400,
                "and hold nothing any more"
            );
            return;
        }
    }
    panic!("both were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn s71_idle_connections_keep_nobody_out() {
    let home = Home::with(|limits| limits.header_time = Duration::from_secs(2)).await;
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(Client::connect(home.address).await);
    }
    assert_eq!(home.request("GET", "/v1/models", "", "").await.status, 200);
    for client in idle {
        let said = client.rest().await;
        assert!(!String::from_utf8_lossy(&said).contains(" 200 "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s71_at_the_bound_on_connections_the_next_one_waits_its_turn() {
    let home = Home::with(|limits| {
        limits.connections = 2;
        limits.header_time = Duration::from_millis(300);
    })
    .await;
    let _idle = [
        Client::connect(home.address).await,
        Client::connect(home.address).await,
    ];
    let answer = home.request("GET", "/healthz", "", "").await;
    assert_eq!(answer.status, 200, "the idle ones are cut in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_a_gateway_that_is_told_to_stop_lets_calls_end() {
    let upstream = Upstream::stream(vec![say(CHUNK), Piece::Wait, say(DONE)]).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let mut client = home.open("", &ask("local", true, "")).await;
    assert!(client.see("begun").await);
    let address = home.address;
    let go_on = async {
        // The listener is closed at once, and the call goes on.
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        upstream.go_on();
        client.answer().await
    };
    let (answer, ()) = tokio::join!(go_on, home.stop());
    assert_eq!(answer.text(), format!("{CHUNK}{DONE}"));
}
