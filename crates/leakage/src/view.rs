//! Views: a text decoded the ways an attacker would encode it.
//!
//! Every function here is total, linear in its input, and makes at most a few times its input.

use std::ops::Range;

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

/// What is still looked for in a text that is a view itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Follow {
    /// A text as somebody wrote it: everything.
    All,
    /// A text put together from pieces: encodings, and not the pieces again.
    Encodings,
}

/// All views of a text that something in it asks for.
pub(crate) fn views(data: &[u8], follow: Follow) -> Vec<View> {
    let mut out = Vec::new();
    if !data.is_ascii() {
        normal::normalise(data, &mut out);
    }
    escape::unescape(data, &mut out);
    decode::decode(data, &mut out);
    lists::lists(data, &mut out);
    if follow == Follow::All {
        compact::compact(data, &mut out);
    } else {
        compact::interleaved(data, &mut out);
    }
    out
}

/// The stretches of a text around some places in it, neighbours merged. What lies between changes nothing.
pub(crate) fn windows(places: &[(usize, usize)], len: usize) -> Vec<Range<usize>> {
    const AROUND: usize = 256;
    let mut out: Vec<Range<usize>> = Vec::new();
    for (start, end) in places {
        let window = start.saturating_sub(AROUND)..len.min(end + AROUND);
        match out.last_mut() {
            Some(last) if window.start <= last.end => last.end = window.end.max(last.end),
            _ => out.push(window),
        }
    }
    out
}
