//! `handshake explain`: what would happen, with no network.

use std::path::PathBuf;

use handshake_core::gate::{Outcome, StepResult};
use handshake_llm::parts::{OsEntropy, SystemClock, runtime::CallOptions};
use serde_json::{Value, json};

use crate::{
    cmd::request::Asked,
    context::Context,
    error::{Exit, Result},
};

/// Show what would happen to a request, without using the network.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake explain --request request.json\n  handshake explain --model openai/gpt-5 'Hello'"
)]
pub(crate) struct Args {
    /// Message to send.
    prompt: Option<String>,
    /// Read the request from a JSON file.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Use the model that the active work profile assigns to this role.
    #[arg(long, conflicts_with = "model")]
    role: Option<String>,
    /// Use this model, given as PROVIDER/MODEL.
    #[arg(long)]
    model: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let asked = Asked {
        role: args.role.as_deref(),
        model: args.model.as_deref(),
        request: args.request.as_deref(),
        prompt: args.prompt.as_deref(),
        ..Asked::default()
    };
    let composed = asked.compose(&SystemClock::new(0), &OsEntropy)?;
    let app = cx.app().await?;
    let explained = app
        .runtime
        .explain(composed.request, &CallOptions::default())
        .await?;
    let out = cx.out;
    let body: Value = serde_json::from_slice(&explained.envelope.body).unwrap_or(Value::Null);
    out.object(&json!({
        "model": explained.resolution.model,
        "because": explained.resolution.because,
        "envelope": {
            "method": explained.envelope.method,
            "origin": explained.envelope.origin(),
            "path": explained.envelope.path,
            "headers": explained.envelope.headers,
            "body": body,
        },
        "adjusted": explained.adjusted,
        "gate": {
            "decision": explained.gate.decision,
            "expected": explained.gate.expected,
            "assumed_peer": explained.gate.assumed,
            "destination": explained.gate.destination,
            "findings": explained.gate.findings.as_ref().map(|findings| &findings.items),
            "would_ask_because": explained.gate.ask,
        },
    }));
    out.heading("Model");
    out.line(format!("  {}", explained.resolution.model));
    for reason in &explained.resolution.because {
        out.line(format!("    {reason}"));
    }
    out.heading("Request");
    out.line(format!(
        "  {} {}{}  ({} bytes)",
        explained.envelope.method.as_str(),
        explained.envelope.origin(),
        explained.envelope.path,
        explained.envelope.body.len()
    ));
    out.line(format!(
        "  {}",
        String::from_utf8_lossy(&explained.envelope.body)
    ));
    out.heading("Gate");
    if explained.gate.assumed.is_some() {
        out.line("  (host name not looked up: a public address is assumed)");
    }
    for step in &explained.gate.expected.steps {
        let name = step.step.as_str().replace('_', " ");
        match step.result {
            StepResult::Pass => out.mark(true, name),
            StepResult::NotApplicable => out.line(format!("  -- {name}")),
            StepResult::Ask => out.line(format!("  ?? {name}: a person decides")),
            StepResult::Hold => out.line(format!("  ?? {name}: waits until `handshake resume`")),
            StepResult::Deny(code) => out.mark(false, format!("{name}: {code}")),
            StepResult::Unknown => out.line(format!("  ?? {name}")),
        }
    }
    for found in explained.gate.findings.iter().flat_map(|it| &it.items) {
        let class = found.class.as_str().replace('_', " ");
        out.line(match found.declassified {
            Some(at) => format!(
                "  found: {} ({class}), declassified by you at {at}",
                found.rule
            ),
            None => format!(
                "  found: {} ({class}), {}",
                found.rule,
                found.level.as_str()
            ),
        });
    }
    let verdict = match explained.gate.expected.outcome {
        Outcome::Allow => "Result: the request would be sent.".to_owned(),
        Outcome::Hold(_) => "Result: the request would wait: cloud calls are paused.".to_owned(),
        Outcome::AskPerson => "Result: a person would be asked first.".to_owned(),
        Outcome::Deny(_, code) => format!(
            "Result: the request would be denied: {} [{code}]",
            code.title()
        ),
        Outcome::NeedsFact(_) => "Result: unknown without using the network.".to_owned(),
    };
    out.line(format!("\n{verdict}"));
    Ok(Exit::Done)
}
