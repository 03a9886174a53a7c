//! One automaton over all anchors, and the windowed check of each rule where an anchor stands.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use handshake_core::finding::{Confidence, FindingClass, FindingLevel, ValidatorError, WorkBudget};
use regex_automata::{Anchored, Input};

use crate::{
    checksum::{Checksum, Proof},
    error::PackError,
    rarity::{self, Rarity},
    rule::{Rule, WINDOW},
};

/// A match of a rule, in bytes of the text that was searched.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) rule: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Where the secret itself stands.
    pub(crate) value: (usize, usize),
    pub(crate) level: FindingLevel,
    pub(crate) confidence: Confidence,
    /// The anchor that led here says enough to be looked for in turned text.
    pub(crate) telling: bool,
}

/// An anchor whose token does not go on as the rule wants: the rest may stand elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) rule: usize,
    pub(crate) at: usize,
    pub(crate) anchor: usize,
}

/// What one pass found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) matches: Vec<Match>,
    pub(crate) heads: Vec<Head>,
    /// An anchor stands there backwards.
    pub(crate) reversed: bool,
    /// An anchor stands there in rot13.
    pub(crate) rot13: bool,
}

#[derive(Clone, Copy)]
enum Writing {
    Plain,
    Reversed,
    Rot13,
}

struct AnchorUse {
    rule: usize,
    writing: Writing,
    /// The anchor as it must stand; `None`: in any case.
    exact: Option<Box<[u8]>>,
}

/// The compiled rules behind their anchors.
pub(crate) struct Matcher {
    automaton: AhoCorasick,
    uses: Vec<Vec<AnchorUse>>,
    pub(crate) rules: Vec<Rule>,
}

/// How strictly the surroundings of a token are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// The text as written: word boundaries apply.
    Written,
    /// Put together from pieces: no boundary is left, so the value itself must look machine-made.
    Pieced,
}

