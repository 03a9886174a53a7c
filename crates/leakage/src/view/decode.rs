//! Runs of base64, base32 and hex, at any alignment.

use std::ops::Range;

use super::{View, inflate};
use crate::{bytes::BASE64, checksum::sextet};

/// Shorter runs encode less than twelve bytes: no credential.
const MIN_RUN: usize = 16;
/// The shortest readable stretch within decoded bytes that is worth a look.
const MIN_TEXT: usize = 10;

/// The maximal runs of the base64 and base64url alphabets of 16 characters or more.
pub(crate) fn runs(data: &[u8]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut from = 0;
    for (at, byte) in data.iter().enumerate() {
        if !BASE64.has(*byte) {
            if at - from >= MIN_RUN {
                out.push(from..at);
            }
            from = at + 1;
        }
    }
    if data.len() - from >= MIN_RUN {
        out.push(from..data.len());
    }
    out
}

pub(super) fn decode(data: &[u8], out: &mut Vec<View>) {
    let runs = runs(data);
    for run in &runs {
        decode_run(&data[run.clone()], out);
    }
    // Lines of a wrapped block, and pieces of a split literal.
    let mut at = 0;
    while at < runs.len() {
        let mut last = at;
        while last + 1 < runs.len() && is_seam(&data[runs[last].end..runs[last + 1].start]) {
            last += 1;
        }
        let tail = trailing(data, runs[last].end);
        if last > at || !tail.is_empty() {
            let mut joined: Vec<u8> = Vec::new();
            runs[at..=last]
                .iter()
                .for_each(|run| joined.extend_from_slice(&data[run.clone()]));
            joined.extend_from_slice(tail);
            decode_run(&joined, out);
        }
        at = last + 1;
    }
}

/// What may stand between two lines of one block.
fn is_seam(between: &[u8]) -> bool {
    between.len() <= 24
        && between
            .iter()
            .all(|b| b.is_ascii_whitespace() || b"\"'`+,\\.|>#*".contains(b))
}

/// The short last line of a wrapped block.
fn trailing(data: &[u8], from: usize) -> &[u8] {
    let rest = &data[from..];
    let gap = rest
        .iter()
        .take(24)
        .take_while(|b| b.is_ascii_whitespace() || b"\"'+,\\".contains(b))
        .count();
    if gap == 0 || !rest[..gap].contains(&b'\n') {
        return &[];
    }
    let rest = &rest[gap..];
    let len = rest
        .iter()
        .take(MIN_RUN)
        .take_while(|b| BASE64.has(**b))
        .count();
    &rest[..len]
}

fn decode_run(run: &[u8], out: &mut Vec<View>) {
    if run.iter().all(u8::is_ascii_hexdigit) {
        for skip in 0..2 {
            emit("hex", hex(&run[skip.min(run.len())..]), out);
        }
    }
    let base32 = |b: &u8| b.is_ascii_alphabetic() || (b'2'..=b'7').contains(b);
    if run.iter().all(base32) && (is_all_upper(run) || is_all_lower(run)) {
        for skip in 0..8.min(run.len()) {
            if is_telling(&run[skip..], 5, from32) {
                emit("base32", bits(&run[skip..], 5, from32), out);
            }
        }
    }
    for skip in 0..4.min(run.len()) {
        if is_telling(&run[skip..], 6, from64) {
            emit("base64", bits(&run[skip..], 6, from64), out);
        }
    }
}

fn is_all_upper(run: &[u8]) -> bool {
    !run.iter().any(u8::is_ascii_lowercase)
}

fn is_all_lower(run: &[u8]) -> bool {
    !run.iter().any(u8::is_ascii_uppercase)
}

fn hex(run: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
    run.chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn from32(byte: u8) -> u8 {
    match byte.to_ascii_uppercase() {
        b @ b'A'..=b'Z' => b - b'A',
        b => b.wrapping_sub(b'2').wrapping_add(26) & 31,
    }
}

fn from64(byte: u8) -> u8 {
    sextet(byte).unwrap_or(0)
}

/// Whether a run decodes to something readable, compressed or of two bytes a character: a look without a
/// buffer, because most runs of text are identifiers. Strides as string search does: a readable stretch
/// has a readable byte at every tenth place.
fn is_telling(run: &[u8], width: usize, value: fn(u8) -> u8) -> bool {
    let len = run.len() * width / 8;
    let byte = |i: usize| {
        let (bit, mut acc) = (i * 8, 0u32);
        let first = bit / width;
        for k in 0..3 {
            acc = acc << width | u32::from(run.get(first + k).map_or(0, |b| value(*b)));
        }
        (acc >> (3 * width - 8 - bit % width) & 0xff) as u8
    };
    if len < MIN_TEXT {
        return false;
    }
    if matches!(
        (byte(0), byte(1)),
        (0x1f, 0x8b) | (0x78, 0x01 | 0x5e | 0x9c | 0xda)
    ) {
        return true;
    }
    let zeros = |from: usize| (0..4).filter(|k| byte(from + 2 * k) == 0).count() >= 3;
    if zeros(0) || zeros(1) {
        return true;
    }
    let readable = |i: usize| matches!(byte(i), 0x20..0x7f | b'\t' | b'\n' | b'\r');
    let mut at = MIN_TEXT - 1;
    while at < len {
        match (at + 1 - MIN_TEXT..=at).rev().find(|i| !readable(*i)) {
            None => return true,
            Some(gap) => at = gap + MIN_TEXT,
        }
    }
    false
}

fn bits(run: &[u8], width: u32, value: fn(u8) -> u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(run.len() * width as usize / 8 + 1);
    let (mut acc, mut held) = (0u32, 0);
    for byte in run {
        acc = acc << width | u32::from(value(*byte));
        held += width;
        if held >= 8 {
            held -= 8;
            out.push((acc >> held & 0xff) as u8);
        }
    }
    out
}

/// Keeps decoded bytes only where something in them can be read.
fn emit(name: &'static str, bytes: Vec<u8>, out: &mut Vec<View>) {
    if let Some(text) = inflate(&bytes) {
        out.push(View::written(name, printable(&text)));
        return;
    }
    let text = printable(&bytes);
    if !text.is_empty() {
        out.push(View::written(name, text));
    }
}

/// The readable stretches of a byte string, UTF-16 included, one per line.
pub(crate) fn printable(bytes: &[u8]) -> Vec<u8> {
    if std::str::from_utf8(bytes).is_ok_and(|t| !t.contains('\0')) && readable(bytes) {
        return bytes.to_vec();
    }
    let mut out = Vec::new();
    stretches(bytes.iter().copied(), &mut out);
    // UTF-16: every other byte, of either parity.
    if bytes.contains(&0) {
        for parity in 0..2 {
            let other = bytes.iter().skip(1 - parity).step_by(2);
            if other.clone().filter(|b| **b == 0).count() >= MIN_TEXT {
                stretches(bytes.iter().skip(parity).step_by(2).copied(), &mut out);
            }
        }
    }
    out
}

fn readable(bytes: &[u8]) -> bool {
    bytes.len() >= MIN_TEXT && bytes.iter().all(|b| *b >= 0x20 || b.is_ascii_whitespace())
}

fn stretches(bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let mut from = out.len();
    for byte in bytes.chain(std::iter::once(0)) {
        if (0x20..0x7f).contains(&byte) || byte == b'\t' || byte == b'\n' || byte == b'\r' {
            out.push(byte);
        } else if out.len() - from >= MIN_TEXT {
            out.push(b'\n');
            from = out.len();
        } else {
            out.truncate(from);
        }
    }
}
