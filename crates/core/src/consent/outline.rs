//! The outline of a body: which blocks of content it holds and what frames them. A lease covers more of
//! the same, and this is what "the same" is measured by. Works on any JSON body with the members that all
//! chat APIs share: `system`, `messages`, `input`, `prompt`, `tools`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AskReason;
use crate::digest::{CommitmentKey, KeyedHash};

/// A kind of content.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// Text.
    Text,
    /// A picture.
    Image,
    /// A document.
    Document,
    /// Sound.
    Audio,
    /// An address for the provider to fetch.
    Url,
    /// A call of a tool.
    ToolCall,
    /// A result of a tool.
    ToolResult,
    /// Something else.
    Other,
}

/// One block of content.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Block {
    /// Commitment to its bytes, cache hints stripped.
    pub commitment: KeyedHash,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What a body holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outline {
    /// Commitment to the system prompt.
    pub system: Option<KeyedHash>,
    /// Commitment to the tools.
    pub tools: Option<KeyedHash>,
    /// Top-level field names.
    pub fields: BTreeSet<String>,
    /// Kinds of content.
    pub kinds: BTreeSet<ContentKind>,
    /// Blocks of content, in order.
    pub blocks: Vec<Block>,
    /// Messages by author: `person`, `model`, `tool`, `system`.
    pub provenance: std::collections::BTreeMap<String, u32>,
}

/// What changed against the frame of a lease.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OutlineDiff {
    /// Why a person must be asked again; empty when nothing is new in kind.
    pub reasons: BTreeSet<AskReason>,
}

impl Outline {
    /// Reads the outline of a JSON body. `None` when the body is not one JSON object: nothing can be said
    /// about it then, and no lease covers it.
    #[must_use]
    pub fn of(body: &[u8], key: &CommitmentKey) -> Option<Self> {
        let Value::Object(mut body) = serde_json::from_slice(body).ok()? else { return None };
        let mut outline = Self {
            system: None,
            tools: None,
            fields: body.keys().cloned().collect(),
            kinds: BTreeSet::new(),
            blocks: Vec::new(),
            provenance: std::collections::BTreeMap::new(),
        };
        let mut system = Vec::new();
        if let Some(value) = body.remove("system") {
            system.push(value);
        }
        if let Some(tools) = body.remove("tools") {
            outline.tools = Some(commit(key, "tools", &tools));
        }
        for member in ["messages", "input", "prompt"] {
            match body.remove(member) {
                Some(Value::Array(items)) => {
                    for item in items {
                        outline.item(item, key, &mut system);
                    }
                }
                Some(other) => outline.item(other, key, &mut system),
                None => {}
            }
        }
        // Whatever else the body holds (schemas, stop texts, names) is content too: it leaves as well.
        for (name, value) in body {
            if matches!(value, Value::String(_) | Value::Array(_) | Value::Object(_)) && name != "model" {
                outline.block(key, &name, &value);
            }
        }
        if !system.is_empty() {
            outline.system = Some(commit(key, "system", &Value::Array(system)));
        }
        Some(outline)
    }

    fn item(&mut self, mut item: Value, key: &CommitmentKey, system: &mut Vec<Value>) {
        strip_cache_hints(&mut item);
        let role = item.get("role").and_then(Value::as_str).unwrap_or("user").to_owned();
        let author = match role.as_str() {
            "system" | "developer" => "system",
            "assistant" => "model",
            "tool" | "function" => "tool",
            _ => "person",
        };
        *self.provenance.entry(author.to_owned()).or_default() += 1;
        if author == "system" {
            system.push(item);
            return;
        }
        if item.get("tool_calls").is_some() {
            self.kinds.insert(ContentKind::ToolCall);
        }
        if author == "tool" {
            self.kinds.insert(ContentKind::ToolResult);
        }
        if item.get("images").is_some() {
            self.kinds.insert(ContentKind::Image);
        }
        match item.get("content") {
            Some(Value::Array(parts)) => {
                let kinds: Vec<_> = parts.iter().map(kind_of).collect();
                self.kinds.extend(kinds);
            }
            Some(Value::String(_) | Value::Null) | None => {
                self.kinds.insert(ContentKind::Text);
            }
            Some(_) => {
                self.kinds.insert(ContentKind::Other);
            }
        }
        self.block(key, &role, &item);
    }

    fn block(&mut self, key: &CommitmentKey, name: &str, value: &Value) {
        let text = value.to_string();
        self.blocks.push(Block {
            commitment: key.commit("hsk.block.v1", &[name.as_bytes(), text.as_bytes()]),
            bytes: text.len() as u64,
        });
    }

    /// What is new in kind against a lease's frame.
    #[must_use]
    pub fn against(&self, terms: &super::LeaseTerms) -> OutlineDiff {
        let mut reasons = BTreeSet::new();
        if self.system != terms.system {
            reasons.insert(AskReason::SystemChanged);
        }
        if self.tools != terms.tools {
            reasons.insert(AskReason::ToolsChanged);
        }
        if !self.fields.is_subset(&terms.fields) {
            reasons.insert(AskReason::FieldsChanged);
        }
        if !self.kinds.is_subset(&terms.kinds) {
            reasons.insert(AskReason::NewKind);
        }
        OutlineDiff { reasons }
    }
}

fn commit(key: &CommitmentKey, domain: &str, value: &Value) -> KeyedHash {
    let mut value = value.clone();
    strip_cache_hints(&mut value);
    key.commit("hsk.frame.v1", &[domain.as_bytes(), value.to_string().as_bytes()])
}

/// Clients move cache hints from message to message; they change no content.
fn strip_cache_hints(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("cache_control");
            members.values_mut().for_each(strip_cache_hints);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_cache_hints),
        _ => {}
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
        "image" | "image_url" | "input_image" => {
            let url = part
                .pointer("/image_url/url")
                .or_else(|| part.pointer("/source/url"))
                .or_else(|| part.get("image_url"))
                .and_then(Value::as_str);
            if url.is_some_and(|url| !url.starts_with("data:")) {
                ContentKind::Url
            } else {
                ContentKind::Image
            }
        }
        "document" | "file" | "input_file" => ContentKind::Document,
        "input_audio" | "audio" => ContentKind::Audio,
        _ => ContentKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CommitmentKey {
        CommitmentKey::new([9; 32]).expect("key")
    }

    #[test]
    fn one_more_message_is_one_new_block_and_the_same_frame() {
        let one = br#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}"#;
        let two = br#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
        let (one, two) = (Outline::of(one, &key()).expect("o"), Outline::of(two, &key()).expect("o"));
        assert_eq!(one.system, two.system);
        assert_eq!(one.blocks[..], two.blocks[..1]);
        assert_eq!(two.blocks.len(), 2);
    }

    #[test]
    fn cache_hints_are_not_content_and_remote_images_are_urls() {
        let plain = br#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}"#;
        let hinted = br#"{"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}]}"#;
        assert_eq!(
            Outline::of(plain, &key()).expect("o").blocks,
            Outline::of(hinted, &key()).expect("o").blocks
        );
        let remote = br#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.example/?d=1"}}]}]}"#;
        assert!(Outline::of(remote, &key()).expect("o").kinds.contains(&ContentKind::Url));
        assert!(Outline::of(b"not json", &key()).is_none());
    }
}
