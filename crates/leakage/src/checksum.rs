//! Checksums and structures that published token formats carry.

use serde::{Deserialize, Serialize};

/// What is verified about a match beyond its pattern.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Checksum {
    /// `prefix_` + 30 base62 characters + 6 of CRC32 over those 30, base62 (GitHub, npm).
    Base62Crc32,
    /// Header and, where it is not encrypted, payload parse as JSON objects.
    Jwt,
    /// A PEM block with at least one line of base64.
    Pem,
    /// `user:password` in base64.
    BasicAuth,
    /// A JSON object in base64url, with or without padding, after the last `_` of the prefix.
    Base64Json,
    /// Luhn, with the length of a card number.
    Luhn,
    /// ISO 13616 check digits.
    Iban,
    /// A bech32 checksum (age secret keys).
    Bech32,
    /// A generic value: rarity and name decide.
    Generic,
    /// A generic password: weaker rarity, lower level.
    Password,
    /// The password of a URL or connection string: whatever stands there is one, unless it is a template.
    UrlPassword,
}

/// What a checksum says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proof {
    /// It holds: certain.
    Holds,
    /// It does not hold; a mistyped or truncated key is still a leak.
    Fails,
    /// It is not a credential at all.
    Refutes,
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Checksum {
    /// Verifies a matched value. [`Checksum::Generic`] and [`Checksum::Password`] are judged by `rarity`.
    pub(crate) fn verify(self, value: &[u8]) -> Proof {
        match self {
            Self::Base62Crc32 => holds(base62_crc32(value)),
            Self::Jwt => if_not(jwt(value), Proof::Refutes),
            Self::Pem => if_not(pem(value), Proof::Refutes),
            Self::BasicAuth => if_not(basic_auth(value), Proof::Refutes),
            Self::Base64Json => holds(base64_json(value)),
            Self::Luhn => if_not(luhn(value), Proof::Refutes),
            Self::Iban => if_not(iban(value), Proof::Refutes),
            Self::Bech32 => holds(bech32(value)),
            Self::Generic | Self::Password | Self::UrlPassword => Proof::Fails,
        }
    }
}

fn holds(ok: bool) -> Proof {
    if_not(ok, Proof::Fails)
}

fn if_not(ok: bool, otherwise: Proof) -> Proof {
    if ok { Proof::Holds } else { otherwise }
}

/// The six base62 digits of a CRC32, left-padded with `0`.
pub(crate) fn base62(mut n: u32) -> [u8; 6] {
    let mut out = [b'0'; 6];
    for digit in out.iter_mut().rev() {
        *digit = BASE62[(n % 62) as usize];
        n /= 62;
    }
    out
}

fn base62_crc32(value: &[u8]) -> bool {
    let Some(at) = value.iter().position(|b| *b == b'_') else {
        return false;
    };
    let body = &value[at + 1..];
    let Some(split) = body.len().checked_sub(6) else {
        return false;
    };
    let (body, sum) = body.split_at(split);
    base62(crc32fast::hash(body)) == *sum
}

/// Decodes base64 or base64url, padded or not. `None` where it is neither.
pub(crate) fn decode64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let end = text.iter().rposition(|b| *b != b'=').map_or(0, |i| i + 1);
    let mut out = Vec::with_capacity(end * 3 / 4 + 3);
    let (mut acc, mut bits) = (0u32, 0);
    for byte in &text[..end] {
        acc = acc << 6 | u32::from(sextet(*byte)?);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((acc >> bits & 0xff) as u8);
        }
    }
    Some(out)
}

/// The value of one base64 or base64url character.
pub(crate) fn sextet(byte: u8) -> Option<u8> {
    Some(SEXTETS[usize::from(byte)]).filter(|value| *value < 64)
}

static SEXTETS: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut i = 0;
    while i < 64 {
        let byte = match i {
            0..=25 => b'A' + i,
            26..=51 => b'a' + i - 26,
            52..=61 => b'0' + i - 52,
            62 => b'+',
            _ => b'/',
        };
        table[byte as usize] = i;
        i += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
};

fn is_object(json: &[u8]) -> bool {
    matches!(
        serde_json::from_slice(json),
        Ok(serde_json::Value::Object(_))
    )
}

fn jwt(value: &[u8]) -> bool {
    let mut parts = value.split(|b| *b == b'.');
    let header = parts.next().and_then(decode64);
    let payload = parts.next().and_then(decode64);
    // A truncated or altered part still shows how it began.
    let begins = |part: &[u8]| is_object(part) || part.starts_with(b"{\"");
    header.is_some_and(|h| begins(&h)) && payload.is_some_and(|p| begins(&p) || !p.is_empty())
}

