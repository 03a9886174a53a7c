//! `attack`: generated attempts against the built gateway, with servers behind it that keep every byte they get.

use crate::{report::CheckResult, steps::Step, workspace::Workspace};

/// The long form of a test that every run of the tests has in short.
const STEP: Step = Step::cargo(
    "attack",
    &[
        "test",
        "--package=handshake-app",
        "--test=it",
        "--locked",
        "attack::",
        "--",
        "--nocapture",
    ],
    "run it again with the seed that it printed, in HANDSHAKE_SEED, and mend what let the attempt through",
)
.with(&[("HANDSHAKE_ATTEMPTS", "250000")]);

/// Runs 250,000 attempts.
pub(crate) fn run(workspace: &Workspace) -> CheckResult {
    STEP.run(workspace)
}
