//! `handshake provider check-url`: the rules of URLs, without a home and without a network.

use std::{io::BufRead, path::PathBuf};

use handshake_core::{
    base_url::{BaseUrl, Host},
    code::ErrorCode,
    json::read_strict,
    net::AddressClass,
    ports::PeerResolver,
    tier::{self, ModelTier, Reach, Residence},
};
use handshake_llm::parts::SystemResolver;
use serde_json::{Map, Value, json};

use super::{
    draft,
    words::{ReachWord, TierWord},
};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    out::Out,
};

/// The longest line of `--jsonl`.
const MAX_LINE: usize = 64 << 10;

/// Check a URL against the rules, without a home or the network.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake provider check-url https://api.openai.com/v1\n  handshake provider check-url --resolve https://api.example.org\n  handshake provider check-url --jsonl urls.jsonl"
)]
pub(crate) struct Args {
    /// URL to check; with --jsonl, the file to read [default: standard input].
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Check this declared tier.
    #[arg(long, conflicts_with = "jsonl")]
    tier: Option<TierWord>,
    /// Reach [default: direct].
    #[arg(long, conflicts_with = "jsonl")]
    reach: Option<ReachWord>,
    /// Look up the host name and check every address too.
    #[arg(long)]
    resolve: bool,
    /// Read {id,url,tier} per line and answer {id,verdict,derived_tier?,code?} per line.
    #[arg(long)]
    jsonl: bool,
}

/// What was asked about one URL.
struct Question<'a> {
    url: &'a str,
    tier: Option<ModelTier>,
    reach: Reach,
    resolve: bool,
}

/// What is said about it.
#[derive(Debug, Default)]
struct Answer {
    derived: Option<ModelTier>,
    refused: Option<(ErrorCode, String)>,
    classes: Vec<AddressClass>,
}

impl Answer {
    fn refuse(mut self, code: ErrorCode, reason: impl Into<String>) -> Self {
        self.refused = Some((code, reason.into()));
        self
    }

