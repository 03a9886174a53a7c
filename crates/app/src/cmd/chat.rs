//! `handshake chat`: a governed call.

use std::{path::PathBuf, time::Duration};

use handshake_core::{chat::Target, code::ErrorCode, ports::SessionStore};
use handshake_llm::parts::{
    OsEntropy, SystemClock,
    runtime::{CallOptions, ConsentMode, History, Redact, ToolUse, tools::Grants},
};

use crate::{
    cmd::request::Asked,
    context::Context,
    error::{Exit, Result},
    stream,
    wire::Wiring,
};

/// Send a chat request.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake chat --model ollama/qwen3:8b 'Say hello'\n  handshake chat --model ollama/qwen3:8b --session notes 'And again'\n  echo '[\"math.add\"]' > tools.json; handshake chat --model ollama/qwen3:8b --tools tools.json '2+3?'\n  handshake chat --model cloud/large --redact \"$(cat deploy.log)\""
)]
pub(crate) struct Args {
    /// Message to send.
    prompt: Option<String>,
    /// Call the model that the active work profile assigns to this role.
    #[arg(long, conflicts_with = "model")]
    role: Option<String>,
    /// Call this model, given as PROVIDER/MODEL.
    #[arg(long)]
    model: Option<String>,
    /// Keep the conversation in a session of this name.
    #[arg(long)]
    session: Option<String>,
    /// Read the request from a JSON file: model or role, messages, tools, params, structured_output_schema.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Let the model call these tools: a JSON array of built-in tool ids (math.add, text.count).
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    /// Require the answer to match this JSON schema.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Replace secrets and personal data by stand-ins before anything is sent to a cloud model, and put the values back
    /// into the answer shown here.
    #[arg(long)]
    redact: bool,
    /// Wait this many seconds for approval; 0 does not wait.
    #[arg(long, default_value_t = 540, value_name = "SECONDS")]
    wait: u64,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let asked = Asked {
        role: args.role.as_deref(),
        model: args.model.as_deref(),
        session: args.session.as_deref(),
        request: args.request.as_deref(),
        tools: args.tools.as_deref(),
        schema: args.schema.as_deref(),
        prompt: args.prompt.as_deref(),
    };
    let mut composed = asked.compose(&SystemClock::new(0), &OsEntropy)?;
    // The person at the terminal offered exactly these tools, and so grants what they need.
    let needed: std::collections::BTreeSet<String> = composed
        .tools
        .iter()
        .flat_map(|entry| entry.required_capabilities.clone())
        .collect();
    let grants = Grants {
        global: needed.clone(),
        default_session: needed,
        ..Grants::default()
    };
    let app = cx
        .app_with(Wiring {
            tools: composed.tools,
            grants,
            ..Wiring::default()
        })
        .await?;
    if !composed.model_given && composed.kept {
        let stored = app.store.load(&composed.request.session_id).await;
        if let Ok(Some(model)) = stored.map(|session| session.model) {
            composed.request.target = Target::Model(model);
        }
    }
    let options = CallOptions {
        history: if composed.kept {
            History::Stored
        } else {
            History::Carried
        },
        tools: ToolUse::Registry,
        consent: match args.wait {
            0 => ConsentMode::AnswerAtOnce,
            seconds => ConsentMode::Wait(Duration::from_secs(seconds.min(3600))),
        },
        redact: match args.redact {
            true => Redact::LocalSink,
            false => Redact::Off,
        },
        ..CallOptions::default()
    };
    let trace_id = composed.request.trace_id;
    let handle = app.runtime.chat(composed.request, options);
    let shown = stream::show(cx.out, handle, trace_id).await;
    app.finish().await?;
    match shown {
        Ok(_) => Ok(Exit::Done),
        // The stream's last line was the error already.
        Err(error) if cx.out.json => Ok(error.exit),
        Err(error) if error.code == ErrorCode::LeakageBlocked && !args.redact => Err(error.next(
            "remove it, use a local model, or repeat with --redact to send stand-ins in its place",
        )),
        Err(error) => Err(error),
    }
}
