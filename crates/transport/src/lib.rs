#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod framing;
pub mod names;

mod http;
mod limits;
mod resolve;
mod stream;
mod strict_json;

pub use self::{
    http::{FIXED_HEADERS, MAX_RETRY_AFTER, Response, Transport, TransportError, retry_after},
    limits::Limits,
    resolve::SystemResolver,
    stream::stream,
    strict_json::{MAX_STRICT_BYTES, StrictJsonError, strict_object, strict_value},
};
