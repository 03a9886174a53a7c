//! `bench`: builds the program and the one that measures it, and hands over.
//!
//! With `--instructions` it counts the instructions of small pieces under callgrind instead: a figure that hardly
//! moves with what else the machine does.

mod instructions;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    process::Cargo,
    report::{CannotRun, CheckResult},
    workspace::Workspace,
};

/// The package that measures.
const PACKAGE: &str = "--package=handshake-benches";

/// Builds and runs; whatever was measured, nothing is found: a time is no failure.
pub(crate) fn run(workspace: &Workspace, rest: &[String]) -> CheckResult {
    let cargo = &workspace.cargo;
    let mut rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    if let Some(at) = rest.iter().position(|arg| *arg == "--instructions") {
        rest.remove(at);
        instructions::run(workspace, &rest)?;
        return Ok(Vec::new());
    }
    let help = rest.iter().any(|arg| ["--help", "-h"].contains(arg));
    let bin = [
        "build",
        "--release",
        "--locked",
        PACKAGE,
        "--bin=handshake-benches",
    ];
    let program = built(cargo, &bin, "handshake-benches")?;
    let ours = if help {
        workspace.say("instructions: cargo xtask bench --instructions [--also NAME=PATH]\n");
        PathBuf::from("handshake")
    } else {
        workspace.say("bench: the release build, which takes minutes the first time …");
        let bin = [
            "build",
            "--release",
            "--locked",
            "--package=handshake-app",
            "--bin=handshake",
        ];
        built(cargo, &bin, "handshake")?
    };
    let ours = text(&ours);
    let mut args = vec!["run", "--handshake", ours.as_str()];
    args.extend(rest);
    match cargo.run_program(&program, &args)? {
        None => Ok(Vec::new()),
        Some(how) => Err(CannotRun::new(format!("the measurement ended with {how}"))),
    }
}

/// Builds one target and returns where it lies.
pub(crate) fn built(cargo: &Cargo, args: &[&str], target: &str) -> Result<PathBuf, CannotRun> {
    let mut args = args.to_vec();
    args.push("--message-format=json-render-diagnostics");
    executable(&cargo.output(&args)?, target)
        .ok_or_else(|| CannotRun::new(format!("cargo built no `{target}`")))
}

/// The program that cargo says it built for that target.
fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == target)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_one_of_that_target() {
        let messages = "{\"target\":{\"name\":\"a\"},\"executable\":\"/a\"}\nwarning: x\n\
            {\"target\":{\"name\":\"b\"},\"executable\":null}\n{\"target\":{\"name\":\"b\"},\"executable\":\"/b\"}\n";
        assert_eq!(executable(messages, "b"), Some(PathBuf::from("/b")));
        assert_eq!(executable(messages, "c"), None);
    }
}
