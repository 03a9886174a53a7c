//! Drives a decoder over a response.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use handshake_core::{
    chat::ChatEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    ports::{Batch, ChatStream},
    reply::ReplyDecoder,
};
use tokio::time::Instant;

use crate::http::Response;

/// The batches of a response: one for each read of the connection that completed anything. Fused after the batch
/// that holds `Finished`, or after the first `Err`. The connection closes when the stream is dropped before the body
/// ended.
///
/// With `raw`, each batch holds the bytes of the frames that its events came from, and frames that are no event
/// (comments, pings) come as batches of their own.
///
/// A decoder that ends without a terminal is reported as `HSK-502-STREAM-TRUNCATED`: a dropped connection
/// is never a success, whatever an adapter forgot.
#[must_use]
pub fn stream(response: Response, decoder: Box<dyn ReplyDecoder>, raw: bool) -> ChatStream {
    let driver = Driver {
        response,
        decoder,
        raw: raw.then(Raw::default),
        end: None,
        progress: Instant::now(),
    };
    Box::pin(futures_util::stream::unfold(Some(driver), next).fuse())
}

struct Driver {
    response: Response,
    decoder: Box<dyn ReplyDecoder>,
    raw: Option<Raw>,
    /// Set when nothing more will be read.
    end: Option<CallError>,
    /// When the last event came.
    progress: Instant,
}

async fn next(driver: Option<Driver>) -> Option<(Result<Batch, CallError>, Option<Driver>)> {
    let mut driver = driver?;
    loop {
        if let Some(error) = driver.end.take() {
            return Some((Err(error), None));
        }
        let batch = driver.read().await;
        if matches!(batch.events.last(), Some(ChatEvent::Finished { .. })) {
            driver.response.release();
            return Some((Ok(batch), None));
        }
        if !batch.events.is_empty() || batch.raw.is_some() {
            return Some((Ok(batch), Some(driver)));
        }
    }
}

impl Driver {
    async fn read(&mut self) -> Batch {
        let deadline = self.progress + self.response.progress_timeout();
        let chunk = self.response.chunk_until(deadline).await;
        let mut events = Vec::new();
        self.end = match chunk {
            Ok(Some(bytes)) => {
                let pushed = self.decoder.push(&bytes, &mut events);
                if let Some(raw) = &mut self.raw {
                    raw.push(bytes);
                }
                pushed.err()
            }
            Ok(None) => Some(match self.decoder.finish(&mut events) {
                Err(error) => error,
                Ok(()) => CallError::new(ErrorCode::StreamTruncated, Phase::Stream),
            }),
            Err(error) => Some(error),
        };
        if let Some(at) = events
            .iter()
            .position(|event| matches!(event, ChatEvent::Finished { .. }))
        {
            // The terminal is the last event, whatever a decoder says after it.
            events.truncate(at + 1);
            self.end = None;
        }
        if !events.is_empty() {
            self.progress = Instant::now();
        }
        let complete = self.decoder.complete();
        let raw = self.raw.as_mut().and_then(|raw| raw.take(complete));
        Batch { events, raw }
    }
}

/// Bytes that were read and not handed out yet.
#[derive(Default)]
struct Raw {
    held: BytesMut,
    /// The bytes of the last read, where nothing was held before: handed out without a copy as a rule.
    last: Bytes,
    handed_out: usize,
}

impl Raw {
    fn push(&mut self, bytes: Bytes) {
        if self.held.is_empty() && self.last.is_empty() {
            self.last = bytes;
        } else {
            self.held.extend_from_slice(&std::mem::take(&mut self.last));
            self.held.extend_from_slice(&bytes);
        }
    }

    /// Everything up to `complete`, counted from the beginning of the body.
    fn take(&mut self, complete: usize) -> Option<Bytes> {
        let ready = complete.checked_sub(self.handed_out).filter(|n| *n > 0)?;
        self.handed_out = complete;
        Some(if self.held.is_empty() {
            self.last.split_to(ready.min(self.last.len()))
        } else {
            let ready = ready.min(self.held.len());
            self.held.split_to(ready).freeze()
        })
    }
}
