//! Texts as lines: what was found is masked, what was seen or says little is folded.

use std::collections::BTreeMap;

use handshake_core::{digest::CommitmentKey, finding::LeakageFinding, ids::RuleId};
use handshake_leakage::Places;

use super::{
    Fold, Found, Mark, Memory, Piece,
    leaves::Leaf,
    low::{Judge, RUN, cut},
};

/// Characters of what was found that are repeated.
const LEAD: usize = 4;
/// What stands for a text where it is not known what of it is to be masked.
const WITHHELD: &str = "…[not looked through: see the raw body]";
/// As many lines in a row have to be seen for a fold.
const SEEN: usize = 4;

/// What was found, by place.
pub(super) struct Marks<'f> {
    findings: &'f [LeakageFinding],
    spans: BTreeMap<&'f str, Vec<(usize, usize, &'f RuleId)>>,
    complete: bool,
}

impl<'f> Marks<'f> {
    pub(super) fn new(places: &'f Places) -> Self {
        let findings = &places.findings;
        let mut spans: BTreeMap<&str, Vec<(usize, usize, &RuleId)>> = BTreeMap::new();
        for finding in findings {
            let (Some(pointer), Some(start), Some(end)) =
                (&finding.pointer, finding.start, finding.end)
            else {
                continue;
            };
            if let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) {
                spans
                    .entry(pointer)
                    .or_default()
                    .push((start, end, &finding.rule));
            }
        }
        for all in spans.values_mut() {
            all.sort_unstable();
        }
        Self {
            findings,
            spans,
            complete: places.complete,
        }
    }

    /// What was found in a part.
    pub(super) fn within(&self, pointer: &str) -> Vec<Found> {
        let inside = |at: &str| {
            at.strip_prefix(pointer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let found = self
            .findings
            .iter()
            .filter(|finding| finding.pointer.as_deref().is_some_and(inside));
        let mut found: Vec<Found> = found
            .map(|finding| Found {
                rule: finding.rule.clone(),
                class: finding.class,
                level: finding.level,
                views: finding.views.clone(),
                declassified: finding.declassified,
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// A stretch of a text that begins at `from`, with what was found in it masked.
    pub(super) fn masked(&self, pointer: &str, from: usize, stretch: &str) -> String {
        if !self.complete && !stretch.trim().is_empty() {
            // Something may stand here that is not listed.
            return WITHHELD.to_owned();
        }
        let to = from + stretch.len();
        let Some(spans) = self.spans.get(pointer) else {
            return stretch.to_owned();
        };
        let mut shown = String::with_capacity(stretch.len());
        let mut done = from;
        for (start, end, rule) in spans
            .iter()
            .filter(|(start, end, _)| *start < to && *end > from)
        {
            let (begin, stop) = ((*start).max(done), (*end).min(to));
            if begin >= stop {
                continue;
            }
            // Places that split a character are widened: less is shown, never more.
            let (begin, stop) = (floor(stretch, begin - from), ceil(stretch, stop - from));
            shown.push_str(&stretch[done - from..begin.max(done - from)]);
            if *start >= from {
                shown.extend(stretch[begin..stop].chars().take(LEAD));
            }
            shown.push_str(&format!("…[{rule}, {} bytes]", end - start));
            done = from + stop;
        }
        shown.push_str(&stretch[done - from..]);
        shown
    }

    /// All lines of a leaf, masked.
    pub(super) fn lines(&self, leaf: &Leaf) -> Vec<String> {
        let mut at = 0;
        leaf.text
            .split('\n')
            .map(|line| {
                let shown = self.masked(&leaf.pointer, at, line);
                at += line.len() + 1;
                shown
            })
            .collect()
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

fn ceil(text: &str, at: usize) -> usize {
    (at..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Plain,
    Low,
    Seen,
}

struct Row {
    text: String,
    bytes: usize,
    kind: Kind,
    blank: bool,
}

/// Lines that nobody has to read one by one.
pub(super) fn fold(why: Fold, lines: Vec<String>, bytes: u64) -> Piece {
    Piece::Fold { why, bytes, lines }
}

/// The leaves of a part that is new.
pub(super) fn pieces(
    leaves: &[Leaf],
    marks: &Marks<'_>,
    before: Option<&Memory>,
    key: &CommitmentKey,
) -> Vec<Piece> {
    let mut rows = Vec::new();
    for leaf in leaves {
        let mut judge = Judge::default();
        let one_line = !leaf.text.contains('\n') && leaf.text.len() <= RUN;
        if !leaf.label.is_empty() && !one_line {
            rows.push(Row::plain(format!("{}:", leaf.label)));
        }
        let mut at = 0;
        for line in leaf.text.split('\n') {
            let seen = before.is_some_and(|before| before.has(key, line));
            let mut from = at;
            for piece in cut(line) {
                let low = judge.is_low(piece);
                let mut text = marks.masked(&leaf.pointer, from, piece);
                if one_line && !leaf.label.is_empty() {
                    text = format!("{}: {text}", leaf.label);
                }
                rows.push(Row {
                    text,
                    bytes: piece.len() + 1,
                    kind: match (seen, low) {
                        (true, _) => Kind::Seen,
                        (false, true) => Kind::Low,
                        (false, false) => Kind::Plain,
                    },
                    blank: piece.trim().is_empty(),
                });
                from += piece.len();
            }
            at += line.len() + 1;
        }
    }
    grouped(rows)
}

impl Row {
    fn plain(text: String) -> Self {
        Self {
            bytes: 0,
            text,
            kind: Kind::Plain,
            blank: false,
        }
    }
}

fn grouped(mut rows: Vec<Row>) -> Vec<Piece> {
    // An empty line belongs to what it stands in.
    for at in 1..rows.len() {
        if rows[at].blank {
            rows[at].kind = rows[at - 1].kind;
        }
    }
    let mut pieces = Vec::new();
    let mut rest = rows.into_iter().peekable();
    while let Some(first) = rest.next() {
        let kind = first.kind;
        let mut run = vec![first];
        while let Some(next) = rest.next_if(|row| row.kind == kind) {
            run.push(next);
        }
        let bytes: usize = run.iter().map(|row| row.bytes).sum();
        let why = match kind {
            Kind::Seen if run.len() >= SEEN => Some(Fold::Seen),
            Kind::Low if bytes > RUN => Some(Fold::LowInformation),
            _ => None,
        };
        let lines = run.into_iter().map(|row| row.text);
        match why {
            Some(why) => pieces.push(fold(why, lines.collect(), bytes as u64)),
            None => pieces.extend(lines.map(|text| Piece::Line {
                text,
                mark: Mark::Plain,
            })),
        }
    }
    pieces
}
