//! `handshake completions SHELL`.

use clap::CommandFactory;

use crate::{
    cli::Cli,
    error::{Exit, Result},
};

/// Generate shell completions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  handshake completions bash > /etc/bash_completion.d/handshake")]
pub(crate) struct Args {
    /// Shell to generate completions for.
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: Args) -> Result<Exit> {
    let mut command = Cli::command();
    clap_complete::generate(
        args.shell,
        &mut command,
        "handshake",
        &mut std::io::stdout(),
    );
    Ok(Exit::Done)
}
