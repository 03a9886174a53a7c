//! `handshake simulate`: the simulator alone.

use std::path::PathBuf;

use handshake_core::code::{ErrorCode, Phase};
use handshake_simulator::{Script, SimConfig, SimError, Simulator};
use serde_json::json;

use crate::{
    cmd::request::read,
    context::Context,
    error::{AppError, Exit, Result},
};

/// Run the simulator only: a deterministic model server whose answers are labelled as generated.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake simulate --port 11500\n  handshake provider add sim --kind ollama --base-url http://127.0.0.1:11500"
)]
pub(crate) struct Args {
    /// Port on 127.0.0.1; 0 chooses a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Read models and answers from a JSON file.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let script = match &args.script {
        Some(path) => {
            let text =
                String::from_utf8(read(path)?).map_err(|_| bad("the script is not valid UTF-8"))?;
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
                format!("cannot listen on {addr}"),
            )
            .next("choose another port, or leave `--port` out to use a free one"),
            other => bad(other.to_string()),
        })?;
    cx.out.object(&json!({
        "ollama": simulator.url(), "openai": simulator.openai_url(), "port": simulator.addr().port(),
    }));
    cx.out.line(
        "Simulator running. It is not a model; every answer is generated and labelled as such.",
    );
    cx.out.line(format!("  ollama         {}", simulator.url()));
    cx.out
        .line(format!("  openai_compat  {}", simulator.openai_url()));
    cx.out.note("Press Ctrl-C to stop.");
    until_stopped().await?;
    simulator.shutdown().await;
    Ok(Exit::Done)
}

fn bad(message: impl Into<String>) -> AppError {
    AppError::usage(ErrorCode::InvalidConfig, message)
}

/// Waits for Ctrl-C, or for whoever started this to end it.
async fn until_stopped() -> Result<()> {
    let failed = |_| AppError::new(ErrorCode::Storage, Phase::Input, "cannot wait for signals");
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(failed)?;
    tokio::select! {
        ctrl_c = tokio::signal::ctrl_c() => ctrl_c.map_err(failed),
        _ = ended.recv() => Ok(()),
    }
}
