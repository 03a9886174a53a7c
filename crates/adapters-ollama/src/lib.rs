#![doc = include_str!("../README.md")]

mod client;
mod control;
mod decode;
mod dialect;
mod encode;
mod failure;
mod profile;
mod wire;

pub use self::{
    client::{Ollama, OllamaFactory, decoder, prepare},
    dialect::{DIALECT_FORWARDING, DIALECT_LOCAL},
    profile::PROFILE_VERSION,
};
