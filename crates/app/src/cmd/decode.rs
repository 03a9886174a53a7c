//! `handshake decode`: a recorded answer of a provider, through the decoder that calls use.

use std::{path::PathBuf, sync::Arc};

use base64::Engine as _;
use handshake_core::{
    chat::ChatEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    ids::Token,
    ports::{AdapterFactory, SecretError, SecretStore, SecretUse},
    reply::{ReasoningPolicy, ReplySpec, ResponseHead},
    secret::Secret,
};
use handshake_llm::parts::{SystemClock, adapters, closes_thinking};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    cmd::request::read,
    context::Context,
    error::{AppError, Exit, Result},
    out::Out,
    stream,
};

/// Decode a recorded provider answer.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake decode --kind openai_compat --dialect openrouter < answer.sse\n  handshake decode --jsonl recordings.jsonl"
)]
pub(crate) struct Args {
    /// File to read [default: standard input].
    file: Option<PathBuf>,
    /// Kind of provider: ollama or openai_compat.
    #[arg(long, required_unless_present = "jsonl")]
    kind: Option<String>,
    /// Dialect of the provider.
    #[arg(long)]
    dialect: Option<String>,
    /// Media type of the answer [default: guessed from its first bytes].
    #[arg(long)]
    content_type: Option<String>,
    /// HTTP status of the answer.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// Read one JSON object per line: {id,kind,dialect,status,content_type,body | body_base64,chunk?}.
    #[arg(long)]
    jsonl: bool,
}

/// One line of `decode --jsonl`.
#[derive(Deserialize)]
struct Line {
    id: Value,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    dialect: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
    #[serde(default)]
    chunk: Option<usize>,
}

/// No secret is ever wanted: nothing is sent.
struct NoSecrets;

impl SecretStore for NoSecrets {
    fn check(&self, _: &SecretUse) -> std::result::Result<(), SecretError> {
        Err(SecretError::Missing)
    }

    fn fetch(&self, _: &SecretUse) -> std::result::Result<Secret, SecretError> {
        Err(SecretError::Missing)
    }
}

/// A recording.
struct Recording<'a> {
    kind: &'a str,
    dialect: Option<&'a str>,
    status: u16,
    content_type: Option<&'a str>,
    body: &'a [u8],
    chunk: Option<usize>,
}

/// The media type of server-sent events.
const STREAM: &str = "text/event-stream";

type Decoded = (Vec<ChatEvent>, std::result::Result<(), CallError>);

pub(crate) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let adapters = adapters(Arc::new(NoSecrets), Arc::new(SystemClock::new(0)))?;
    let bytes = read(args.file.as_deref().unwrap_or(std::path::Path::new("-")))?;
    let factory = |kind: &str| {
        let known = Token::new(kind).ok().and_then(|kind| adapters.get(&kind));
        known.ok_or_else(|| {
            AppError::usage(
                ErrorCode::InvalidConfig,
                "no adapter for this kind of provider",
            )
        })
    };
    if args.jsonl {
        let text = String::from_utf8(bytes).map_err(|_| {
            AppError::usage(ErrorCode::InvalidRequest, "the input is not valid UTF-8")
        })?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            one_line(line, &args, &factory);
        }
        return Ok(Exit::Done);
    }
    let kind = args.kind.as_deref().unwrap_or_default();
    let (events, end) = decode(
        &**factory(kind)?,
        &Recording {
            kind,
            dialect: args.dialect.as_deref(),
            status: args.status,
            content_type: args.content_type.as_deref(),
            body: &bytes,
            chunk: None,
        },
    )?;
    for event in events.iter().filter_map(stream::chat) {
        cx.out.object(&event);
        cx.out.line(event.to_string());
    }
    match end {
        Ok(()) => Ok(Exit::Done),
        Err(error) if cx.out.json => {
            let error = AppError::from(error);
            cx.out.object(&json!({ "type": "error", "error": error }));
            Ok(error.exit)
        }
        Err(error) => Err(error.into()),
    }
}

