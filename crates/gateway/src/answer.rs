//! What every answer carries, whatever its shape: our headers, the trailer, and the call that it belongs to.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use http_body::{Frame, SizeHint};

use crate::{metrics, running::Running};

pub(crate) const TRACE: HeaderName = HeaderName::from_static("x-handshake-trace");
const TIER: HeaderName = HeaderName::from_static("x-handshake-tier");
const OVERHEAD: HeaderName = HeaderName::from_static("x-handshake-overhead-us");
const ANSWERED: HeaderName = HeaderName::from_static("x-handshake-model-answered");
pub(crate) const ADJUSTED: HeaderName = HeaderName::from_static("x-handshake-adjusted");

/// Our headers. `whole`: the call is over, so that its overhead is known, and which model answered.
pub(crate) fn marks(response: &mut Response, running: &Running, whole: bool) {
    let headers = response.headers_mut();
    if let Ok(trace) = HeaderValue::from_str(&running.trace.to_string()) {
        headers.insert(TRACE, trace);
    }
    if let Some(tier) = running.tier() {
        headers.insert(TIER, HeaderValue::from_static(metrics::tier(tier)));
    }
    if whole {
        headers.insert(OVERHEAD, micros(running.overhead()));
        another_model(headers, running);
    }
}

/// Names the model that answered where it is another one than was asked for.
fn another_model(headers: &mut HeaderMap, running: &Running) {
    if let Some(Ok(model)) = running.answered().map(HeaderValue::from_str) {
        headers.insert(ANSWERED, model);
    }
}

fn micros(time: Duration) -> HeaderValue {
    HeaderValue::from(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Whether the client takes trailers.
pub(crate) fn takes_trailers(request: &HeaderMap) -> bool {
    request.get_all(header::TE).iter().any(|value| {
        value.to_str().is_ok_and(|te| {
            te.split(',')
                .any(|one| one.trim().eq_ignore_ascii_case("trailers"))
        })
    })
}

/// Says that a trailer comes.
pub(crate) fn announce(response: &mut Response) {
    let both = HeaderValue::from_static("x-handshake-overhead-us, x-handshake-model-answered");
    response.headers_mut().insert(header::TRAILER, both);
}

/// The trailer of a stream.
pub(crate) fn trailer(running: &Running) -> Frame<Bytes> {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(OVERHEAD, micros(running.overhead()));
    another_model(&mut trailers, running);
    Frame::trailers(trailers)
}

/// A whole body that holds its call's place until it is written.
pub(crate) fn held(bytes: Bytes, running: Running) -> Body {
    Body::new(Held {
        bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
        _running: running,
    })
}

struct Held {
    bytes: Option<Bytes>,
    _running: Running,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
