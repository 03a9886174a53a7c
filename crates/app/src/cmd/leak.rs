//! `handshake leak`: scanning, the rules, and what they blocked.

mod blocked;

use std::{path::PathBuf, sync::Arc};

use handshake_core::{code::ErrorCode, finding::LeakageFinding};
use handshake_leakage::{Engine, RuleInfo, Verdict};
use handshake_llm::parts::policy_file;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    cmd::request::read,
    context::Context,
    error::{AppError, Exit, Result},
};

/// Scan text for secrets, list the rules, and see what they blocked.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake leak scan prompt.txt\n  handshake leak scan --jsonl texts.jsonl\n  handshake leak explain github-token"
)]
pub(crate) enum Command {
    /// Scan a text for anything that must not leave this machine.
    Scan(ScanArgs),
    /// List the rules.
    Rules,
    /// Explain a rule.
    Explain(ExplainArgs),
    /// List what blocked cloud calls in the last 24 hours.
    #[command(
        after_help = "Example:\n  handshake leak blocked\n\nThe texts themselves are not kept, and clients are not told what was found."
    )]
    Blocked,
    /// Say of one blocked text that a rule is wrong about it, so that it may go to one provider.
    Declassify(blocked::DeclassifyArgs),
    /// List what was declassified, or take one back.
    Declassified(blocked::DeclassifiedArgs),
}

/// What to scan.
#[derive(Debug, clap::Args)]
pub(crate) struct ScanArgs {
    /// File to scan [default: standard input].
    file: Option<PathBuf>,
    /// Read one JSON object per line, {id,text} or {id,messages}, and answer each with a line.
    #[arg(long)]
    jsonl: bool,
}

/// Which rule.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// Id of the rule, from `handshake leak rules`.
    rule: String,
}

/// One line of `scan --jsonl`. Corpora carry more members than these; they are not looked at.
#[derive(Deserialize)]
struct Line {
    id: Value,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    messages: Option<Value>,
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
    let out = cx.out;
    match command {
        Command::Blocked => return blocked::list(cx).await,
        Command::Declassify(args) => return blocked::declassify(cx, &args).await,
        Command::Declassified(args) => return blocked::declassified(cx, &args).await,
        Command::Scan(_) | Command::Rules | Command::Explain(_) => {}
    }
    let engine = in_force(cx);
    match command {
        Command::Blocked | Command::Declassify(_) | Command::Declassified(_) => Ok(Exit::Done),
        Command::Scan(args) => {
            let bytes = read_all(args.file.as_deref())?;
            let text = String::from_utf8(bytes).map_err(|_| {
                AppError::usage(ErrorCode::InvalidRequest, "the text is not valid UTF-8")
            })?;
            if args.jsonl {
                return lines(&engine, &text);
            }
            let (verdict, findings) = scan(&engine, &text)?;
            out.object(&answer(None, verdict, &findings));
            for finding in &findings {
                let at = finding.pointer.as_deref().unwrap_or("");
                out.mark(
                    finding.level < handshake_core::finding::FindingLevel::Block,
                    format!(
                        "{} {} {at} {}",
                        finding.level.as_str(),
                        finding.rule,
                        finding.views.join(">")
                    ),
                );
            }
            out.line(format!("verdict: {}", verdict.as_str()));
            Ok(if verdict == Verdict::Block {
                Exit::Denied
            } else {
                Exit::Done
            })
        }
        Command::Rules => {
            let rules = Engine::builtin().rules();
            for rule in &rules {
                out.object(&described(&engine, rule));
            }
            let rows: Vec<Vec<String>> = rules
                .iter()
                .map(|rule| {
                    vec![
                        rule.id.to_string(),
                        rule.service.clone(),
                        match engine.off().contains(&rule.id) {
                            true => "off".to_owned(),
                            false => rule.level.as_str().to_owned(),
                        },
                    ]
                })
                .collect();
            out.table(&["RULE", "SERVICE", "LEVEL"], &rows);
            Ok(Exit::Done)
        }
        Command::Explain(args) => {
            let rule = Engine::builtin().explain(&args.rule).ok_or_else(|| {
                AppError::usage(
                    ErrorCode::InvalidRequest,
                    format!("no such rule: {}", args.rule),
                )
                .next("run `handshake leak rules`")
            })?;
            let value = described(&engine, &rule);
            out.object(&value);
            for (name, value) in value.as_object().into_iter().flatten() {
                out.line(format!(
                    "{name:<12} {}",
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                ));
            }
            Ok(Exit::Done)
        }
    }
}

