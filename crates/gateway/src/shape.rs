//! The shapes that clients speak, one module each.

pub(crate) mod chat_completions;
