//! Content parts that a provider would fetch, or that name something it already holds.

use handshake_core::finding::ValidatorError;
use serde_json::Value;

use super::{names::plain, pointer};

/// The members that hold content, in plain form.
pub(super) const MEMBERS: &[&str] = &[
    "contents",
    "documents",
    "input",
    "instructions",
    "messages",
    "prompt",
    "system",
    "systeminstruction",
];

/// Names whose text is an address, wherever they stand in content.
const ADDRESSES: &[&str] = &[
    "audiourl",
    "documenturl",
    "fileuri",
    "fileurl",
    "gcsuri",
    "imageurl",
    "s3uri",
    "videourl",
];
/// Names whose text stands for something that the provider keeps.
const KEPT: &[&str] = &["containerid", "fileid", "fileids"];
/// Parts whose `url` or `uri` is an address.
const MEDIA: &[&str] = &[
    "audio",
    "audiourl",
    "document",
    "file",
    "filedata",
    "fileurl",
    "image",
    "imageurl",
    "inputaudio",
    "s3location",
    "source",
    "video",
    "videourl",
];

/// Reports each part that reaches elsewhere, by its pointer. `within` is the plain name of the member that
/// holds the value.
pub(super) fn walk(
    value: &Value,
    at: &str,
    within: &str,
    found: &mut impl FnMut(String) -> Result<(), ValidatorError>,
) -> Result<(), ValidatorError> {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(n, item)| walk(item, &format!("{at}/{n}"), within, found)),
        Value::Object(members) => {
            let kind = members.get("type").and_then(Value::as_str).map(plain);
            let kind = kind.as_deref().unwrap_or_default();
            if kind == "itemreference" {
                found(format!("{at}/type"))?;
            }
            for (name, value) in members {
                let word = plain(name);
                // What a model wrote as arguments is text to the provider.
                if matches!(word.as_str(), "arguments" | "toolcalls") {
                    continue;
                }
                let here = pointer(at, name);
                let address = ADDRESSES.contains(&word.as_str())
                    || (matches!(word.as_str(), "url" | "uri")
                        && (MEDIA.contains(&within) || MEDIA.contains(&kind) || kind == "url"));
                let reaches = match value {
                    Value::String(text) if KEPT.contains(&word.as_str()) => !text.is_empty(),
                    Value::Array(items) if KEPT.contains(&word.as_str()) => !items.is_empty(),
                    Value::String(text) if address => is_remote(text),
                    _ => false,
                };
                if reaches {
                    found(here)?;
                } else {
                    walk(value, &here, &word, found)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether a text is an address and not the content itself.
fn is_remote(text: &str) -> bool {
    let text = text.trim_start();
    let inline = text
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    !text.is_empty() && !inline
}
