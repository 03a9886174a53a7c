//! JSON as it is written: members in order, duplicates kept, so that nothing in it stays unread.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A JSON value. Unlike `serde_json::Value` it keeps duplicate members.
#[derive(Debug)]
pub(crate) enum Node {
    /// `null`, `true`, `false`.
    Plain,
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Plain)
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain)
    }
    fn visit_i64<E>(self, n: i64) -> Result<Node, E> {
        Ok(Node::Int(n.into()))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Node, E> {
        Ok(Node::Int(n.into()))
    }
    fn visit_f64<E>(self, n: f64) -> Result<Node, E> {
        Ok(Node::Float(n))
    }
    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Map(members))
    }
}

/// Parses a document, or a list of documents one per line (NDJSON, server-sent events).
pub(crate) fn parse(text: &[u8]) -> Option<Node> {
    let text = text.trim_ascii();
    if !matches!(text.first(), Some(b'{' | b'[' | b'"' | b'd' | b'e' | b':')) {
        return None;
    }
    serde_json::from_slice(text)
        .ok()
        .or_else(|| parse_lines(text))
}

/// Whether a text could be a JSON container: a cheap look before a parse.
pub(crate) fn is_container(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    matches!(
        (text.first(), text.last()),
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']'))
    ) || text.starts_with(b"data:")
        || text.starts_with(b"event:")
        || matches!((text.first(), text.last()), (Some(b'"'), Some(b'"')))
}

fn parse_lines(text: &[u8]) -> Option<Node> {
    let mut items = Vec::new();
    for line in text.split(|b| *b == b'\n') {
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"data:").unwrap_or(line).trim_ascii();
        if line.is_empty()
            || line == b"[DONE]"
            || line.starts_with(b"event:")
            || line.starts_with(b":")
        {
            continue;
        }
        items.push(serde_json::from_slice(line).ok()?);
    }
    (items.len() > 1).then_some(Node::List(items))
}

/// One piece of text of a document.
pub(crate) struct Leaf {
    /// JSON pointer of the value, or of the member whose key this is.
    pub(crate) pointer: String,
    /// The pointer with its numbers left out: pieces that share it may belong together.
    pub(crate) group: String,
    pub(crate) text: String,
    /// Put together from an array of character codes.
    pub(crate) codes: bool,
    /// The member name that holds the value, where that says what the bytes are.
    pub(crate) role: Role,
    /// The name that belongs to the value, where a name may say what the value is.
    pub(crate) member: Option<String>,
}

impl Leaf {
    /// Name and value as one line, for rules that need both.
    pub(crate) fn line(&self) -> Option<Vec<u8>> {
        let name = self.member.as_ref()?;
        Some(
            [
                b"\"",
                name.as_bytes(),
                b"\": \"",
                self.text.as_bytes(),
                b"\"",
            ]
            .concat(),
        )
    }
}

/// Longer values are content, not settings.
const SETTING: usize = 2048;

/// Member names that say nothing about their value.
const PLAIN_NAMES: &[&str] = &[
    "role",
    "content",
    "text",
    "type",
    "model",
    "id",
    "object",
    "description",
    "title",
];

/// What the place of a leaf says about its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Text,
    /// A binary part: an image, audio, a file.
    Binary,
    /// A provider's own opaque state, replayed as it came.
    State,
}

/// Everything that a walk finds.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) leaves: Vec<Leaf>,
    /// Pointers of token-id arrays in prompt positions.
    pub(crate) token_ids: Vec<String>,
}

/// Collects leaves and keys in document order.
pub(crate) fn walk(root: &Node) -> Walk {
    let mut out = Walk::default();
    visit(
        root,
        &mut String::new(),
        &mut String::new(),
        Role::Text,
        &mut out,
    );
    out
}

fn visit(node: &Node, pointer: &mut String, group: &mut String, role: Role, out: &mut Walk) {
    match node {
        Node::Plain => {}
        Node::Text(text) => push(pointer, group, text.clone(), false, role, out),
        Node::Int(n) => {
            // Short numbers hold nothing; long ones may be a card or a code.
            if n.unsigned_abs() > 99_999_999 {
                push(pointer, group, n.to_string(), false, Role::Text, out);
            }
        }
        Node::Float(n) => push(pointer, group, n.to_string(), false, Role::Text, out),
        Node::List(items) => {
            let codes = ints(items);
            if codes && is_prompt(group) {
                out.token_ids.push(pointer.clone());
            }
            if codes {
                for text in spell(items) {
                    push(pointer, group, text, true, Role::Text, out);
                }
                if items.len() > 8 {
                    return;
                }
            }
            for (i, item) in items.iter().enumerate() {
                let (p, g) = (pointer.len(), group.len());
                pointer.push_str(&format!("/{i}"));
                group.push_str("/*");
                visit(item, pointer, group, role, out);
                pointer.truncate(p);
                group.truncate(g);
            }
        }
        Node::Map(members) => {
            let state = members.iter().any(|(key, value)| {
                key == "type" && matches!(value, Node::Text(t) if t.starts_with("redacted") || t.starts_with("reasoning") || t.contains("encrypted"))
            });
            for (key, value) in members {
                let (p, g) = (pointer.len(), group.len());
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                push(pointer, "#", key.clone(), false, Role::Text, out);
                group.push('/');
                if key.bytes().all(|b| b.is_ascii_digit()) {
                    group.push('*')
                } else {
                    group.push_str(key)
                }
                let first = out.leaves.len();
                visit(value, pointer, group, role_of(key, state, role), out);
                if let (Node::Text(text), Some(leaf)) = (value, out.leaves.get_mut(first))
                    && text.len() <= SETTING
                {
                    leaf.member = name_of(key, members);
                }
                pointer.truncate(p);
                group.truncate(g);
            }
        }
    }
}

