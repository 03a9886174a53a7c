//! Lists of character codes: decimal, hex, octal and binary.

use std::ops::Range;

use super::View;
use crate::bytes::WORD;

/// Fewer codes are no credential.
const MIN: usize = 8;
/// What stands farther apart than this many bytes is not one list.
const FAR: usize = 12;

/// Words that stand around a code in source text and mean nothing themselves.
const NOISE: &[&[u8]] = &[
    b"chr",
    b"char",
    b"Char",
    b"CHR",
    b"CHAR",
    b"String",
    b"fromCharCode",
    b"ord",
    b"u8",
    b"byte",
    b"Buffer",
    b"from",
    b"and",
    b"NCHAR",
];

#[derive(Clone, Copy)]
enum Radix {
    Dec,
    Hex,
    Oct,
    Bin,
}

pub(super) fn lists(data: &[u8], out: &mut Vec<View>) {
    if data.iter().filter(|b| b.is_ascii_digit()).count() < MIN {
        return;
    }
    for stretch in stretches(data) {
        for (radix, name) in [
            (Radix::Dec, "decimal"),
            (Radix::Hex, "hex"),
            (Radix::Oct, "octal"),
            (Radix::Bin, "binary"),
        ] {
            let text = read(&data[stretch.clone()], radix);
            if !text.is_empty() {
                out.push(View::written(name, text));
            }
        }
    }
}

/// Where numbers stand in a row. Every code of a printable ASCII character begins with a digit in all four
/// radices, so that one look at a word's first character tells prose from lists.
fn stretches(data: &[u8]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut from, mut count, mut end, mut at) = (0, 0, 0, 0);
    while at < data.len() {
        if !WORD.has(data[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < data.len() && WORD.has(data[at]) {
            at += 1;
        }
        let word = &data[start..at];
        let near = count == 0 || start - end < FAR;
        let number = word.len() <= 10
            && (word[0].is_ascii_digit()
                || matches!(word[0], b'x' | b'u' | b'U')
                    && word.get(1).is_some_and(u8::is_ascii_digit));
        if number && near {
            if count == 0 {
                from = start;
            }
            count += 1;
        } else if !(near && count > 0 && NOISE.contains(&word)) {
            if count >= MIN {
                out.push(from..end);
            }
            (from, count) = (start, usize::from(number));
        }
        end = at;
    }
    if count >= MIN {
        out.push(from..end);
    }
    out
}

fn read(data: &[u8], radix: Radix) -> Vec<u8> {
    let mut text = Vec::new();
    let mut list = Vec::new();
    for word in words(data) {
        match word {
            Word::Far => close(&mut list, &mut text),
            Word::Text(word) => match code(word, radix) {
                Some(code) => list.push(code),
                None if NOISE.contains(&word) => {}
                None => close(&mut list, &mut text),
            },
        }
    }
    close(&mut list, &mut text);
    text
}

enum Word<'a> {
    Text(&'a [u8]),
    /// Too much stands between two words for them to be neighbours of one list.
    Far,
}

fn words(data: &[u8]) -> impl Iterator<Item = Word<'_>> {
    let (mut at, mut gap) = (0, 0usize);
    std::iter::from_fn(move || {
        while at < data.len() && !WORD.has(data[at]) {
            at += 1;
            gap += 1;
            if gap == FAR {
                return Some(Word::Far);
            }
        }
        if at >= data.len() {
            return None;
        }
        gap = 0;
        let from = at;
        while at < data.len() && WORD.has(data[at]) {
            at += 1;
        }
        Some(Word::Text(&data[from..at]))
    })
}

fn code(word: &[u8], radix: Radix) -> Option<char> {
    let (digits, base) = match radix {
        Radix::Dec if (1..=6).contains(&word.len()) => (word, 10),
        Radix::Hex => {
            let rest = word
                .strip_prefix(b"0x")
                .or_else(|| word.strip_prefix(b"0X"));
            let rest = rest.or_else(|| word.strip_prefix(b"x"));
            let bare = word.strip_suffix(b"h").filter(|w| w.len() == 2);
            match rest.or(bare) {
                Some(digits) if (1..=6).contains(&digits.len()) => (digits, 16),
                None if word.len() == 2 => (word, 16),
                _ => return None,
            }
        }
        Radix::Oct => {
            let digits = word.strip_prefix(b"0o").unwrap_or(word);
            if !(2..=4).contains(&digits.len()) {
                return None;
            }
            (digits, 8)
        }
        Radix::Bin => {
            let digits = word.strip_prefix(b"0b").unwrap_or(word);
            if !(6..=8).contains(&digits.len()) {
                return None;
            }
            (digits, 2)
        }
        Radix::Dec => return None,
    };
    let text = std::str::from_utf8(digits).ok()?;
    char::from_u32(u32::from_str_radix(text, base).ok()?)
}

/// Ends a list: keeps it where most of it can be read.
fn close(list: &mut Vec<char>, text: &mut Vec<u8>) {
    let seen = list
        .iter()
        .filter(|c| **c >= ' ' && **c != '\u{7f}')
        .count();
    if list.len() >= MIN && seen * 10 >= list.len() * 8 {
        for c in list.iter() {
            text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        text.push(b'\n');
    }
    list.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_lists_are_read_in_four_radices() {
        let text = b"ghp_token!";
        for render in [
            |b: &u8| format!("{b}, "),
            |b: &u8| format!("0x{b:02x},"),
            |b: &u8| format!("{b:02X} "),
            |b: &u8| format!("{b:08b} "),
            |b: &u8| format!("chr({b})+"),
            |b: &u8| format!("0o{b:o} "),
        ] {
            let list: String = text.iter().map(render).collect();
            let mut out = Vec::new();
            lists(list.as_bytes(), &mut out);
            assert!(out.iter().any(|v| v.text.starts_with(text)), "{list}");
        }
    }
}