fn pem(value: &[u8]) -> bool {
    // The longest stretch of base64 after the header line tells a key from a template.
    let body = value
        .windows(5)
        .position(|w| w == b"-----")
        .map_or(value, |i| &value[i + 5..]);
    let body = body
        .windows(5)
        .position(|w| w == b"-----")
        .map_or(body, |i| &body[i + 5..]);
    let (mut run, mut best) = (0, 0);
    for byte in body {
        run = if sextet(*byte).is_some() && *byte != b'-' {
            run + 1
        } else {
            0
        };
        best = best.max(run);
    }
    best >= 32
}

fn basic_auth(value: &[u8]) -> bool {
    decode64(value).is_some_and(|text| {
        text.iter()
            .position(|b| *b == b':')
            .is_some_and(|at| text.len() > at + 1 || at >= 3)
            && text.iter().all(|b| *b >= 0x20 && *b != 0x7f)
    })
}

fn base64_json(value: &[u8]) -> bool {
    let at = value.windows(3).position(|w| w == b"eyJ").unwrap_or(0);
    let end = value[at..]
        .iter()
        .position(|b| sextet(*b).is_none())
        .map_or(value.len(), |i| at + i);
    decode64(&value[at..end]).is_some_and(|json| is_object(&json))
}

fn luhn(value: &[u8]) -> bool {
    let digits: Vec<u32> = value
        .iter()
        .filter(|b| b.is_ascii_digit())
        .map(|b| u32::from(b - b'0'))
        .collect();
    if !(13..=19).contains(&digits.len()) || digits.iter().all(|d| *d == digits[0]) {
        return false;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            if i % 2 == 0 {
                *d
            } else {
                d * 2 - if *d > 4 { 9 } else { 0 }
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn iban(value: &[u8]) -> bool {
    let text: Vec<u8> = value
        .iter()
        .copied()
        .filter(u8::is_ascii_alphanumeric)
        .collect();
    if !(15..=34).contains(&text.len()) {
        return false;
    }
    let rotated = text[4..].iter().chain(&text[..4]);
    let mut rest = 0u32;
    for byte in rotated {
        let Some(n) = char::from(byte.to_ascii_lowercase()).to_digit(36) else {
            return false;
        };
        rest = (rest * if n > 9 { 100 } else { 10 } + n) % 97;
    }
    rest == 1
}

fn bech32(value: &[u8]) -> bool {
    const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let text = value.to_ascii_lowercase();
    let Some(at) = text.iter().rposition(|b| *b == b'1') else {
        return false;
    };
    let (human, data) = (&text[..at], &text[at + 1..]);
    let mut sum = 1u32;
    let mut step = |value: u32| {
        let top = sum >> 25;
        sum = (sum & 0x01ff_ffff) << 5 ^ value;
        for (i, generator) in GENERATOR.iter().enumerate() {
            if top >> i & 1 == 1 {
                sum ^= generator;
            }
        }
    };
    human.iter().for_each(|b| step(u32::from(b >> 5)));
    step(0);
    human.iter().for_each(|b| step(u32::from(b & 31)));
    for byte in data {
        let Some(value) = CHARSET.iter().position(|c| c == byte) else {
            return false;
        };
        step(value as u32);
    }
    sum == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base62_checksums_hold_only_for_the_right_body() {
        let body = "abcdefghijABCDEFGHIJ0123456789";
        let sum =
            String::from_utf8(base62(crc32fast::hash(body.as_bytes())).to_vec()).expect("ascii");
        assert_eq!(
            Checksum::Base62Crc32.verify(format!("ghp_{body}{sum}").as_bytes()),
            Proof::Holds
        );
        assert_eq!(
            Checksum::Base62Crc32.verify(format!("ghp_{body}000000").as_bytes()),
            Proof::Fails
        );
    }

    #[test]
    fn luhn_and_iban_know_their_check_digits() {
        assert_eq!(Checksum::Luhn.verify(b"4111 1111 1111 1111"), Proof::Holds);
        assert_eq!(
            Checksum::Luhn.verify(b"4111 1111 1111 1112"),
            Proof::Refutes
        );
        assert_eq!(
            Checksum::Iban.verify(b"GB82 WEST 1234 5698 7654 32"),
            Proof::Holds
        );
        assert_eq!(
            Checksum::Iban.verify(b"GB83 WEST 1234 5698 7654 32"),
            Proof::Refutes
        );
    }

    #[test]
    fn a_template_is_no_private_key() {
        let head = ["-----BEGIN ", "PRIVATE KEY-----\n"].concat();
        let tail = ["\n-----END ", "PRIVATE KEY-----"].concat();
        assert_eq!(
            Checksum::Pem.verify(format!("{head}anything{tail}").as_bytes()),
            Proof::Refutes
        );
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC1234";
        assert_eq!(
            Checksum::Pem.verify(format!("{head}{body}{tail}").as_bytes()),
            Proof::Holds
        );
    }

    #[test]
    fn bech32_is_verified() {
        // A test vector of BIP-173.
        assert_eq!(Checksum::Bech32.verify(b"A12UEL5L"), Proof::Holds);
        assert_eq!(Checksum::Bech32.verify(b"A12UEL5Q"), Proof::Fails);
    }
}
