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
    client::{OpenAiCompat, OpenAiCompatFactory, decoder, prepare},
    dialect::{
        COMMON_FINISH, CallContent, DIALECTS, Dialect, Echo, Finish, IdRule, NATIVE_CUT,
        ReasoningField, Replay,
    },
    profile::PROFILE_VERSION,
};