/// What names a value: its key, or the `name` that stands beside a `value`.
fn name_of(key: &str, members: &[(String, Node)]) -> Option<String> {
    if key == "value" {
        let named = members.iter().find_map(|(k, v)| match v {
            Node::Text(name) if matches!(k.as_str(), "name" | "key") && name.len() <= 128 => {
                Some(name)
            }
            _ => None,
        });
        if let Some(name) = named {
            return Some(name.clone());
        }
    }
    (key.len() <= 128 && !PLAIN_NAMES.contains(&key)).then(|| key.to_owned())
}

fn push(pointer: &str, group: &str, text: String, codes: bool, role: Role, out: &mut Walk) {
    if !text.is_empty() {
        let (pointer, group) = (pointer.to_owned(), group.to_owned());
        out.leaves.push(Leaf {
            pointer,
            group,
            text,
            codes,
            role,
            member: None,
        });
    }
}

fn role_of(key: &str, state: bool, outer: Role) -> Role {
    match key {
        "signature" | "encrypted_content" | "thought_signature" | "thoughtSignature" => Role::State,
        "data" if state => Role::State,
        "data" | "file_data" | "images" | "image" | "audio" | "b64_json" | "input_audio"
        | "inline_data" | "inlineData" => Role::Binary,
        "type" | "format" | "media_type" | "mime_type" | "mimeType" | "text" | "content"
        | "filename" | "id" => Role::Text,
        _ => outer,
    }
}

/// `input`, `prompt`, `context` at the top, or a list of lists there.
fn is_prompt(group: &str) -> bool {
    let mut parts = group.split('/').skip(1);
    matches!(
        parts.next(),
        Some("input" | "prompt" | "context" | "suffix" | "tokens")
    ) && parts.all(|part| part == "*")
}

fn ints(items: &[Node]) -> bool {
    !items.is_empty() && items.iter().all(|item| matches!(item, Node::Int(_)))
}

/// Integers as code points, and as bytes where that differs.
fn spell(items: &[Node]) -> Vec<String> {
    let codes: Vec<u32> = items
        .iter()
        .filter_map(|item| match item {
            Node::Int(n) => u32::try_from(*n).ok(),
            _ => None,
        })
        .collect();
    let seen = codes.iter().filter(|c| (0x20..0x7f).contains(*c)).count();
    if codes.len() < 8 || seen * 2 < codes.len() {
        return Vec::new();
    }
    vec![codes.iter().filter_map(|c| char::from_u32(*c)).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a9_duplicate_members_and_keys_are_leaves() {
        let node = parse(br#"{"a":"one","a":"two","k/ey":[{"x":"three"}]}"#).expect("json");
        let walk = walk(&node);
        let texts: Vec<&str> = walk.leaves.iter().map(|l| l.text.as_str()).collect();
        assert_eq!(texts, ["a", "one", "a", "two", "k/ey", "x", "three"]);
        assert_eq!(walk.leaves[6].pointer, "/k~1ey/0/x");
        assert_eq!(walk.leaves[6].group, "/k/ey/*/x");
    }

    #[test]
    fn s30_integer_arrays_are_text_and_token_ids_are_seen() {
        let node =
            parse(br#"{"input":[[103,104,112,95,76,50,109,54]],"seed":[1,2]}"#).expect("json");
        let walk = walk(&node);
        assert_eq!(walk.token_ids, ["/input/0"]);
        assert!(walk.leaves.iter().any(|l| l.codes && l.text == "ghp_L2m6"));
    }

    #[test]
    fn event_streams_are_lists_of_documents() {
        assert!(parse(b"data: {\"a\":1}\n\ndata: {\"a\":2}\n\ndata: [DONE]\n").is_some());
        assert!(parse(b"data: not json\n").is_none());
    }
}
