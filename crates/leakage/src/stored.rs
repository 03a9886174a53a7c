//! Text of stored content that may not leave. Pieces of it are looked for in what is sent, however it is wrapped or
//! encoded: whoever pastes 64 bytes of such content sends such content.
//!
//! Of each stored text every seventeenth piece of 48 bytes is known, by a hash; of what is sent every piece is looked up.
//! So 64 bytes in a row are always found, and less than 48 never are. Letters and digits count, in lower case, and nothing
//! beside them: another layout is no other text. Nothing of this is kept but in memory.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use handshake_core::{
    digest::Digest,
    envelope::EnvelopeView,
    finding::{
        Confidence, FindingClass, FindingLevel, Findings, LeakageFinding, ValidatorError,
        WorkBudget,
    },
    ids::RuleId,
    ports::LeakageValidator,
};

use crate::{
    tree,
    view::{self, Follow},
};

/// Bytes of a piece, and how far apart the known ones begin: together, what is always found.
const PIECE: usize = 48;
const APART: u64 = 17;
/// Pieces of fewer different bytes than this say nothing: rulers, padding, zeros.
const TELLING: usize = 8;
/// So many pieces are known at most, of some thirty MiB of text. Beyond that nobody can say what is not known.
const MOST: usize = 2_000_000;
/// How many decodings deep a text is followed.
const DEPTH: usize = 3;
/// The prime of the hash.
const PRIME: u128 = (1 << 61) - 1;

/// Pieces of stored content.
#[derive(Clone, Debug)]
struct Pieces {
    base: u64,
    known: HashSet<u64>,
    generation: u64,
    full: bool,
}

/// What is known of stored content that may not leave. Shared with the validator that looks for it.
#[derive(Clone, Debug)]
pub struct SharedStored(Arc<RwLock<Pieces>>);

impl SharedStored {
    /// Nothing is known yet. The seed is of this process alone, so that nobody can make two texts the same beforehand.
    #[must_use]
    pub fn new(seed: [u8; 8]) -> Self {
        let base = u64::from_be_bytes(seed) % ((1 << 61) - 257) + 256;
        Self(Arc::new(RwLock::new(Pieces {
            base,
            known: HashSet::new(),
            generation: 0,
            full: false,
        })))
    }

    /// Learns a text: JSON by its leaves, anything else as it stands.
    pub fn learn(&self, content: &[u8]) {
        let mut pieces = self.0.write().unwrap_or_else(PoisonError::into_inner);
        pieces.generation += 1;
        let mut roller = Roller::new(pieces.base);
        let mut learn = |text: &[u8]| {
            for byte in plain(text) {
                roller.push(byte);
                if roller.whole() && (roller.seen - PIECE as u64).is_multiple_of(APART) {
                    if pieces.known.len() >= MOST {
                        pieces.full = true;
                        return;
                    }
                    if roller.tells() {
                        pieces.known.insert(roller.hash());
                    }
                }
            }
        };
        match tree::parse(content) {
            Some(root) => tree::walk(&root)
                .leaves
                .iter()
                .for_each(|leaf| learn(leaf.text.as_bytes())),
            None => learn(content),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Pieces> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Letters and digits, in lower case.
fn plain(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    text.utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars())
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .flat_map(|c| {
            let mut bytes = [0; 4];
            let len = c.encode_utf8(&mut bytes).len();
            bytes.into_iter().take(len)
        })
}

/// The hash of the last bytes, moved on by one each time.
struct Roller {
    base: u64,
    /// What the byte that leaves weighs.
    first: u64,
    hash: u64,
    ring: [u8; PIECE],
    counts: [u8; 256],
    different: usize,
    seen: u64,
}

impl Roller {
    fn new(base: u64) -> Self {
        let first = (0..PIECE - 1).fold(1, |weight, _| times(weight, base));
        Self {
            base,
            first,
            hash: 0,
            ring: [0; PIECE],
            counts: [0; 256],
            different: 0,
            seen: 0,
        }
    }

    fn push(&mut self, byte: u8) {
        let at = usize::try_from(self.seen % PIECE as u64).unwrap_or(0);
        if self.whole() {
            let old = self.ring[at];
            let weight = times(u64::from(old) + 1, self.first);
            self.hash = (self.hash + PRIME as u64 - weight) % PRIME as u64;
            let count = &mut self.counts[usize::from(old)];
            *count -= 1;
            self.different -= usize::from(*count == 0);
        }
        self.ring[at] = byte;
        let count = &mut self.counts[usize::from(byte)];
        self.different += usize::from(*count == 0);
        *count += 1;
        self.hash = (times(self.hash, self.base) + u64::from(byte) + 1) % PRIME as u64;
        self.seen += 1;
    }

    fn whole(&self) -> bool {
        self.seen >= PIECE as u64
    }

    fn tells(&self) -> bool {
        self.different >= TELLING
    }

    fn hash(&self) -> u64 {
        self.hash
    }
}

fn times(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % PRIME) as u64
}

impl Pieces {
    fn digest(&self) -> Digest {
        Digest::of(&[b"hsk.stored.v1", &self.generation.to_be_bytes()])
    }

    /// Whether the text goes on with a known piece.
    fn has(&self, roller: &mut Roller, text: &[u8]) -> bool {
        plain(text).any(|byte| {
            roller.push(byte);
            roller.whole() && self.known.contains(&roller.hash())
        })
    }

