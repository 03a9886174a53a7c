//! The client and the provider speak the same shape: the bytes go through, both ways.

use std::time::Duration;

use handshake_core::{
    capability::{Claims, Feature},
    ports::ProviderStore,
    tier::Reach,
};
use handshake_testkit::fixture;

use super::{
    home::{Home, SECRET, ask},
    upstream::{Piece, Upstream, say},
};

const FIRST: &str = "data: {\"id\" : \"chatcmpl-XYZ\",\"object\":\"chat.completion.chunk\",\"created\":17,\"model\":\"m\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"on\\u0065 \"},\"logprobs\":{\"content\":[]},\"finish_reason\":null}],\"future\":{\"a\":1.50}}\n\n";
const SECOND: &str = "data: {\"id\":\"chatcmpl-XYZ\",\"object\":\"chat.completion.chunk\",\"created\":17,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"two\"},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[tokio::test(flavor = "multi_thread")]
async fn c1_a_stream_is_the_providers_bytes_and_head() {
    let upstream = Upstream::stream(vec![say(FIRST), say(": ping\n\n"), say(SECOND), say(DONE)]);
    let upstream = upstream.await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let body = "{\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00ef\"}], \"stream\" : true,\n\"future\":{\"b\":1,\"a\":[]},\"model\":\"local/m\"}";
    let answer = home.post("", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.text(), format!("{FIRST}: ping\n\n{SECOND}{DONE}"));
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("text/event-stream")
    );
    assert_eq!(answer.header("x-request-id").as_deref(), Some("req-7"));
    assert_eq!(answer.header("x-handshake-tier").as_deref(), Some("local"));
    assert!(answer.header("x-handshake-trace").is_some());
    assert_eq!(
        upstream.bodies(),
        [body.replace("local/m", "m")],
        "the client's bytes but for the model"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_an_object_is_the_providers_bytes_and_head() {
    let object = "{ \"id\":\"chatcmpl-9\",\n \"object\":\"chat.completion\",\"created\":17,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"one two\",\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3},\"timings\":{\"ms\":1.250} }\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-ratelimit-remaining-requests: 4\r\nset-cookie: a=b\r\nserver: theirs\r\n";
    let upstream = Upstream::whole(head, object).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let answer = home.post("", &ask("local", false, "")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.text(), object);
    let length = answer.header("content-length");
    assert_eq!(length.as_deref(), Some(object.len().to_string().as_str()));
    assert_eq!(
        answer.header("x-ratelimit-remaining-requests").as_deref(),
        Some("4")
    );
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.header("server"), None);
    let overhead = answer.header("x-handshake-overhead-us").expect("known");
    assert!(overhead.parse::<u64>().expect("a number") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_what_only_the_provider_understands_reaches_it() {
    let upstream = Upstream::stream(vec![say(FIRST), say(SECOND), say(DONE)]).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    for body in [
        r#"{"model":"local/m","stream":true,"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"","format":"wav"}}]}]}"#,
        r#"{"model":"local/m","stream":true,"messages":[{"role":"critic","content":"x"}]}"#,
        r#"{"model":"local/m","stream":true,"seed":"abc","messages":[{"role":"user","content":"x","weight":1}]}"#,
    ] {
        let answer = home.post("", body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        let sent = upstream.bodies().pop().expect("sent");
        assert_eq!(sent, body.replace("local/m", "m"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_an_error_before_the_first_byte_is_the_providers_own() {
    let said = r#"{"error":{"message":"context_length_exceeded: 9 > 8","type":"exceed_context_size_error","n_ctx":8}}"#;
    let head =
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nx-request-id: req-9\r\n";
    let upstream = Upstream::whole(head, said).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    for stream in [true, false] {
        let answer = home.post("", &ask("local", stream, "")).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.text(), said, "so that the client can compact");
        assert_eq!(answer.header("x-request-id").as_deref(), Some("req-9"));
        assert!(answer.header("x-handshake-trace").is_some());
    }
    let slow =
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 300\r\n";
    let upstream = Upstream::whole(slow, r#"{"error":{"message":"slow down"}}"#).await;
    home.provider("busy", "openai_compat", &upstream.url(), Reach::Relay)
        .await;
    let (answer, ()) = tokio::join!(home_post_cloud(&home), home.approve());
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.header("retry-after").as_deref(), Some("300"));
    assert_eq!(answer.text(), r#"{"error":{"message":"slow down"}}"#);
}

async fn home_post_cloud(home: &Home) -> super::client::Answer {
    home.post("", &ask("busy", false, "")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_a_failure_after_the_first_byte_ends_in_an_error_and_without_done() {
    // Cut, and a finish without its evidence.
    let upstream = Upstream::stream(vec![say(FIRST)]).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let answer = home.post("", &ask("local", true, "")).await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let rest = text.strip_prefix(FIRST).expect("what came before it");
    let error = rest.strip_prefix("data: ").expect("an event").trim_end();
    let error: serde_json::Value = serde_json::from_str(error).expect("JSON");
    assert_eq!(
        error["error"]["code"], "HSK-502-STREAM-TRUNCATED",
        "{error}"
    );
    assert!(!text.contains("[DONE]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_an_enrolled_secret_does_not_come_back_in_an_answer() {
    let leak = FIRST.replace("on\\u0065 ", SECRET);
    let upstream = Upstream::stream(vec![say(&leak), say(SECOND), say(DONE)]).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let answer = home.post("", &ask("local", true, "")).await;
    let text = answer.text();
    assert_eq!(text, leak.replace(SECRET, "[REDACTED]") + SECOND + DONE);
    let head =
        format!("HTTP/1.1 500 Oops\r\ncontent-type: text/plain\r\nx-request-id: {SECRET}\r\n");
    let upstream = Upstream::whole(&head, &format!("your key {SECRET}")).await;
    home.provider("other", "openai_compat", &upstream.url(), Reach::Direct)
        .await;
    let answer = home.post("", &ask("other", false, "")).await;
    assert_eq!(answer.status, 500);
    assert!(!answer.head.contains(SECRET) && !answer.text().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_a_client_that_hangs_up_cancels_the_upstream_call() {
    let upstream = Upstream::stream(vec![say(FIRST), Piece::Wait, say(SECOND), say(DONE)]).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let mut client = home.open("", &ask("local", true, "")).await;
    assert!(client.see("chatcmpl-XYZ").await);
    assert_eq!(upstream.hung_up(), 0);
    drop(client);
    for _ in 0..500 {
        if upstream.hung_up() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the upstream call goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_admission_holds_for_bodies_that_go_through() {
    let upstream = Upstream::stream(vec![say(FIRST), say(SECOND), say(DONE)]).await;
    let home = Home::new().await;
    let record = fixture::record("plain", "openai_compat", &upstream.url(), Reach::Direct);
    home.world.register(&record).await;
    home.model(&record, "m").await;
    home.change(|view| {
        let model = "plain/m".parse().expect("a model");
        let known = view.snapshots.get_mut(&model).expect("known");
        let claims = Claims {
            features: [(Feature::SupportsStreaming, true)].into(),
            limits: Default::default(),
        };
        *known = fixture::snapshot(&record, "m", claims);
    });
    let snapshot = home.feed_snapshot("plain/m").expect("known");
    let model = "plain/m".parse().expect("a model");
    home.world
        .memory
        .put_snapshot(&model, snapshot)
        .await
        .expect("stored");
    assert_eq!(home.post("", &ask("plain", true, "")).await.status, 200);
    let tools = r#","tools":[{"type":"function","function":{"name":"a"}}]"#;
    let answer = home.post("", &ask("plain", true, tools)).await;
    assert_eq!(answer.status, 501, "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "HSK-501-CAPABILITY-UNKNOWN");
    let picture = r#"{"model":"plain/m","stream":true,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]}]}"#;
    assert_eq!(home.post("", picture).await.status, 501);
    assert_eq!(upstream.bodies().len(), 1, "nothing of them was sent");
}

/// An answer of the provider with this text, and the head of it.
fn object(text: &str, finish: &str) -> (&'static str, String) {
    let text = serde_json::to_string(text).expect("text");
    let object = format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":{text}}},"finish_reason":"{finish}"}}]}}"#
    );
    (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
        object,
    )
}

fn form(schema: &str, strict: &str) -> String {
    format!(
        r#","response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}{strict}}}}}"#
    )
}

const ANSWERED: &str = r#"{"type":"object","required":["answer"]}"#;
const ELSEWHERE: &str = r#"{"$ref":"https://example.com/schema.json"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn b4_an_answer_that_breaks_the_clients_schema_is_no_success_strict_or_not() {
    for (text, finish, good) in [
        (r#"{"answer":42}"#, "stop", true),
        (r#"{"question":42}"#, "stop", false),
        ("forty-two", "stop", false),
        (r#"{"answer":4"#, "length", false),
    ] {
        let (head, object) = object(text, finish);
        let upstream = Upstream::whole(head, &object).await;
        let home = Home::new().await;
        home.local(&upstream.url()).await;
        for strict in ["", r#","strict":false"#, r#","strict":true"#] {
            let body = ask("local", false, &form(ANSWERED, strict));
            let answer = home.post("", &body).await;
            if good {
                assert_eq!((answer.status, answer.text()), (200, object.clone()));
            } else {
                assert_ne!(answer.status, 200, "{strict}");
                let said = answer.text();
                assert!(said.contains("HSK-422-STRUCTURED-OUTPUT-INVALID"), "{said}");
                assert!(!said.contains("forty-two"), "{said}");
            }
        }
        assert_eq!(upstream.bodies().len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_stream_that_breaks_the_clients_schema_does_not_end_well() {
    let upstream = Upstream::stream(vec![say(FIRST), say(SECOND), say(DONE)]).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let answer = home
        .post("", &ask("local", true, &form(ANSWERED, "")))
        .await;
    let said = answer.text();
    assert!(said.contains("HSK-422-STRUCTURED-OUTPUT-INVALID"), "{said}");
    assert!(!said.contains("[DONE]"), "{said}");
    // A client that stops at the finish reason does not take it for a good end either.
    assert!(!said.contains(r#""finish_reason":"stop""#), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_schema_that_cannot_be_checked_is_a_wish_or_refused_before_a_byte_is_sent() {
    let (head, object) = object("forty-two", "stop");
    let upstream = Upstream::whole(head, &object).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let body = ask("local", false, &form(ELSEWHERE, ""));
    let answer = home.post("", &body).await;
    assert_eq!((answer.status, answer.text()), (200, object));
    assert_eq!(upstream.bodies(), [body.replace("local/m", "m")]);

    let body = ask("local", false, &form(ELSEWHERE, r#","strict":true"#));
    let refused = home.post("", &body).await;
    assert_eq!(refused.status, 422);
    let said = refused.text();
    assert!(said.contains("HSK-422-SCHEMA-KEYWORD"), "{said}");
    assert!(
        said.contains("response_format.json_schema.schema"),
        "{said}"
    );
    assert_eq!(upstream.bodies().len(), 1, "nothing was sent");
}
