//! The preview: what will leave, for a person to read. The first screen is fixed; the content follows,
//! decoded as text.

use handshake_core::{consent::Assurance, finding::FindingLevel};
use handshake_llm::Preview;
use serde_json::Value;

use crate::out::Out;

/// Runs of text longer than this are folded, with their length; `consent show --raw` shows all.
const FOLD: usize = 4096;

/// A published name as people write it.
fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// Shows the preview.
pub(crate) fn show(out: Out, preview: &Preview) {
    let plan = preview.plan();
    let ext = &plan.ext;
    let to = &ext.destination;
    out.heading("What would leave this machine");
    let model = to.model_id.as_ref().map_or("-", |model| model.as_str());
    let facts = [
        ("to", format!("{}{}", to.origin, to.path)),
        (
            "provider",
            format!(
                "{} (revision {}, {}, {})",
                to.provider_id,
                to.revision,
                to.tier.as_str(),
                to.reach.as_str()
            ),
        ),
        ("model", model.to_owned()),
        (
            "bytes",
            format!(
                "{} in total, {} new in {} of {} parts",
                plan.max_bytes, ext.new_bytes, ext.new_blocks, ext.blocks
            ),
        ),
        (
            "requested by",
            format!("{} in session {}", ext.principal, ext.session_id),
        ),
        (
            "asked because",
            list(
                ext.asked_because
                    .iter()
                    .map(|reason| spaced(reason.as_str())),
            ),
        ),
        (
            "messages",
            list(
                ext.provenance
                    .iter()
                    .map(|(who, n)| format!("{n} from {who}")),
            ),
        ),
        (
            "kinds",
            list(ext.kinds.iter().map(|kind| spaced(kind.as_str()))),
        ),
        (
            "findings",
            list(ext.findings.iter().map(|f| {
                format!(
                    "{} × {} ({})",
                    f.count,
                    spaced(f.class.as_str()),
                    f.level.as_str()
                )
            })),
        ),
        ("uninspectable", ext.uninspectable.to_string()),
        ("reaches further", list(ext.second_hand.iter().cloned())),
        ("client metadata", list(ext.client_metadata.iter().cloned())),
        ("approval", assurance_words(preview.assurance()).to_owned()),
    ];
    for (name, value) in facts {
        out.line(format!("  {name:<16} {value}"));
    }
    if ext
        .findings
        .iter()
        .any(|finding| finding.level == FindingLevel::Ask)
    {
        out.mark(
            false,
            "something in it needs your attention: approve it for this call only",
        );
    }
    out.heading("Content");
    content(out, preview.body());
    out.line(format!(
        "\n  fingerprint {}",
        &ext.envelope_sha256.to_string()[..24]
    ));
}

/// How strong an approval is, in words.
fn assurance_words(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::A0 => "A0: any process could have given it",
        Assurance::A1 => "A1: passphrase",
        Assurance::A2 => "A2: physical gesture",
        Assurance::A3 => "A3: separate account",
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = items.collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

/// The body: messages as text, everything else as JSON.
fn content(out: Out, body: &[u8]) {
    let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(body) else {
        out.line(format!("  {}", fold(&String::from_utf8_lossy(body))));
        return;
    };
    for (name, value) in &members {
        if let ("messages", Value::Array(items)) = (name.as_str(), value) {
            for item in items {
                let role = item.get("role").and_then(Value::as_str).unwrap_or("?");
                match item {
                    Value::Object(parts)
                        if parts.len() == 2
                            && parts.get("content").is_some_and(Value::is_string) =>
                    {
                        let text = parts.get("content").and_then(Value::as_str).unwrap_or("");
                        out.line(format!("  [{role}] {}", fold(text)));
                    }
                    other => out.line(format!("  [{role}] {}", fold(&other.to_string()))),
                }
            }
        } else {
            out.line(format!("  {name}: {}", fold(&value.to_string())));
        }
    }
}

fn fold(text: &str) -> String {
    if text.len() <= FOLD {
        return text.to_owned();
    }
    let head: String = text.chars().take(FOLD / 2).collect();
    let tail: String = text
        .chars()
        .rev()
        .take(FOLD / 2)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    format!(
        "{head}\n  … {} bytes not shown (see `handshake consent show --raw ID`) …\n{tail}",
        text.len() - head.len() - tail.len()
    )
}
