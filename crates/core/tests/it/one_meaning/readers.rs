//! The readers: ours, and those of other languages as programs of their own.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use handshake_core::verbatim::Verbatim;
use serde_json::{Map, Value, json};

/// Programs that read bodies.
pub(super) struct Readers {
    programs: Vec<(&'static str, PathBuf, Vec<PathBuf>)>,
    /// What is not on PATH.
    pub(super) missing: Vec<&'static str>,
}

impl fmt::Display for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.programs.iter().map(|(name, ..)| *name).collect();
        f.write_str(&names.join(" and "))
    }
}

fn runs(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Readers {
    /// Those whose language is installed.
    pub(super) fn start() -> Self {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers");
        let (mut programs, mut missing) = (Vec::new(), Vec::new());
        if runs("go", "version") {
            let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("one-meaning-reader");
            let built = Command::new("go")
                .arg("build")
                .arg("-o")
                .arg(&program)
                .arg(sources.join("reader.go"))
                .env("GOTOOLCHAIN", "local")
                .env("GOPROXY", "off")
                .env("GOWORK", "off")
                .env("GOFLAGS", "")
                .status();
            assert!(
                built.is_ok_and(|status| status.success()),
                "go build failed"
            );
            programs.push(("Go", program, Vec::new()));
        } else {
            missing.push("go");
        }
        if runs("python3", "--version") {
            programs.push(("Python", "python3".into(), vec![sources.join("reader.py")]));
        } else {
            missing.push("python3");
        }
        Self { programs, missing }
    }

    pub(super) fn are_two(&self) -> bool {
        self.programs.len() > 1
    }

    /// What each of them reads of each body.
    pub(super) fn read<'a>(
        &self,
        bodies: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Vec<Vec<(&'static str, Value)>> {
        let mut input = String::new();
        let mut read: Vec<Vec<_>> = Vec::new();
        for (shape, body) in bodies {
            input.push_str(&format!("{shape} {}\n", base64(body)));
            read.push(Vec::new());
        }
        for (name, program, arguments) in &self.programs {
            let output = answered(program, arguments, input.clone());
            let lines: Vec<&str> = output.lines().collect();
            assert_eq!(lines.len(), read.len(), "{name} did not answer every line");
            for (of, line) in read.iter_mut().zip(lines) {
                of.push((*name, serde_json::from_str(line).expect("a line of JSON")));
            }
        }
        read
    }
}

fn answered(program: &Path, arguments: &[PathBuf], input: String) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = child.stdin.take().expect("piped");
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("ended");
    writing.join().expect("not panicked").expect("written");
    assert!(output.status.success(), "{program:?} failed");
    String::from_utf8(output.stdout).expect("text")
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        for n in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * n) & 63) as usize];
            text.push(if n <= three.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

fn leaf(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("s:{text}")),
        Value::Number(number) if number.is_i64() => value.clone(),
        Value::Number(_) => json!("#number"),
        Value::Array(_) => json!("#array"),
        Value::Object(_) => json!("#object"),
        other => other.clone(),
    }
}

type Read = fn(&Value) -> Value;

fn record(value: &Value, fields: &[(&str, Read)]) -> Value {
    let Value::Object(members) = value else {
        return leaf(value);
    };
    let read = |(name, read): &(&str, Read)| {
        let value = members.get(*name).unwrap_or(&Value::Null);
        ((*name).to_owned(), read(value))
    };
    Value::Object(fields.iter().map(read).collect::<Map<_, _>>())
}

fn list(value: &Value, read: Read) -> Value {
    match value {
        Value::Array(items) => items.iter().map(read).collect(),
        other => leaf(other),
    }
}

fn function(value: &Value) -> Value {
    let fields: [(&str, Read); 4] = [
        ("name", leaf),
        ("description", leaf),
        ("arguments", leaf),
        ("strict", leaf),
    ];
    record(value, &fields)
}

fn cache(value: &Value) -> Value {
    record(value, &[("type", leaf), ("ttl", leaf)])
}

