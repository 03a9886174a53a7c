//! The frame of a body: system prompt, tools, fields. What is known of them is what was shown at the last yes.

use std::collections::BTreeMap;

use handshake_core::consent::{Frame, Outline, without_hints};
use serde_json::Value;

use super::{
    Fold, Mark, Part, PartState, Piece, Source, boilerplate, diff,
    leaves::{Leaf, leaves},
    parts::Body,
    text::{Marks, fold, pieces},
};

/// Lines beside a change that are shown with it.
const BESIDE: usize = 2;

fn system_leaves(whole: &Value, frame: &Frame) -> Vec<Leaf> {
    let values = frame
        .system
        .iter()
        .filter_map(|at| Some((at, whole.pointer(at)?)));
    values
        .flat_map(|(at, value)| leaves(&without_hints(value), at))
        .collect()
}

/// The system prompt in lines, masked.
pub(super) fn system_lines(whole: &Value, frame: &Frame, marks: &Marks<'_>) -> Vec<String> {
    let leaves = system_leaves(whole, frame);
    leaves.iter().flat_map(|leaf| marks.lines(leaf)).collect()
}

/// The definitions of tools by name, masked. A name that stands twice is told apart.
pub(super) fn definitions<'w>(
    whole: &'w Value,
    frame: &'w Frame,
    marks: &'w Marks<'_>,
) -> impl Iterator<Item = (String, String)> + 'w {
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    listed(whole, frame).map(move |(at, tool)| {
        let name = name_of(tool);
        let nth = times.entry(name.clone()).or_default();
        *nth += 1;
        let name = match *nth {
            1 => name,
            nth => format!("{name} ({nth})"),
        };
        (name, definition(&at, tool, marks))
    })
}

