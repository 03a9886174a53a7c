//! `quick`: what can be known in a minute, for the time between two edits.

use crate::{ci, layers, permits, steps::Step, tidy};

/// Every step, in order.
pub(crate) const STEPS: &[Step] = &[
    ci::FMT,
    Step::check("layers", layers::check),
    Step::check("tidy", tidy::check),
    Step::check("permits", permits::check),
    Step::cargo(
        "check",
        &["check", "--workspace", "--all-targets", "--locked"],
        "cargo check --workspace --all-targets, and mend what it names",
    ),
];
