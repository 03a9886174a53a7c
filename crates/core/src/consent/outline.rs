//! The outline of a body: which blocks of content it holds and what frames them. A lease covers more of
//! the same, and this is what "the same" is measured by. Works on any JSON body with the members that all
//! chat APIs share: `system`, `messages`, `input`, `prompt`, `tools`.

mod accounting;
mod hints;
mod kinds;
mod places;

use std::{borrow::Cow, collections::BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    accounting::accounting,
    hints::without_hints,
    places::{Frame, Placed},
};
use self::{kinds::kinds_of, places::Places};
use super::AskReason;
use crate::{
    digest::{CommitmentKey, KeyedHash},
    json::read_strict,
};

/// A kind of content.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
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
#[non_exhaustive]
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

/// Where the shapes keep their system prompt beside the messages.
const SYSTEM: &[&str] = &[
    "system",
    "instructions",
    "system_instruction",
    "systemInstruction",
];
/// Where they keep tools.
const TOOLS: &[&str] = &["tools", "functions"];
/// Where they keep the conversation.
const MESSAGES: &[&str] = &["messages", "input", "prompt"];

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
        // Duplicate keys would let one reading be shown and another be sent.
        Self::of_json(&read_strict(body).ok()?, body, key)
    }

    /// The same for a body that was read already. `raw` is the body that `whole` was strictly read from.
    pub(crate) fn of_json(whole: &Value, raw: &[u8], key: &CommitmentKey) -> Option<Self> {
        Self::read(whole, raw, key, &mut Places::default())
    }

    fn read(whole: &Value, raw: &[u8], key: &CommitmentKey, places: &mut Places) -> Option<Self> {
        let Value::Object(body) = whole else {
            return None;
        };
        let slack = (raw.len() as u64).saturating_sub(compact_len(whole));
        let mut outline = Self {
            system: None,
            tools: None,
            fields: body.keys().cloned().collect(),
            kinds: BTreeSet::new(),
            blocks: Vec::new(),
            provenance: std::collections::BTreeMap::new(),
        };
        let members = |names: &[&str]| -> Vec<Cow<'_, Value>> {
            let found = names.iter().filter_map(|name| body.get(*name));
            found.map(without_hints).collect()
        };
        let mut system = members(SYSTEM);
        let tools = members(TOOLS);
        if !tools.is_empty() {
            outline.tools = Some(commit(key, "tools", &tools));
        }
        for member in MESSAGES {
            match body.get(*member) {
                Some(Value::Array(items)) => {
                    for (at, item) in items.iter().enumerate() {
                        places.at(|| format!("/{member}/{at}"));
                        outline.item(item, key, &mut system, places);
                    }
                }
                Some(other) => {
                    places.at(|| format!("/{member}"));
                    outline.item(other, key, &mut system, places);
                }
                None => {}
            }
        }
        // Whatever else the body holds (schemas, stop texts, names) is content too: it leaves as well.
        for (name, value) in body {
            let read = [SYSTEM, TOOLS, MESSAGES]
                .iter()
                .any(|names| names.contains(&name.as_str()));
            // A number or a switch is a few bytes each time; what was not sent so before is new, however small.
            if !read && name != "model" {
                places.at(|| format!("/{}", escaped(name)));
                outline.block(key, name, value, places);
            }
        }
        // White space, escapes and long numbers say nothing to the outline and could carry anything: what
        // the body is longer than its plain form counts as new, each time it is another body.
        if slack > 0 {
            let commitment = key.commit("hsk.block.v1", &[b"slack", raw]);
            outline.blocks.push(Block {
                commitment,
                bytes: slack,
            });
            places.at(String::new);
            places.block();
        }
        if let Some(line) = accounting::set_apart(&mut system) {
            outline.blocks.push(Block {
                commitment: key.commit("hsk.block.v1", &[b"accounting", line.as_bytes()]),
                bytes: line.len() as u64,
            });
            places.in_the_frame();
        }
        if !system.is_empty() {
            outline.system = Some(commit(key, "system", &system));
        }
        Some(outline)
    }

    fn item<'v>(
        &mut self,
        item: &'v Value,
        key: &CommitmentKey,
        system: &mut Vec<Cow<'v, Value>>,
        places: &mut Places,
    ) {
        let item = without_hints(item);
        let role = item.get("role").and_then(Value::as_str).unwrap_or("user");
        let author = match role {
            "system" | "developer" => "system",
            "assistant" => "model",
            "tool" | "function" => "tool",
            _ => "person",
        };
        *self.provenance.entry(author.to_owned()).or_default() += 1;
        if author == "system" {
            system.push(item);
            places.system();
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
            Some(Value::Array(parts)) => parts
                .iter()
                .for_each(|part| kinds_of(part, &mut self.kinds)),
            Some(Value::String(_) | Value::Null) | None => {
                self.kinds.insert(ContentKind::Text);
            }
            Some(_) => {
                self.kinds.insert(ContentKind::Other);
            }
        }
        self.block(key, role, &item, places);
    }

    fn block(&mut self, key: &CommitmentKey, name: &str, value: &Value, places: &mut Places) {
        let text = value.to_string();
        self.blocks.push(Block {
            commitment: key.commit("hsk.block.v1", &[name.as_bytes(), text.as_bytes()]),
            bytes: text.len() as u64,
        });
        places.block();
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

/// A member's name inside a JSON pointer.
fn escaped(name: &str) -> Cow<'_, str> {
    match name.contains(['~', '/']) {
        true => name.replace('~', "~0").replace('/', "~1").into(),
        false => name.into(),
    }
}

