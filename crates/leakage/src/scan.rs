//! One scan: leaves in, findings out, every byte of every view charged to the budget.

mod parts;
mod stitch;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::BuildHasher,
};

use handshake_core::{
    finding::{Confidence, FindingClass, FindingLevel, LeakageFinding, ValidatorError, WorkBudget},
    ids::RuleId,
};

use crate::{
    bytes::TOKEN,
    enroll::Enrolment,
    matcher::{Head, Match, Matcher, Mode},
    rarity, tree,
    tree::{Leaf, Role},
    view::{self, Follow},
};

/// How many decodings deep a text is followed.
const DEPTH: usize = 4;
/// How many findings of one rule and level one scan lists. That there are more is one finding more, without a place: what
/// is listed can be let pass one by one, and what is not cannot.
const PER_RULE: usize = 16;
/// Views of several texts, or of a part that another one may go on.
const SEVERAL: &[&str] = &["document", "partial", "stitched"];
/// How many a scan lists that is to mask each of them.
const PLACES: usize = 50_000;
/// How many unfinished tokens one scan tries to put together.
const HEADS: usize = 256;

/// Documents up to this size are also read as one text.
const SMALL: usize = 16 << 10;

/// A scan under way.
pub(crate) struct Scan<'a> {
    matcher: &'a Matcher,
    enrolment: &'a Enrolment,
    budget: &'a mut WorkBudget,
    findings: Vec<LeakageFinding>,
    /// How many of each rule and level are listed at most, and are already.
    most: usize,
    listed: BTreeMap<(RuleId, FindingLevel), usize>,
    more: bool,
    seen: BTreeSet<(usize, u64)>,
    hasher: std::collections::hash_map::RandomState,
    heads: Vec<Open>,
    enrolled: bool,
    /// Whether halves of enrolled values count.
    halves: bool,
}

/// A token that began and did not end as its rule wants.
struct Open {
    rule: usize,
    anchor: usize,
    /// The token from its anchor on, as far as it goes.
    run: Vec<u8>,
    leaf: usize,
    /// Where the run ends in the leaf.
    end: usize,
    pointer: Option<String>,
    chain: Vec<&'static str>,
}

