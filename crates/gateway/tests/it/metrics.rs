//! What is counted, and who may see it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use handshake_core::{
    event::Event,
    ports::{Backlog, FlightRecorder, RecordError, StoreError},
};

use super::{
    client::request,
    home::{Home, ask},
    upstream::Upstream,
};

#[tokio::test(flavor = "multi_thread")]
async fn s01_s66_metrics_open_to_their_own_token_alone() {
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

/// A log that is as far behind as it is told.
#[derive(Clone, Default)]
struct Behind(Arc<Mutex<Backlog>>);

impl Behind {
    fn set(&self, backlog: Backlog) {
        *self.0.lock().expect("not poisoned") = backlog;
    }
}

#[async_trait]
impl FlightRecorder for Behind {
    async fn append_all(&self, _: Vec<Event>) -> Result<u64, RecordError> {
        Err(StoreError::Failed.into())
    }

    async fn ready(&self) {}

    fn submit(&self, _: Event) -> Result<(), RecordError> {
        self.0.lock().expect("not poisoned").lost_storage += 1;
        Err(StoreError::Failed.into())
    }

    async fn flush(&self) -> Result<(), RecordError> {
        Ok(())
    }

    fn backlog(&self) -> Backlog {
        *self.0.lock().expect("not poisoned")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_the_logs_lag_and_losses_show_and_move() {
    let log = Behind::default();
    let behind = log.clone();
    let home = Home::wired(
        |_| {},
        move |ports| {
            ports.recorder = Arc::new(behind);
        },
    )
    .await;
    home.token("metrics", "hsk_metrics", |_| {});
    let shows = async |lines: [&str; 4]| {
        let headers = "authorization: Bearer hsk_metrics\r\n";
        let page = request(home.address, "GET", "/metrics", headers, "").await;
        let page = page.text();
        for line in lines {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    };
    shows([
        "handshake_log_queued 0",
        "handshake_log_lag_seconds 0.0",
        r#"handshake_log_lost_total{cause="overflow"} 0"#,
        r#"handshake_log_lost_total{cause="storage"} 0"#,
    ])
    .await;
    log.set(Backlog {
        queued: 7,
        oldest: Some(Duration::from_millis(1_500)),
        lost_overflow: 3,
        lost_storage: 0,
    });
    // What a call could not have recorded moves it too.
    assert_eq!(home.post("", &ask("made-up", false, "")).await.status, 404);
    shows([
        "handshake_log_queued 7",
        "handshake_log_lag_seconds 1.5",
        r#"handshake_log_lost_total{cause="overflow"} 3"#,
        r#"handshake_log_lost_total{cause="storage"} 1"#,
    ])
    .await;
    log.set(Backlog::default());
    shows([
        "handshake_log_queued 0",
        "handshake_log_lag_seconds 0.0",
        r#"handshake_log_lost_total{cause="overflow"} 0"#,
        r#"handshake_log_lost_total{cause="storage"} 0"#,
    ])
    .await;
}