fn one_line<'f>(
    line: &str,
    args: &Args,
    factory: &dyn Fn(&str) -> Result<&'f Arc<dyn AdapterFactory>>,
) {
    let out = Out::new(true);
    let bad = |text: &str| AppError::usage(ErrorCode::InvalidRequest, text);
    let Ok(line) = serde_json::from_str::<Line>(line) else {
        return out.object(&json!({ "error": bad("not a recording") }));
    };
    let decoded = (|| {
        let body = match (&line.body, &line.body_base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(text)) => base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_err(|_| bad("body_base64 is not valid base64"))?,
            _ => return Err(bad("a recording must have either body or body_base64")),
        };
        let kind = line
            .kind
            .as_deref()
            .or(args.kind.as_deref())
            .ok_or_else(|| bad("a recording must have a kind"))?;
        decode(
            &**factory(kind)?,
            &Recording {
                kind,
                dialect: line.dialect.as_deref().or(args.dialect.as_deref()),
                status: line.status.unwrap_or(args.status),
                content_type: line
                    .content_type
                    .as_deref()
                    .or(args.content_type.as_deref()),
                body: &body,
                chunk: line.chunk,
            },
        )
    })();
    match decoded {
        Err(error) => out.object(&json!({ "id": line.id, "error": error })),
        Ok((events, end)) => {
            let finish = events.iter().find_map(|event| match event {
                ChatEvent::Finished { finish_reason, .. } => Some(*finish_reason),
                _ => None,
            });
            let shown: Vec<Value> = events.iter().filter_map(stream::chat).collect();
            let terminal = match (end, finish) {
                (Ok(()), Some(finish_reason)) => json!({ "finish_reason": finish_reason }),
                (Ok(()), None) => {
                    let error = CallError::new(ErrorCode::StreamTruncated, Phase::Decode);
                    json!({ "error": AppError::from(error) })
                }
                (Err(error), _) => json!({ "error": AppError::from(error) }),
            };
            out.object(&json!({ "id": line.id, "events": shown, "terminal": terminal }));
        }
    }
}

/// Runs the decoder over a recording, in chunks of the given size.
fn decode(factory: &dyn AdapterFactory, recording: &Recording<'_>) -> Result<Decoded> {
    let body = recording.body;
    let content_type = match recording.content_type {
        Some(text) => text
            .split(';')
            .next()
            .unwrap_or("")
            .trim()
            .to_ascii_lowercase(),
        None => guess(recording.kind, body).to_owned(),
    };
    let dialect = match recording.dialect {
        Some(dialect) => Token::new(dialect)?,
        None => Token::new("generic")?,
    };
    let streamed = content_type != "application/json" || guess(recording.kind, body) == STREAM;
    let mut reply = ReplySpec::offline(dialect, streamed);
    let head = ResponseHead {
        status: recording.status,
        content_type: Some(content_type).filter(|text| !text.is_empty()),
        retry_after: None,
    };
    let first = read_as(factory, &reply, &head, recording);
    // Who reads a recording has all of it, and need not know the model to see that its template opened a block.
    if closes_thinking(&text_of(&first.0)) {
        reply.reasoning = ReasoningPolicy::Preopened;
        return Ok(read_as(factory, &reply, &head, recording));
    }
    Ok(first)
}

fn text_of(events: &[ChatEvent]) -> String {
    let text = |event: &ChatEvent| match event {
        ChatEvent::TextDelta { text } => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

fn read_as(
    factory: &dyn AdapterFactory,
    reply: &ReplySpec,
    head: &ResponseHead,
    recording: &Recording<'_>,
) -> Decoded {
    let body = recording.body;
    let mut decoder = factory.decoder(reply, head);
    let mut events = Vec::new();
    for chunk in body.chunks(recording.chunk.unwrap_or(body.len()).max(1)) {
        if let Err(error) = decoder.push(chunk, &mut events) {
            return (events, Err(error));
        }
        if matches!(events.last(), Some(ChatEvent::Finished { .. })) {
            return (events, Ok(()));
        }
    }
    let end = decoder.finish(&mut events);
    (events, end)
}

fn guess(kind: &str, body: &[u8]) -> &'static str {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    let lines = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .count();
    match first {
        Some(b'{' | b'[') if kind == "ollama" && lines > 1 => "application/x-ndjson",
        Some(b'{' | b'[') => "application/json",
        Some(b'<') => "text/html",
        _ => STREAM,
    }
}