    /// The same for a text by itself and what it decodes to. Names the decodings.
    fn within(
        &self,
        text: &[u8],
        depth: usize,
        chain: &mut Vec<&'static str>,
        budget: &mut WorkBudget,
    ) -> Result<bool, ValidatorError> {
        if text.len() < PIECE {
            return Ok(false);
        }
        budget.spend(text.len() as u64)?;
        if self.has(&mut Roller::new(self.base), text) {
            return Ok(true);
        }
        if depth == 0 {
            return Ok(false);
        }
        for view in view::views(text, Follow::Encodings) {
            chain.push(view.name);
            if self.within(&view.text, depth - 1, chain, budget)? {
                return Ok(true);
            }
            chain.pop();
        }
        if tree::is_container(text)
            && let Some(root) = tree::parse(text)
        {
            chain.push("json");
            if self
                .leaves(&tree::walk(&root).leaves, depth - 1, chain, budget)?
                .is_some()
            {
                return Ok(true);
            }
            chain.pop();
        }
        Ok(false)
    }

    /// The first leaf that holds a piece: by itself, decoded, or together with those before it.
    fn leaves(
        &self,
        leaves: &[tree::Leaf],
        depth: usize,
        chain: &mut Vec<&'static str>,
        budget: &mut WorkBudget,
    ) -> Result<Option<String>, ValidatorError> {
        let mut together = Roller::new(self.base);
        for leaf in leaves {
            let text = leaf.text.as_bytes();
            if self.within(text, depth, chain, budget)? || self.has(&mut together, text) {
                return Ok(Some(leaf.pointer.clone()));
            }
        }
        Ok(None)
    }
}

/// Looks for pieces of stored content in the body of an envelope.
#[derive(Clone, Debug)]
pub struct StoredValidator(SharedStored);

impl StoredValidator {
    /// Looks for what is known, which may become more while it runs.
    #[must_use]
    pub fn new(stored: SharedStored) -> Self {
        Self(stored)
    }
}

impl LeakageValidator for StoredValidator {
    /// What is known is in the digest: the other number is that of enrolled secrets, of which this one knows nothing.
    fn epoch(&self) -> (Digest, u64) {
        (self.0.read().digest(), 0)
    }

    fn inspect(
        &self,
        view: &EnvelopeView<'_>,
        budget: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError> {
        let pieces = self.0.read();
        let mut found = Findings::none(pieces.digest(), 0);
        if pieces.full {
            return Err(ValidatorError::Budget);
        }
        if pieces.known.is_empty() {
            return Ok(found);
        }
        let mut chain = Vec::new();
        let pointer = match tree::parse(view.body()) {
            Some(root) => pieces.leaves(&tree::walk(&root).leaves, DEPTH, &mut chain, budget)?,
            None => pieces
                .within(view.body(), DEPTH, &mut chain, budget)?
                .then(String::new),
        };
        found.items.extend(pointer.map(|pointer| LeakageFinding {
            rule: RuleId::new("stored-content").expect("an id"),
            class: FindingClass::StoredContent,
            level: FindingLevel::Block,
            confidence: Confidence::High,
            pointer: Some(pointer),
            start: None,
            end: None,
            declassified: None,
            views: chain.iter().map(|name| (*name).to_owned()).collect(),
        }));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The quarterly figures of the northern branch, before they are announced:\n\
        revenue 4,217,003; costs 3,998,112; and nine people will be let go in the second week of March.";

    fn stored() -> SharedStored {
        let stored = SharedStored::new([7; 8]);
        stored.learn(TEXT.as_bytes());
        stored
    }

    fn finds(text: &str) -> bool {
        let stored = stored();
        let pieces = stored.read();
        let mut budget = WorkBudget::new(10 << 20);
        pieces
            .within(text.as_bytes(), DEPTH, &mut Vec::new(), &mut budget)
            .expect("a verdict")
    }

    #[test]
    fn s28_any_64_bytes_are_found_and_less_than_48_never() {
        let text: String = TEXT.chars().filter(|c| c.is_alphanumeric()).collect();
        for from in 0..=text.len() - 64 {
            assert!(
                finds(&format!("see: {} ok", &text[from..from + 64])),
                "{from}"
            );
        }
        for from in 0..=text.len() - 47 {
            assert!(!finds(&text[from..from + 47]), "{from}");
        }
    }

    #[test]
    fn s28_another_layout_or_encoding_is_no_other_text() {
        use base64::Engine as _;
        for same in [
            TEXT.to_uppercase(),
            TEXT.replace(' ', "\n> "),
            TEXT.replace(' ', "\\u0020"),
            base64::engine::general_purpose::STANDARD.encode(TEXT),
            TEXT.bytes().map(|b| format!("{b:02x}")).collect(),
            serde_json::json!({ "a": [TEXT] }).to_string(),
        ] {
            assert!(finds(&same), "{same}");
        }
        for other in [
            "Nobody wrote anything of the kind, and whatever looks like it looks like it by chance.",
            &"-".repeat(500),
            &"0".repeat(500),
        ] {
            assert!(!finds(other), "{other}");
        }
    }

    /// The gate takes the highest generation of enrolled secrets that any validator knows for the one of all.
    #[test]
    fn s28_what_is_learnt_is_no_generation_of_secrets() {
        let stored = SharedStored::new([7; 8]);
        let validator = StoredValidator::new(stored.clone());
        let before = validator.epoch();
        for _ in 0..100 {
            stored.learn(TEXT.as_bytes());
        }
        assert_ne!(
            validator.epoch().0,
            before.0,
            "an earlier scan does not count"
        );
        assert_eq!((before.1, validator.epoch().1), (0, 0));
    }

    #[test]
    fn s28_what_says_nothing_is_not_known() {
        let stored = SharedStored::new([7; 8]);
        stored.learn("0".repeat(5000).as_bytes());
        stored.learn("abc".repeat(5000).as_bytes());
        assert!(stored.read().known.is_empty());
        stored.learn(br#"{"role":"user","content":"short"}"#);
        assert!(stored.read().known.is_empty());
    }
}
