#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod answer;
mod auth;
mod gateway;
mod limits;
mod metrics;
mod running;
mod server;
mod shape;

pub use self::{
    gateway::{Gateway, GatewayBuilder, GatewayPorts},
    limits::Limits,
    server::Listener,
};
