//! What a call through the gateway costs, next to what the same bytes cost without it.
//!
//! One program in three parts, each a process of its own so that its CPU can be told apart: `upstream` answers like a
//! model server, `bare` passes bytes on and does nothing else, and `run` starts both, starts the real `handshake
//! serve`, drives all of them in turn and reads the kernel's counters. Nothing here asserts a time.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program: the table goes to stdout, how it gets on to stderr"
)]

mod bare;
mod client;
mod home;
mod load;
mod long;
mod options;
mod proc;
mod report;
mod run;
mod server;
mod subject;
mod table;
mod upstream;

use std::process::ExitCode;

use clap::Parser;

use options::{Command, Options};

fn main() -> ExitCode {
    let done = match Options::parse().command {
        Command::Upstream => upstream::serve(),
        Command::Bare { upstream } => bare::serve(&upstream),
        Command::Run(options) => run::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
