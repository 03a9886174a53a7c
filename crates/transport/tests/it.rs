//! One binary, so that the crate's tests link once.

mod calls;
mod environment;
mod framing;
mod http;
mod json;
mod names;
mod resolve;
mod retry_after;
mod secrets;
mod server;
mod stream;
