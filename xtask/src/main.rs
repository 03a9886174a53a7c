//! `cargo xtask`: the governance checks of the workspace, and the steps that CI runs.
//!
//! Rules are data (`xtask/rules/*.toml`), the evaluators are pure functions on plain structs, and reading files
//! and starting processes happens only in [`workspace`], [`process`], [`files`], [`real`] and [`mod@bench`].
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program: what it finds goes to stdout, how it gets on to stderr"
)]

mod attack;
mod bench;
mod ci;
mod cli;
mod codes;
mod files;
mod fuzz;
mod generated;
mod help;
mod isolate;
mod layers;
mod mutants;
mod permits;
mod process;
mod quick;
mod real;
mod report;
mod rules;
mod schema;
mod source;
mod steps;
mod test;
mod tidy;
mod verify_diff;
mod workspace;

use std::process::ExitCode;

use cli::{Cli, Command};
use report::{CannotRun, CheckResult, Report};
use workspace::Workspace;

fn main() -> ExitCode {
    let cli = match Cli::parse(std::env::args().skip(1)) {
        Ok(cli) => cli,
        Err(message) => {
            eprintln!("xtask: {message}\n\n{}", help::text());
            return ExitCode::from(report::CANNOT_RUN);
        }
    };
    if cli.command == Command::Help {
        print!("{}", help::text());
        return ExitCode::SUCCESS;
    }
    let result = Workspace::find(cli.json).and_then(|workspace| run(&cli, &workspace));
    let report = Report::new(cli.command.name(), result);
    if cli.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.human());
    }
    ExitCode::from(report.exit_code())
}

fn run(cli: &Cli, workspace: &Workspace) -> CheckResult {
    match cli.command {
        Command::Help => Err(CannotRun::new("help is printed before anything is read")),
        Command::Ci => steps::run(workspace, "ci", ci::STEPS),
        Command::Quick => steps::run(workspace, "quick", quick::STEPS),
        Command::Test => test::run(workspace),
        Command::Layers => layers::check(workspace),
        Command::Tidy => tidy::check(workspace),
        Command::Permits => permits::check(workspace),
        Command::Codes => generated::run(workspace, &codes::ARTEFACT, cli.write),
        Command::Schema => generated::run(workspace, &schema::ARTEFACT, cli.write),
        Command::Isolate => isolate::run(workspace),
        Command::Real => real::check(workspace),
        Command::VerifyDiff => verify_diff::run(workspace, cli.all),
        Command::Attack => attack::run(workspace),
        Command::Fuzz => fuzz::run(workspace, cli.all),
        Command::Bench => bench::run(workspace, &cli.rest),
        Command::Mutants => mutants::run(workspace, &cli.rest),
    }
}
