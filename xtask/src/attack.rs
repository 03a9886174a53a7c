//! `attack`: the long forms of what every run of the tests has in short: any schedule beside a model; generated attempts
//! against the built gateway, with servers behind it that keep every byte they get; kills at any time; an agent that
//! types what it sees; secrets through every door, searched for in everything that is kept.

use crate::{
    report::CheckResult,
    steps::{self, Step},
    workspace::Workspace,
};

const AGAIN: &str =
    "run it again with the seed that it printed, in HANDSHAKE_SEED, and mend what let it through";

const STEPS: &[Step] = &[
    Step::cargo(
        "schedules",
        &[
            "test",
            "--package=handshake-llm",
            "--test=it",
            "--locked",
            "schedule::",
            "--",
            "--nocapture",
        ],
        AGAIN,
    )
    .with(&[("HANDSHAKE_STEPS", "100000")]),
    Step::cargo(
        "attempts",
        &[
            "test",
            "--package=handshake-app",
            "--test=it",
            "--locked",
            "attack::",
            "--",
            "--nocapture",
        ],
        AGAIN,
    )
    .with(&[
        ("HANDSHAKE_ATTEMPTS", "250000"),
        ("HANDSHAKE_KILLS", "2000"),
        ("HANDSHAKE_APPROVALS", "1000"),
        ("HANDSHAKE_CANARIES", "10000"),
    ]),
];

/// Runs all of them, which takes an hour or two.
pub(crate) fn run(workspace: &Workspace) -> CheckResult {
    steps::run(workspace, "attack", STEPS)
}