/// Over the values as one array, their hints stripped.
fn commit(key: &CommitmentKey, domain: &str, values: &[Cow<'_, Value>]) -> KeyedHash {
    let text = serde_json::to_vec(values).expect("a JSON value can be written");
    key.commit("hsk.frame.v1", &[domain.as_bytes(), &text])
}

/// How long the value is in its plain form.
fn compact_len(value: &Value) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        // Then all of it is new.
        Err(_) => 0,
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
        let (one, two) = (
            Outline::of(one, &key()).expect("o"),
            Outline::of(two, &key()).expect("o"),
        );
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
        assert!(
            Outline::of(remote, &key())
                .expect("o")
                .kinds
                .contains(&ContentKind::Url)
        );
        assert!(Outline::of(b"not json", &key()).is_none());
        let held = br#"{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"image","source":{"type":"base64","data":"QUFB"}}]}]}]}"#;
        let kinds = Outline::of(held, &key()).expect("o").kinds;
        assert!(kinds.contains(&ContentKind::ToolResult) && kinds.contains(&ContentKind::Image));
    }

    #[test]
    fn s29_nothing_leaves_under_a_lease_that_the_outline_does_not_see() {
        let plain = br#"{"messages":[{"role":"user","content":"a"}],"seed":1}"#;
        let known = Outline::of(plain, &key()).expect("o").blocks;
        let fresh = |body: &[u8]| -> u64 {
            let blocks = Outline::of(body, &key()).expect("o").blocks;
            blocks
                .iter()
                .filter(|block| !known.contains(block))
                .map(|block| block.bytes)
                .sum()
        };
        assert_eq!(fresh(plain), 0);
        let seeded = br#"{"messages":[{"role":"user","content":"a"}],"seed":87654321}"#;
        assert_eq!(fresh(seeded), 8, "a number");
        let switched = br#"{"messages":[{"role":"user","content":"a"}],"seed":1,"stream":true}"#;
        assert_eq!(fresh(switched), 4, "a switch");
        let spaced = br#"{"messages":[{"role":"user","content":"a"}],     "seed":1}"#;
        assert_eq!(fresh(spaced), 5, "white space");
        let escaped = br#"{"messages":[{"role":"user","content":"\u0061"}],"seed":1}"#;
        assert_eq!(fresh(escaped), 5, "escapes");
        let hinted = br#"{"messages":[{"role":"user","content":"a","cache_control":{"type":"ephemeral","x":"carried off"}}],"seed":1}"#;
        assert!(fresh(hinted) >= 11, "a cache hint that is none");
        assert!(
            Outline::of(br#"{"messages":[],"messages":[]}"#, &key()).is_none(),
            "two readings"
        );
    }

    #[test]
    fn s55_every_place_of_a_system_prompt_and_of_tools_is_the_frame() {
        let frame = |body: &str| {
            let outline = Outline::of(body.as_bytes(), &key()).expect("o");
            (outline.system, outline.tools)
        };
        let bare = frame(r#"{"messages":[]}"#);
        for name in SYSTEM {
            assert_ne!(
                frame(&format!(r#"{{"messages":[],"{name}":"be kind"}}"#)).0,
                bare.0,
                "{name}"
            );
        }
        for name in TOOLS {
            assert_ne!(
                frame(&format!(r#"{{"messages":[],"{name}":[{{"name":"t"}}]}}"#)).1,
                bare.1,
                "{name}"
            );
        }
        for role in ["system", "developer"] {
            let body = format!(r#"{{"messages":[{{"role":"{role}","content":"be kind"}}]}}"#);
            assert_ne!(frame(&body).0, bare.0, "{role}");
        }
    }
}
