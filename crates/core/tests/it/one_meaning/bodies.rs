//! Hostile bodies: an honest one, and at one of its objects what makes readers disagree.

use handshake_core::chat::Shape;
use serde_json::Value;

/// A shape, the readers' word for it, and an honest body that has every position of it.
pub(super) const SHAPES: &[(Shape, &str, &str)] = &[
    (
        Shape::ChatCompletions,
        "completions",
        r#"{"model":"m","stream":true,"max_tokens":9,"max_completion_tokens":7,"n":1,"store":false,"user":"u",
        "reasoning_effort":"low","messages":[
        {"role":"system","content":"be brief","name":"s"},
        {"role":"user","content":[{"type":"text","text":"look"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}},
            {"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},
            {"type":"file","file":{"file_data":"data:,x","filename":"x"}}]},
        {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"},
            "tool_calls":[{"id":"c1","type":"function","function":{"name":"read","arguments":"{\"a\":1}"}}]},
        {"role":"tool","tool_call_id":"c1","content":"done"}],
        "tools":[{"type":"function","function":{"name":"read","description":"reads","strict":true,
            "parameters":{"type":"object","properties":{"a":{"type":"string"}}}}},
            {"type":"custom","custom":{"name":"patch","description":"patches"}}],
        "functions":[{"name":"f","description":"old"}],"function_call":{"name":"f"},
        "tool_choice":{"type":"allowed_tools","name":"read","function":{"name":"read"},"custom":{"name":"patch"},
            "allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"read"}}]}},
        "response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object"}}},
        "stream_options":{"include_usage":true},"reasoning":{"effort":"high","summary":"auto"},
        "web_search_options":{"search_context_size":"low"},"prediction":{"type":"content","content":"x"},
        "audio":{"voice":"v","format":"wav"},"metadata":{"k":"v"}}"#,
    ),
    (
        Shape::OllamaChat,
        "native",
        r#"{"model":"m","stream":true,"think":"low","keep_alive":"5m","messages":[
        {"role":"user","content":"look","images":["AA=="]},
        {"role":"assistant","content":"","thinking":"hm",
            "tool_calls":[{"function":{"name":"read","arguments":{"a":1}}}]},
        {"role":"tool","tool_name":"read","content":"done"}],
        "tools":[{"type":"function","function":{"name":"read","description":"reads",
            "parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}],
        "options":{"num_ctx":4096,"num_predict":7}}"#,
    ),
    (
        Shape::Messages,
        "blocks",
        r#"{"model":"m","stream":true,"max_tokens":9,
        "system":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral","ttl":"5m"}}],
        "messages":[{"role":"user","content":[{"type":"text","text":"look"},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]},
        {"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"read","input":{"a":1}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":false,
            "content":[{"type":"text","text":"done"}]}]}],
        "tools":[{"name":"read","description":"reads","input_schema":{"type":"object"}}],
        "tool_choice":{"type":"tool","name":"read"},"thinking":{"type":"enabled","budget_tokens":1024},
        "metadata":{"user_id":"u"}}"#,
    ),
];

/// Numbers from a seed, the same for the same seed and name.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let mix = |state: u64, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).expect("small")).expect("small")
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// The way to an object: names, and `[]` for each array on it.
pub(super) type Place = Vec<String>;

/// Every object of a body, the elements of one array counting as one place.
pub(super) fn places(body: &Value) -> Vec<Place> {
    fn walk(value: &Value, at: &mut Place, found: &mut Vec<Place>) {
        match value {
            Value::Object(members) => {
                if !found.contains(at) {
                    found.push(at.clone());
                }
                for (name, value) in members {
                    at.push(name.clone());
                    walk(value, at, found);
                    at.pop();
                }
            }
            Value::Array(items) => {
                at.push("[]".to_owned());
                items.iter().for_each(|item| walk(item, at, found));
                at.pop();
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(body, &mut Vec::new(), &mut found);
    found
}

/// A value as it is written: members may stand twice, names and scalars may be spelt in any way.
enum Node {
    Scalar(Vec<u8>),
    Array(Vec<Node>),
    /// Each name with the quotes around it.
    Object(Vec<(Vec<u8>, Node)>),
}

impl Node {
    fn of(value: &Value) -> Self {
        match value {
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, value)| (quoted(name), Self::of(value)))
                    .collect(),
            ),
            Value::Array(items) => Self::Array(items.iter().map(Self::of).collect()),
            scalar => Self::Scalar(scalar.to_string().into()),
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Scalar(text) => to.extend_from_slice(text),
            Self::Array(items) => {
                to.push(b'[');
                for (n, item) in items.iter().enumerate() {
                    to.extend_from_slice(if n > 0 { b"," } else { b"" });
                    item.write(to);
                }
                to.push(b']');
            }
            Self::Object(members) => {
                to.push(b'{');
                for (n, (name, value)) in members.iter().enumerate() {
                    to.extend_from_slice(if n > 0 { b"," } else { b"" });
                    to.extend_from_slice(name);
                    to.push(b':');
                    value.write(to);
                }
                to.push(b'}');
            }
        }
    }
}

fn quoted(text: &str) -> Vec<u8> {
    Value::from(text).to_string().into()
}

