//! `ci`: what has to hold before a change lands, the cheap steps first.

use crate::{
    codes, fuzz, generated, layers, permits, real, schema, steps::Step, test, tidy, verify_diff,
};

/// The format of the sources.
pub(crate) const FMT: Step = Step::cargo("fmt", &["fmt", "--all", "--check"], "cargo fmt --all");

/// Every step, in order.
pub(crate) const STEPS: &[Step] = &[
    FMT,
    Step::check("layers", layers::check),
    Step::check("tidy", tidy::check),
    Step::check("permits", permits::check),
    Step::check("schema", |workspace| {
        generated::run(workspace, &schema::ARTEFACT, false)
    }),
    Step::check("codes", |workspace| {
        generated::run(workspace, &codes::ARTEFACT, false)
    }),
    Step::cargo(
        "clippy",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        "cargo clippy --workspace --all-targets, and mend what it names",
    ),
    Step::check("test", test::run),
    Step::check("verify-diff", |workspace| {
        verify_diff::run(workspace, false)
    }),
    Step::check("fuzz", |workspace| fuzz::run(workspace, false)),
    Step::cargo(
        "doc",
        &["doc", "--no-deps", "--workspace", "--locked"],
        "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --workspace, and mend what it names",
    )
    .with(&[("RUSTDOCFLAGS", "-D warnings")]),
    Step::check("real", real::check),
];
