//! `handshake simulate`: the simulator alone.

use std::path::PathBuf;

use handshake_core::code::{ErrorCode, Phase};
use handshake_simulator::{Script, SimConfig, SimError, Simulator};
use serde_json::json;

use crate::{
    cmd::request::read,
    cx::Cx,
    error::{AppError, Exit, Result},
};

/// A deterministic model server on this machine that speaks the wires of real ones. Every answer says so.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  handshake simulate --port 11500\n  handshake provider add sim --kind ollama --base-url http://127.0.0.1:11500"
)]
pub(crate) struct Args {
    /// Its port on 127.0.0.1; a free one without it.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Models and answers, as JSON.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

pub(crate) async fn run(cx: &Cx, args: Args) -> Result<Exit> {
    let script = match &args.script {
        Some(path) => {
            let text =
                String::from_utf8(read(path)?).map_err(|_| bad("the script is not UTF-8"))?;
            Script::from_json(&text).map_err(|error| bad(format!("{}: {error}", path.display())))?
        }
        None => Script::new(),
    };
    let config = SimConfig {
        port: args.port,
        ..SimConfig::with_script(script)
    };
    let simulator = Simulator::start(config)
        .await
        .map_err(|error| match error {
            SimError::Bind { addr, .. } => AppError::new(
                ErrorCode::InvalidConfig,
                Phase::Connect,
                format!("{addr} cannot be listened on"),
            )
            .next("choose another port, or none for a free one"),
            other => bad(other.to_string()),
        })?;
    cx.out.object(&json!({
        "ollama": simulator.url(), "openai": simulator.openai_url(), "port": simulator.addr().port(),
    }));
    cx.out
        .line("The simulator listens. It is no model: every answer is made up and says so.");
    cx.out.line(format!("  ollama         {}", simulator.url()));
    cx.out
        .line(format!("  openai_compat  {}", simulator.openai_url()));
    cx.out.note("Ctrl-C ends it.");
    until_told().await?;
    simulator.shutdown().await;
    Ok(Exit::Done)
}

fn bad(message: impl Into<String>) -> AppError {
    AppError::usage(ErrorCode::InvalidConfig, message)
}

/// Waits for Ctrl-C, or for whoever started this to end it.
async fn until_told() -> Result<()> {
    let failed = |_| {
        AppError::new(
            ErrorCode::Storage,
            Phase::Input,
            "signals cannot be waited for",
        )
    };
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(failed)?;
    tokio::select! {
        ctrl_c = tokio::signal::ctrl_c() => ctrl_c.map_err(failed),
        _ = ended.recv() => Ok(()),
    }
}
