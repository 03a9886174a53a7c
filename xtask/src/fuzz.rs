//! `fuzz`: the readers of foreign bytes under libFuzzer, from seeds that are committed. The targets are a workspace of
//! their own in `fuzz/`, built by the pinned compiler with coverage that its LLVM brings along; no nightly is needed,
//! because safe code needs no sanitizer.

use std::path::{Path, PathBuf};

use crate::{
    process::Cargo,
    report::{CannotRun, CheckResult, Finding},
    workspace::Workspace,
};

/// Every target of `fuzz/Cargo.toml`.
const TARGETS: &[&str] = &[
    "openai",
    "ollama",
    "emulation",
    "body",
    "outline",
    "receipt",
    "log",
];

/// Coverage for the targets and all that they link.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// Seconds for each target: of the short form, which every change runs, and of the long one.
const SOME: u32 = 60;
const ALL: u32 = 1_800;
/// Printed by libFuzzer with what it finds, which stands in a file then.
const SEED: u32 = 20_261_129;
/// The longest input, in bytes.
const LONGEST: u32 = 8_192;

/// Builds the targets and runs them, two at a time.
pub(crate) fn run(workspace: &Workspace, all: bool) -> CheckResult {
    let host = workspace.cargo.host()?;
    let folder = workspace.root.join("target/fuzz");
    build(workspace, &host, &folder)?;
    let programs = folder.join(&host).join("release");
    let seconds = if all { ALL } else { SOME };
    let mut findings = Vec::new();
    for pair in TARGETS.chunks(2) {
        let said = std::thread::scope(|scope| {
            let running: Vec<_> = pair
                .iter()
                .map(|target| {
                    let (programs, folder) = (&programs, &folder);
                    let (cargo, root) = (&workspace.cargo, &workspace.root);
                    scope.spawn(move || one((cargo, root), target, programs, folder, seconds))
                })
                .collect();
            running
                .into_iter()
                .map(|run| {
                    run.join()
                        .unwrap_or_else(|_| Err(CannotRun::new("a thread fell over")))
                })
                .collect::<Result<Vec<_>, _>>()
        })?;
        for (target, ran) in pair.iter().zip(said) {
            match ran {
                Ran::Through(inputs) => {
                    workspace.say(&format!("fuzz: {target}: {inputs} inputs, nothing found"));
                }
                Ran::Into(finding) => findings.push(finding),
            }
        }
    }
    Ok(findings)
}

fn build(workspace: &Workspace, host: &str, folder: &Path) -> Result<(), CannotRun> {
    workspace.say("fuzz: the targets …");
    let target = folder.to_string_lossy();
    // For the host by name, so that what runs while building is built without coverage.
    let args = [
        "build",
        "--manifest-path=fuzz/Cargo.toml",
        "--release",
        "--locked",
        "--target",
        host,
        "--target-dir",
        &target,
    ];
    match workspace.cargo.run(&args, &[("RUSTFLAGS", FLAGS)])? {
        None => Ok(()),
        Some(how) => Err(CannotRun::new(format!("the targets do not build: {how}"))),
    }
}

/// What came of one target.
enum Ran {
    /// So many inputs, as libFuzzer says it.
    Through(String),
    Into(Finding),
}

fn one(
    (cargo, root): (&Cargo, &Path),
    target: &str,
    programs: &Path,
    folder: &Path,
    seconds: u32,
) -> Result<Ran, CannotRun> {
    let found = folder.join("found");
    let corpus = folder.join("corpus").join(target);
    for place in [&found, &corpus] {
        std::fs::create_dir_all(place)
            .map_err(|_| CannotRun::new("cannot make a folder in target/fuzz"))?;
    }
    let seeds: PathBuf = root.join("fuzz/seeds").join(target);
    let args = [
        format!("-max_total_time={seconds}"),
        format!("-seed={SEED}"),
        format!("-max_len={LONGEST}"),
        "-timeout=10".to_owned(),
        "-rss_limit_mb=2048".to_owned(),
        "-print_final_stats=1".to_owned(),
        format!("-artifact_prefix={}/{target}-", found.display()),
        corpus.display().to_string(),
        seeds.display().to_string(),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = cargo.stderr_of(&programs.join(target), &args)?;
    let Some(said) = said else {
        let mend = format!(
            "run target/fuzz/*/release/{target} on the file in target/fuzz/found, mend what it names, \
             and keep the file as a seed",
        );
        let what = format!("`{target}` fell over");
        let place = format!("fuzz/targets/{target}.rs");
        return Ok(Ran::Into(Finding::new(&place, "fuzz", what, &mend)));
    };
    let runs = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .map_or("?", str::trim);
    Ok(Ran::Through(runs.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_place_and_its_seeds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
        let listed = manifest.matches("[[bin]]").count();
        assert_eq!(listed, TARGETS.len());
        for target in TARGETS {
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
            let seeds = std::fs::read_dir(root.join("seeds").join(target)).expect(target);
            assert!(seeds.count() >= 2, "{target}");
        }
    }
}