impl Matcher {
    pub(crate) fn new(rules: Vec<Rule>) -> Result<Self, PackError> {
        let mut by_text: BTreeMap<Vec<u8>, Vec<AnchorUse>> = BTreeMap::new();
        for (rule, each) in rules.iter().enumerate() {
            for anchor in &each.spec.anchors {
                let bytes = anchor.as_bytes();
                let mut add = |writing, text: Vec<u8>| {
                    let exact = (!each.spec.ci).then(|| text.clone().into_boxed_slice());
                    by_text
                        .entry(text.to_ascii_lowercase())
                        .or_default()
                        .push(AnchorUse {
                            rule,
                            writing,
                            exact,
                        });
                };
                add(Writing::Plain, bytes.to_vec());
                if each.spec.pieces && !each.spec.ci && is_telling(bytes) {
                    add(Writing::Reversed, bytes.iter().rev().copied().collect());
                    add(Writing::Rot13, bytes.iter().map(|b| rot13(*b)).collect());
                }
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(by_text.keys())
            .map_err(|_| PackError::TooLarge)?;
        Ok(Self {
            automaton,
            uses: by_text.into_values().collect(),
            rules,
        })
    }

    /// Searches a text once.
    pub(crate) fn find(
        &self,
        data: &[u8],
        mode: Mode,
        budget: &mut WorkBudget,
    ) -> Result<Found, ValidatorError> {
        let mut found = Found::default();
        for hit in self.automaton.find_overlapping_iter(data) {
            for each in &self.uses[hit.pattern().as_usize()] {
                if each
                    .exact
                    .as_ref()
                    .is_some_and(|exact| **exact != data[hit.range()])
                {
                    continue;
                }
                match each.writing {
                    Writing::Reversed => {
                        found.reversed |= is_body(data[..hit.start()].iter().rev())
                    }
                    Writing::Rot13 => found.rot13 |= is_body(data[hit.end()..].iter()),
                    Writing::Plain => self.at(
                        each.rule,
                        data,
                        hit.start(),
                        hit.len(),
                        mode,
                        &mut found,
                        budget,
                    )?,
                }
            }
        }
        drop_shadowed(&mut found.matches, &self.rules);
        Ok(found)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one hit of the automaton, spelled out"
    )]
    fn at(
        &self,
        rule: usize,
        data: &[u8],
        at: usize,
        anchor: usize,
        mode: Mode,
        found: &mut Found,
        budget: &mut WorkBudget,
    ) -> Result<(), ValidatorError> {
        let spec = &self.rules[rule].spec;
        if found
            .matches
            .iter()
            .rev()
            .take(8)
            .any(|m| m.rule == rule && m.start <= at && at < m.end)
        {
            return Ok(());
        }
        budget.spend(if spec.before > 0 { 512 } else { 64 })?;
        if spec.ci && spec.class != FindingClass::GenericSecret && !word_before(data, at) {
            return Ok(());
        }
        if let Some(hit) = self.verify(rule, data, at, anchor, mode) {
            found.matches.push(hit);
        } else if spec.pieces
            && !spec.ci
            && spec.before == 0
            && boundary_before(spec.left_word, data, at)
        {
            found.heads.push(Head { rule, at, anchor });
        }
        Ok(())
    }

    /// Checks one rule where its anchor stands.
    pub(crate) fn verify(
        &self,
        index: usize,
        data: &[u8],
        at: usize,
        anchor: usize,
        mode: Mode,
    ) -> Option<Match> {
        let rule = &self.rules[index];
        let (start, end, secret) = locate(rule, data, at)?;
        let value = &data[secret.0..secret.1];
        if !boundary_before(rule.spec.left_word, data, start) {
            return None;
        }
        if mode == Mode::Written {
            let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-';
            if rule.spec.right_word && data.get(end).is_some_and(word) {
                return None;
            }
        } else if !rarity::is_random_piece(data.get(at + anchor..end).unwrap_or_default()) {
            return None;
        }
        let (level, confidence) = judge(rule, &data[start..end], value)?;
        let telling = is_telling(&data[at..at + anchor]);
        Some(Match {
            rule: index,
            start,
            end,
            value: secret,
            level,
            confidence,
            telling,
        })
    }
}

/// Where the rule's match around the anchor begins and ends, and where its secret does.
fn locate(rule: &Rule, data: &[u8], at: usize) -> Option<(usize, usize, (usize, usize))> {
    let spec = &rule.spec;
    let anchored = if spec.before == 0 {
        Anchored::Yes
    } else {
        Anchored::No
    };
    let mut from = at.saturating_sub(spec.before);
    let to = data.len().min(at + WINDOW);
    for _ in 0..8 {
        let input = Input::new(data).range(from..to).anchored(anchored);
        let whole = rule.regex.search(&input)?;
        if whole.start() > at || whole.is_empty() {
            return None;
        }
        if whole.end() <= at {
            from = whole.end();
            continue;
        }
        let mut value = (whole.start(), whole.end());
        if rule.groups > 1 {
            let mut captures = rule.regex.create_captures();
            rule.regex.search_captures(&input, &mut captures);
            // The first group that took part: alternatives may each have their own.
            let group = (1..rule.groups).find_map(|g| captures.get_group(g));
            value = group.map_or(value, |span| (span.start, span.end));
        }
        return Some((whole.start(), whole.end(), value));
    }
    None
}

/// Whether the value is a credential, how bad and how sure.
fn judge(rule: &Rule, whole: &[u8], value: &[u8]) -> Option<(FindingLevel, Confidence)> {
    let spec = &rule.spec;
    if spec.negatives.iter().any(|n| n.as_bytes() == value) {
        return None;
    }
    match spec.checksum {
        Some(Checksum::Generic) => {
            return match rarity::judge_key(value) {
                Rarity::Common => None,
                Rarity::Odd => Some((
                    FindingLevel::Warn.max(spec.level.min(FindingLevel::Ask)),
                    Confidence::Low,
                )),
                Rarity::Rare => Some((spec.level, spec.confidence)),
            };
        }
        Some(Checksum::Password) => {
            return match rarity::judge_password(value) {
                Rarity::Common => None,
                Rarity::Odd => Some((FindingLevel::Warn, Confidence::Low)),
                Rarity::Rare if rarity::is_strong(value) => {
                    Some((FindingLevel::Block, Confidence::Medium))
                }
                Rarity::Rare => Some((spec.level, spec.confidence)),
            };
        }
        Some(Checksum::UrlPassword) => {
            return match rarity::judge_url_password(value) {
                Rarity::Common => None,
                Rarity::Odd => Some((FindingLevel::Warn, Confidence::Low)),
                Rarity::Rare if rarity::is_strong(value) => {
                    Some((FindingLevel::Block, spec.confidence))
                }
                Rarity::Rare => Some((spec.level, spec.confidence)),
            };
        }
        _ => {}
    }
    if rarity::entropy(value) < spec.min_entropy
        || spec.min_entropy > 0.0 && rarity::is_placeholder(value)
    {
        return None;
    }
    match spec.checksum.map(|sum| {
        sum.verify(if sum_over_whole(spec.checksum) {
            whole
        } else {
            value
        })
    }) {
        Some(Proof::Refutes) => None,
        Some(Proof::Holds) => Some((spec.level, Confidence::High)),
        // A mistyped or truncated key is still a leak.
        Some(Proof::Fails) => Some((spec.level, spec.confidence.min(Confidence::Medium))),
        None => Some((spec.level, spec.confidence)),
    }
}

fn sum_over_whole(sum: Option<Checksum>) -> bool {
    matches!(sum, Some(Checksum::Pem | Checksum::Base62Crc32))
}

/// Whether what follows a turned anchor looks like the body of a token rather than like a name.
fn is_body<'d>(following: impl Iterator<Item = &'d u8>) -> bool {
    let (mut len, mut marks) = (0, 0);
    for byte in following
        .take(12)
        .take_while(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b))
    {
        len += 1;
        marks += usize::from(byte.is_ascii_digit() || byte.is_ascii_uppercase());
    }
    len == 12 && marks >= 2
}