    fn object(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert(
            "verdict".into(),
            json!(if self.refused.is_some() {
                "refused"
            } else {
                "ok"
            }),
        );
        if let Some(tier) = self.derived {
            object.insert("derived_tier".into(), json!(tier));
        }
        if let Some((code, _)) = &self.refused {
            object.insert("code".into(), json!(code));
        }
        object
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    if args.jsonl {
        return lines(&args).await;
    }
    let Some(url) = args.url.as_deref() else {
        return Err(AppError::usage(ErrorCode::InvalidRequest, "no URL given")
            .next("run `handshake provider check-url URL`"));
    };
    let tier = args.tier.map(Into::into);
    let reach = args.reach.map(Into::into).unwrap_or_default();
    let answer = judge(&Question {
        url,
        tier,
        reach,
        resolve: args.resolve,
    })
    .await;
    let mut object = answer.object();
    if let Some((_, reason)) = &answer.refused {
        object.insert("reason".into(), json!(reason));
    }
    if args.resolve {
        object.insert("addresses".into(), json!(answer.classes));
    }
    cx.out.object(&object);
    let derived = answer.derived.map_or("", ModelTier::as_str);
    match &answer.refused {
        None => cx.out.mark(true, format!("accepted; tier: {derived}")),
        Some((code, reason)) => {
            cx.out.mark(false, format!("{reason} [{code}]"));
            if *code == ErrorCode::TierMismatch {
                cx.out.note(format!("     tier: {derived}"));
            }
        }
    }
    if !answer.classes.is_empty() {
        let classes: Vec<&str> = answer.classes.iter().map(|class| class.as_str()).collect();
        cx.out
            .line(format!("     addresses: {}", classes.join(", ")));
    }
    Ok(if answer.refused.is_some() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

async fn lines(args: &Args) -> Result<Exit> {
    let unreadable = |_| AppError::usage(ErrorCode::InvalidRequest, "cannot read the input");
    let source: Box<dyn std::io::Read> = match args.url.as_deref().filter(|path| *path != "-") {
        None => Box::new(std::io::stdin()),
        Some(path) => Box::new(std::fs::File::open(PathBuf::from(path)).map_err(unreadable)?),
    };
    let mut input = std::io::BufReader::new(source);
    let mut line = Vec::new();
    while next_line(&mut input, &mut line).map_err(unreadable)? {
        if !line.trim_ascii().is_empty() {
            // A JSON stream whatever `--json` says.
            Out::new(true).object(&answered(&line, args.resolve).await);
        }
    }
    Ok(Exit::Done)
}

/// Reads one line, at most a byte more than [`MAX_LINE`] of it. `false` at the end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        line.extend(part.iter().take((MAX_LINE + 1).saturating_sub(line.len())));
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// The answer to one line. A line that is no question is refused like a bad URL, so that lines keep their count.
async fn answered(line: &[u8], resolve: bool) -> Map<String, Value> {
    let refused = |code, reason| Answer::default().refuse(code, reason);
    let asked = if line.len() > MAX_LINE {
        None
    } else {
        read_strict(line).ok()
    };
    let mut members = match asked {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let id = members.remove("id").unwrap_or(Value::Null);
    let declared = match members.get("tier") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => draft::tier(text).map(Some).ok_or(()),
        Some(_) => Err(()),
    };
    let reach = match members.get("reach") {
        None | Some(Value::Null) => Ok(Reach::Direct),
        Some(Value::String(text)) => draft::reach(text).ok_or(()),
        Some(_) => Err(()),
    };
    let answer = match (members.get("url"), declared, reach) {
        (Some(Value::String(url)), Ok(tier), Ok(reach)) => {
            judge(&Question {
                url,
                tier,
                reach,
                resolve,
            })
            .await
        }
        (Some(Value::String(_)), ..) => refused(ErrorCode::InvalidConfig, "unknown tier or reach"),
        _ => refused(ErrorCode::InvalidRequest, "expected {id,url,tier}"),
    };
    let mut object = Map::from_iter([("id".to_owned(), id)]);
    object.extend(answer.object());
    object
}

async fn judge(asked: &Question<'_>) -> Answer {
    let url = match BaseUrl::parse(asked.url) {
        Ok(url) => url,
        Err(error) => {
            let code = if error.ssrf {
                ErrorCode::SsrfBlocked
            } else {
                ErrorCode::InvalidBaseUrl
            };
            return Answer::default().refuse(code, error.to_string());
        }
    };
    let derived = match (url.lexical_tier(), asked.reach) {
        (ModelTier::Local, Reach::Direct) => ModelTier::Local,
        (ModelTier::Cloud, Reach::Relay) => {
            let reason =
                "a relay must run on this machine; register a remote server as cloud and direct";
            return Answer {
                derived: Some(ModelTier::Cloud),
                ..Answer::default()
            }
            .refuse(ErrorCode::InvalidConfig, reason);
        }
        _ => ModelTier::Cloud,
    };
    let answer = Answer {
        derived: Some(derived),
        ..Answer::default()
    };
    if asked.tier.is_some_and(|declared| declared != derived) {
        let reason = match derived {
            ModelTier::Local => "a direct server on loopback is local, a relay there is cloud",
            ModelTier::Cloud => "only a direct server on loopback is local",
        };
        return answer.refuse(ErrorCode::TierMismatch, reason);
    }
    if asked.resolve {
        resolved(&url, asked.reach, answer).await
    } else {
        answer
    }
}

/// Looks the name up and judges what it finds, as the gate would in a home whose policy allows no private host.
async fn resolved(url: &BaseUrl, reach: Reach, mut answer: Answer) -> Answer {
    let addresses = match url.host() {
        Host::Ip(ip) => vec![*ip],
        host => match SystemResolver.resolve(host, url.port()).await {
            Ok(found) => found.iter().map(std::net::SocketAddr::ip).collect(),
            Err(_) => return answer.refuse(ErrorCode::SsrfBlocked, "host not found"),
        },
    };
    answer.classes = addresses.into_iter().map(AddressClass::of).collect();
    let effective = tier::effective(&answer.classes, reach, Residence::Local);
    if answer.classes.iter().any(|class| !class.is_dialable()) {
        return answer.refuse(
            ErrorCode::SsrfBlocked,
            "the host has an address to which connections are never allowed",
        );
    }
    if answer.classes.contains(&AddressClass::Private) {
        let reason = "the host has a private address, which is allowed only if policy.toml lists the host in private_hosts";
        return answer.refuse(ErrorCode::SsrfBlocked, reason);
    }
    let derived = answer.derived;
    // Loopback behind a public name: a name that somebody else may point anywhere tomorrow.
    if derived == Some(ModelTier::Cloud) && effective == ModelTier::Local {
        return answer.refuse(
            ErrorCode::TierMismatch,
            "the host name resolves to this machine",
        );
    }
    if derived.is_some_and(|derived| derived == ModelTier::Local && derived != effective) {
        return answer.refuse(
            ErrorCode::TierMismatch,
            "not every address of the host belongs to this machine",
        );
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn verdict(line: &str) -> Value {
        Value::Object(answered(line.as_bytes(), false).await)
    }

    #[test]
    fn a15_a_line_without_end_is_read_in_bounded_memory() {
        let long = [vec![b'x'; 3 * MAX_LINE], b"\nshort\n\nlast".to_vec()].concat();
        let mut input = std::io::BufReader::with_capacity(1000, &long[..]);
        let (mut line, mut lengths) = (Vec::new(), Vec::new());
        while next_line(&mut input, &mut line).expect("memory reads") {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [MAX_LINE + 1, 5, 0, 4]);
    }

    #[tokio::test]
    async fn a7_verdicts_name_the_tier_and_the_code() {
        let cases = [
            (
                r#"{"id":1,"url":"https://api.openai.com/v1","tier":"cloud"}"#,
                "ok",
                Some("cloud"),
                None,
            ),
            (
                r#"{"id":1,"url":"http://127.0.0.1:11434"}"#,
                "ok",
                Some("local"),
                None,
            ),
            (
                r#"{"id":1,"url":"http://[::1]:11434/","tier":"local"}"#,
                "ok",
                Some("local"),
                None,
            ),
            (
                r#"{"id":1,"url":"http://127.0.0.1:11434","tier":"cloud"}"#,
                "refused",
                Some("local"),
                Some("HSK-403-TIER-MISMATCH"),
            ),
            (
                r#"{"id":1,"url":"http://127.0.0.1:1","tier":"cloud","reach":"relay"}"#,
                "ok",
                Some("cloud"),
                None,
            ),
            (
                r#"{"id":1,"url":"https://api.openai.com/v1","tier":"local"}"#,
                "refused",
                Some("cloud"),
                Some("HSK-403-TIER-MISMATCH"),
            ),
            (
                r#"{"id":1,"url":"http://api.openai.com/v1"}"#,
                "refused",
                None,
                Some("HSK-403-SSRF-BLOCKED"),
            ),
            (
                r#"{"id":1,"url":"https://API.openai.com"}"#,
                "refused",
                None,
                Some("HSK-400-INVALID-BASE-URL"),
            ),
            (
                r#"{"id":1,"url":"https://x.org","tier":"both"}"#,
                "refused",
                None,
                Some("HSK-400-INVALID-CONFIG"),
            ),
            (
                r#"{"id":1}"#,
                "refused",
                None,
                Some("HSK-400-INVALID-REQUEST"),
            ),
            (
                r#"{"id":1,"url":"https://x.org","url":"https://y.org"}"#,
                "refused",
                None,
                Some("HSK-400-INVALID-REQUEST"),
            ),
            ("nonsense", "refused", None, Some("HSK-400-INVALID-REQUEST")),
        ];
        for (line, verdict_is, tier, code) in cases {
            let answer = verdict(line).await;
            assert_eq!(answer["verdict"], verdict_is, "{line}");
            assert_eq!(
                answer.get("derived_tier").and_then(Value::as_str),
                tier,
                "{line}"
            );
            assert_eq!(answer.get("code").and_then(Value::as_str), code, "{line}");
        }
        assert_eq!(
            verdict(r#"{"id":"a-7","url":"https://x.org"}"#).await["id"],
            "a-7"
        );
    }
}
