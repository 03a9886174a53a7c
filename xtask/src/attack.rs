//! `attack`: the long forms of what every run of the tests has in short: generated attempts against the built gateway,
//! with servers behind it that keep every byte they get; kills at any time; an agent that types what it sees.

use crate::{report::CheckResult, steps::Step, workspace::Workspace};

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
.with(&[
    ("HANDSHAKE_ATTEMPTS", "250000"),
    ("HANDSHAKE_KILLS", "2000"),
    ("HANDSHAKE_APPROVALS", "1000"),
]);

/// Runs all of them, which takes an hour or two.
pub(crate) fn run(workspace: &Workspace) -> CheckResult {
    STEP.run(workspace)
}
