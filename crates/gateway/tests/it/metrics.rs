//! What is counted, and who may see it.

use super::{
    client::request,
    home::{Home, ask},
    upstream::Upstream,
};

#[tokio::test(flavor = "multi_thread")]
async fn s01_metrics_open_to_their_own_token_alone() {
    let home = Home::new().await;
    home.token("metrics", "hsk_metrics", |_| {});
    let get = async |path: &str, token: &str| {
        let headers = format!("authorization: Bearer {token}\r\n");
        request(home.address, "GET", path, &headers, "").await
    };
    assert_eq!(
        request(home.address, "GET", "/metrics", "", "")
            .await
            .status,
        401
    );
    assert_eq!(get("/metrics", "hsk_editor").await.status, 404);
    assert_eq!(get("/metrics", "hsk_metrics").await.status, 200);
    assert_eq!(
        get("/v1/models", "hsk_metrics").await.status,
        401,
        "and it opens nothing else"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_calls_are_counted_under_bounded_labels() {
    let home = Home::new().await;
    home.token("metrics", "hsk_metrics", |_| {});
    let object = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let upstream = Upstream::whole(head, object).await;
    home.local(&upstream.url()).await;
    assert_eq!(home.post("", &ask("local", false, "")).await.status, 200);
    assert_eq!(
        home.post("", &ask("made-up-name", false, "")).await.status,
        404
    );
    home.provider(
        "cloud",
        "openai_compat",
        &upstream.url(),
        handshake_core::tier::Reach::Relay,
    )
    .await;
    let denied = home
        .post("prefer: wait=0\r\n", &ask("cloud", false, ""))
        .await;
    assert_eq!(denied.status, 400, "{}", denied.text());
    let headers = "authorization: Bearer hsk_metrics\r\n";
    let page = request(home.address, "GET", "/metrics", headers, "")
        .await
        .text();
    for line in [
        r#"handshake_calls_total{provider="local",tier="local",code="ok"} 1"#,
        r#"handshake_calls_total{provider="none",tier="none",code="HSK-404-PROVIDER"} 1"#,
        r#"handshake_denied_total{step="gate",code="HSK-403-CLOUD-CONSENT-REQUIRED"} 1"#,
        r#"handshake_step_seconds_count{step="resolve"}"#,
        r#"handshake_step_seconds_count{step="stream"} 1"#,
        "handshake_overhead_seconds_count 3",
        "handshake_running 0",
        "handshake_waiting 0",
        "handshake_approvals_pending 1",
        "# EOF",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    assert!(!page.contains("made-up"), "no free label: {page}");
}
