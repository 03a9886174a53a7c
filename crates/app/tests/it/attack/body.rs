//! What a client asks for, and what would be allowed of it.

use base64::Engine;
use serde_json::{Value, json};

use super::{SYSTEM, draw::Draw};

/// What a person kept secret.
pub struct Secrets {
    /// The key of the cloud provider.
    pub key: String,
    /// The token of the client that was given a lease.
    pub editor: String,
    /// Another client's.
    pub other: String,
    /// One that was revoked.
    pub revoked: String,
}

/// Where an attempt may go at most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Allowed {
    Nowhere,
    Local,
    /// While a lease is live.
    Cloud,
}

pub struct Attempt {
    pub number: u64,
    pub allowed: Allowed,
    /// What was done to an honest request.
    pub what: Vec<&'static str>,
    pub body: Vec<u8>,
    token: String,
    session: &'static str,
    path: &'static str,
    host: Option<&'static str>,
    more: &'static str,
}

/// A request in the making: members in order, so that one can stand twice.
struct Request {
    members: Vec<(String, String)>,
    messages: Vec<String>,
    /// The text of the person, which a secret can be hidden in.
    raw: Option<Vec<u8>>,
}

/// Something done to a request. `true` where it is no matter for a local model.
type Twist = (&'static str, bool, fn(&mut Request, &mut Draw, &Secrets));

const TWISTS: &[Twist] = &[
    ("member twice", false, |request, draw, _| {
        let (name, value) = draw
            .of(&[
                ("model", r#""llama/small""#),
                ("model", r#""cloud/sim-large:latest""#),
                ("messages", "[]"),
                ("stream", "true"),
            ])
            .to_owned();
        request.insert(draw, name, value.to_owned());
    }),
    ("member in another case", false, |request, draw, _| {
        let name = draw.of(&[
            "Model",
            "MODEL",
            "mODEL",
            "Messages",
            "me\u{17f}\u{17f}ages",
            "\u{17f}tream",
            "Stream",
            "TOOLS",
            "Max_Tokens",
        ]);
        request.insert(draw, name, r#""gpt-oss:120b-cloud""#.to_owned());
    }),
    ("message member twice", false, |request, draw, _| {
        let twice = draw.of(&[
            r#"{"role":"user","content":"a","content":"b"}"#,
            r#"{"role":"user","role":"system","content":"b"}"#,
            r#"{"role":"user","Content":"b","content":"a"}"#,
            r#"{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}"#,
            r#"{"role":"user","content":[{"type":"text","Text":"a","text":"b"}]}"#,
            r#"{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"a","name":"b","arguments":"{}"}}]}"#,
        ]);
        request.messages.push((*twice).to_owned());
    }),
    ("forwarded name", false, |request, draw, _| {
        let name = draw.of(&[
            "small-cloud",
            "small:cloud",
            "gpt-oss:120b-cloud",
            "gpt-oss:120B-CLOUD",
            "a:Cloud",
            "ollama.com/x:cloud",
            "x:1-cLoUd",
        ]);
        request.set("model", json!(format!("llama/{name}")));
    }),
    ("no such model", false, |request, draw, _| {
        let name = draw.of(&[
            "cloud/other",
            "CLOUD/sim-large:latest",
            "cloud//sim-large:latest",
            "cloud/sim-large:latest ",
            "llama/../cloud/sim-large:latest",
            "sim-large:latest",
            "",
            "role:worker",
            "cloud/",
            "llama/none",
            "\u{202e}cloud/sim-large:latest",
        ]);
        request.set("model", json!(name));
    }),
    ("routing", false, |request, draw, _| {
        let name = draw.of(&[
            "api_key",
            "apiKey",
            "base_url",
            "api-base",
            "authorization",
            "extra_headers",
            "provider",
            "router",
            "Extra_Body",
            "aws_secret_access_key",
        ]);
        request.insert(draw, name, r#""http://127.0.0.1:9/""#.to_owned());
    }),
    ("not JSON", false, |request, draw, _| {
        let body = request.render();
        let cut = draw.below(body.len());
        request.raw = Some(match draw.below(8) {
            0 => body[..cut].to_vec(),
            1 => [&body[..], b"{}"].concat(),
            2 => [b"\xef\xbb\xbf", &body[..]].concat(),
            3 => [b"[", &body[..], b"]"].concat(),
            4 => String::from_utf8_lossy(&body)
                .replace("false", "NaN")
                .into_bytes(),
            5 => String::from_utf8_lossy(&body)
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
            6 => [&body[..body.len() - 1], br#","x":"\ud800"}"#].concat(),
            _ => [
                &body[..body.len() - 1],
                br#","x":"#,
                "[".repeat(100).as_bytes(),
                "]".repeat(100).as_bytes(),
                b"}",
            ]
            .concat(),
        });
    }),
    ("secret", true, |request, draw, secrets| {
        let text = hidden(draw, secrets);
        match draw.below(7) {
            0 => request.say("user", &text),
            1 => request.say("user", &format!("see {text} and go on")),
            2 => request.insert(draw, "user", json!(text).to_string()),
            3 => request.insert(draw, "metadata", json!({ "note": text }).to_string()),
            4 => request.insert(draw, "metadata", json!({ text: 1 }).to_string()),
            5 => request.insert(
                draw,
                "tools",
                json!([{ "type": "function", "function": { "name": "f", "description": text } }])
                    .to_string(),
            ),
            _ => request.insert(draw, "stop", json!([text]).to_string()),
        }
    }),
    ("second-hand", true, |request, draw, _| {
        let name = draw.of(&[
            "previous_response_id",
            "store",
            "conversation",
            "background",
            "web_search_options",
            "plugins",
            "models",
            "fallbacks",
            "route",
            "mcp_servers",
            "webhook",
            "Previous-Response-Id",
            "searchParameters",
            "transforms",
            "callback_url",
            "vector_store_ids",
            "assistant_id",
        ]);
        let value = match *name {
            "transforms" | "mcp_servers" => r#"["x"]"#,
            _ => draw.of(&["true", "{\"x\":1}", "[\"x\"]", "\"x\""]),
        };
        request.insert(draw, name, value.to_owned());
    }),
    ("content from elsewhere", true, |request, draw, _| {
        let part = draw.of(&[
            r#"{"type":"image_url","image_url":{"url":"https://example.com/x.png"}}"#,
            r#"{"type":"file","file":{"file_id":"file-1"}}"#,
            r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#,
            r#"{"type":"file","file":{"file_url":"https://example.com/x"}}"#,
        ]);
        request
            .messages
            .push(format!(r#"{{"role":"user","content":[{part}]}}"#));
    }),
    ("server tool", true, |request, draw, _| {
        let tool = draw.of(&[
            r#"{"type":"web_search"}"#,
            r#"{"type":"mcp","server_url":"https://example.com"}"#,
            r#"{"type":"code_interpreter"}"#,
            r#"{"web_search":{}}"#,
        ]);
        request.insert(draw, "tools", format!("[{tool}]"));
    }),
    ("new in kind", true, |request, draw, _| {
        match draw.below(4) {
            0 => {
                request.messages[0] =
                    r#"{"role":"system","content":"You do as you are told."}"#.to_owned()
            }
            1 => request.say("developer", "And be quick."),
            2 => request.insert(
                draw,
                "tools",
                r#"[{"type":"function","function":{"name":"f"}}]"#.to_owned(),
            ),
            _ => {
                let name = draw.of(&[
                    "temperature",
                    "seed",
                    "logprobs",
                    "frequency_penalty",
                    "a_new_field",
                ]);
                request.insert(draw, name, "1".to_owned());
            }
        }
    }),
    ("too much", true, |request, draw, _| {
        // Beyond what a lease takes in one call; different each time.
        let words: Vec<String> = (0..9000).map(|_| format!("{:08x}", draw.next())).collect();
        request.say("user", &words.join(" "));
    }),
    ("token ids", true, |request, draw, _| {
        request.insert(draw, "prompt", "[[1212, 318, 257]]".to_owned());
    }),
];

/// A secret as an attacker would write it.
fn hidden(draw: &mut Draw, secrets: &Secrets) -> String {
    let known = "ghp_0123456789abcdefghijABCDEFGHIJ012345".to_owned();
    let secret = draw
        .of(&[secrets.key.clone(), secrets.editor.clone(), known])
        .clone();
    let bytes = secret.as_bytes();
    let engine = base64::engine::general_purpose::STANDARD;
    match draw.below(8) {
        0 => engine.encode(bytes),
        1 => engine.encode(engine.encode(bytes)),
        2 => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        3 => bytes.iter().map(|byte| format!("%{byte:02X}")).collect(),
        4 => secret.chars().rev().collect(),
        5 => secret.chars().flat_map(|c| [c, '\u{200b}']).collect(),
        _ => secret,
    }
}

impl Request {
    fn set(&mut self, name: &str, value: Value) {
        for member in self.members.iter_mut().filter(|member| member.0 == name) {
            member.1 = value.to_string();
        }
    }

    fn insert(&mut self, draw: &mut Draw, name: &str, value: String) {
        let at = draw.below(self.members.len() + 1);
        self.members.insert(at, (name.to_owned(), value));
    }

    fn say(&mut self, role: &str, text: &str) {
        self.messages
            .push(json!({ "role": role, "content": text }).to_string());
    }

    fn render(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let member = |(name, value): &(String, String)| {
            let value = match (name.as_str(), value.as_str()) {
                ("messages", "") => format!("[{}]", self.messages.join(",")),
                (_, value) => value.to_owned(),
            };
            format!("{}:{value}", json!(name))
        };
        let members: Vec<String> = self.members.iter().map(member).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }
}

impl Attempt {
    /// An honest call.
    pub fn plain(token: &str, body: String) -> Self {
        Self {
            number: 0,
            allowed: Allowed::Cloud,
            what: Vec::new(),
            body: body.into_bytes(),
            token: token.to_owned(),
            session: "s",
            path: "/v1/chat/completions",
            host: None,
            more: "",
        }
    }

    pub fn draw(draw: &mut Draw, number: u64, secrets: &Secrets) -> Self {
        let local = draw.one_in(3);
        let model = if local {
            "llama/small"
        } else {
            "cloud/sim-large:latest"
        };
        let mut request = Request {
            members: ["model", "stream", "messages"]
                .map(|name| (name.to_owned(), String::new()))
                .into(),
            messages: Vec::new(),
            raw: None,
        };
        request.set("model", json!(model));
        request.set("stream", json!(false));
        request.say("system", SYSTEM);
        request.say("user", &format!("attempt {number}: what is new?"));
        let mut attempt = Self::plain(&secrets.editor, String::new());
        (attempt.number, attempt.allowed) = (
            number,
            if local {
                Allowed::Local
            } else {
                Allowed::Cloud
            },
        );
        let twists = *draw.of(&[0, 1, 1, 1, 1, 1, 2, 3]);
        // What leaves of an honest request is limited by the lease too, so only some of them are.
        let twists = if twists == 0 && !local && !draw.one_in(4) {
            1
        } else {
            twists
        };
        for _ in 0..twists {
            if draw.one_in(5) {
                attempt.mask(draw, secrets);
                continue;
            }
            let (what, no_matter, twist) = draw.of(TWISTS);
            twist(&mut request, draw, secrets);
            attempt.what.push(what);
            if !(*no_matter && local) {
                attempt.allowed = Allowed::Nowhere;
            }
        }
        attempt.body = request.render();
        attempt
    }

    /// Another client, session, place or origin.
    fn mask(&mut self, draw: &mut Draw, secrets: &Secrets) {
        let local = self.allowed == Allowed::Local;
        let (what, no_matter): (_, bool) = match draw.below(8) {
            // Not in the place of a token that opens nothing.
            0 if self.token == secrets.editor => {
                self.token = secrets.other.clone();
                ("another client", true)
            }
            0 | 1 => {
                self.session = *draw.of(&["other", "S", "s2", ""]);
                ("another session", true)
            }
            2 => {
                self.token = draw
                    .of(&[
                        secrets.revoked.clone(),
                        String::new(),
                        "hsk_0000".to_owned(),
                        secrets.key.clone(),
                    ])
                    .clone();
                ("no token", false)
            }
            3 => {
                self.path = *draw.of(&[
                    "/v1/files",
                    "/v1/batches",
                    "/v1/responses/x",
                    "/v1/fine_tuning/jobs",
                    "/v1/chat/completions/",
                    "/V1/chat/completions",
                    "/handshake/v1/consent",
                    "/v1/../v1/threads",
                ]);
                ("another route", false)
            }
            4 => {
                self.host = Some(*draw.of(&[
                    "evil.example",
                    "127.0.0.1.evil.example:80",
                    "localhost.evil.example",
                ]));
                ("another host", false)
            }
            5 => {
                self.more = *draw.of(&["origin: https://evil.example\r\n", "origin: null\r\n"]);
                ("a web page", false)
            }
            6 => {
                self.more = "content-type: text/plain\r\n";
                ("another type", false)
            }
            _ => {
                self.more = "host: evil.example\r\n";
                ("two hosts", false)
            }
        };
        self.what.push(what);
        if !(no_matter && local) {
            self.allowed = Allowed::Nowhere;
        }
    }

    pub fn head(&self, address: &str, wait: &str) -> String {
        let host = self.host.unwrap_or(address);
        let kind = match self.more.starts_with("content-type") {
            true => "",
            false => "content-type: application/json\r\n",
        };
        format!(
            "POST {} HTTP/1.1\r\nhost: {host}\r\n{kind}authorization: Bearer {}\r\nx-handshake-session: {}\r\nprefer: wait={wait}\r\n{}content-length: {}\r\n\r\n",
            self.path,
            self.token,
            self.session,
            self.more,
            self.body.len()
        )
    }
}

/// The number of the attempt whose body this is.
pub fn number_in(body: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("attempt ")?;
    rest.split(':').next()?.parse().ok()
}
