//! Enrolled secrets: known values, found exactly, in fragments, and through every view.
//!
//! The only module of this crate that sees a secret's bytes. The index over them holds truncated mixes of
//! six-byte blocks, never the values; the values are zeroed on drop and cannot be printed.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use handshake_core::secret::Secret;
use zeroize::Zeroizing;

use crate::{bytes::WORD, matcher::rot13, rarity};

/// The fewest bytes of a value, and of a fragment of one.
pub const MIN_BYTES: usize = 12;
/// The fewest bits that a value must carry by the rarity model.
const MIN_BITS: f32 = 40.0;
/// The fewest bits of a fragment: fewer could be guessed piece by piece.
const FRAGMENT_BITS: f32 = 64.0;
const BLOCK: usize = 6;

/// Why a value was not enrolled. Reveals nothing about the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Shorter than [`MIN_BYTES`].
    #[error("a value of fewer than 12 bytes would match ordinary text")]
    TooShort,
    /// Too regular to be distinguished from ordinary text.
    #[error("the value is too regular to be distinguished from ordinary text")]
    TooRegular,
}

/// A set of enrolled values. Neither `Debug` nor `Clone`; the values are zeroed on drop.
#[derive(Default)]
pub struct Enrolment {
    written: Index,
    squeezed: Index,
    count: usize,
    generation: u64,
}

#[derive(Default)]
struct Index {
    needles: Vec<Needle>,
    blocks: HashMap<u32, Vec<(u32, u32)>>,
    bloom: Vec<u64>,
}

/// A run of a value in a text.
struct Run {
    start: usize,
    end: usize,
    whole: bool,
}

struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    /// The shortest run of it that counts.
    least: usize,
}

impl Enrolment {
    /// An empty set of a generation. The caller raises the generation whenever the set changes.
    #[must_use]
    pub fn new(generation: u64) -> Self {
        Self {
            generation,
            ..Self::default()
        }
    }

    /// The generation, part of every verdict's epoch.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How many values are enrolled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no value is enrolled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Enrols a value. It is found whole, and in runs of half or more of at least [`MIN_BYTES`] bytes
    /// that carry 64 bits.
    ///
    /// # Errors
    /// [`Refused`] for values that would match ordinary text.
    pub fn add(&mut self, secret: &Secret) -> Result<(), Refused> {
        let value = secret.expose_secret();
        if value.len() < MIN_BYTES {
            return Err(Refused::TooShort);
        }
        let per_byte = bits_per_byte(value);
        let mut seen = [false; 256];
        value.iter().for_each(|b| seen[usize::from(*b)] = true);
        if seen.iter().filter(|s| **s).count() < 5 || per_byte * (value.len() as f32) < MIN_BITS {
            return Err(Refused::TooRegular);
        }
        let mut forms: Vec<Zeroizing<Vec<u8>>> = vec![
            Zeroizing::new(value.to_vec()),
            Zeroizing::new(value.iter().rev().copied().collect()),
            Zeroizing::new(value.iter().map(|b| rot13(*b)).collect()),
        ];
        if value.iter().all(u8::is_ascii_hexdigit) {
            forms.push(Zeroizing::new(value.to_ascii_lowercase()));
            forms.push(Zeroizing::new(value.to_ascii_uppercase()));
        }
        for form in forms {
            let squeezed: Zeroizing<Vec<u8>> = Zeroizing::new(
                form.iter()
                    .copied()
                    .filter(u8::is_ascii_alphanumeric)
                    .collect(),
            );
            if squeezed.len() >= MIN_BYTES {
                self.squeezed.add(squeezed, per_byte);
            }
            self.written.add(form, per_byte);
        }
        self.count += 1;
        Ok(())
    }

    /// Whether a text holds an enrolled value or enough of one.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        if !self.written.find(text, &mut |_| true).is_empty() {
            return true;
        }
        let mut squeezed = Vec::with_capacity(text.len());
        for byte in text {
            if WORD.has(*byte) {
                squeezed.push(*byte);
            }
        }
        squeezed.len() != text.len() && !self.squeezed.find(&squeezed, &mut |_| true).is_empty()
    }

    /// Whether a text holds an enrolled value from its first byte to its last.
    pub(crate) fn is_whole_in(&self, text: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        let whole = |index: &Index, text: &[u8]| {
            let mut whole = false;
            index.find(text, &mut |run| {
                whole |= run.whole;
                whole
            });
            whole
        };
        let word = |byte: &u8| WORD.has(*byte);
        whole(&self.written, text) || {
            let squeezed: Vec<u8> = text.iter().copied().filter(word).collect();
            whole(&self.squeezed, &squeezed)
        }
    }

    /// The spans of all enrolled values that stand in a text as they are, or of enough of one.
    pub(crate) fn spans(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let runs = self.written.find(text, &mut |_| false);
        runs.iter().map(|run| (run.start, run.end)).collect()
    }

    /// The spans of whole values.
    pub(crate) fn whole_spans(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let runs = self.written.find(text, &mut |_| false);
        let whole = runs.iter().filter(|run| run.whole);
        whole.map(|run| (run.start, run.end)).collect()
    }
}

/// Bits per byte by the alphabet that the value draws from; words carry less.
fn bits_per_byte(value: &[u8]) -> f32 {
    if rarity::wordiness(value) >= 50 {
        return 1.6;
    }
    let any = |test: fn(&u8) -> bool| value.iter().any(test);
    if value.iter().all(u8::is_ascii_digit) {
        return 10f32.log2();
    }
    if value.iter().all(u8::is_ascii_hexdigit) {
        return 4.0;
    }
    let mut alphabet = 0.0;
    alphabet += if any(u8::is_ascii_lowercase) {
        26.0
    } else {
        0.0
    };
    alphabet += if any(u8::is_ascii_uppercase) {
        26.0
    } else {
        0.0
    };
    alphabet += if any(u8::is_ascii_digit) { 10.0 } else { 0.0 };
    alphabet += if any(|b| !b.is_ascii_alphanumeric()) {
        10.0
    } else {
        0.0
    };
    f32::log2(alphabet)
}

