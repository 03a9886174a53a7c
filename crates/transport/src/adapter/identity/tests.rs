//! Servers as they answer, and what is made of it.

use handshake_core::{
    base_url::BaseUrl,
    ids::{ProviderId, Token},
    provider::ProviderDraft,
    tier::Reach,
    time::UtcTime,
};
use reqwest::header::{HeaderName, HeaderValue};

use super::*;

fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
    of.iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn record(url: &str) -> ProviderRecord {
    let draft = ProviderDraft {
        provider_id: ProviderId::new("p").expect("an id"),
        provider_kind: Token::new("openai_compat").expect("a token"),
        tier: None,
        base_url: BaseUrl::parse(url).expect("a url"),
        reach: Reach::Direct,
        dialect: None,
        default_model: None,
        secret_ref: Some("vault:key".parse().expect("a reference")),
    };
    draft
        .into_record(UtcTime::from_unix_millis(0))
        .expect("valid")
}

fn told(it: &ServerIdentity) -> (Option<&str>, Option<&str>, bool) {
    let word = |token: &'_ Option<Token>| token.as_ref().map(Token::as_str).map(str::to_owned);
    let leak = |text: Option<String>| text.map(|text| &*text.leak());
    (leak(word(&it.software)), leak(word(&it.kind)), it.forwards)
}

#[test]
fn s38_a_forwarder_is_told_by_its_headers() {
    for (name, value, software) in [
        ("x-litellm-version", "1.93.0", "litellm"),
        ("x-litellm-call-id", "1", "litellm"),
        ("x-portkey-trace-id", "1", "portkey"),
        ("x-handshake-trace", "1", "handshake"),
        ("x-oneapi-request-id", "1", "one_api"),
        ("x-envoy-upstream-service-time", "3", "envoy"),
        ("via", "1.1 google", "proxy"),
        ("cf-ray", "8f-FRA", "cloudflare"),
        ("openai-organization", "o", "openai"),
        ("server", "LiteLLM/1.2", "litellm"),
        ("server", "kong/3.11", "kong"),
        ("server", "nginx/1.27.0", "nginx"),
        ("server", "cloudflare", "cloudflare"),
    ] {
        let seen = of_headers(&headers(&[("date", "x"), (name, value)]));
        assert_eq!(told(&seen), (Some(software), None, true), "{name}: {value}");
        assert!(hands_on(&headers(&[(name, value)])), "{name}: {value}");
    }
}

#[test]
fn s38_a_model_server_is_no_forwarder() {
    for (of, software) in [
        (vec![], None),
        (vec![("server", "llama.cpp")], Some("llama_cpp")),
        (vec![("server", "uvicorn")], Some("uvicorn")),
        (vec![("server", "Python/3.12 aiohttp/3")], Some("python")),
        (vec![("server", "!!")], None),
        (vec![("x-powered-by", "Express")], None),
        (
            vec![("x-simulator", "handshake")],
            Some("handshake_simulator"),
        ),
        (
            vec![("x-request-id", "1"), ("x-ratelimit-limit", "2")],
            None,
        ),
    ] {
        let seen = of_headers(&headers(&of));
        assert_eq!(told(&seen), (software, None, false), "{of:?}");
        assert!(!hands_on(&headers(&of)), "{of:?}");
    }
}

#[test]
fn s38_a_daemon_is_told_by_its_own_routes() {
    let daemon = (Some("ollama"), Some("ollama"), false);
    let digest = "a".repeat(64);
    for (path, body) in [
        ("/", "Ollama is running".to_owned()),
        ("/", "\n Ollama is running\n".to_owned()),
        ("/api/version", r#"{"version":"0.20.5"}"#.to_owned()),
        ("/api/tags", r#"{"models":[]}"#.to_owned()),
        (
            "/api/tags",
            format!(r#"{{"models":[{{"name":"m","digest":"{digest}"}}]}}"#),
        ),
    ] {
        assert_eq!(
            told(&of_body(path, body.as_bytes())),
            daemon,
            "{path} {body}"
        );
    }
    let forwarder = |software| (Some(software), None, true);
    for (path, body, software) in [
        (
            "/",
            "<!doctype html><html><head><title>LiteLLM API - Swagger UI</title>",
            "litellm",
        ),
        (
            "/",
            "<html><TITLE>x</TITLE><title>Open WebUI</title>",
            "open_webui",
        ),
        ("/", "<title lang=\"en\"> New API </title>", "new_api"),
        ("/", "AI Gateway says hey!", "portkey"),
        ("/health/liveliness", "\"I'm alive!\"", "litellm"),
    ] {
        assert_eq!(
            told(&of_body(path, body.as_bytes())),
            forwarder(software),
            "{body}"
        );
    }
    for (path, body) in [
        ("/", ""),
        ("/", "<title>llama.cpp - chat</title>"),
        ("/", "Error: gzip is not supported by this browser"),
        ("/", "{\"error\":\"Unexpected endpoint\"}"),
        ("/", "\u{fffd}\u{1f980}<title"),
        (
            "/api/version",
            "{\"error\":\"Unexpected endpoint or method. (GET /api/version)\"}",
        ),
        ("/api/version", "{\"version\":7}"),
        ("/api/version", "not json"),
        // llama.cpp lists here too.
        (
            "/api/tags",
            r#"{"models":[{"name":"m","digest":""}],"object":"list","data":[]}"#,
        ),
        ("/api/tags", r#"{"models":[{"name":"m","digest":""}]}"#),
        ("/health/liveliness", "ok"),
    ] {
        assert_eq!(
            told(&of_body(path, body.as_bytes())),
            (None, None, false),
            "{path} {body}"
        );
    }
}

#[test]
fn s38_questions_carry_no_secret_and_go_to_this_machine_alone() {
    let paths = |url: &str| {
        let record = record(url);
        let mut paths = Vec::new();
        for number in 0..=u8::MAX {
            let Ok(envelope) = question(&record, number) else {
                break;
            };
            assert_eq!(envelope.secret_ref(), None);
            assert_eq!(envelope.check(), Ok(()), "{}", envelope.path);
            assert!(envelope.body.is_empty() && envelope.model_id.is_none());
            paths.push(envelope.path);
        }
        paths
    };
    let root = ["/", "/api/version", "/api/tags", "/health/liveliness"];
    assert_eq!(paths("http://127.0.0.1:11434/v1"), root);
    assert_eq!(paths("http://localhost:11434"), root);
    let below = [
        "/ollama",
        "/ollama/api/version",
        "/ollama/api/tags",
        "/ollama/health/liveliness",
    ];
    assert_eq!(
        paths("http://127.0.0.1:8080/ollama/v1"),
        [root, below].concat()
    );
    assert!(paths("https://api.example.com/v1").is_empty());
    assert!(paths("https://10.0.0.1/v1").is_empty());
}
