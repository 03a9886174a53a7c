//! One binary, so that the crate's tests link once.

#[path = "it/adapter.rs"]
mod adapter;
#[path = "it/calls.rs"]
mod calls;
#[path = "it/environment.rs"]
mod environment;
#[path = "it/forwarded.rs"]
mod forwarded;
#[path = "it/framing.rs"]
mod framing;
#[path = "it/http.rs"]
mod http;
#[path = "it/keeper.rs"]
mod keeper;
#[path = "it/kept.rs"]
mod kept;
#[path = "it/names.rs"]
mod names;
#[path = "it/resolve.rs"]
mod resolve;
#[path = "it/retry_after.rs"]
mod retry_after;
#[path = "it/secrets.rs"]
mod secrets;
#[path = "it/server.rs"]
mod server;
#[path = "it/stream.rs"]
mod stream;
#[path = "it/thinking.rs"]
mod thinking;
