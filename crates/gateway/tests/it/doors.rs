//! Ways around the tier, tried with a client's token alone: what is refused is never sent.

use handshake_core::{
    capability::CapabilitySnapshot,
    code::ErrorCode,
    event::Body,
    ids::{ModelId, ModelRef},
    tier::{Reach, Residence},
};
use handshake_testkit::{capture::Capture, fixture};

use super::{
    home::{Home, ask},
    upstream::{Upstream, say},
};

fn of(name: &str) -> ModelRef {
    name.parse().expect("a model")
}

fn chat(model: &str) -> String {
    format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

async fn refused(home: &Home, body: &str, code: &str) {
    let answer = home.post("", body).await;
    assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    assert!(answer.text().contains(code), "{body}: {}", answer.text());
}

/// Ollama's `/v1` door: the listing says nothing of where a model runs, the name does.
#[tokio::test(flavor = "multi_thread")]
async fn rt_b01_a_forwarding_model_does_not_go_out_as_local_through_another_door() {
    let server = Capture::start(b"").await;
    for kind in ["openai_compat", "ollama"] {
        let home = Home::new().await;
        let record = fixture::record("loc", kind, &server.url(), Reach::Direct);
        home.world.register(&record).await;
        // As the server lists them.
        for name in ["m", "gpt-oss:120b-cloud", "x:cloud"] {
            home.model(&record, name).await;
        }
        home.change(|view| {
            for known in view.snapshots.values_mut() {
                let mut listed = CapabilitySnapshot::clone(known);
                listed.residence = Residence::Local;
                *known = listed.into();
            }
            view.aliases
                .insert("gpt-4o".to_owned(), of("loc/gpt-oss:120b-cloud"));
            view.aliases
                .insert("claude-*".to_owned(), of("loc/X:CLOUD"));
        });
        for model in [
            "loc/gpt-oss:120b-cloud",
            "loc/gpt-oss:120B-CLOUD",
            "loc/x:cloud",
            "loc/x:cloud:local",
            "loc/never-listed:cloud",
            "gpt-4o",
            "claude-opus",
        ] {
            refused(&home, &chat(model), "HSK-403-TIER-MISMATCH").await;
        }
        let events = home.world.memory.event_ids();
        let of = |id: &str| events.iter().filter(|event| **event == id).count();
        // Each denial up to the fifth of its kind in a minute, which are counted from then on.
        assert_eq!(of("FR-EVT-EGRESS-003"), 5, "{events:?}");
        assert_eq!(of("FR-EVT-CLOUD-003"), 5);
        home.use_profile(fixture::profile("one", "loc/gpt-oss:120b-cloud"))
            .await;
        refused(&home, &chat("role:worker"), "HSK-403-TIER-MISMATCH").await;
    }
    server.assert_untouched();
}

/// A server that is written in Go reads `Model`, and takes the last one; the listing need not hold the name.
#[tokio::test(flavor = "multi_thread")]
async fn rt_b02_a_second_reading_of_a_body_is_refused_in_both_tiers() {
    let server = Capture::start(b"").await;
    let home = Home::new().await;
    for (id, kind, reach) in [
        ("local", "openai_compat", Reach::Direct),
        ("daemon", "ollama", Reach::Direct),
        ("relay", "openai_compat", Reach::Relay),
    ] {
        home.provider(id, kind, &server.url(), reach).await;
        for member in [
            r#""Model":"gpt-oss:120b-cloud""#,
            r#""MODEL":"gpt-oss:120b-cloud""#,
            r#""\u004dodel":"gpt-oss:120b-cloud""#,
            "\"mode\u{4c}\":\"x\"",
            r#""model":"m""#,
            r#""Messages":[]"#,
            "\"me\u{17f}\u{17f}ages\":[]",
            "\"to\u{17f}ls\":[],\"tool\u{17f}\":[]",
            r#""Stream":false"#,
            r#""tools":[{"type":"function","function":{"name":"a","Name":"b"}}]"#,
            r#""metadata":{"a":1,"a":2}"#,
        ] {
            let body = format!(
                r#"{{"model":"{id}/m","stream":true,"messages":[{{"role":"user","content":"hi"}}],{member}}}"#
            );
            refused(&home, &body, "HSK-400-INVALID-REQUEST").await;
        }
    }
    server.assert_untouched();
}

/// Another gateway of ours, registered as a model server of this machine, would forward.
#[tokio::test(flavor = "multi_thread")]
async fn s38_every_answer_of_a_gateway_says_that_it_is_one() {
    let home = Home::new().await;
    for (method, path, headers) in [
        ("GET", "/", ""),
        ("GET", "/api/version", ""),
        ("GET", "/health/liveliness", ""),
        ("GET", "/healthz", ""),
        ("GET", "/v1/models", ""),
        ("GET", "/", "origin: https://example.org\r\n"),
        ("POST", "/v1/chat/completions", ""),
    ] {
        let answer = home.request(method, path, headers, "").await;
        assert_eq!(
            answer.header("x-handshake-gateway").as_deref(),
            Some("1"),
            "{path}"
        );
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

fn object(model: &str) -> String {
    format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"{model}","choices":[{{"index":0,"message":{{"role":"assistant","content":"x"}},"finish_reason":"stop"}}]}}"#
    )
}

