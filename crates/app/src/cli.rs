//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{
    cmd,
    context::Context,
    error::{Exit, Result},
    out::Out,
    trace::{self, LogFormat},
};

/// A governed, local-first model runtime.
///
/// Every call to a language model, local or cloud, passes through Handshake. Nothing is sent to a cloud model
/// unless it was checked for leaks and a person approved it, or it fits limits that a person has set.
#[derive(Debug, Parser)]
#[command(
    name = "handshake",
    version,
    disable_help_subcommand = true,
    after_help = "Examples:\n  handshake demo\n  handshake provider add ollama --kind ollama --base-url http://127.0.0.1:11434\n  handshake chat --model ollama/qwen3:8b 'Say hello'"
)]
pub(crate) struct Cli {
    /// Print JSON: one object, or one object per line for lists and streams.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Use this home [default: $HANDSHAKE_HOME, or the platform's data directory].
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Keep the list of trusted homes here [default: in the account's settings].
    ///
    /// For tests and unusual setups. Whoever chooses this directory decides which homes are trusted, so no environment
    /// variable sets it, and the default comes from the account database, not from HOME or XDG_CONFIG_HOME.
    #[arg(long, global = true, value_name = "DIR")]
    trust_dir: Option<PathBuf>,
    /// Write the steps of each call to standard error.
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the guided demo in a temporary home.
    Demo(cmd::demo::Args),
    /// Create the home, or confirm a changed policy.toml.
    Init(cmd::init::Args),
    /// Set the approval passphrase and the recovery code of the home.
    #[command(subcommand)]
    Home(cmd::home::Command),
    /// Register providers and manage their models.
    #[command(subcommand)]
    Provider(cmd::provider::Command),
    /// Manage the secrets in the vault.
    #[command(subcommand)]
    Secret(cmd::secret::Command),
    /// Manage work profiles.
    #[command(subcommand)]
    Profile(cmd::profile::Command),
    /// Show what would happen to a request, without using the network.
    Explain(cmd::explain::Args),
    /// Send a chat request.
    Chat(cmd::chat::Args),
    /// Move a session to another model with a freshly compiled context.
    Swap(cmd::swap::Args),
    /// Approve, deny and review cloud calls.
    #[command(subcommand)]
    Consent(cmd::consent::Command),
    /// List pending approvals (short for `consent list`).
    Pending,
    /// Approve a pending call (short for `consent approve`).
    Approve(cmd::consent::ApproveArgs),
    /// Deny a pending call (short for `consent deny`).
    Deny(cmd::consent::IdArgs),
    /// Show what waits, what runs and what was decided, as it happens; keys decide what waits.
    #[command(
        after_help = "It lives in a pane beside your work, with or without a running gateway.\n\nExamples:\n  handshake watch\n  handshake watch --json"
    )]
    Watch,
    /// Show in one line what is going on.
    #[command(after_help = "Examples:\n  handshake status\n  handshake status --json")]
    Status,
    /// Pause cloud calls: new ones wait, those in progress go on.
    #[command(after_help = "Example:\n  handshake pause\n  handshake resume")]
    Pause,
    /// Let paused cloud calls go on.
    #[command(after_help = "Example:\n  handshake resume")]
    Resume,
    /// Stop cloud calls: end those in progress, revoke all receipts, hold new ones.
    #[command(
        after_help = "Example:\n  handshake stop\n\nAn empty file `run/stop` in the home does the same, within half a second, and so does the signal USR1 to a running `handshake serve`. None of them asks; resuming does."
    )]
    Stop,
    /// Scan text for secrets and list the rules.
    #[command(subcommand)]
    Leak(cmd::leak::Command),
    /// Decode a recorded provider answer.
    Decode(cmd::decode::Args),
    /// Read, verify and export the log.
    #[command(subcommand, alias = "recorder")]
    Log(cmd::log::Command),
    /// Run the gateway for OpenAI clients on a loopback port.
    Serve(cmd::serve::Args),
    /// Manage client tokens for the gateway.
    #[command(subcommand)]
    Token(cmd::token::Command),
    /// Run the simulator only.
    Simulate(cmd::simulate::Args),
    /// Check this installation and show how to fix what is wrong.
    Doctor,
    /// Explain an error code.
    Help(cmd::help::Args),
    /// Generate shell completions.
    Completions(cmd::completions::Args),
}

impl Cli {
    /// Whether it is a gateway that is started.
    pub(crate) fn is_serve(&self) -> bool {
        matches!(self.command, Command::Serve(_))
    }

    pub(crate) async fn run(self, out: Out) -> Result<Exit> {
        if let Some(format) = self.log_format {
            trace::install(format);
        }
        let cx = Context::new(out, self.home, self.trust_dir);
        match self.command {
            Command::Demo(args) => cmd::demo::run(&cx, args).await,
            Command::Init(args) => cmd::init::run(&cx, args).await,
            Command::Home(command) => cmd::home::run(&cx, command).await,
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
            Command::Watch => cmd::watch::run(&cx).await,
            Command::Status => cmd::status::run(&cx).await,
            Command::Pause => cmd::halt::pause(&cx).await,
            Command::Resume => cmd::halt::resume(&cx).await,
            Command::Stop => cmd::halt::stop(&cx).await,
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
