//! `test`: the one command that a newcomer runs.

use crate::{report::CheckResult, steps::Step, workspace::Workspace};

/// Unit and integration tests, binaries and examples built, documentation examples run.
const STEP: Step = Step::cargo(
    "test",
    &["test", "--workspace", "--locked"],
    "cargo test --workspace, and mend the test or the code that it names",
);

/// Runs all tests.
pub(crate) fn run(workspace: &Workspace) -> CheckResult {
    STEP.run(workspace)
}