/// Where a text stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    pointer: Option<&'p str>,
    leaf: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(
        matcher: &'a Matcher,
        enrolment: &'a Enrolment,
        budget: &'a mut WorkBudget,
    ) -> Self {
        Self {
            matcher,
            enrolment,
            budget,
            findings: Vec::new(),
            most: PER_RULE,
            listed: BTreeMap::new(),
            more: false,
            seen: BTreeSet::new(),
            hasher: std::collections::hash_map::RandomState::new(),
            heads: Vec::new(),
            enrolled: false,
            halves: true,
        }
    }

    /// The same, for which only whole enrolled values count.
    pub(crate) fn of_whole_values(mut self) -> Self {
        self.halves = false;
        self
    }

    /// Lists each place, so that whatever is found can be masked wherever it stands.
    pub(crate) fn with_places(mut self) -> Self {
        self.most = PLACES;
        self
    }

    /// Whether more was found than is listed.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    pub(crate) fn finish(self) -> Vec<LeakageFinding> {
        self.findings
    }

    /// Scans a body or a text: JSON by its leaves, anything else as it stands.
    pub(crate) fn document(&mut self, data: &[u8], envelope: bool) -> Result<(), ValidatorError> {
        let text = std::str::from_utf8(data).map_err(|_| ValidatorError::Undecodable)?;
        self.budget.spend(data.len() as u64)?;
        let Some(root) = tree::parse(data) else {
            return self.leaves(&[plain_leaf(text)], true);
        };
        let walk = tree::walk(&root);
        if envelope {
            for pointer in &walk.token_ids {
                let id = built_in_rule("token-ids");
                self.push(
                    id,
                    FindingClass::Uninspectable,
                    FindingLevel::Block,
                    Some(pointer),
                    None,
                    &[],
                );
            }
        }
        self.leaves(&walk.leaves, false)?;
        if data.len() <= SMALL {
            // Rules that want the neighbourhood of a value see it across members.
            self.budget.spend(data.len() as u64)?;
            let found = self.matcher.find(data, Mode::Written, self.budget)?;
            for hit in &found.matches {
                self.record(
                    hit,
                    data,
                    Place {
                        pointer: None,
                        leaf: usize::MAX,
                    },
                    &["document"],
                );
            }
        }
        Ok(())
    }

    /// Scans leaves, then what they say together.
    pub(crate) fn leaves(&mut self, leaves: &[Leaf], bare: bool) -> Result<(), ValidatorError> {
        for (index, leaf) in leaves.iter().enumerate() {
            let pointer = (!bare).then_some(leaf.pointer.as_str());
            let place = Place {
                pointer,
                leaf: index,
            };
            let mut chain: Vec<&'static str> = if leaf.codes {
                vec!["codes"]
            } else {
                Vec::new()
            };
            self.hidden(&leaf.text, place)?;
            self.binary(leaf, place)?;
            self.text(leaf.text.as_bytes(), place, &mut chain, Mode::Written)?;
            self.member(leaf, place, &chain)?;
        }
        self.stitch(leaves)
    }

    /// One text and its views.
    fn text(
        &mut self,
        data: &[u8],
        place: Place<'_>,
        chain: &mut Vec<&'static str>,
        mode: Mode,
    ) -> Result<(), ValidatorError> {
        if data.len() < 8 {
            return Ok(());
        }
        self.budget.spend(data.len() as u64)?;
        let found = self.matcher.find(data, mode, self.budget)?;
        for hit in &found.matches {
            self.record(hit, data, place, chain);
        }
        self.enrolled(data);
        if chain.len() >= DEPTH {
            return Ok(());
        }
        // What was put together already is not put together again.
        if mode == Mode::Written || chain.last() == Some(&"stitched") {
            for head in &found.heads {
                self.head(head, data, place, chain)?;
            }
        }
        if found.reversed {
            let text: Vec<u8> = data.iter().rev().copied().collect();
            self.turned("reversed", &text, place, chain)?;
        }
        if found.rot13 {
            let text: Vec<u8> = data.iter().map(|b| crate::matcher::rot13(*b)).collect();
            self.turned("rot13", &text, place, chain)?;
        }
        if tree::is_container(data)
            && let Some(root) = tree::parse(data)
        {
            let walk = tree::walk(&root);
            chain.push("json");
            for leaf in &walk.leaves {
                self.text(leaf.text.as_bytes(), place, chain, Mode::Written)?;
                self.member(leaf, place, chain)?;
            }
            for text in stitch::together(&walk.leaves) {
                self.text(&text, place, chain, Mode::Pieced)?;
            }
            chain.pop();
        }
        self.budget.spend(data.len() as u64)?;
        let follow = if mode == Mode::Pieced {
            Follow::Encodings
        } else {
            Follow::All
        };
        for view in view::views(data, follow) {
            chain.push(view.name);
            let mode = if view.pieced { Mode::Pieced } else { mode };
            self.text(&view.text, place, chain, mode)?;
            chain.pop();
        }
        Ok(())
    }

    /// A value beside its name: `{"api_key": "…"}` is what a rule for `api_key = …` looks for.
    fn member(
        &mut self,
        leaf: &Leaf,
        place: Place<'_>,
        chain: &[&'static str],
    ) -> Result<(), ValidatorError> {
        let Some(line) = leaf.line() else {
            return Ok(());
        };
        self.budget.spend(line.len() as u64)?;
        let found = self.matcher.find(&line, Mode::Written, self.budget)?;
        let chain: Vec<&'static str> = chain.iter().copied().chain(["member"]).collect();
        for hit in &found.matches {
            self.record(hit, &line, place, &chain);
        }
        Ok(())
    }

    /// A turned text is searched once: turning it again gives nothing new.
    fn turned(
        &mut self,
        name: &'static str,
        data: &[u8],
        place: Place<'_>,
        chain: &mut Vec<&'static str>,
    ) -> Result<(), ValidatorError> {
        self.budget.spend(data.len() as u64)?;
        let found = self.matcher.find(data, Mode::Pieced, self.budget)?;
        chain.push(name);
        let whole = |hit: &&Match| {
            let spec = &self.matcher.rules[hit.rule].spec;
            spec.pieces && !spec.ci && hit.telling
        };
        let hits: Vec<&Match> = found.matches.iter().filter(whole).collect();
        for hit in hits {
            self.record(hit, data, place, chain);
        }
        chain.pop();
        Ok(())
    }

    /// A token that breaks off: without the glue between its pieces it may be whole.
    fn head(
        &mut self,
        head: &Head,
        data: &[u8],
        place: Place<'_>,
        chain: &mut Vec<&'static str>,
    ) -> Result<(), ValidatorError> {
        self.budget.spend(128)?;
        let glued = view::compact_head(data, head.at);
        let hit = self
            .matcher
            .verify(head.rule, &glued, 0, head.anchor, Mode::Pieced);
        // Nothing was taken out: the token stood there as it is, and its rule did not want it.
        if let Some(hit) = hit.filter(|hit| !data[head.at..].starts_with(&glued[..hit.end])) {
            chain.push("compact");
            self.record(&hit, &glued, place, chain);
            chain.pop();
            return Ok(());
        }
        let run = data[head.at..]
            .iter()
            .take(1024)
            .take_while(|b| is_token(**b))
            .count();
        let text = &data[head.at..head.at + run];
        let body = text.get(head.anchor..).unwrap_or_default();
        if self.heads.len() < HEADS && body.len() >= 4 && chain.len() <= 1 && !is_word(body) {
            self.heads.push(Open {
                rule: head.rule,
                anchor: head.anchor,
                run: text.to_vec(),
                leaf: place.leaf,
                end: head.at + run,
                pointer: place.pointer.map(str::to_owned),
                chain: chain.clone(),
            });
        }
        Ok(())
    }

    fn record(&mut self, hit: &Match, data: &[u8], place: Place<'_>, chain: &[&'static str]) {
        let value = self.hasher.hash_one(&data[hit.start..hit.end]);
        if !chain.is_empty() && self.seen.contains(&(hit.rule, value)) {
            return;
        }
        self.seen.insert((hit.rule, value));
        let rule = &self.matcher.rules[hit.rule];
        let span = chain
            .is_empty()
            .then_some((hit.start as u64, hit.end as u64));
        let (id, class) = (rule.id.clone(), rule.spec.class);
        self.push_with_confidence(
            id,
            class,
            hit.level,
            hit.confidence,
            place.pointer,
            span,
            chain,
        );
    }

    fn enrolled(&mut self, data: &[u8]) {
        let is_in = |enrolment: &Enrolment| match self.halves {
            true => enrolment.is_in(data),
            false => enrolment.is_whole_in(data),
        };
        if !self.enrolled && is_in(self.enrolment) {
            // One finding without place, count or name: more would let a reader search for the value.
            self.enrolled = true;
            self.push(
                built_in_rule("enrolled"),
                FindingClass::Enrolled,
                FindingLevel::Block,
                None,
                None,
                &[],
            );
        }
    }

    fn push(
        &mut self,
        rule: RuleId,
        class: FindingClass,
        level: FindingLevel,
        pointer: Option<&str>,
        span: Option<(u64, u64)>,
        chain: &[&'static str],
    ) {
        self.push_with_confidence(rule, class, level, Confidence::High, pointer, span, chain);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one finding")]
    fn push_with_confidence(
        &mut self,
        rule: RuleId,
        class: FindingClass,
        level: FindingLevel,
        confidence: Confidence,
        pointer: Option<&str>,
        span: Option<(u64, u64)>,
        chain: &[&'static str],
    ) {
        let key = (rule.clone(), level);
        let listed = self.listed.get(&key).copied().unwrap_or_default();
        if listed > self.most {
            return;
        }
        let more = listed == self.most;
        self.more |= more;
        // A text that is listed is let pass as a whole or not at all; of what is asked about, each value counts.
        let is_told = more
            && level == FindingLevel::Block
            && pointer.is_some()
            && !chain.iter().any(|view| SEVERAL.contains(view))
            && self.findings.iter().any(|it| {
                it.rule == rule
                    && it.level == level
                    && it.pointer.as_deref() == pointer
                    && !it.views.iter().any(|view| SEVERAL.contains(&&**view))
            });
        if more && (is_told || level == FindingLevel::Warn) {
            return;
        }
        let (pointer, span, chain) = match more {
            true => (None, None, &["more"][..]),
            false => (pointer, span, chain),
        };
        self.listed.insert(key, listed + 1);
        self.findings.push(LeakageFinding {
            rule,
            class,
            level,
            confidence,
            pointer: pointer.map(str::to_owned),
            start: span.map(|s| s.0),
            end: span.map(|s| s.1),
            views: chain.iter().map(|name| (*name).to_owned()).collect(),
            declassified: None,
        });
    }
}

/// A text without a tree around it.
pub(crate) fn plain_leaf(text: &str) -> Leaf {
    Leaf {
        pointer: String::new(),
        group: String::new(),
        text: text.to_owned(),
        codes: false,
        role: Role::Text,
        member: None,
    }
}

/// What tokens are made of.
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN.has(byte)
}

/// The id of a rule that is code rather than pattern.
fn built_in_rule(id: &str) -> RuleId {
    RuleId::new(id).expect("a literal of the right form")
}

/// Whether a piece of an unfinished token could not be a word of a sentence.
pub(crate) fn is_piece(token: &[u8]) -> bool {
    !is_word(token)
        && (rarity::is_random_piece(token)
            || token.len() >= 6 && token.iter().all(u8::is_ascii_uppercase))
}

/// A word as sentences have them, with what may cling to it.
fn is_word(token: &[u8]) -> bool {
    token
        .iter()
        .skip(1)
        .all(|b| b.is_ascii_lowercase() || b":./-_=".contains(b))
}
