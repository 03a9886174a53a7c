//! The text literals of a JSON body, byte by byte: where each stands, and which of its bytes say what.

use std::{collections::BTreeMap, ops::Range};

/// The bytes between the quotes of each text that `wanted` names. The body is one strict JSON value: every pointer is
/// of one place.
pub(super) fn literals<'w>(
    body: &[u8],
    wanted: impl Iterator<Item = &'w str>,
) -> BTreeMap<&'w str, Range<usize>> {
    let mut found = wanted.map(|pointer| (pointer, None)).collect();
    let mut reader = Reader {
        body,
        at: 0,
        found: &mut found,
    };
    // Nothing is relied on that was read before a fault.
    match reader.value(&mut String::new()) {
        Some(()) => found
            .into_iter()
            .filter_map(|(pointer, range)| Some((pointer, range?)))
            .collect(),
        None => BTreeMap::new(),
    }
}

struct Reader<'b, 'f, 'w> {
    body: &'b [u8],
    at: usize,
    found: &'f mut BTreeMap<&'w str, Option<Range<usize>>>,
}

impl Reader<'_, '_, '_> {
    /// The next byte that is no white space, which stays.
    fn peek(&mut self) -> Option<u8> {
        while self.body.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.body.get(self.at).copied()
    }

    fn value(&mut self, pointer: &mut String) -> Option<()> {
        match self.peek()? {
            b'"' => {
                let inner = self.text()?;
                if let Some(found) = self.found.get_mut(pointer.as_str()) {
                    *found = Some(inner);
                }
                Some(())
            }
            b'{' => self.items(
                b'}',
                |reader, _, pointer| {
                    reader.peek()?;
                    let key = reader.text()?;
                    let key = decoded(&reader.body[key])?;
                    (reader.peek()? == b':').then(|| reader.at += 1)?;
                    let len = pointer.len();
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    reader.value(pointer)?;
                    pointer.truncate(len);
                    Some(())
                },
                pointer,
            ),
            b'[' => self.items(
                b']',
                |reader, index, pointer| {
                    let len = pointer.len();
                    pointer.push_str(&format!("/{index}"));
                    reader.value(pointer)?;
                    pointer.truncate(len);
                    Some(())
                },
                pointer,
            ),
            _ => {
                let ends = |byte: &u8| b",]}".contains(byte) || byte.is_ascii_whitespace();
                let rest = &self.body[self.at..];
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
                Some(())
            }
        }
    }

    fn items(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self, usize, &mut String) -> Option<()>,
        pointer: &mut String,
    ) -> Option<()> {
        self.at += 1;
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        for index in 0.. {
            item(self, index, pointer)?;
            let next = self.peek()?;
            self.at += 1;
            match next {
                b',' => {}
                next => return (next == close).then_some(()),
            }
        }
        None
    }

    /// The bytes of a literal that begins here, without its quotes.
    fn text(&mut self) -> Option<Range<usize>> {
        (self.body.get(self.at)? == &b'"').then_some(())?;
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.body.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some(start..at)
    }
}

/// What a literal says.
pub(super) fn decoded(inner: &[u8]) -> Option<String> {
    serde_json::from_slice(&[b"\"", inner, b"\""].concat()).ok()
}

/// One character of a literal: where it is written, and where it stands in what the literal says.
pub(super) struct Unit {
    pub(super) raw: Range<usize>,
    pub(super) text: Range<usize>,
}

/// The characters of a literal, which is a valid one.
pub(super) fn units(inner: &[u8]) -> Vec<Unit> {
    let (mut out, mut raw, mut text) = (Vec::with_capacity(inner.len()), 0, 0);
    while raw < inner.len() {
        let (written, says) = unit(&inner[raw..]);
        let end = (raw + written).min(inner.len());
        out.push(Unit {
            raw: raw..end,
            text: text..text + says,
        });
        (raw, text) = (end, text + says);
    }
    out
}

/// How many bytes the first character takes, as written and as said.
fn unit(rest: &[u8]) -> (usize, usize) {
    match rest {
        [b'\\', b'u', more @ ..] => match code(more) {
            Some(0xd800..=0xdbff) => (12, 4),
            Some(code) => (6, char::from_u32(code).map_or(3, char::len_utf8)),
            None => (2, 1),
        },
        [b'\\', ..] => (2, 1),
        [first, ..] => {
            let len = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            (len, len)
        }
        [] => (1, 0),
    }
}

fn code(hex: &[u8]) -> Option<u32> {
    let hex = std::str::from_utf8(hex.get(..4)?).ok()?;
    u32::from_str_radix(hex, 16).ok()
}