/// Whether an anchor is rare enough to be looked for backwards and in rot13.
fn is_telling(anchor: &[u8]) -> bool {
    anchor.len() > 3 || anchor.iter().any(|b| *b == b'_' || *b == b'.')
}

/// Whether a token may begin here: not within a word, not within a long run of base64.
fn boundary_before(wanted: bool, data: &[u8], at: usize) -> bool {
    if !wanted || at == 0 {
        return true;
    }
    match data[at - 1] {
        // An escaped line end is no letter.
        b'n' | b'r' | b't' if at > 1 && data[at - 2] == b'\\' => true,
        before if before.is_ascii_alphanumeric() => false,
        b'+' | b'/' => {
            let base64 = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'+' || **b == b'/';
            data[..at].iter().rev().take(64).take_while(base64).count() < 64
        }
        _ => true,
    }
}

/// Whether a keyword begins a word: `CameraKit` holds no `meraki`, `myHerokuKey` holds `heroku`.
fn word_before(data: &[u8], at: usize) -> bool {
    at == 0 || {
        let (before, first) = (data[at - 1], data[at]);
        !before.is_ascii_alphabetic()
            || !first.is_ascii_alphabetic()
            || before.is_ascii_lowercase() && first.is_ascii_uppercase()
    }
}

/// A generic match that lies within an exact one says nothing more.
fn drop_shadowed(matches: &mut Vec<Match>, rules: &[Rule]) {
    let generic = |m: &Match| rules[m.rule].spec.class == FindingClass::GenericSecret;
    let exact: Vec<(usize, usize)> = matches
        .iter()
        .filter(|m| !generic(m))
        .map(|m| (m.start, m.end))
        .collect();
    if !exact.is_empty() && exact.len() < 64 {
        matches.retain(|m| !generic(m) || !exact.iter().any(|(s, e)| m.start < *e && *s < m.end));
    }
}

pub(crate) fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        _ => byte,
    }
}
