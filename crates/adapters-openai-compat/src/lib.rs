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
    client::{OpenAiCompatFactory, decoder, prepare},
    dialect::{
        COMMON_FINISH, CallContent, DIALECTS, Dialect, Echo, Finish, NATIVE_CUT, ReasoningField,
        Replay,
    },
    encode::IdRule,
    profile::PROFILE_VERSION,
};
