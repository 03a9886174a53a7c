//! `handshake log share`: a copy of the log for others, from which sizes and times cannot be told.
//!
//! The log itself holds exact sizes, and its leaves are hashes over them: whatever is rounded verifies no more. So an export
//! that verifies is exact, and this one verifies nothing. Sizes become the next power of the square root of two, times the
//! second before; hashes are left out; ids become numbers in the order in which they come.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{BufWriter, Write},
    path::PathBuf,
};

use handshake_core::{
    code::{ErrorCode, Phase},
    ports::{FlightRecorder, SinkFilter},
};
use serde_json::{Map, Value, json};

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
};

/// Events that are read at once.
const PAGE: u32 = 1000;

/// Where to write.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File to create.
    file: PathBuf,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let failed = |_| {
        AppError::new(
            ErrorCode::Storage,
            Phase::Storage,
            format!("cannot create {}", args.file.display()),
        )
        .next("name a file that does not exist, in a directory that does")
    };
    let app = cx.app().await?;
    app.store.flush().await?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = BufWriter::new(options.open(&args.file).map_err(failed)?);
    let (mut last, mut events, mut rounded) = (None, 0u64, Rounded::default());
    loop {
        let page = app.store.log_after(last, PAGE).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.seq);
        for event in &page {
            let value = serde_json::to_value(event).unwrap_or_default();
            let line = rounded.event(value).to_string();
            writeln!(file, "{}", app.guard.clean(&line)).map_err(failed)?;
            events += 1;
        }
    }
    file.flush().map_err(failed)?;
    cx.out
        .object(&json!({ "file": args.file, "events": events }));
    cx.out.line(format!(
        "Wrote {events} events to {}: sizes and times are rounded, hashes are left out.",
        args.file.display()
    ));
    cx.out.line(
        "  It verifies nothing. For whoever verifies: `handshake log export`, which is exact.",
    );
    Ok(Exit::Done)
}

/// Events without what tells one body from another of about its size.
#[derive(Debug, Default)]
struct Rounded {
    /// Ids, in the order in which they came.
    ids: BTreeMap<String, usize>,
}

impl Rounded {
    fn event(&mut self, event: Value) -> Value {
        match event {
            Value::Object(members) => Value::Object(self.members(members)),
            other => other,
        }
    }

    fn members(&mut self, members: Map<String, Value>) -> Map<String, Value> {
        let kept = members.into_iter().filter_map(|(name, value)| {
            let value = self.value(&name, value)?;
            Some((name, value))
        });
        kept.collect()
    }

    fn value(&mut self, name: &str, value: Value) -> Option<Value> {
        Some(match value {
            Value::Number(number) => {
                let rounded = number.as_u64().map(|exact| rounded(name, exact));
                rounded.map_or(Value::Number(number), Value::from)
            }
            Value::String(text) if is_hash(&text) => return None,
            Value::String(text) if is_uuid(&text) => {
                let next = self.ids.len() + 1;
                Value::from(*self.ids.entry(text).or_insert(next))
            }
            Value::String(text) => Value::String(to_the_second(text)),
            Value::Array(items) => {
                let items = items.into_iter().filter_map(|item| self.value(name, item));
                Value::Array(items.collect())
            }
            Value::Object(members) => Value::Object(self.members(members)),
            other => other,
        })
    }
}

/// What is counted in bytes, tokens or milliseconds tells of a text; other numbers are counts, limits and revisions.
fn rounded(name: &str, exact: u64) -> u64 {
    match name {
        _ if name.ends_with("bytes") || name.ends_with("tokens") => bucket(exact),
        _ if name.ends_with("_ms") => exact / 1000 * 1000,
        _ => exact,
    }
}

/// The next power of the square root of two.
fn bucket(exact: u64) -> u64 {
    let powers = (0..128).map(|power| {
        let square = 1u128 << power;
        let root = square.isqrt();
        root + u128::from(root * root < square)
    });
    let bucket = powers.into_iter().find(|it| *it >= u128::from(exact));
    bucket
        .and_then(|it| u64::try_from(it).ok())
        .unwrap_or(u64::MAX)
}

fn is_hash(text: &str) -> bool {
    let text = text.rsplit(':').next().unwrap_or(text);
    text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_uuid(text: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| {
            if dash(at) {
                b == b'-'
            } else {
                b.is_ascii_hexdigit()
            }
        })
}

/// `2026-11-29T18:17:18.123Z` without its fraction.
fn to_the_second(text: String) -> String {
    let bytes = text.as_bytes();
    let is_time = bytes.len() > 20 && bytes[10] == b'T' && bytes[19] == b'.' && text.ends_with('Z');
    match is_time {
        true => format!("{}Z", &text[..19]),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: u64, tokens: u64, ms: u64, hash: char, id: &str, second: &str) -> Value {
        json!({
            "seq": 7, "type": "call_attempt", "event_id": format!("{id}b5ac5-53e9-4e32-8a06-c1a0b1e1f0a1"),
            "timestamp": format!("2026-11-29T18:17:18.{second}Z"), "session_id": "client:editor:s",
            "attempt": 1, "body_bytes": body, "duration_ms": ms, "envelope_hash": hash.to_string().repeat(64),
            "token_usage": { "prompt_tokens": tokens }, "effective_max_tokens": 1024,
        })
    }

    #[test]
    fn s61_two_bodies_of_one_bucket_give_equal_events() {
        let one = Rounded::default().event(event(1100, 300, 1200, 'a', "411", "123"));
        let two = Rounded::default().event(event(1448, 362, 1999, 'b', "502", "9"));
        assert_eq!(one, two);
        assert_eq!(one["body_bytes"], 1449);
        assert_eq!(one["token_usage"]["prompt_tokens"], 363);
        assert_eq!(one["duration_ms"], 1000);
        assert_eq!(one["timestamp"], "2026-11-29T18:17:18Z");
        assert_eq!(
            (&one["event_id"], &one["session_id"]),
            (&json!(1), &json!("client:editor:s"))
        );
        assert!(one.get("envelope_hash").is_none());
        let three = Rounded::default().event(event(1450, 300, 1200, 'a', "411", "123"));
        assert_ne!(one, three, "another bucket");
    }

    #[test]
    fn s61_buckets_are_powers_of_the_square_root_of_two() {
        for (exact, wanted) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (3, 3),
            (4, 4),
            (5, 6),
            (7, 8),
            (1000, 1024),
            (1025, 1449),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(bucket(exact), wanted, "{exact}");
        }
        let mut before = 0;
        for exact in 0..5000 {
            assert!(bucket(exact) >= exact && bucket(exact) >= before);
            before = bucket(exact);
        }
    }

    #[test]
    fn s61_one_id_is_one_number() {
        let mut rounded = Rounded::default();
        let id =
            |text: &str| json!({ "use_id": format!("{text}b5ac5-53e9-4e32-8a06-c1a0b1e1f0a1") });
        let all = ["411", "502", "411"].map(|text| rounded.event(id(text))["use_id"].clone());
        assert_eq!(all, [json!(1), json!(2), json!(1)]);
    }
}
