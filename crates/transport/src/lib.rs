#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod adapter;
pub mod framing;
pub mod names;
pub mod overflow;

mod http;
mod image;
mod limits;
mod resolve;
mod stream;
mod thinking;

pub use handshake_core::json::{MAX_STRICT_BYTES, StrictJsonError, strict_object, strict_value};

pub use self::{
    http::{
        Connections, FIXED_HEADERS, FORWARDED_HEADERS, FORWARDED_PREFIXES, Held, MAX_RETRY_AFTER,
        Response, Transport, TransportError, retry_after,
    },
    image::image_type,
    limits::Limits,
    resolve::SystemResolver,
    stream::stream,
    thinking::{Scrubber, closes_thinking},
};
