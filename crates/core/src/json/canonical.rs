//! Writes canonical JSON (RFC 8785) in one pass, without a tree: members are written where they come and put in
//! order when their object ends. Held against a tree-based implementation by a property test.

use std::{cmp::Ordering, fmt, ops::Range};

use serde::Serialize;

use crate::digest::NotCanonical;

mod key;
mod serializer;

/// The largest integer that a double, and so RFC 8785, holds with all its neighbours below.
const EXACT: u64 = 1 << 53;
/// Appends the canonical form of a value. After a refusal `out` is as it was.
pub(crate) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), NotCanonical> {
    let before = out.len();
    // Room for an event, so that nothing grows step by step.
    let mut writer = Writer {
        out,
        keys: String::with_capacity(512),
        members: Vec::with_capacity(32),
        sorted: Vec::with_capacity(1024),
    };
    let written = value.serialize(&mut writer);
    written.map_err(|Refused(why)| {
        out.truncate(before);
        why
    })
}

/// serde's error: which of the two refusals it is, and nothing of the value.
#[derive(Debug)]
struct Refused(NotCanonical);

const NUMBER_REFUSED: Refused = Refused(NotCanonical::Number);
const REFUSED: Refused = Refused(NotCanonical::Unserialisable);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl serde::ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        REFUSED
    }
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// The unescaped keys of the members of all objects that are not ended yet.
    keys: String,
    members: Vec<Member>,
    /// Room for the members of an object in their order.
    sorted: Vec<u8>,
}

/// Where a member's key and its text `"key":value` stand.
struct Member {
    key: Range<usize>,
    text: Range<usize>,
    /// The first bytes of a key in ASCII, whose order is that of its bytes, as a number of the same order. Most keys
    /// differ there.
    begins: Option<u64>,
}

impl Writer<'_> {
    fn string(&mut self, text: &str) {
        push_string(self.out, text);
    }

    fn unsigned(&mut self, number: u64) -> Result<(), Refused> {
        if number > EXACT {
            return Err(NUMBER_REFUSED);
        }
        let mut digits = [0; 20];
        let mut rest = number;
        let mut first = digits.len();
        loop {
            first -= 1;
            // A digit fits.
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[first..]);
        Ok(())
    }

    fn signed(&mut self, number: i64) -> Result<(), Refused> {
        if number.unsigned_abs() > EXACT {
            return Err(NUMBER_REFUSED);
        }
        if number < 0 {
            self.out.push(b'-');
        }
        self.unsigned(number.unsigned_abs())
    }

    /// The part between the brackets of an enum's variant.
    fn variant(&mut self, name: &str) {
        self.out.push(b'{');
        self.string(name);
        self.out.push(b':');
    }
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    let special = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
    // Without an early end, so that the compiler looks at many bytes at once.
    if !rest.iter().fold(false, |any, byte| any | special(byte)) {
        return out.extend_from_slice(rest);
    }
    while let Some(at) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let low = HEX[usize::from(control & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (control >> 4), low]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn beginning(key: &str) -> Option<u64> {
    let mut first = [0; 8];
    let taken = key.len().min(first.len());
    first[..taken].copy_from_slice(&key.as_bytes()[..taken]);
    key.is_ascii().then(|| u64::from_be_bytes(first))
}

/// The order of RFC 8785: by UTF-16 code units. For ASCII that is the order of the bytes.
fn by_code_units(keys: &str, a: &Member, b: &Member) -> Ordering {
    let text = |member: &Member| &keys.as_bytes()[member.key.clone()];
    match (a.begins, b.begins) {
        (Some(left), Some(right)) => left.cmp(&right).then_with(|| text(a).cmp(text(b))),
        _ => {
            let units = |member: &Member| keys[member.key.clone()].encode_utf16();
            units(a).cmp(units(b))
        }
    }
}

/// An object that is being written.
struct Object<'a, 'o> {
    writer: &'a mut Writer<'o>,
    start: usize,
    first_member: usize,
    first_key: usize,
    /// What stands after the last member.
    end: &'static [u8],
}

impl<'a, 'o> Object<'a, 'o> {
    fn begin(writer: &'a mut Writer<'o>, end: &'static [u8]) -> Self {
        writer.out.push(b'{');
        Self {
            start: writer.out.len(),
            first_member: writer.members.len(),
            first_key: writer.keys.len(),
            writer,
            end,
        }
    }

    /// Begins a member whose key was put at the end of `keys`.
    fn key(&mut self, key: Range<usize>) {
        let writer = &mut *self.writer;
        if writer.members.len() > self.first_member {
            writer.out.push(b',');
        }
        let start = writer.out.len();
        push_string(writer.out, &writer.keys[key.clone()]);
        writer.out.push(b':');
        let begins = beginning(&writer.keys[key.clone()]);
        let text = start..start;
        writer.members.push(Member { key, text, begins });
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut *self.writer)?;
        let end = self.writer.out.len();
        // Without a key there is no member: a map that was written against serde's rules.
        let member = self.writer.members.get_mut(self.first_member..);
        let member = member.and_then(<[Member]>::last_mut).ok_or(REFUSED)?;
        member.text.end = end;
        Ok(())
    }

    fn member<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        let from = self.writer.keys.len();
        self.writer.keys.push_str(name);
        self.key(from..self.writer.keys.len());
        self.value(value)
    }

    fn finish(self) {
        let Writer {
            out,
            keys,
            members,
            sorted,
        } = self.writer;
        let own = &mut members[self.first_member..];
        let order = |a: &Member, b: &Member| by_code_units(keys, a, b);
        if !own.is_sorted_by(|a, b| order(a, b) == Ordering::Less) {
            own.sort_by(order);
            sorted.clear();
            for (n, member) in own.iter().enumerate() {
                // Of equal keys the last one written counts, as in a map.
                if own
                    .get(n + 1)
                    .is_some_and(|next| order(member, next) == Ordering::Equal)
                {
                    continue;
                }
                if !sorted.is_empty() {
                    sorted.push(b',');
                }
                sorted.extend_from_slice(&out[member.text.clone()]);
            }
            out.truncate(self.start);
            out.extend_from_slice(sorted);
        }
        out.extend_from_slice(self.end);
        members.truncate(self.first_member);
        keys.truncate(self.first_key);
    }
}

/// An array that is being written.
struct Array<'a, 'o> {
    writer: &'a mut Writer<'o>,
    empty: bool,
    end: &'static [u8],
}

impl<'a, 'o> Array<'a, 'o> {
    fn begin(writer: &'a mut Writer<'o>, end: &'static [u8]) -> Self {
        writer.out.push(b'[');
        Self {
            writer,
            empty: true,
            end,
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        if !std::mem::take(&mut self.empty) {
            self.writer.out.push(b',');
        }
        value.serialize(&mut *self.writer)
    }

    fn finish(self) {
        self.writer.out.extend_from_slice(self.end);
    }
}

#[cfg(test)]
mod tests;
