//! Planted secrets, and the search for them in everything that was written.

mod net;

use std::{io::Read, path::Path};

use base64::Engine;
use sha2::{Digest, Sha256};

pub use self::net::{Hit, Net};

/// A planted secret.
#[derive(Clone)]
pub struct Canary {
    text: String,
}

/// Where a canary was found, and how it was written there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// The encoding: `raw`, `base64`, `hex`, …
    pub encoding: &'static str,
    /// What was searched.
    pub place: String,
}

impl Canary {
    /// A canary of 40 letters and digits after a prefix, different for each number.
    #[must_use]
    pub fn new(prefix: &str, number: u64) -> Self {
        const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        let mut text = prefix.to_owned();
        let mut block = 0u64;
        while text.len() < prefix.len() + 40 {
            let hash = Sha256::digest([number.to_be_bytes(), block.to_be_bytes()].concat());
            text.extend(
                hash.iter()
                    .map(|b| char::from(ALPHABET[*b as usize % ALPHABET.len()])),
            );
            block += 1;
        }
        text.truncate(prefix.len() + 40);
        Self { text }
    }

    /// The secret itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every spelling that is searched for. A plain hash counts: it proves a guess.
    pub(crate) fn spellings(&self) -> Vec<(&'static str, Vec<u8>)> {
        use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
        let raw = self.text.as_bytes();
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut all = vec![
            ("raw", raw.to_vec()),
            ("reversed", raw.iter().rev().copied().collect()),
            ("hex", hex(raw).into_bytes()),
            ("hex upper", hex(raw).to_uppercase().into_bytes()),
            ("utf-16le", raw.iter().flat_map(|b| [*b, 0]).collect()),
            (
                "percent",
                raw.iter()
                    .flat_map(|b| format!("%{b:02X}").into_bytes())
                    .collect(),
            ),
            (
                "json escape",
                raw.iter()
                    .flat_map(|b| format!("\\u{:04x}", b).into_bytes())
                    .collect(),
            ),
            ("sha-256", hex(&Sha256::digest(raw)).into_bytes()),
            ("first half", raw[..raw.len() / 2].to_vec()),
            ("second half", raw[raw.len() / 2..].to_vec()),
        ];
        // Base64 of a text inside a longer one starts at any of three alignments; the edge letters depend on
        // the neighbours and are cut off.
        for lead in 0..3 {
            let padded = [&b"\0\0"[..lead], raw].concat();
            for (name, engine) in [("base64", STANDARD_NO_PAD), ("base64url", URL_SAFE_NO_PAD)] {
                let text = engine.encode(&padded);
                let core = &text[if lead == 0 { 0 } else { 4 }..text.len().saturating_sub(2)];
                all.push((name, core.as_bytes().to_vec()));
            }
        }
        all
    }

    /// Searches bytes, gzip members included. Returns the encoding that matched.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let hit = |bytes: &[u8]| {
            self.spellings()
                .into_iter()
                .find(|(_, needle)| bytes.windows(needle.len()).any(|window| window == needle))
                .map(|(name, _)| name)
        };
        if let Some(name) = hit(bytes) {
            return Some(name);
        }
        let mut unpacked = Vec::new();
        let gzip = bytes.starts_with(&[0x1f, 0x8b]);
        if gzip
            && flate2::read::GzDecoder::new(bytes)
                .take(64 << 20)
                .read_to_end(&mut unpacked)
                .is_ok()
        {
            return hit(&unpacked);
        }
        None
    }

    /// Searches every file below a folder, in order of path.
    ///
    /// # Errors
    /// When a file cannot be read: an unread file proves nothing.
    pub fn in_folder(&self, folder: &Path) -> std::io::Result<Vec<Sighting>> {
        let mut found = Vec::new();
        let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                found.extend(self.in_folder(&path)?);
            } else if kind.is_file()
                && let Some(encoding) = self.is_in(&std::fs::read(&path)?)
            {
                found.push(Sighting {
                    encoding,
                    place: path.display().to_string(),
                });
            }
        }
        Ok(found)
    }
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canary(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a15_rt_secrets_001_the_scanner_sees_every_encoding() {
        let canary = Canary::new("sk-", 3);
        for (name, spelling) in canary.spellings() {
            let text = [b"before ", &spelling[..], b" after"].concat();
            assert!(canary.is_in(&text).is_some(), "{name}");
        }
        assert_eq!(Canary::new("sk-", 4).is_in(canary.text().as_bytes()), None);
    }
}
