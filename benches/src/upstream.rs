//! A model server without a model: the OpenAI chat shape, as fast as it can be said, and counters.

use std::{
    convert::Infallible,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt as _,
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Chunks of text in a stream.
pub(crate) const CHUNKS: usize = 64;
/// What comes between the chunks of the slow model.
const SLOW: Duration = Duration::from_millis(50);

/// What reached it so far.
#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
}

#[derive(Deserialize)]
struct Request {
    model: String,
    #[serde(default)]
    stream: bool,
}

/// Serves until it is killed.
pub(crate) fn serve() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(listen())
        .map_err(|error| error.to_string())
}

async fn listen() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let counters = Arc::new(Counters::default());
    let counted = Arc::clone(&counters);
    let listener = listener.tap_io(move |socket| {
        counted.connections.fetch_add(1, Ordering::Relaxed);
        let _slower = socket.set_nodelay(true);
    });
    let router = Router::new()
        .route("/counts", get(counts))
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .with_state(counters);
    axum::serve(listener, router).await
}

async fn counts(State(counters): State<Arc<Counters>>) -> Json<Value> {
    Json(json!({
        "connections": counters.connections.load(Ordering::Relaxed),
        "requests": counters.requests.load(Ordering::Relaxed),
    }))
}

async fn models() -> Json<Value> {
    let model =
        |id: &str| json!({ "id": id, "object": "model", "created": 1, "owned_by": "bench" });
    Json(json!({ "object": "list", "data": [model("small"), model("slow")] }))
}

async fn chat(State(counters): State<Arc<Counters>>, body: Bytes) -> Response {
    counters.requests.fetch_add(1, Ordering::Relaxed);
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return axum::http::StatusCode::BAD_REQUEST.into_response();
    };
    if request.stream {
        let pause = (request.model == "slow").then_some(SLOW);
        let body = Body::from_stream(chunks(pause));
        ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], whole()).into_response()
    }
}

/// About a kilobyte.
fn whole() -> String {
    let text =
        "The quick brown fox reviews the pull request and asks for one more test. ".repeat(10);
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "small", "system_fingerprint": "fp",
        "choices": [{
            "index": 0, "message": { "role": "assistant", "content": text }, "logprobs": null, "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 60, "completion_tokens": 160, "total_tokens": 220 },
    })
    .to_string()
}

/// One frame after the other, each a write of its own, as a server writes that has a token at a time.
fn chunks(pause: Option<Duration>) -> impl stream::Stream<Item = Result<String, Infallible>> {
    stream::unfold(0, move |n| async move {
        let frame = frame(n)?;
        match pause {
            Some(pause) => tokio::time::sleep(pause).await,
            None => tokio::task::yield_now().await,
        }
        Some((Ok(frame), n + 1))
    })
}

fn frame(n: usize) -> Option<String> {
    let head = r#""id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"small","system_fingerprint":"fp""#;
    let choice = |delta: &str, reason: &str| {
        format!(
            "data: {{{head},\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    match n {
        0 => Some(choice(r#"{"role":"assistant","content":"word0 "}"#, "null")),
        n if n < CHUNKS => Some(choice(&format!(r#"{{"content":"word{n} "}}"#), "null")),
        n if n == CHUNKS => Some(choice("{}", r#""stop""#)),
        n if n == CHUNKS + 1 => Some(format!(
            "data: {{{head},\"choices\":[],\"usage\":{{\"prompt_tokens\":60,\"completion_tokens\":64,\"total_tokens\":124}}}}\n\n"
        )),
        n if n == CHUNKS + 2 => Some("data: [DONE]\n\n".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_its_chunks_a_reason_usage_and_an_end() {
        let frames: Vec<String> = (0..).map_while(frame).collect();
        let with = |what: &str| frames.iter().filter(|frame| frame.contains(what)).count();
        assert_eq!(with("\"content\":"), CHUNKS);
        assert_eq!((with("\"stop\""), with("\"usage\"")), (1, 1));
        assert_eq!(frames.last().map(String::as_str), Some("data: [DONE]\n\n"));
        for frame in &frames[..frames.len() - 1] {
            let data = frame.strip_prefix("data: ").expect("data");
            serde_json::from_str::<Value>(data).expect("JSON");
        }
    }

    #[test]
    fn a_plain_answer_is_about_a_kilobyte() {
        assert!((900..1_300).contains(&whole().len()), "{}", whole().len());
    }
}
