//! The HTTP library's errors to ours. Kinds only: its texts hold URLs.

use handshake_core::{
    code::{ErrorClass, ErrorCode, Phase},
    error::{CallError, SendError},
};

/// A failure before the response head.
pub(super) fn before_head(error: &reqwest::Error) -> SendError {
    if error.is_connect() {
        return SendError::unsent(connect(error));
    }
    if error.is_builder() {
        return SendError::unsent(
            CallError::new(ErrorCode::InvalidRequest, Phase::Connect).about("envelope"),
        );
    }
    let source = find::<hyper::Error>(error);
    if source.is_some_and(hyper::Error::is_canceled) {
        // The connection ended before the request was taken up: the library hands it back unwritten.
        return SendError::unsent(
            CallError::new(ErrorCode::NotReady, Phase::Connect).about("connection"),
        );
    }
    let code = if error.is_timeout() {
        ErrorCode::Timeout
    } else if source.is_some_and(hyper::Error::is_parse) {
        ErrorCode::Protocol
    } else {
        ErrorCode::Provider
    };
    SendError::in_doubt(CallError::new(code, Phase::Status).about("head"))
}

fn connect(error: &reqwest::Error) -> CallError {
    if error.is_timeout() {
        return CallError::new(ErrorCode::Timeout, Phase::Connect).about("connection");
    }
    if find::<rustls::Error>(error).is_some() {
        // The handshake precedes the first byte of the request, and failing it is not a matter of time.
        return CallError::new(ErrorCode::Protocol, Phase::Connect)
            .class(ErrorClass::Permanent)
            .about("tls");
    }
    CallError::new(ErrorCode::NotReady, Phase::Connect).about("connection")
}

/// A failure within the body.
pub(super) fn within_body(error: &reqwest::Error) -> CallError {
    if error.is_timeout() {
        return CallError::new(ErrorCode::Timeout, Phase::Stream).about("body");
    }
    CallError::new(ErrorCode::StreamTruncated, Phase::Stream).about("body")
}

/// Looks for an error type along the chain of sources, and inside IO errors, whose `source` skips what they
/// wrap.
fn find<'a, T: std::error::Error + 'static>(error: &'a reqwest::Error) -> Option<&'a T> {
    let mut next: Option<&'a (dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = current
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}