fn audio(value: &Value) -> Value {
    record(value, &[("data", leaf), ("format", leaf), ("voice", leaf)])
}

fn part(value: &Value) -> Value {
    let fields: &[(&str, Read)] = &[
        ("type", leaf),
        ("text", leaf),
        ("refusal", leaf),
        ("id", leaf),
        ("name", leaf),
        ("tool_use_id", leaf),
        ("is_error", leaf),
        ("content", content),
        ("cache_control", cache),
        ("image_url", |it| {
            record(it, &[("url", leaf), ("detail", leaf)])
        }),
        ("input_audio", audio),
        ("file", |it| {
            record(
                it,
                &[("file_id", leaf), ("file_data", leaf), ("filename", leaf)],
            )
        }),
        ("source", |it| {
            record(
                it,
                &[
                    ("type", leaf),
                    ("media_type", leaf),
                    ("data", leaf),
                    ("url", leaf),
                ],
            )
        }),
    ];
    record(value, fields)
}

fn content(value: &Value) -> Value {
    match value {
        Value::Array(_) => list(value, part),
        other => part(other),
    }
}

fn message(value: &Value) -> Value {
    let fields: &[(&str, Read)] = &[
        ("role", leaf),
        ("content", content),
        ("name", leaf),
        ("thinking", leaf),
        ("reasoning_content", leaf),
        ("tool_call_id", leaf),
        ("tool_name", leaf),
        ("images", |it| list(it, leaf)),
        ("function_call", function),
        ("tool_calls", |it| {
            list(it, |call| {
                record(
                    call,
                    &[("id", leaf), ("type", leaf), ("function", function)],
                )
            })
        }),
    ];
    record(value, fields)
}

fn tool(value: &Value) -> Value {
    let fields: &[(&str, Read)] = &[
        ("type", leaf),
        ("function", function),
        ("custom", function),
        ("name", leaf),
        ("description", leaf),
        ("cache_control", cache),
    ];
    record(value, fields)
}

fn reasoning(value: &Value) -> Value {
    let fields: [(&str, Read); 4] = [
        ("effort", leaf),
        ("summary", leaf),
        ("type", leaf),
        ("budget_tokens", leaf),
    ];
    record(value, &fields)
}

/// What we read of a body: what routing goes by from the one pass, the rest as scan, plan and preview see it.
pub(super) fn ours(verbatim: &Verbatim, value: &Value) -> Value {
    let fields: &[(&str, Read)] = &[
        ("n", leaf),
        ("store", leaf),
        ("user", leaf),
        ("system", content),
        ("reasoning_effort", leaf),
        ("keep_alive", leaf),
        ("think", leaf),
        ("messages", |it| list(it, message)),
        ("tools", |it| list(it, tool)),
        ("functions", |it| list(it, function)),
        ("function_call", function),
        ("tool_choice", |it| {
            let fields: &[(&str, Read)] = &[
                ("type", leaf),
                ("name", leaf),
                ("function", function),
                ("custom", function),
                ("allowed_tools", |it| {
                    record(it, &[("mode", leaf), ("tools", |it| list(it, tool))])
                }),
            ];
            record(it, fields)
        }),
        ("response_format", |it| {
            let schema: Read = |it| record(it, &[("name", leaf), ("strict", leaf)]);
            record(it, &[("type", leaf), ("json_schema", schema)])
        }),
        ("stream_options", |it| {
            record(it, &[("include_usage", leaf)])
        }),
        ("reasoning", reasoning),
        ("thinking", reasoning),
        ("web_search_options", |it| {
            record(it, &[("search_context_size", leaf)])
        }),
        ("prediction", |it| {
            record(it, &[("type", leaf), ("content", content)])
        }),
        ("audio", audio),
        ("options", |it| record(it, &[("num_ctx", leaf)])),
    ];
    let mut read = record(value, fields);
    read["model"] = leaf(&verbatim.model().into());
    read["stream"] = verbatim.stream().into();
    read["bound"] = verbatim.max_tokens().into();
    read
}
