//! Which kinds of content a message holds.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ContentKind;

/// The kind of a part, and of what it holds: a tool's result may hold pictures.
pub(super) fn kinds_of(part: &Value, kinds: &mut BTreeSet<ContentKind>) {
    kinds.insert(kind_of(part));
    if let Some(Value::Array(parts)) = part.get("content") {
        parts.iter().for_each(|part| kinds_of(part, kinds));
    }
}

fn kind_of(part: &Value) -> ContentKind {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("");
    match kind {
        "text" | "input_text" | "output_text" | "refusal" | "thinking" | "redacted_thinking" => {
            ContentKind::Text
        }
        "tool_use" => ContentKind::ToolCall,
        "tool_result" => ContentKind::ToolResult,
        _ if is_remote(part) => ContentKind::Url,
        "image" | "image_url" | "input_image" => ContentKind::Image,
        "document" | "file" | "input_file" => ContentKind::Document,
        "input_audio" | "audio" => ContentKind::Audio,
        _ => ContentKind::Other,
    }
}

/// Whether a part names an address for the provider to fetch, instead of holding its bytes.
fn is_remote(part: &Value) -> bool {
    [
        "/image_url/url",
        "/image_url",
        "/source/url",
        "/file_url",
        "/file/file_url",
        "/url",
    ]
    .iter()
    .filter_map(|at| part.pointer(at)?.as_str())
    .any(|url| !url.starts_with("data:"))
}
