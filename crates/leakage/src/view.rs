//! Views: a text decoded the ways an attacker would encode it.
//!
//! Every function here is total, linear in its input, and makes at most a few times its input.

mod compact;
mod decode;
mod escape;
mod inflate;
mod lists;
mod normal;

pub(crate) use compact::head as compact_head;

pub(crate) use inflate::inflate;
pub(crate) use normal::{Hidden, hidden};

/// A decoded text and the name of the decoding.
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) text: Vec<u8>,
    /// Whether word boundaries were lost on the way.
    pub(crate) pieced: bool,
}

impl View {
    fn written(name: &'static str, text: Vec<u8>) -> Self {
        Self {
            name,
            text,
            pieced: false,
        }
    }
    fn pieced(name: &'static str, text: Vec<u8>) -> Self {
        Self {
            name,
            text,
            pieced: true,
        }
    }
}

/// All views of a text that something in it asks for.
pub(crate) fn views(data: &[u8]) -> Vec<View> {
    let mut out = Vec::new();
    if !data.is_ascii()
        && let Some(view) = normal::normalise(data)
    {
        // What follows is better read from the normalised text, and the recursion does so.
        out.push(view);
    }
    escape::unescape(data, &mut out);
    decode::decode(data, &mut out);
    lists::lists(data, &mut out);
    compact::compact(data, &mut out);
    out
}
