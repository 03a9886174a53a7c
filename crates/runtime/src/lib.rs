#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod adapters;
mod attempt;
mod call;
pub mod check;
pub mod compile;
mod config;
mod consent;
mod emit;
pub mod explain;
mod flood;
mod handle;
mod outcome;
mod pause;
mod ports;
mod redacting;
mod refusal;
pub mod registry;
mod route;
mod runtime;
mod size;
mod step;
pub mod swap;
mod timings;
pub mod tools;
mod turns;
mod watch;

pub use self::{
    adapters::Adapters,
    config::{CallOptions, Config, ConsentMode, EmulateTools, History, Redact, ToolUse},
    handle::{CallHandle, Delivery},
    ports::Ports,
    runtime::Runtime,
    timings::{CallStep, Timings},
};
