//! The command line.

use std::path::PathBuf;

/// The program's arguments.
#[derive(Debug, clap::Parser)]
#[command(name = "cargo xtask bench", about = "Measure what a call costs")]
pub(crate) struct Options {
    /// Which part of it runs.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A part of the program.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The mock upstream; says on stdout where it listens.
    Upstream,
    /// The bare proxy; says on stdout where it listens.
    Bare {
        /// Where it passes everything on to, `http://HOST:PORT`.
        upstream: String,
    },
    /// Measure.
    Run(Run),
}

/// What is measured, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Run {
    /// The release binary of `handshake`.
    #[arg(long, value_name = "PATH")]
    pub(crate) handshake: PathBuf,
    /// What its column is called.
    #[arg(long = "as", value_name = "NAME", default_value = "ours")]
    pub(crate) name: String,
    /// Measure another build of it in the same rounds; may be repeated.
    #[arg(long, value_name = "NAME=PATH", value_parser = named)]
    pub(crate) also: Vec<(String, PathBuf)>,
    /// Rounds of each scenario; the figures are medians of them.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) rounds: usize,
    /// How long each subject is driven in a round.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// How many providers are registered, one scenario each.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 1_000, 10_000])]
    pub(crate) providers: Vec<usize>,
    /// How long an import may take before its scenario is left out.
    #[arg(long, value_name = "SECONDS", default_value_t = 240)]
    pub(crate) import_limit: u64,
    /// Also 100,000 calls for memory, and 1,000 streams at once.
    #[arg(long)]
    pub(crate) long: bool,
    /// Write every figure to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Replace the measured part of a Markdown file.
    #[arg(long, value_name = "FILE")]
    pub(crate) readme: Option<PathBuf>,
    /// Where homes are made: on a real disk, or fsync costs nothing.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub(crate) dir: PathBuf,
}

impl Run {
    /// Every build that is measured, with its name.
    pub(crate) fn builds(&self) -> Vec<(String, PathBuf)> {
        let mut builds = self.also.clone();
        builds.push((self.name.clone(), self.handshake.clone()));
        builds
    }
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_owned(), path.into()))
        }
        _ => Err("write NAME=PATH".to_owned()),
    }
}
