//! One binary, so that the crate's tests link once.

#[path = "it/calls.rs"]
mod calls;
#[path = "it/case.rs"]
mod case;
#[path = "it/corpus.rs"]
mod corpus;
#[path = "it/decode.rs"]
mod decode;
#[path = "it/encode.rs"]
mod encode;
#[path = "it/field.rs"]
mod field;
#[path = "it/home.rs"]
mod home;
#[path = "it/laws.rs"]
mod laws;
#[path = "it/served.rs"]
mod served;
#[path = "it/specials.rs"]
mod specials;
#[path = "it/window.rs"]
mod window;
#[path = "it/wire.rs"]
mod wire;
