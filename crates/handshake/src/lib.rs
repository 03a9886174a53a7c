#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod account;
mod adapters;
mod anchor;
mod approve;
mod builder;
mod clock;
mod connections;
mod error;
mod facade;
mod factor;
mod findings;
mod halt;
mod harden;
mod home;
mod opening;
pub mod parts;
mod policy;
mod seals;
pub mod shown;
mod strength;
mod tools;
mod trust;
mod verify;
mod wire;

pub use handshake_core::{
    chat::{ChatEvent, ChatRequest, TurnEvent},
    code::ErrorCode,
    ids::RequestId,
    secret::Secret,
};
pub use handshake_runtime::CallHandle;

pub use self::{
    approve::{Approver, LeaseLeft, LeaseLimits, Preview, Waivable},
    builder::Builder,
    error::Error,
    facade::Handshake,
};