impl Index {
    fn add(&mut self, bytes: Zeroizing<Vec<u8>>, per_byte: f32) {
        let enough = (FRAGMENT_BITS / per_byte).ceil() as usize;
        let least = bytes
            .len()
            .div_ceil(2)
            .max(MIN_BYTES)
            .max(enough)
            .min(bytes.len());
        if self.bloom.is_empty() {
            self.bloom = vec![0; 1 << 12];
        }
        let needle = self.needles.len() as u32;
        for (i, block) in bytes.chunks_exact(BLOCK).enumerate() {
            let key = mix(pack(block));
            self.bloom[slot(key)] |= 1 << (key & 63);
            self.blocks
                .entry(key)
                .or_default()
                .push((needle, (i * BLOCK) as u32));
        }
        self.needles.push(Needle { bytes, least });
    }

    /// Runs of enrolled values in a text, merged by the caller; stops where `done` says so.
    fn find(&self, text: &[u8], done: &mut dyn FnMut(&Run) -> bool) -> Vec<Run> {
        let mut out: Vec<Run> = Vec::new();
        if self.needles.is_empty() || text.len() < BLOCK {
            return out;
        }
        let mut window = pack(&text[..BLOCK - 1]);
        for at in BLOCK - 1..text.len() {
            window = (window << 8 | u64::from(text[at])) & 0xffff_ffff_ffff;
            let key = mix(window);
            if self.bloom[slot(key)] >> (key & 63) & 1 == 0 {
                continue;
            }
            let from = at + 1 - BLOCK;
            if out.last().is_some_and(|run| from < run.end) {
                continue;
            }
            for (needle, offset) in self.blocks.get(&key).map_or(&[][..], Vec::as_slice) {
                let needle = &self.needles[*needle as usize];
                if let Some((start, end)) = extend(text, from, &needle.bytes, *offset as usize)
                    && end - start >= needle.least
                {
                    let run = Run {
                        start,
                        end,
                        whole: end - start == needle.bytes.len(),
                    };
                    let enough = done(&run);
                    out.push(run);
                    if enough {
                        return out;
                    }
                    break;
                }
            }
        }
        out
    }
}

fn pack(block: &[u8]) -> u64 {
    block.iter().fold(0, |acc, b| acc << 8 | u64::from(*b))
}

/// Truncated, so that the index does not give a block back.
fn mix(block: u64) -> u32 {
    (block.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29) as u32
}

fn slot(key: u32) -> usize {
    (key >> 6) as usize & 0xfff
}

/// How far text and needle agree around a block.
fn extend(text: &[u8], at: usize, needle: &[u8], offset: usize) -> Option<(usize, usize)> {
    if text[at..at + BLOCK] != needle[offset..offset + BLOCK] {
        return None;
    }
    let back = text[..at]
        .iter()
        .rev()
        .zip(needle[..offset].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let on = text[at..]
        .iter()
        .zip(&needle[offset..])
        .take_while(|(a, b)| a == b)
        .count();
    Some((at - back, at + on))
}

/// The enrolled set as processes share it: replaced whole, read without waiting for a scan.
#[derive(Clone, Default)]
pub struct SharedEnrolment(Arc<RwLock<Arc<Enrolment>>>);

impl SharedEnrolment {
    /// Shares a set.
    #[must_use]
    pub fn new(set: Enrolment) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(set))))
    }

    /// The set as it is now.
    #[must_use]
    pub fn current(&self) -> Arc<Enrolment> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the set. Scans that run keep the old one and carry its generation.
    pub fn replace(&self, set: Enrolment) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &[&str]) -> Enrolment {
        let mut set = Enrolment::new(1);
        for value in values {
            set.add(&Secret::new(value.as_bytes().to_vec()))
                .expect("enrolled");
        }
        set
    }

    #[test]
    fn a9_whole_values_and_halves_are_found() {
        let value = "q7Zk2Lw9Tf4Vb8Nc3Xd6Hj5M";
        let set = set(&[value]);
        assert!(set.is_in(format!("key is {value}.").as_bytes()));
        assert!(set.is_in(&value.as_bytes()[12..]));
        assert!(set.is_in(&value.as_bytes()[5..18]));
        assert!(!set.is_in(&value.as_bytes()[..11]));
        let spaced: String = value.chars().flat_map(|c| [c, ' ']).collect();
        assert!(set.is_in(spaced.as_bytes()));
        let reversed: String = value.chars().rev().collect();
        assert!(set.is_in(reversed.as_bytes()));
    }

    #[test]
    fn s49_short_or_regular_values_are_refused_and_weak_halves_do_not_match() {
        let mut empty = Enrolment::new(1);
        assert_eq!(
            empty.add(&Secret::new(b"short".to_vec())),
            Err(Refused::TooShort)
        );
        assert_eq!(
            empty.add(&Secret::new(b"aaaaaaaaaaaaaaaaaaaa".to_vec())),
            Err(Refused::TooRegular)
        );
        assert!(empty.is_empty());
        // Sixteen hex digits are 64 bits; half of 24 are 48 and could be searched for.
        let hex = "0123456789abcdef01234567";
        assert!(!set(&[hex]).is_in(&hex.as_bytes()[..15]));
        assert!(set(&[hex]).is_in(hex.as_bytes()));
    }
}