/// Scalars and more that readers have read in more than one way.
const VALUES: &[&[u8]] = &[
    b"\"x:cloud\"",
    b"\"gpt-oss:120b-cloud\"",
    b"\"true\"",
    b"\"100\"",
    b"\"\"",
    b"\"\\u0000\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\ud800\"",
    b"\"\\udc00\\ud800\"",
    b"\"a\\u0000b\"",
    b"\"\xff\"",
    b"\"\xed\xa0\x80\"",
    b"\"\\/\\b\\f\"",
    b"\"\x7f\"",
    b"\"\x01\"",
    b"true",
    b"false",
    b"null",
    b"0",
    b"1",
    b"-1",
    b"2",
    b"1e2",
    b"100.0",
    b"1E400",
    b"01",
    b"+1",
    b"NaN",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"100000000000000000000000000",
    b"[]",
    b"{}",
    b"[[\"role\",\"user\"]]",
    b"[\"m\"]",
    b"{\"model\":\"x:cloud\"}",
    b"{\"type\":\"text\",\"Text\":\"x\"}",
    b"[{\"role\":\"user\",\"content\":\"other\",\"Content\":\"more\"}]",
];

/// Names of any place.
const NAMES: &[&str] = &[
    "model",
    "messages",
    "stream",
    "max_tokens",
    "tools",
    "role",
    "content",
    "type",
    "text",
    "function",
    "name",
    "arguments",
    "description",
    "url",
    "data",
    "id",
    "strict",
    "system",
    "options",
    "effort",
    "mode",
];

/// Another spelling of a name: of those that some reader takes for the name, and of those that none does.
fn respelt(name: &str, random: &mut Random) -> Vec<u8> {
    let mut text = vec![b'"'];
    let how = random.below(8);
    for (n, c) in name.chars().enumerate() {
        let chosen = random.below(2) == 0;
        let mut put = |c: char| text.extend_from_slice(c.to_string().as_bytes());
        match how {
            0 if n == 0 => put(c.to_ascii_uppercase()),
            1 => put(c.to_ascii_uppercase()),
            2 if chosen => put(c.to_ascii_uppercase()),
            3 if c == 's' => put('\u{17f}'),
            3 if c == 'k' => put('\u{212a}'),
            4 if chosen => text.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            5 if chosen => {
                let upper = c.to_ascii_uppercase();
                text.extend_from_slice(format!("\\u{:04X}", upper as u32).as_bytes());
            }
            6 if c == 's' => text.extend_from_slice(b"\\u017f"),
            6 if c == 'o' && chosen => put('\u{43e}'),
            7 if n == 0 && chosen => put(' '),
            _ => put(c),
        }
    }
    if how == 7 {
        let more = random.one(&[" ", "\\u0000", "\u{301}", "\\ud800", ""]);
        text.extend_from_slice(more.as_bytes());
    }
    text.push(b'"');
    text
}

/// A body with faults.
pub(super) struct Hostile {
    body: Node,
    /// What is put before and behind it.
    around: (&'static [u8], &'static [u8]),
}

impl Hostile {
    /// The honest body with one to three faults at the object of a place.
    pub(super) fn at(honest: &Value, place: &Place, random: &mut Random) -> Self {
        let mut body = Node::of(honest);
        for _ in 0..=random.below(3) {
            if let Some(object) = find(&mut body, place, random) {
                fault(object, random);
            }
        }
        let around: (&[u8], &[u8]) = match random.below(60) {
            0 => (b"\xef\xbb\xbf", b""),
            1 => (b"", b"{\"model\":\"x:cloud\"}"),
            2 => (b"", b" x"),
            3 => (b" \n", b"\n"),
            4 => (b"[", b"]"),
            5 => (b"", b"\0"),
            6 => (b"/**/", b""),
            _ => (b"", b""),
        };
        Self { body, around }
    }

    pub(super) fn written(&self) -> Vec<u8> {
        let mut text = self.around.0.to_vec();
        self.body.write(&mut text);
        text.extend_from_slice(self.around.1);
        text
    }
}

fn find<'n>(node: &'n mut Node, place: &[String], random: &mut Random) -> Option<&'n mut Node> {
    let Some((step, rest)) = place.split_first() else {
        return matches!(node, Node::Object(_)).then_some(node);
    };
    match node {
        Node::Array(items) if step == "[]" => {
            // Not every element has the rest of the way.
            let has: Vec<usize> = (0..items.len())
                .filter(|n| find(&mut items[*n], rest, &mut Random(0)).is_some())
                .collect();
            let at = *has.get(random.below(has.len()))?;
            find(&mut items[at], rest, random)
        }
        Node::Object(members) => {
            let name = quoted(step);
            let (_, value) = members.iter_mut().find(|(known, _)| *known == name)?;
            find(value, rest, random)
        }
        _ => None,
    }
}

fn fault(node: &mut Node, random: &mut Random) {
    let Node::Object(members) = node else { return };
    let known: Vec<String> = members
        .iter()
        .filter_map(|(name, _)| serde_json::from_slice(name).ok())
        .collect();
    let name = match random.below(4) {
        0 => (*random.one(NAMES)).to_owned(),
        _ if known.is_empty() => (*random.one(NAMES)).to_owned(),
        _ => random.one(&known).clone(),
    };
    let value = Node::Scalar(random.one(VALUES).to_vec());
    let at = random.below(members.len() + 1);
    match random.below(10) {
        // A twin in another spelling, before or behind.
        0..=3 => members.insert(at, (respelt(&name, random), value)),
        4 => members.insert(at, (quoted(&name), value)),
        // The only one, in another spelling.
        5 => {
            if let Some((known, _)) = members.get_mut(at) {
                *known = respelt(&name, random);
            }
        }
        6 | 7 => {
            if let Some((_, old)) = members.get_mut(at) {
                *old = value;
            }
        }
        // A name that nobody knows.
        8 => {
            let unknown = *random.one(&[
                "x_future",
                "",
                "\u{1f980}",
                "x-y",
                "Extra",
                "a.b",
                "extraBody",
            ]);
            members.insert(at, (quoted(unknown), value));
        }
        _ => *node = value,
    }
}
