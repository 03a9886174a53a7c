//! Synthetic values from a rule's `sample`: literals and `{class:count}` parts, so that no token stands in
//! the repository.
//!
//! Classes: `a62` base62, `a36` lower and digits, `A36` upper and digits, `hex`, `HEX`, `dig`, `low`, `upp`,
//! `let` letters, `b64` base64, `url` base64url, `b32` upper and 2 to 7. `{crc}` is the base62 CRC32 over
//! what follows the first `_`. `{b64:text}` with any other text encodes it.

use crate::checksum::base62;

const CLASSES: &[(&str, &str)] = &[
    (
        "a62",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    ),
    ("a36", "abcdefghijklmnopqrstuvwxyz0123456789"),
    ("A36", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
    ("hex", "0123456789abcdef"),
    ("HEX", "0123456789ABCDEF"),
    ("dig", "0123456789"),
    ("low", "abcdefghijklmnopqrstuvwxyz"),
    ("upp", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    (
        "let",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    ),
    (
        "b64",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    ),
    (
        "url",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    ),
    ("b32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    ("bech", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
];

/// Renders a sample, the same for the same seed.
pub(crate) fn render(sample: &str, seed: u64) -> String {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut out = String::new();
    let mut rest = sample;
    while let Some((literal, tail)) = rest.split_once('{') {
        out.push_str(literal);
        let Some((part, after)) = tail.split_once('}') else {
            out.push('{');
            out.push_str(tail);
            return out;
        };
        expand(part, &mut state, &mut out);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn expand(part: &str, state: &mut u64, out: &mut String) {
    if part == "crc" {
        let body = out.split_once('_').map_or("", |(_, body)| body);
        out.push_str(&String::from_utf8_lossy(&base62(crc32fast::hash(
            body.as_bytes(),
        ))));
        return;
    }
    let class = part.split_once(':').and_then(|(name, count)| {
        let alphabet = CLASSES.iter().find(|(class, _)| *class == name)?.1;
        Some((alphabet.as_bytes(), count.parse::<usize>().ok()?))
    });
    match class {
        Some((alphabet, count)) => {
            for _ in 0..count {
                out.push(char::from(alphabet[next(state) as usize % alphabet.len()]));
            }
        }
        // Not a class: the braces are the sample's own.
        None => {
            out.push('{');
            out.push_str(part);
            out.push('}');
        }
    }
}

/// splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
