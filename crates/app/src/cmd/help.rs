//! `handshake help CODE`.

use clap::CommandFactory;
use handshake_core::code::ErrorCode;
use serde_json::json;

use crate::{
    cli::Cli,
    context::Context,
    error::{AppError, Exit, Result},
};

/// Explain an error code.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  handshake help HSK-403-LEAKAGE-BLOCKED")]
pub(crate) struct Args {
    /// Code to explain [default: list the commands].
    code: Option<String>,
}

pub(crate) fn run(cx: &Context, args: Args) -> Result<Exit> {
    let Some(text) = args.code else {
        cx.out.line(Cli::command().render_long_help().to_string());
        return Ok(Exit::Done);
    };
    let code = ErrorCode::parse(&text.to_ascii_uppercase()).ok_or_else(|| {
        AppError::usage(ErrorCode::InvalidRequest, format!("no such code: {text}"))
            .next("copy the code from the end of the error message, such as HSK-404-PROVIDER")
    })?;
    cx.out.object(&json!({
        "code": code, "class": code.class(), "http_status": code.http_status(),
        "meaning": code.title(), "next_step": code.next_step(),
    }));
    cx.out.line(format!("{code}\n  {}", code.title()));
    if !code.next_step().is_empty() {
        cx.out.line(format!("  help: {}", code.next_step()));
    }
    Ok(Exit::Done)
}
