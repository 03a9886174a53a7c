//! Drives a decoder over a response.

use std::collections::VecDeque;

use futures_util::StreamExt as _;
use handshake_core::{
    chat::ChatEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    ports::ChatStream,
    reply::ReplyDecoder,
};
use tokio::time::Instant;

use crate::http::Response;

/// The events of a response: fused after `Finished` or the first `Err`. The connection closes when either
/// came, and when the stream is dropped.
///
/// A decoder that ends without a terminal is reported as `HSK-502-STREAM-TRUNCATED`: a dropped connection
/// is never a success, whatever an adapter forgot.
#[must_use]
pub fn stream(response: Response, decoder: Box<dyn ReplyDecoder>) -> ChatStream {
    let progress = Instant::now();
    let driver = Driver {
        response,
        decoder,
        ready: VecDeque::new(),
        end: None,
        progress,
    };
    Box::pin(futures_util::stream::unfold(Some(driver), next).fuse())
}

struct Driver {
    response: Response,
    decoder: Box<dyn ReplyDecoder>,
    ready: VecDeque<ChatEvent>,
    /// Set when nothing more will be read.
    end: Option<CallError>,
    /// When the last event came.
    progress: Instant,
}

type Step = (Result<ChatEvent, CallError>, Option<Driver>);

async fn next(driver: Option<Driver>) -> Option<Step> {
    let mut driver = driver?;
    loop {
        if let Some(event) = driver.ready.pop_front() {
            let last = matches!(event, ChatEvent::Finished { .. });
            return Some((Ok(event), (!last).then_some(driver)));
        }
        if let Some(error) = driver.end.take() {
            return Some((Err(error), None));
        }
        driver.read().await;
    }
}

impl Driver {
    async fn read(&mut self) {
        let deadline = self.progress + self.response.progress_timeout();
        let chunk = match tokio::time::timeout_at(deadline, self.response.chunk()).await {
            Ok(chunk) => chunk,
            Err(_) => Err(CallError::new(ErrorCode::Timeout, Phase::Stream).about("progress")),
        };
        let mut events = Vec::new();
        let ended = match chunk {
            Ok(Some(bytes)) => self.decoder.push(&bytes, &mut events).err(),
            Ok(None) => Some(match self.decoder.finish(&mut events) {
                Err(error) => error,
                Ok(()) => CallError::new(ErrorCode::StreamTruncated, Phase::Stream),
            }),
            Err(error) => Some(error),
        };
        if !events.is_empty() {
            self.progress = Instant::now();
        }
        self.ready.extend(events);
        self.end = ended;
    }
}
