//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{
    cmd,
    cx::Cx,
    error::{Exit, Result},
    out::Out,
};

/// A governed, local-first model runtime.
///
/// Every call to a language model passes through here, local or cloud. Nothing goes to a cloud model through
/// Handshake unless a person saw it, or it fits limits that person set, and it was checked for leaks.
#[derive(Debug, Parser)]
#[command(
    name = "handshake",
    version,
    disable_help_subcommand = true,
    after_help = "Example:\n  handshake demo\n  handshake provider add ollama --kind ollama --base-url http://127.0.0.1:11434\n  handshake chat --model ollama/qwen3:8b 'Say hello'"
)]
pub(crate) struct Cli {
    /// One JSON object, or one object a line for lists and streams.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The home to use [default: $HANDSHAKE_HOME, or the platform's data directory].
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole mission on a fresh machine, in a temporary home of its own.
    Demo(cmd::demo::Args),
    /// Makes the home.
    Init(cmd::init::Args),
    /// Providers: add, list, show, edit, remove, check, models, enable, import, export, check-url.
    #[command(subcommand)]
    Provider(cmd::provider::Command),
    /// Secrets: set, list, remove, rotate.
    #[command(subcommand)]
    Secret(cmd::secret::Command),
    /// Work profiles: apply, list, show, activate, explain.
    #[command(subcommand)]
    Profile(cmd::profile::Command),
    /// What would happen to a request: resolve, admit, prepare, and what the gate would say. No network.
    Explain(cmd::explain::Args),
    /// A governed call.
    Chat(cmd::chat::Args),
    /// Moves a session to another model, across a fresh context.
    Swap(cmd::swap::Args),
    /// Approvals: list, show, approve, deny, revoke, reveal.
    #[command(subcommand)]
    Consent(cmd::consent::Command),
    /// What waits for a decision (consent list).
    Pending,
    /// Approves a waiting call (consent approve).
    Approve(cmd::consent::ApproveArgs),
    /// Denies a waiting call (consent deny).
    Deny(cmd::consent::IdArgs),
    /// Leaks: scan, rules, explain.
    #[command(subcommand)]
    Leak(cmd::leak::Command),
    /// Decodes a recorded answer of a provider.
    Decode(cmd::decode::Args),
    /// The log: tail, verify, export, checkpoint.
    #[command(subcommand, alias = "recorder")]
    Log(cmd::log::Command),
    /// The gateway: OpenAI clients on one loopback port.
    Serve(cmd::serve::Args),
    /// Client tokens: create, list, revoke.
    #[command(subcommand)]
    Token(cmd::token::Command),
    /// The simulator alone.
    Simulate(cmd::simulate::Args),
    /// What is wrong here and how to mend it.
    Doctor,
    /// What a code means and what to do about it.
    Help(cmd::help::Args),
    /// Shell completions.
    Completions(cmd::completions::Args),
}

impl Cli {
    pub(crate) async fn run(self, out: Out) -> Result<Exit> {
        let cx = Cx::new(out, self.home);
        match self.command {
            Command::Demo(args) => cmd::demo::run(&cx, args).await,
            Command::Init(args) => cmd::init::run(&cx, args).await,
            Command::Provider(command) => cmd::provider::run(&cx, command).await,
            Command::Secret(command) => cmd::secret::run(&cx, command).await,
            Command::Profile(command) => cmd::profile::run(&cx, command).await,
            Command::Explain(args) => cmd::explain::run(&cx, args).await,
            Command::Chat(args) => cmd::chat::run(&cx, args).await,
            Command::Swap(args) => cmd::swap::run(&cx, args).await,
            Command::Consent(command) => cmd::consent::run(&cx, command).await,
            Command::Pending => cmd::consent::run(&cx, cmd::consent::Command::List).await,
            Command::Approve(args) => {
                cmd::consent::run(&cx, cmd::consent::Command::Approve(args)).await
            }
            Command::Deny(args) => cmd::consent::run(&cx, cmd::consent::Command::Deny(args)).await,
            Command::Leak(command) => cmd::leak::run(&cx, command).await,
            Command::Decode(args) => cmd::decode::run(&cx, args).await,
            Command::Log(command) => cmd::log::run(&cx, command).await,
            Command::Serve(args) => cmd::serve::run(&cx, args).await,
            Command::Token(command) => cmd::token::run(&cx, command).await,
            Command::Simulate(args) => cmd::simulate::run(&cx, args).await,
            Command::Doctor => cmd::doctor::run(&cx).await,
            Command::Help(args) => cmd::help::run(&cx, args),
            Command::Completions(args) => cmd::completions::run(args),
        }
    }
}
