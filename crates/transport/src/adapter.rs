//! The kit that every adapter is made with.
//!
//! An adapter implements [`Protocol`]: which requests it renders, how one answer is read ([`Turn`]), what a failure means,
//! what a model can do. [`Factory`] makes an adapter of it: it checks that a clearance is the adapter's own, sends, bounds
//! error bodies, refuses answers of an unknown media type, and drives the decoder. No adapter opens a connection, repeats a
//! call, or keeps a word of what a provider said.
//!
//! `docs/write-an-adapter.md` walks through a whole one.

mod body;
mod decoder;
mod emulated;
mod factory;
mod identity;
mod request;
mod send;
mod specials;
mod text;

pub use self::{
    body::BodyKind,
    decoder::{Decoder, Turn},
    factory::{Factory, Protocol},
    request::{Auth, BEARER, get, post},
    send::{ERROR_CAP, ours, refused, unexpected},
    specials::escape_specials,
    text::Text,
};
