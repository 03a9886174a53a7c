#![doc = include_str!("../README.md")]

mod answer;
mod ask;
mod body;
mod conform;
mod connection;
mod dispatch;
mod engine;
mod error;
mod fault;
mod frame;
mod ollama;
mod openai;
mod plan;
mod record;
mod script;
mod server;
mod tokens;
mod wire;

pub use error::{ScriptError, SimError};
pub use fault::Fault;
pub use record::Received;
pub use script::model::{Model, Remote, ToolIdRule};
pub use script::payload::Payload;
pub use script::reply::{CallSpec, RawReply, Reply, UsageSpec};
pub use script::rule::{Match, Route, Rule};
pub use script::{Daemon, Script};
pub use server::{SimConfig, Simulator};
pub use wire::Wire;

/// Name of the header that every answer of the simulator carries.
pub const SIMULATOR_HEADER: &str = "x-simulator";

/// Value of [`SIMULATOR_HEADER`].
pub const SIMULATOR_NAME: &str = "handshake-simulator";

/// Largest request body that is read; a larger one is answered with 413.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
