#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod admit;
pub mod artifact;
pub mod attest;
pub mod base_url;
pub mod capability;
pub mod chat;
pub mod client;
pub mod code;
pub mod consent;
pub mod control;
pub mod digest;
pub mod envelope;
pub mod error;
pub mod event;
pub mod finding;
pub mod gate;
pub mod ids;
pub mod json;
pub mod label;
pub mod net;
pub mod policy;
pub mod ports;
pub mod profile;
pub mod provider;
pub mod reply;
pub mod routing;
pub mod seal;
pub mod secret;
pub mod swap;
pub mod tier;
pub mod time;
pub mod tool;
pub mod upstream;
pub mod verbatim;
mod words;
