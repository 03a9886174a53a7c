//! The `handshake` command.

mod announce;
mod cli;
mod cmd;
mod context;
mod demo;
mod error;
mod factor;
mod home;
mod keys;
mod out;
mod preview;
mod record;
mod serve;
mod start;
mod stream;
mod timeline;
mod trace;
mod widen;
mod wire;

use std::process::ExitCode;

use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use handshake_core::code::ErrorCode;

use crate::{
    cli::Cli,
    error::{AppError, Exit},
    out::Out,
};

fn main() -> ExitCode {
    if let Err(error) = start::begin() {
        let json = std::env::args_os().any(|arg| arg == "--json");
        return ExitCode::from(Out::new(json).fail(&error) as u8);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return usage_error(&usage),
    };
    if cli.is_serve() {
        start::keep_little();
    }
    let out = Out::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(_) => return ExitCode::from(Exit::Failed as u8),
    };
    let exit = match runtime.block_on(cli.run(out)) {
        Ok(exit) => exit,
        Err(error) => out.fail(&error),
    };
    // Dropping waits for nothing: what had to be durable is.
    runtime.shutdown_background();
    ExitCode::from(exit as u8)
}

/// clap's own messages, but in JSON mode as one object like every other error.
fn usage_error(usage: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|arg| arg == "--json");
    if usage.use_stderr() && json {
        let error = invalid(usage).next("run `handshake --help`");
        return ExitCode::from(Out::new(true).fail(&error) as u8);
    }
    if usage.use_stderr() {
        // What clap prints repeats words of the command line, which may be the name of a file of anybody.
        out::usage(&usage.render().to_string());
    } else {
        // A broken pipe is no failure of ours.
        let _printed = usage.print();
    }
    let exit = if usage.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    };
    ExitCode::from(exit as u8)
}

/// What is wrong with a command line, in our own words: what was written there is not repeated.
fn invalid(usage: &clap::Error) -> AppError {
    let named = |kind| match usage.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let word = match usage.kind() {
        ErrorKind::InvalidValue => {
            named(ContextKind::InvalidArg).zip(named(ContextKind::ValidValue))
        }
        _ => None,
    };
    match word {
        Some((option, words)) => AppError::usage(
            ErrorCode::InvalidConfig,
            format!("{option}: expected one of {words}"),
        ),
        None => AppError::usage(ErrorCode::InvalidRequest, "invalid command line"),
    }
}