fn listed<'w>(
    whole: &'w Value,
    frame: &'w Frame,
) -> impl Iterator<Item = (String, &'w Value)> + 'w {
    frame.tools.iter().flat_map(|at| {
        let items: Vec<(String, &Value)> = match whole.pointer(at) {
            Some(Value::Array(items)) => {
                let each = items.iter().enumerate();
                each.map(|(n, item)| (format!("{at}/{n}"), item)).collect()
            }
            Some(other) => vec![(at.clone(), other)],
            None => Vec::new(),
        };
        items
    })
}

fn name_of(tool: &Value) -> String {
    let named = ["/function/name", "/name", "/type"];
    let name = named.iter().find_map(|at| tool.pointer(at)?.as_str());
    name.unwrap_or("unnamed").to_owned()
}

/// One line for each text and value of it, each with its path.
fn definition(at: &str, tool: &Value, marks: &Marks<'_>) -> String {
    let tool = without_hints(tool);
    let mut text = String::new();
    for leaf in leaves(&tool, at) {
        let lines = marks.lines(&leaf);
        text.push_str(&format!("{}: {}\n", leaf.label, lines.join("\n")));
    }
    text
}

/// A diff as pieces: what changed, a little beside it, and the rest folded. Says how many bytes were added.
fn changed(old: &[&str], new: &[&str]) -> (Vec<Piece>, u64) {
    let all = diff::lines(old, new);
    let mut near = vec![false; all.len()];
    for at in (0..all.len()).filter(|at| all[*at].0 != Mark::Plain) {
        let last = (at + BESIDE).min(all.len() - 1);
        near[at.saturating_sub(BESIDE)..=last].fill(true);
    }
    let (mut pieces, mut added) = (Vec::new(), 0u64);
    let mut far: Vec<String> = Vec::new();
    let close = |far: &mut Vec<String>, pieces: &mut Vec<Piece>| {
        if !far.is_empty() {
            let bytes = far.iter().map(|line| line.len() as u64 + 1).sum();
            pieces.push(fold(Fold::Unchanged, std::mem::take(far), bytes));
        }
    };
    for ((mark, line), near) in all.into_iter().zip(near) {
        if mark == Mark::Added {
            added += line.len() as u64 + 1;
        }
        if !near {
            far.push(line.to_owned());
            continue;
        }
        close(&mut far, &mut pieces);
        match boilerplate::named_line(line) {
            Some(_) if mark == Mark::Removed => {}
            Some(name) => pieces.push(fold(
                Fold::Named(name),
                vec![line.to_owned()],
                line.len() as u64 + 1,
            )),
            None => pieces.push(Piece::Line {
                text: line.to_owned(),
                mark,
            }),
        }
    }
    close(&mut far, &mut pieces);
    (pieces, added)
}

impl Body<'_> {
    /// The system prompt, the tools, the fields.
    pub(super) fn frame(&self, outline: &Outline, frame: &Frame) -> Vec<Part> {
        let mut parts = Vec::new();
        parts.extend(self.system(frame));
        parts.extend(self.tools(frame));
        parts.extend(self.fields(outline));
        parts
    }

    fn system(&self, frame: &Frame) -> Option<Part> {
        let first = frame.system.first()?;
        let leaves = system_leaves(self.whole, frame);
        let lines = system_lines(self.whole, frame, self.marks);
        let bytes: u64 = leaves.iter().map(|leaf| leaf.text.len() as u64).sum();
        let before = self.before().map(|before| &before.system);
        let mut part = self.part(first, Source::System, PartState::New, bytes);
        part.hash = self.hash(&lines.join("\n"));
        part.findings = frame
            .system
            .iter()
            .flat_map(|at| self.marks.within(at))
            .collect();
        match before {
            Some(before) if *before == lines => {
                part.state = PartState::Known;
                part.pieces = vec![fold(Fold::Unchanged, lines, bytes)];
            }
            Some(before) if !before.is_empty() => {
                let old: Vec<&str> = before.iter().map(String::as_str).collect();
                let new: Vec<&str> = lines.iter().map(String::as_str).collect();
                part.state = PartState::Changed;
                (part.pieces, part.new_bytes) = changed(&old, &new);
            }
            _ => {
                part.new_bytes = bytes;
                part.pieces = pieces(&leaves, self.marks, self.before(), self.look.key);
            }
        }
        Some(part)
    }

    fn tools(&self, frame: &Frame) -> Vec<Part> {
        let Some(first) = frame.tools.first() else {
            return Vec::new();
        };
        let empty = BTreeMap::new();
        let before = self.before().map_or(&empty, |before| &before.tools);
        let places = listed(self.whole, frame).map(|(at, _)| at);
        let now: Vec<(String, String)> = definitions(self.whole, frame, self.marks).collect();
        let (mut parts, mut same) = (Vec::new(), Vec::new());
        for (at, (name, text)) in places.zip(&now) {
            let bytes = text.len() as u64;
            let mut part = self.part(&at, Source::Definition, PartState::New, bytes);
            part.hash = self.hash(text);
            part.name = Some(name.clone());
            match before.get(name) {
                Some(old) if old == text => {
                    same.push((name.as_str(), text.as_str()));
                    continue;
                }
                Some(old) => {
                    let (old, new): (Vec<&str>, Vec<&str>) =
                        (old.lines().collect(), text.lines().collect());
                    part.state = PartState::Changed;
                    (part.pieces, part.new_bytes) = changed(&old, &new);
                }
                None => {
                    let lines = text.lines().map(str::to_owned).collect();
                    part.new_bytes = bytes;
                    part.pieces = vec![fold(Fold::Definition, lines, bytes)];
                }
            }
            parts.push(part);
        }
        for (name, text) in before {
            if !now.iter().any(|(there, _)| there == name) {
                let mut part = self.part(first, Source::Definition, PartState::Changed, 0);
                part.name = Some(name.clone());
                part.hash = self.hash(text);
                part.pieces = vec![Piece::Line {
                    text: format!("tool {name}"),
                    mark: Mark::Removed,
                }];
                parts.push(part);
            }
        }
        if !same.is_empty() {
            let text: String = same.iter().map(|(_, text)| *text).collect();
            let mut part = self.part(
                first,
                Source::Definition,
                PartState::Known,
                text.len() as u64,
            );
            // Several are one part, and have no name of their own.
            part.name = match same.as_slice() {
                [(name, _)] => Some((*name).to_owned()),
                _ => None,
            };
            part.hash = self.hash(&text);
            part.findings = Vec::new();
            let lines = text.lines().map(str::to_owned).collect();
            part.pieces = vec![fold(Fold::Unchanged, lines, text.len() as u64)];
            parts.push(part);
        }
        parts
    }

    /// The names of the fields, where they are not those of the last yes.
    fn fields(&self, outline: &Outline) -> Option<Part> {
        let before = &self.before()?.fields;
        let added = outline
            .fields
            .difference(before)
            .map(|name| (Mark::Added, name));
        let gone = before
            .difference(&outline.fields)
            .map(|name| (Mark::Removed, name));
        let lines = added.chain(gone).map(|(mark, name)| Piece::Line {
            text: format!("field {name}"),
            mark,
        });
        let pieces: Vec<Piece> = lines.collect();
        if pieces.is_empty() {
            return None;
        }
        // The values are parts of their own: the names are counted there.
        let mut part = self.part("", Source::Field, PartState::Changed, 0);
        part.findings = Vec::new();
        part.pieces = pieces;
        Some(part)
    }
}
