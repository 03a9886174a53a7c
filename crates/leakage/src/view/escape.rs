//! Escapes: backslash, percent, quoted-printable, HTML entities, `U+` notation.

use std::ops::Range;

use super::View;
use crate::bytes::ESCAPE;

/// Undoes all escapes in one pass, around the places that have some.
pub(super) fn unescape(data: &[u8], out: &mut Vec<View>) {
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some(skip) = data[at..].iter().position(|b| ESCAPE.has(*b)) {
        at += skip;
        let Some((code, len, _)) = step(data, at) else {
            at += 1;
            continue;
        };
        // Line ends and quotes separate words; undoing them alone shows nothing new.
        if len > 2 || code >= 0x80 || code == u32::from(b'/') {
            places.push((at, at + len));
        }
        at += len;
    }
    for window in super::windows(&places, data.len()) {
        undo(data, window, out);
    }
}

/// The character that an escape stands for, its length, its kind.
fn step(data: &[u8], at: usize) -> Option<(u32, usize, usize)> {
    match data[at] {
        b'\\' => backslash(&data[at..]).map(|(c, n)| (c, n, 0)),
        b'%' => hex_pair(&data[at + 1..]).map(|b| (u32::from(b), 3, 1)),
        b'&' => entity(&data[at..]).map(|(c, n)| (c, n, 2)),
        b'=' => hex_pair(&data[at + 1..])
            .filter(|b| *b >= 0x20)
            .map(|b| (u32::from(b), 3, 3)),
        b'U' if data.get(at + 1) == Some(&b'+') => {
            digits(&data[at + 2..], 16, 4, 6).map(|(c, n)| (c, n + 2, 0))
        }
        _ => None,
    }
}

fn undo(data: &[u8], window: Range<usize>, out: &mut Vec<View>) {
    let mut text = Vec::new();
    let mut counts = [0usize; 4];
    let (mut at, mut copied) = (window.start, window.start);
    while at < window.end {
        if let Some((code, len, kind)) = step(data, at) {
            text.extend_from_slice(&data[copied..at]);
            push(code, kind, &mut text);
            counts[kind] += 1;
            at += len;
            copied = at;
        } else {
            at += 1;
        }
    }
    let (kind, most) = counts
        .iter()
        .enumerate()
        .max_by_key(|(_, n)| **n)
        .unwrap_or((0, &0));
    // `a=12` is no quoted-printable; a handful of pairs in a row is.
    if *most == 0 || kind == 3 && *most < 8 {
        return;
    }
    if copied < window.end {
        text.extend_from_slice(&data[copied..window.end]);
    }
    let name = ["unescape", "percent", "html", "quoted-printable"][kind];
    out.push(View::written(name, text));
}

fn push(code: u32, kind: usize, text: &mut Vec<u8>) {
    // Percent and quoted-printable name bytes; the rest names characters.
    if (kind == 1 || kind == 3 || code < 0x80) && code <= 0xff {
        text.push(code as u8);
    } else if let Some(c) = char::from_u32(code) {
        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn hex_pair(data: &[u8]) -> Option<u8> {
    digits(data, 16, 2, 2).map(|(n, _)| n as u8)
}

/// A number of at least `min` and at most `max` digits.
fn digits(data: &[u8], radix: u32, min: usize, max: usize) -> Option<(u32, usize)> {
    let (mut n, mut len) = (0u32, 0);
    while len < max {
        let Some(d) = data.get(len).and_then(|b| char::from(*b).to_digit(radix)) else {
            break;
        };
        n = n.checked_mul(radix)?.checked_add(d)?;
        len += 1;
    }
    (len >= min).then_some((n, len))
}

fn backslash(data: &[u8]) -> Option<(u32, usize)> {
    let rest = data.get(2..).unwrap_or_default();
    match data.get(1)? {
        b'u' | b'U' if rest.first() == Some(&b'{') => {
            let (code, n) = digits(&rest[1..], 16, 1, 6)?;
            (rest.get(n + 1) == Some(&b'}')).then_some((code, n + 4))
        }
        b'u' => {
            let (code, _) = digits(rest, 16, 4, 4)?;
            if (0xd800..0xdc00).contains(&code) && rest.get(4..6) == Some(b"\\u") {
                let (low, _) = digits(&rest[6..], 16, 4, 4)?;
                let pair = 0x10000 + ((code - 0xd800) << 10 | low.wrapping_sub(0xdc00) & 0x3ff);
                return Some((pair, 12));
            }
            Some((code, 6))
        }
        b'U' => digits(rest, 16, 8, 8).map(|(code, n)| (code, n + 2)),
        b'x' => digits(rest, 16, 2, 2).map(|(code, n)| (code, n + 2)),
        b'n' => Some((u32::from(b'\n'), 2)),
        b'r' => Some((u32::from(b'\r'), 2)),
        b't' => Some((u32::from(b'\t'), 2)),
        b @ (b'"' | b'\'' | b'\\' | b'/') => Some((u32::from(*b), 2)),
        b'0'..=b'7' => digits(&data[1..], 8, 3, 3).map(|(code, n)| (code, n + 1)),
        _ => None,
    }
}

fn entity(data: &[u8]) -> Option<(u32, usize)> {
    const NAMES: &[(&[u8], u8)] = &[
        (b"amp;", b'&'),
        (b"lt;", b'<'),
        (b"gt;", b'>'),
        (b"quot;", b'"'),
        (b"apos;", b'\''),
        (b"lowbar;", b'_'),
        (b"UnderBar;", b'_'),
        (b"hyphen;", b'-'),
        (b"dash;", b'-'),
        (b"period;", b'.'),
        (b"sol;", b'/'),
        (b"plus;", b'+'),
        (b"equals;", b'='),
        (b"colon;", b':'),
        (b"comma;", b','),
        (b"commat;", b'@'),
        (b"num;", b'#'),
        (b"dollar;", b'$'),
        (b"percnt;", b'%'),
        (b"Tab;", b'\t'),
        (b"NewLine;", b'\n'),
        (b"nbsp;", b' '),
    ];
    if data.get(1) == Some(&b'#') {
        let hex = matches!(data.get(2), Some(b'x' | b'X'));
        let skip = if hex { 3 } else { 2 };
        let (code, n) = digits(data.get(skip..)?, if hex { 16 } else { 10 }, 1, 7)?;
        let semicolon = usize::from(data.get(skip + n) == Some(&b';'));
        return Some((code, skip + n + semicolon));
    }
    let rest = data.get(1..)?;
    NAMES
        .iter()
        .find(|(name, _)| rest.starts_with(name))
        .map(|(name, b)| (u32::from(*b), name.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        for (text, want) in [
            (r"\u0067\x68\160\u{5f}", "ghp_"),
            ("%67%68%70%5F", "ghp_"),
            ("&#103;&#x68;p&lowbar;", "ghp_"),
            ("=67=68=70=5F=67=68=70=5F", "ghp_ghp_"),
            (r"\ud83d\ude00", "😀"),
        ] {
            let mut out = Vec::new();
            unescape(text.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out[0].text), want, "{text}");
        }
        let mut out = Vec::new();
        unescape(b"50% of a=12 & more \\ ", &mut out);
        assert!(out.is_empty());
    }
}
