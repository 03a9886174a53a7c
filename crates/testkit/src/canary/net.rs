//! Many canaries, searched for at once: in one pass over the bytes, however many there are.

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Read},
    path::Path,
};

use super::{Canary, Sighting};

/// How long a piece of a spelling is that is looked for. A piece holds eleven letters of the canary or more, so that
/// nothing else is taken for one.
const WIDTHS: [usize; 4] = [12, 24, 36, 72];
/// How far apart the pieces of one spelling begin, as a part of their length: a fragment is found that is one and a half
/// pieces long.
const STEP: usize = 2;
/// What is unpacked at most.
const UNPACKED: u64 = 256 << 20;
/// How a sealed segment of a log begins, and how long all of that is. What follows is deflated.
const SEGMENT: &[u8] = b"hsk.log_segment.v1\n";
const SEGMENT_HEADER: usize = SEGMENT.len() + 80;

/// The net. Text, base64 and their like are looked for in pieces of twelve bytes, what needs more for a letter in longer
/// ones; and never in the prefix, which canaries share.
pub struct Net {
    pieces: HashMap<u64, (u32, &'static str)>,
    prefix: usize,
}

/// Which canary was found, by its place among those given, and how it was written.
pub type Hit = (u32, &'static str);

impl Net {
    /// A net for canaries of this prefix.
    #[must_use]
    pub fn new<'a>(prefix: &str, canaries: impl IntoIterator<Item = &'a Canary>) -> Self {
        let mut net = Self {
            pieces: HashMap::new(),
            prefix: prefix.len(),
        };
        for (number, canary) in (0..).zip(canaries) {
            for (encoding, spelling) in canary.spellings() {
                net.add(number, encoding, &spelling);
            }
        }
        net
    }

    fn add(&mut self, number: u32, encoding: &'static str, spelling: &[u8]) {
        let (width, letter) = measure(encoding);
        let shared = match encoding {
            // The prefix is not in them, or not at the beginning.
            "reversed" | "second half" | "sha-256" => 0,
            // Its letters run into those that follow.
            "base64" | "base64url" => (self.prefix * 4).div_ceil(3) + 1,
            _ => self.prefix * letter,
        };
        let end = match encoding {
            "reversed" => spelling.len().saturating_sub(self.prefix),
            _ => spelling.len(),
        };
        let pieces = (shared..).step_by(width / STEP);
        for start in pieces.take_while(|start| start + width <= end) {
            let piece = &spelling[start..start + width];
            self.pieces.insert(hash(piece), (number, encoding));
        }
    }

    /// What is found in bytes, and in what is packed in them: gzip members, sealed segments of a log.
    #[must_use]
    pub fn hits(&self, bytes: &[u8]) -> BTreeSet<Hit> {
        let mut found = self.plain(bytes);
        if let Some(unpacked) = unpack(bytes) {
            found.extend(self.plain(&unpacked));
        }
        found
    }

    fn plain(&self, bytes: &[u8]) -> BTreeSet<Hit> {
        let mut found = BTreeSet::new();
        for width in WIDTHS {
            for piece in bytes.windows(width) {
                if let Some(hit) = self.pieces.get(&hash(piece)) {
                    found.insert(*hit);
                }
            }
        }
        found
    }

    /// Searches every file below a folder, in order of path.
    ///
    /// # Errors
    /// When a file cannot be read: an unread file proves nothing.
    pub fn in_folder(&self, folder: &Path) -> io::Result<Vec<Sighting>> {
        let mut found = Vec::new();
        let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                found.extend(self.in_folder(&path)?);
            } else if kind.is_file() {
                let hits = self.hits(&std::fs::read(&path)?);
                found.extend(hits.into_iter().map(|(_, encoding)| Sighting {
                    encoding,
                    place: path.display().to_string(),
                }));
            }
        }
        Ok(found)
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Net({} pieces)", self.pieces.len())
    }
}

/// How long the pieces of a spelling are, and how many bytes a letter takes in it.
fn measure(encoding: &str) -> (usize, usize) {
    match encoding {
        "hex" | "hex upper" | "utf-16le" => (24, 2),
        "sha-256" => (24, 1),
        "percent" => (36, 3),
        "json escape" => (72, 6),
        _ => (12, 1),
    }
}

/// A mark of a piece, by which it is found.
fn hash(piece: &[u8]) -> u64 {
    let mut hash = piece.len() as u64;
    for part in piece.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 32;
    }
    hash
}

fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    let read = if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(bytes)
            .take(UNPACKED)
            .read_to_end(&mut unpacked)
    } else if bytes.starts_with(SEGMENT) {
        let packed = bytes.get(SEGMENT_HEADER..)?;
        flate2::read::DeflateDecoder::new(packed)
            .take(UNPACKED)
            .read_to_end(&mut unpacked)
    } else {
        return None;
    };
    // What came before it broke is searched too.
    let _broken = read.is_err();
    Some(unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;

    use super::*;

    const PREFIX: &str = "sk-test-";

    fn net(count: u64) -> (Vec<Canary>, Net) {
        let canaries: Vec<Canary> = (0..count).map(|n| Canary::new(PREFIX, n)).collect();
        let net = Net::new(PREFIX, &canaries);
        (canaries, net)
    }

    #[test]
    fn a15_rt_secrets_001_the_net_holds_every_canary_in_every_encoding() {
        let (canaries, net) = net(50);
        let mut encodings = BTreeSet::new();
        for (number, canary) in (0..).zip(&canaries) {
            for (encoding, spelling) in canary.spellings() {
                encodings.insert(encoding);
                let text = [b"before ", &spelling[..], b" after"].concat();
                let hits = net.hits(&text);
                assert!(!hits.is_empty(), "{encoding}");
                assert!(
                    hits.iter().all(|(found, _)| *found == number),
                    "{encoding}: {hits:?}"
                );
            }
        }
        assert!(encodings.len() >= 9, "{encodings:?}");
    }

    #[test]
    fn a15_rt_secrets_001_the_net_holds_fragments_and_what_is_packed() {
        let (canaries, net) = net(20);
        let text = canaries[7].text();
        let letters = &text[PREFIX.len()..];
        for start in 0..letters.len() - 18 {
            assert!(
                !net.hits(&letters.as_bytes()[start..start + 18]).is_empty(),
                "{start}"
            );
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text.as_bytes()).expect("packed");
        assert!(!net.hits(&gzip.finish().expect("packed")).is_empty());
        let header = [SEGMENT, &[0; 80]].concat();
        let mut segment = flate2::write::DeflateEncoder::new(header, Compression::fast());
        segment.write_all(text.as_bytes()).expect("packed");
        assert!(!net.hits(&segment.finish().expect("packed")).is_empty());
    }

    #[test]
    fn a15_rt_secrets_001_the_net_holds_nothing_else() {
        let (_, net) = net(300);
        let others = (10_000..10_300).map(|n| Canary::new(PREFIX, n));
        for other in others {
            for (encoding, spelling) in other.spellings() {
                assert_eq!(net.hits(&spelling), BTreeSet::new(), "{encoding}");
            }
        }
        let own = include_bytes!("net.rs");
        assert_eq!(net.hits(own), BTreeSet::new());
    }
}
