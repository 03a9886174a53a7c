//! The same shape on both sides: status, allowed headers and bytes of the provider's answer, as the provider gave
//! them, through the matcher, after their events were checked.

use std::{borrow::Cow, convert::Infallible};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::BytesMut;
use handshake_core::{
    chat::ChatEvent,
    ports::{AnswerHead, Batch, SinkFilter},
};
use http_body::Frame;
use http_body_util::StreamBody;

use super::{errors, write::COMMENT};
use crate::{
    answer,
    running::{Next, Running, Stop},
};

/// Headers that belong to a connection, to another body, or to us, whatever a provider says.
const OURS: &[HeaderName] = &[
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::UPGRADE,
    header::DATE,
    header::SERVER,
    header::SET_COOKIE,
];

/// Waits for the provider's head, then answers.
pub(super) async fn answer(mut running: Running, stream: bool, trailer: bool) -> Response {
    let next = match stream {
        true => running.next_or_silence(false).await,
        false => running.next().await,
    };
    match next {
        Ok(Next::Head(head)) if stream => {
            let mut response = Response::new(Body::empty());
            provider_head(&mut response, &head, &*running.shared.ports.filter);
            streamed(response, running, trailer, None)
        }
        Ok(Next::Head(head)) => whole(running, &head).await,
        // A person is still asked: the client is told something, and the provider's head can be passed no more.
        Ok(Next::Silence) => {
            let comment = Some(Bytes::from_static(COMMENT));
            streamed(Response::new(Body::empty()), running, trailer, comment)
        }
        Ok(Next::Batch(_)) => {
            let error = running.broken();
            errors::answer(&running, &error)
        }
        Err(stop) => stopped(&running, stop),
    }
}

/// A call that failed before the first byte. What the provider itself said about it is the client's to read.
fn stopped(running: &Running, stop: Stop) -> Response {
    let error = match stop {
        Stop::Busy => return errors::busy(),
        Stop::Failed(error) => error,
    };
    let Some(sealed) = &error.upstream else {
        return errors::answer(running, &error);
    };
    let opened = sealed.open(&*running.shared.ports.filter);
    running.shared.metrics.denied(&error);
    let mut response = Response::new(Body::from(opened.body));
    *response.status_mut() = StatusCode::from_u16(opened.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in &opened.headers {
        put(response.headers_mut(), name, value.as_bytes());
    }
    default_type(response.headers_mut(), "application/json");
    answer::marks(&mut response, running, true);
    response
}

fn provider_head(response: &mut Response, head: &AnswerHead, filter: &dyn SinkFilter) {
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::OK);
    for (name, value) in &head.headers {
        put(
            response.headers_mut(),
            name,
            &filter.answer(value.as_bytes()),
        );
    }
}

fn put(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_bytes(value),
    ) else {
        return;
    };
    if !OURS.contains(&name) && !name.as_str().starts_with("x-handshake-") {
        headers.insert(name, value);
    }
}

fn default_type(headers: &mut HeaderMap, media: &'static str) {
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static(media));
}

/// The bytes of one batch, through the matcher.
fn clean(filter: &dyn SinkFilter, raw: Bytes) -> Bytes {
    match filter.answer(&raw) {
        Cow::Borrowed(_) => raw,
        Cow::Owned(cleaned) => cleaned.into(),
    }
}

/// One object: nothing is passed on before the answer is complete and its promises held.
async fn whole(mut running: Running, head: &AnswerHead) -> Response {
    let (mut first, mut more) = (None, BytesMut::new());
    loop {
        let batch = match running.next().await {
            Ok(Next::Batch(batch)) => batch,
            Ok(_) => {
                let error = running.broken();
                return errors::answer(&running, &error);
            }
            Err(stop) => return stopped(&running, stop),
        };
        let last = finishes(&batch);
        match (batch.raw, &first) {
            (Some(raw), None) => first = Some(raw),
            (Some(raw), Some(_)) => more.extend_from_slice(&raw),
            (None, _) => {}
        }
        if last {
            break;
        }
    }
    let Some(mut body) = first else {
        let error = running.broken();
        return errors::answer(&running, &error);
    };
    if !more.is_empty() {
        body = [&body[..], &more[..]].concat().into();
    }
    running.finished();
    let mut response = Response::new(Body::empty());
    provider_head(&mut response, head, &*running.shared.ports.filter);
    default_type(response.headers_mut(), "application/json");
    answer::marks(&mut response, &running, true);
    let body = clean(&*running.shared.ports.filter, body);
    *response.body_mut() = answer::held(body, running);
    response
}

fn finishes(batch: &Batch) -> bool {
    matches!(batch.events.last(), Some(ChatEvent::Finished { .. }))
}

struct Relay {
    running: Running,
    first: Option<Bytes>,
    /// Whether comments keep the client alive: only until the provider's own bytes come.
    comments: bool,
    trailer: bool,
    state: State,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Open,
    Ending,
    Over,
}

/// The stream. Dropping the body, as a client that hangs up does, cancels the call.
fn streamed(
    mut response: Response,
    running: Running,
    trailer: bool,
    first: Option<Bytes>,
) -> Response {
    default_type(response.headers_mut(), "text/event-stream; charset=utf-8");
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    answer::marks(&mut response, &running, false);
    if trailer {
        answer::announce(&mut response);
    }
    let relay = Relay {
        running,
        comments: first.is_some(),
        first,
        trailer,
        state: State::Open,
    };
    let frames = futures_util::stream::unfold(relay, |mut relay| async move {
        let frame = relay.next().await?;
        Some((Ok::<_, Infallible>(frame), relay))
    });
    *response.body_mut() = Body::new(StreamBody::new(frames));
    response
}

impl Relay {
    async fn next(&mut self) -> Option<Frame<Bytes>> {
        if let Some(first) = self.first.take() {
            return Some(Frame::data(first));
        }
        match self.state {
            State::Open => {}
            State::Ending => {
                self.state = State::Over;
                return Some(answer::trailer(&self.running));
            }
            State::Over => return None,
        }
        loop {
            let next = match self.comments {
                true => self.running.next_or_silence(true).await,
                false => self.running.next().await,
            };
            let batch = match next {
                Ok(Next::Silence) => return Some(Frame::data(Bytes::from_static(COMMENT))),
                Ok(Next::Head(_)) => continue,
                Ok(Next::Batch(batch)) => batch,
                Err(stop) => return Some(self.failed(&stop)),
            };
            self.comments = false;
            let last = finishes(&batch);
            if last {
                self.running.finished();
                self.end();
            }
            match batch.raw {
                Some(raw) => {
                    return Some(Frame::data(clean(&*self.running.shared.ports.filter, raw)));
                }
                // Bytes come with their events or after them, with the last one at the latest.
                None if !last => {}
                None => {
                    let error = self.running.broken();
                    return Some(self.failed(&Stop::Failed(error)));
                }
            }
        }
    }

    fn end(&mut self) {
        self.state = match self.trailer {
            true => State::Ending,
            false => State::Over,
        };
    }

    /// The stream ends with an error in the client's shape, and without the mark of a complete answer.
    fn failed(&mut self, stop: &Stop) -> Frame<Bytes> {
        self.end();
        Frame::data(errors::event(&self.running, stop))
    }
}