fn alarms(home: &Home) -> usize {
    let events = home.world.memory.event_ids();
    events
        .iter()
        .filter(|id| **id == "FR-EVT-EGRESS-006")
        .count()
}

/// A person cleared one model. Another one that answers is in the log, and named to the client.
#[tokio::test(flavor = "multi_thread")]
async fn rt_b11_another_model_that_answers_is_an_alarm_and_named() {
    for (answered, alarm) in [
        ("m", 0),
        ("m-2025-01-01", 0),
        ("vendor/m", 0),
        ("m-mini", 1),
        ("other", 1),
    ] {
        let upstream = Upstream::whole(HEAD, &object(answered)).await;
        let home = Home::new().await;
        home.provider("far", "openai_compat", &upstream.url(), Reach::Relay)
            .await;
        let body = ask("far", false, "");
        let (answer, ()) = tokio::join!(home.post("", &body), home.approve());
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            answer.text(),
            object(answered),
            "the answer itself is untouched"
        );
        assert_eq!(alarms(&home), alarm, "{answered}");
        let named = answer.header("x-handshake-model-answered");
        assert_eq!(named.as_deref(), (alarm > 0).then_some(answered));
    }
    // A stream has begun by then: a trailer, once.
    let chunk = |text: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"other\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let pieces = [
        chunk("one", "null"),
        chunk("two", "\"stop\""),
        "data: [DONE]\n\n".to_owned(),
    ];
    let upstream = Upstream::stream(pieces.iter().map(say).collect()).await;
    let home = Home::new().await;
    home.provider("far", "openai_compat", &upstream.url(), Reach::Relay)
        .await;
    let body = ask("far", true, "");
    let (answer, ()) = tokio::join!(home.post("te: trailers\r\n", &body), home.approve());
    assert_eq!(answer.text(), pieces.concat());
    assert!(
        answer
            .trailers
            .contains("x-handshake-model-answered: other"),
        "{}",
        answer.trailers
    );
    assert_eq!(alarms(&home), 1);
}

/// The name that a person expects besides is no news.
#[tokio::test(flavor = "multi_thread")]
async fn rt_b11_a_name_that_a_person_expects_is_no_alarm() {
    let upstream = Upstream::whole(HEAD, &object("other")).await;
    let home = Home::new().await;
    home.provider("far", "openai_compat", &upstream.url(), Reach::Relay)
        .await;
    home.change(|view| {
        for known in view.snapshots.values_mut() {
            let expected = ModelId::new("other").expect("a model");
            let mut told = CapabilitySnapshot::clone(known);
            told.answers_as.insert(expected);
            *known = told.into();
        }
    });
    let body = ask("far", false, "");
    let (answer, ()) = tokio::join!(home.post("", &body), home.approve());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-handshake-model-answered"), None);
    assert_eq!(alarms(&home), 0);
}

/// Where a server may want to send us. None of it is gone to, whatever the status.
#[tokio::test(flavor = "multi_thread")]
async fn s20_no_redirect_is_followed_wherever_it_leads() {
    let target = Capture::start(b"").await;
    let home = Home::new().await;
    let port = target.address().port();
    let targets = [
        format!("{}/v1/chat/completions", target.url()),
        format!("//127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://user:key@127.0.0.1:{port}/"),
        format!("HTTP://127.0.0.1:{port}\\@evil.example.org/"),
        // Ourselves.
        format!("http://{}/v1/chat/completions", home.address),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://metadata.google.internal/".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://[fe80::1]/".to_owned(),
        "http://0.0.0.0/".to_owned(),
        "https://evil.example.org/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1:1/_x".to_owned(),
        "javascript:alert(1)".to_owned(),
        "/v1/elsewhere".to_owned(),
        "?again".to_owned(),
    ];
    assert!(targets.len() >= 20);
    for (n, location) in targets.iter().enumerate() {
        for status in [300, 301, 302, 303, 305, 307, 308] {
            let head = format!(
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\nrefresh: 0;url={location}\r\n"
            );
            let upstream = Upstream::whole(&head, "").await;
            let id = format!("at-{n}-{status}");
            home.provider(&id, "openai_compat", &upstream.url(), Reach::Direct)
                .await;
            let answer = home.post("", &ask(&id, n % 2 == 0, "")).await;
            assert!(answer.status >= 300, "{location}");
            assert_eq!(
                answer.header("location"),
                None,
                "nor is the client sent there"
            );
            assert_eq!(answer.header("refresh"), None);
            assert_eq!(upstream.bodies().len(), 1, "{status} {location}");
        }
    }
    target.assert_untouched();
    let failed = home.world.memory.events().into_iter();
    let codes = failed.filter_map(|event| match event.body {
        Body::CallFailed { code, .. } => Some(code),
        _ => None,
    });
    let codes: Vec<_> = codes.collect();
    assert_eq!(codes.len(), targets.len() * 7);
    assert!(codes.iter().all(|code| *code == ErrorCode::Protocol));
}