/// The rules that calls are judged by: those of the home where there is one, all of them otherwise. Makes no home,
/// and asks nobody.
fn in_force(cx: &Context) -> Arc<Engine> {
    if cx.home_path().is_err() {
        return Engine::builtin();
    }
    let engine = cx.open_home().and_then(|home| match home {
        Some(home) => Ok(policy_file::engine(&policy_file::of(&home)?.in_force)?),
        None => Ok(Engine::builtin()),
    });
    engine.unwrap_or_else(|error| {
        cx.out.note(format!(
            "policy.toml is not used, every rule is on: {} [{}]",
            error.message, error.code
        ));
        Engine::builtin()
    })
}

/// A rule, and whether it is on.
fn described(engine: &Engine, rule: &RuleInfo) -> Value {
    let mut value = json!(rule);
    value["enabled"] = json!(!engine.off().contains(&rule.id));
    value
}

fn read_all(file: Option<&std::path::Path>) -> Result<Vec<u8>> {
    read(file.unwrap_or(std::path::Path::new("-")))
}

fn scan(engine: &Engine, text: &str) -> Result<(Verdict, Vec<LeakageFinding>)> {
    let findings = engine.scan_text(text).map_err(undecided)?;
    Ok((Verdict::of(&findings), findings))
}

fn undecided(error: handshake_core::finding::ValidatorError) -> AppError {
    AppError::new(
        ErrorCode::LeakageUndecided,
        handshake_core::code::Phase::Gate,
        error.to_string(),
    )
}

fn answer(id: Option<&Value>, verdict: Verdict, findings: &[LeakageFinding]) -> Value {
    let findings: Vec<Value> = findings
        .iter()
        .map(|f| {
            let mut value = json!({
                "rule": f.rule, "class": f.class, "level": f.level, "confidence": f.confidence,
                "views": f.views,
            });
            for (name, member) in [
                ("start", json!(f.start)),
                ("end", json!(f.end)),
                ("pointer", json!(f.pointer)),
            ] {
                if !member.is_null() {
                    value[name] = member;
                }
            }
            value
        })
        .collect();
    let mut value = json!({ "verdict": verdict.as_str(), "findings": findings });
    if let Some(id) = id {
        value["id"] = id.clone();
    }
    value
}

/// One answer a line, whatever a line holds: a bad one is answered with its error.
fn lines(engine: &Engine, text: &str) -> Result<Exit> {
    let json_out = crate::out::Out::new(true);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            let error = AppError::usage(
                ErrorCode::InvalidRequest,
                "expected {id,text} or {id,messages}",
            );
            json_out.object(&json!({ "error": error }));
            continue;
        };
        let scanned = match (&line.text, &line.messages) {
            (Some(text), _) => engine.scan_text(text),
            (None, Some(messages)) => engine.scan_messages(messages),
            (None, None) => {
                let error = AppError::usage(
                    ErrorCode::InvalidRequest,
                    "the line has neither text nor messages",
                );
                json_out.object(&json!({ "id": line.id, "error": error }));
                continue;
            }
        };
        match scanned {
            Ok(findings) => {
                json_out.object(&answer(Some(&line.id), Verdict::of(&findings), &findings))
            }
            // No verdict blocks: the gate would do the same.
            Err(error) => json_out.object(&json!({
                "id": line.id, "verdict": "block", "findings": [], "error": undecided(error),
            })),
        }
    }
    Ok(Exit::Done)
}
