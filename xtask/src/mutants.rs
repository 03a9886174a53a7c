//! `mutants`: changes the gate, consent, the ledger and the queue, each time in one place, and runs their tests: what no
//! test notices is a rule that no test holds. Which files and which tests: `.cargo/mutants.toml`.
//!
//! The sources are changed in a copy. One change takes a build and a run of the tests, so all of them take a night;
//! `--shard k/n` takes every nth. CI runs none of them.

use crate::{
    report::{CannotRun, CheckResult, Finding},
    workspace::Workspace,
};

/// The version whose changes `docs/mutants.md` speaks of.
const VERSION: &str = "27.1.0";
const INSTALL: &str = "cargo install --locked cargo-mutants --version 27.1.0";

/// Runs it. What is left over is one finding: which ones it has printed itself.
pub(crate) fn run(workspace: &Workspace, rest: &[String]) -> CheckResult {
    let there = workspace.cargo.output(&["mutants", "--version"]);
    let there =
        there.map_err(|_| CannotRun::new(format!("cargo-mutants is missing: {INSTALL}")))?;
    if !is_pinned(&there) {
        let there = there.trim();
        return Err(CannotRun::new(format!(
            "{there} is not {VERSION}: {INSTALL}"
        )));
    }
    let mut args = vec!["mutants", "--sharding=round-robin", "--output=target"];
    args.extend(rest.iter().map(String::as_str));
    let failed = workspace.cargo.run(&args, &[("CARGO_INCREMENTAL", "1")])?;
    Ok(failed.map(|how| survivors(&how)).into_iter().collect())
}

fn is_pinned(version: &str) -> bool {
    version.split_whitespace().nth(1) == Some(VERSION)
}

fn survivors(how: &str) -> Finding {
    let message = format!("`cargo mutants` ended with {how}: target/mutants.out/missed.txt");
    let mend = "write the test that notices, or say in docs/mutants.md why none can";
    Finding::new(".cargo/mutants.toml", "mutants.survivors", message, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_another_set_of_changes() {
        assert!(is_pinned("cargo-mutants 27.1.0\n"));
        for other in ["cargo-mutants 27.1.1", "cargo-mutants", ""] {
            assert!(!is_pinned(other), "{other}");
        }
        assert!(INSTALL.ends_with(VERSION));
    }
}
