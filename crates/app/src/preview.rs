//! The preview at a terminal: a first screen that fits on it, then what is new, then one line for each part that was
//! sent before. The facade says what there is to read; here it becomes lines.

mod first;
mod words;

use handshake_llm::shown::{Fold, Mark, Part, PartState, Piece, Shown, Source};

pub(crate) use self::{
    first::first,
    words::{size, span},
};
use crate::out::Out;

/// Parts that were sent before and are listed one by one.
const LISTED: usize = 6;

/// How much is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    /// What is new, and that there is more.
    New,
    /// All of it, folds opened.
    Everything,
}

/// Shows a preview.
pub(crate) fn print(out: Out, shown: &Shown, extent: Extent) {
    out.heading("What would leave this machine");
    for line in first(&shown.summary, extent) {
        out.line(line);
    }
    out.line("");
    for line in body(shown, extent) {
        out.ruled(line);
    }
}

/// The parts, line by line.
fn body(shown: &Shown, extent: Extent) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut listed, mut left, mut left_bytes) = (0, 0u32, 0u64);
    for part in &shown.parts {
        if part.state == PartState::Known && extent == Extent::New {
            listed += 1;
            if listed > LISTED {
                left += 1;
                left_bytes = left_bytes.saturating_add(part.bytes);
                continue;
            }
        }
        lines.push(head(part));
        if part.state != PartState::Known || extent == Extent::Everything {
            content(part, extent, &mut lines);
        }
    }
    if left > 0 {
        let bytes = size(left_bytes);
        lines.push(format!("[sent before] and {left} more parts, {bytes}"));
    }
    lines
}

/// `[new] tool result Read, 3.9 KiB #1a2b3c4d`.
fn head(part: &Part) -> String {
    let state = match part.state {
        PartState::New => "new",
        PartState::Changed => "changed",
        PartState::Known => "sent before",
    };
    let name = part.name.as_deref().map(|name| words::cut(name, 40));
    let what = match (part.source, name) {
        (Source::Person, None) => "you".to_owned(),
        // A block that agents write into the words of a person.
        (Source::Person, Some(name)) => format!("agent's {name}"),
        (Source::Tool, None) => "tool result".to_owned(),
        (Source::Tool, Some(name)) => format!("tool result {name}"),
        (Source::Model, _) => "model".to_owned(),
        (Source::Field, None) => "names of fields".to_owned(),
        (Source::Field, Some(name)) => format!("field {name}"),
        (Source::Form, _) => "spacing".to_owned(),
        (Source::System, _) => "system prompt".to_owned(),
        (Source::Definition, None) => "tools".to_owned(),
        (Source::Definition, Some(name)) => format!("tool {name}"),
        (Source::Unreadable, _) => "body that cannot be read".to_owned(),
        _ => "other".to_owned(),
    };
    let mut line = format!("[{state}] {what}");
    match part.state {
        // Something is gone, or only its name is told here.
        PartState::Changed if part.bytes == 0 => {}
        PartState::Changed => {
            let (new, all) = (size(part.new_bytes), size(part.bytes));
            line.push_str(&format!(", {new} new of {all}"));
        }
        PartState::New | PartState::Known => line.push_str(&format!(", {}", size(part.bytes))),
    }
    for found in &part.findings {
        let class = words::spaced(found.class.as_str());
        match found.declassified {
            None => line.push_str(&format!(", found: {class} ({})", found.level.as_str())),
            Some(when) => line.push_str(&format!(
                ", found: {class} (declassified by you on {})",
                words::at(when)
            )),
        }
        if !found.views.is_empty() {
            line.push_str(&format!(" in {}", found.views.join(", ")));
        }
    }
    match part.stand_ins {
        0 => {}
        1 => line.push_str(", 1 stand-in"),
        n => line.push_str(&format!(", {n} stand-ins")),
    }
    if part.state == PartState::Known && !part.hash.is_empty() {
        line.push_str(&format!(" #{}", part.hash));
    }
    line
}

/// What a part says, behind a rule: nothing in it looks like a line of ours.
fn content(part: &Part, extent: Extent, lines: &mut Vec<String>) {
    for piece in &part.pieces {
        match piece {
            Piece::Line { text, mark } => lines.push(ruled(*mark, text)),
            Piece::Fold {
                lines: folded, why, ..
            } if extent == Extent::Everything => {
                if let Fold::Named(name) = why {
                    lines.push(format!("  … {name}:"));
                }
                lines.extend(folded.iter().map(|text| ruled(Mark::Plain, text)));
            }
            Piece::Fold {
                why,
                bytes,
                lines: folded,
            } => {
                let why = match why {
                    Fold::Unchanged => "unchanged".to_owned(),
                    Fold::Seen => "shown at your last yes".to_owned(),
                    Fold::LowInformation => "data, repetitions or white space".to_owned(),
                    Fold::Definition => "its definition".to_owned(),
                    Fold::Named(name) => (*name).to_owned(),
                    _ => "folded".to_owned(),
                };
                let count = match folded.len() {
                    1 => "1 line".to_owned(),
                    n => format!("{n} lines"),
                };
                lines.push(format!("  … {why}: {count}, {}", size(*bytes)));
            }
            _ => lines.push("  … something that this version cannot show; see `--raw`".to_owned()),
        }
    }
}

fn ruled(mark: Mark, text: &str) -> String {
    let rule = match mark {
        Mark::Plain => '|',
        Mark::Added => '+',
        Mark::Removed => '-',
    };
    // A line of the content is one line here, whatever stands in it.
    format!("  {rule} {}", text.replace('\r', "\\r"))
}
