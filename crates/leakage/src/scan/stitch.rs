//! What several leaves say together: tokens split over messages, deltas, list items, members.

use std::collections::BTreeMap;

use handshake_core::finding::{Confidence, FindingLevel, ValidatorError};

use super::{HEADS, Match, Mode, Open, Place, Scan, is_piece, is_token};
use crate::{rarity, tree::Leaf};

/// How much of a long leaf's ends may belong to a neighbour's token.
const EDGE: usize = 96;
/// How many leaves after an unfinished token may hold its rest.
const REACH: usize = 8;
/// How many pieces of one leaf are tried, from its beginning and from its end.
const PIECES: usize = 16;
/// How far from a leaf's ends the rest of a token is looked for.
const NEAR: usize = 1024;

/// Neighbouring leaves as one text: those of one group, and all in order.
pub(super) fn together(leaves: &[Leaf]) -> Vec<Vec<u8>> {
    let mut groups: BTreeMap<&str, (usize, Vec<u8>)> = BTreeMap::new();
    for leaf in leaves {
        for group in [leaf.group.as_str(), ""] {
            if group.is_empty() && leaf.group == "#" {
                continue;
            }
            let (count, text) = groups.entry(group).or_default();
            *count += 1;
            edges(leaf.text.as_bytes(), text);
        }
    }
    groups
        .into_values()
        .filter(|(count, text)| *count > 1 && text.len() >= 16)
        .map(|(_, text)| text)
        .collect()
}

fn edges(text: &[u8], out: &mut Vec<u8>) {
    if text.len() <= 2 * EDGE {
        out.extend_from_slice(text);
    } else {
        out.extend_from_slice(&text[..EDGE]);
        out.push(b'\n');
        out.extend_from_slice(&text[text.len() - EDGE..]);
    }
}

impl Scan<'_> {
    pub(super) fn stitch(&mut self, leaves: &[Leaf]) -> Result<(), ValidatorError> {
        if leaves.len() > 1 {
            for text in together(leaves) {
                let place = Place {
                    pointer: None,
                    leaf: usize::MAX,
                };
                self.text(&text, place, &mut vec!["stitched"], Mode::Pieced)?;
            }
        }
        for open in std::mem::take(&mut self.heads).into_iter().take(HEADS) {
            if open.leaf < leaves.len() {
                self.join(&open, leaves)?;
            }
        }
        Ok(())
    }

    /// Tries the pieces that follow an unfinished token.
    fn join(&mut self, open: &Open, leaves: &[Leaf]) -> Result<(), ValidatorError> {
        let mut chain = open.chain.clone();
        chain.push("stitched");
        let place = Place {
            pointer: open.pointer.as_deref(),
            leaf: open.leaf,
        };
        let first = if open.chain.is_empty() { open.end } else { 0 };
        for (i, leaf) in leaves[open.leaf..].iter().take(REACH).enumerate() {
            let from = if i == 0 {
                first.min(leaf.text.len())
            } else {
                0
            };
            let pieces = pieces(&leaf.text.as_bytes()[from..]);
            self.budget.spend(2048 + 64 * pieces.len() as u64)?;
            for (n, piece) in pieces.iter().enumerate() {
                let mut token = [&open.run[..], piece].concat();
                if let Some(hit) = self.whole(open, &token) {
                    self.record(&hit, &token, place, &chain);
                    return Ok(());
                }
                // Three pieces or more: go on with those that follow in this leaf.
                for next in pieces.iter().skip(n + 1).take(4) {
                    token.extend_from_slice(next);
                    if let Some(hit) = self.whole(open, &token) {
                        self.record(&hit, &token, place, &chain);
                        return Ok(());
                    }
                }
            }
        }
        self.partial(open, place);
        Ok(())
    }

    fn whole(&self, open: &Open, token: &[u8]) -> Option<Match> {
        self.matcher
            .verify(open.rule, token, 0, open.anchor, Mode::Pieced)
    }

    /// The beginning of a token whose rest was not found: worth a person's look.
    fn partial(&mut self, open: &Open, place: Place<'_>) {
        let body = open.run.get(open.anchor..).unwrap_or_default();
        let telling = open.anchor >= 4
            && body.len() >= 12
            && rarity::is_random_piece(body)
            && rarity::entropy(body) >= 3.0
            && !rarity::is_placeholder(body);
        if telling {
            let rule = &self.matcher.rules[open.rule];
            let (id, class) = (rule.id.clone(), rule.spec.class);
            let level = rule.spec.level.min(FindingLevel::Ask);
            self.push_with_confidence(
                id,
                class,
                level,
                Confidence::Low,
                place.pointer,
                None,
                &["partial"],
            );
        }
    }
}

/// The pieces of a text that could go on a token: from its beginning and from its end.
fn pieces(text: &[u8]) -> Vec<&[u8]> {
    let head = &text[..text.len().min(NEAR)];
    let tail = &text[head.len().max(text.len().saturating_sub(NEAR))..];
    let cut = |part| {
        <[u8]>::split(part, |b: &u8| !is_token(*b))
            .map(|piece: &[u8]| &piece[piece.iter().take_while(|b| **b == b':').count()..])
            .filter(|piece| piece.len() >= 3 && is_piece(piece))
    };
    let mut all: Vec<&[u8]> = cut(head).take(PIECES).collect();
    let last: Vec<&[u8]> = cut(tail).collect();
    all.extend(&last[last.len().saturating_sub(PIECES)..]);
    all
}
