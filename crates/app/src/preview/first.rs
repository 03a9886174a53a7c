//! The first screen: never more than 13 lines of 80 columns, whatever is asked. With its heading it is 15. Where everything
//! is shown, no line is cut.

use handshake_core::finding::FindingLevel;
use handshake_llm::shown::{Source, Summary};

use super::{
    Extent,
    words::{assurance, at, cut, reason, size, spaced},
};

const COLUMNS: usize = 80;
const NAME: usize = 12;

/// The lines.
pub(crate) fn first(summary: &Summary, extent: Extent) -> Vec<String> {
    let to = &summary.to;
    let model = to.model_id.as_ref().map_or("-", |model| model.as_str());
    let mut facts = vec![
        ("to", format!("{}{}", to.origin, to.path)),
        (
            "model",
            format!(
                "{model} (provider {}, revision {}, {}, {})",
                to.provider_id,
                to.revision,
                to.tier.as_str(),
                to.reach.as_str()
            ),
        ),
        (
            "asked by",
            format!("{} in session {}", summary.principal, summary.session_id),
        ),
        (
            "why now",
            list(
                summary
                    .asked_because
                    .iter()
                    .map(|why| reason(*why).to_owned()),
            ),
        ),
        (
            "size",
            format!("{} in {} parts", size(summary.bytes), summary.parts),
        ),
        ("new", new(summary)),
    ];
    let by_source = list(
        summary
            .new_by_source
            .iter()
            .map(|(source, amount)| format!("{} {}", who(*source), size(amount.bytes))),
    );
    if !summary.new_by_source.is_empty() {
        facts.push(("", by_source));
    }
    facts.push((
        "with it",
        list(
            summary
                .leaves_with
                .iter()
                .map(|it| match (&it.example, it.count) {
                    (Some(example), 1) => format!("{} ({example})", it.what),
                    (Some(example), n) => format!("{} ({n}, such as {example})", it.what),
                    (None, 1) => it.what.to_owned(),
                    (None, n) => format!("{} ({n})", it.what),
                }),
        ),
    ));
    if !summary.headers.is_empty() {
        facts.push(("headers", list(summary.headers.iter().cloned())));
    }
    facts.push(("findings", findings(summary, extent)));
    facts.push((
        "unseen",
        match summary.uninspectable {
            0 => "nothing: every part could be inspected".to_owned(),
            1 => "1 part cannot be inspected".to_owned(),
            n => format!("{n} parts cannot be inspected"),
        },
    ));
    if !summary.second_hand.is_empty() {
        facts.push(("reaches on", list(summary.second_hand.iter().cloned())));
    }
    facts.push((
        "approval",
        format!(
            "{}; fingerprint {}",
            assurance(summary.assurance),
            summary.fingerprint
        ),
    ));
    let columns = match extent {
        Extent::New => COLUMNS - NAME - 2,
        Extent::Everything => usize::MAX,
    };
    facts
        .into_iter()
        .map(|(name, value)| format!("  {name:<NAME$}{}", cut(&value, columns)))
        .collect()
}

fn new(summary: &Summary) -> String {
    let new = summary.new;
    let parts = match new.parts {
        1 => "1 part".to_owned(),
        n => format!("{n} parts"),
    };
    match summary.last_yes {
        Some(last) => format!(
            "{} in {parts} since your last yes ({})",
            size(new.bytes),
            at(last)
        ),
        None => format!(
            "{} in {parts}: you never said yes to this client here",
            size(new.bytes)
        ),
    }
}

/// What was found, and what was replaced so that it is not found any more.
fn findings(summary: &Summary, extent: Extent) -> String {
    let found = found(summary);
    let replaced = match (summary.redactions.len(), extent) {
        (0, _) => return found,
        (_, Extent::Everything) => summary.redactions.join(", "),
        (1, Extent::New) => "1 value".to_owned(),
        (n, Extent::New) => format!("{n} values"),
    };
    format!("{found}; replaced by stand-ins: {replaced}")
}

fn found(summary: &Summary) -> String {
    let all = list(summary.findings.iter().map(|found| {
        let class = spaced(found.class.as_str());
        format!("{} {class} ({})", found.count, found.level.as_str())
    }));
    let declassified: u32 = summary.declassified.iter().map(|it| it.count).sum();
    let last = summary.declassified.iter().map(|it| it.at).max();
    let all = match last {
        // In front: it is what a person must not miss where a line is cut.
        Some(last) => format!("{declassified} declassified by you on {}; {all}", at(last)),
        None => all,
    };
    match summary
        .findings
        .iter()
        .any(|found| found.level == FindingLevel::Ask)
    {
        true => format!("{all}: look at it"),
        false => all,
    }
}

fn who(source: Source) -> &'static str {
    match source {
        Source::Person => "you",
        Source::Tool => "tool results",
        Source::Model => "model",
        Source::Field => "fields",
        Source::Form => "spacing",
        Source::System => "system prompt",
        Source::Definition => "tools",
        _ => "other",
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = items.collect();
    match all.is_empty() {
        true => "none".to_owned(),
        false => all.join(", "),
    }
}
