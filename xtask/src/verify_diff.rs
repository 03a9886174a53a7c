//! `verify-diff`: two verifiers of logs, written apart from each other, against the corpus of broken logs and against
//! each other on random edits of sound ones.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    bench::built,
    report::{CannotRun, CheckResult, Finding},
    workspace::Workspace,
};

/// Printed with every disagreement, so that it can be made again.
const SEED: u64 = 20_261_129;
/// Edits of the short form.
const SOME: u64 = 2_000;
/// Edits of the long one.
const ALL: u64 = 100_000;
/// Edits of one file of cases.
const CHUNK: u64 = 5_000;
/// The source of the second verifier.
const GO: &str = "tools/verify-go";

struct Programs {
    cases: PathBuf,
    verify: PathBuf,
    batch: PathBuf,
    /// `None` where there is no Go on this machine.
    go: Option<PathBuf>,
}

/// Runs both, or ours alone where there is no Go.
pub(crate) fn run(workspace: &Workspace, all: bool) -> CheckResult {
    let folder = workspace.root.join("target/verify-diff");
    let cannot = |what: &str| CannotRun::new(format!("{what} target/verify-diff"));
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(cannot("cannot clear"));
        }
        _ => std::fs::create_dir_all(&folder).map_err(|_| cannot("cannot make"))?,
    }
    let programs = build(workspace, &folder)?;
    let mut findings = corpus(workspace, &programs, &folder)?;
    let Some(go) = &programs.go else {
        workspace
            .say("verify-diff: no `go` on the path: the named logs against handshake-verify alone");
        return Ok(findings);
    };
    let count = if all { ALL } else { SOME };
    let file = folder.join("cases");
    for from in (0..count).step_by(usize::try_from(CHUNK).unwrap_or(1)) {
        let size = CHUNK.min(count - from);
        let numbers = [SEED, from, size].map(|number| number.to_string());
        let [seed, first, size] = [&*numbers[0], &*numbers[1], &*numbers[2]];
        let cargo = &workspace.cargo;
        cargo.capture(&programs.cases, &[&text(&file), seed, first, size])?;
        let ours = cargo.capture(&programs.batch, &[&text(&file)])?;
        let theirs = cargo.capture(go, &["--batch", &text(&file)])?;
        findings.extend(compare(&ours, &theirs, from)?);
        if findings.len() > 20 {
            break;
        }
        workspace.say(&format!(
            "verify-diff: {} edits of seed {SEED}",
            from + CHUNK.min(count - from)
        ));
    }
    Ok(findings)
}

fn build(workspace: &Workspace, folder: &Path) -> Result<Programs, CannotRun> {
    let cargo = &workspace.cargo;
    let example = |package: &str, name: &str| {
        let args = ["build", "--locked", "--package", package, "--example", name];
        built(cargo, &args, name)
    };
    let recorder = "handshake-flight-recorder";
    let bin = [
        "build",
        "--locked",
        "--package",
        recorder,
        "--bin",
        "handshake-verify",
    ];
    let go = folder.join("verify-go");
    let made = cargo.answer(Path::new("go"), &["build", "-C", GO, "-o", &text(&go), "."])?;
    Ok(Programs {
        cases: example("handshake-testkit", "log_cases")?,
        verify: built(cargo, &bin, "handshake-verify")?,
        batch: example(recorder, "verify_batch")?,
        go: match made {
            None => None,
            Some((0, _)) => Some(go),
            Some((code, _)) => {
                return Err(CannotRun::new(format!(
                    "`go build` of {GO} ended with {code}"
                )));
            }
        },
    })
}

/// Every named log as a directory, through the command line of each verifier.
fn corpus(workspace: &Workspace, programs: &Programs, folder: &Path) -> CheckResult {
    let cargo = &workspace.cargo;
    let logs = folder.join("corpus");
    cargo.capture(&programs.cases, &[&text(&logs), "directories"])?;
    let answers = std::fs::read_to_string(logs.join("answers.jsonl"))
        .map_err(|_| CannotRun::new("the corpus has no answers"))?;
    let mut findings = Vec::new();
    for line in answers.lines() {
        let wanted = object(line)?;
        let name = wanted["name"].as_str().unwrap_or_default();
        let mut path = logs.join(name);
        if wanted["leaves_alone"] == true {
            path.push("log.jsonl");
        }
        let path = text(&path);
        let mut args: Vec<&str> = wanted["arguments"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        args.extend(["--json", &path]);
        let both = [Some(&programs.verify), programs.go.as_ref()];
        for program in both.into_iter().flatten() {
            let Some((code, said)) = cargo.answer(program, &args)? else {
                return Err(CannotRun::new("a verifier that was built is not there"));
            };
            let verdict = said.lines().next().map(object).transpose()?;
            let verdict = verdict.map_or(Value::Null, |said| said["verdict"].clone());
            if wanted["exit_code"] != code || verdict != wanted["verdict"] {
                let who = program.file_name().unwrap_or_default().display();
                let message = format!(
                    "{who} says {verdict} with exit code {code} of `{name}`, and not {} with {}",
                    wanted["verdict"], wanted["exit_code"]
                );
                findings.push(finding("corpus", message));
            }
        }
    }
    let names = answers.lines().count();
    workspace.say(&format!("verify-diff: {names} named logs"));
    Ok(findings)
}

/// Line by line: they have to say the same.
fn compare(ours: &str, theirs: &str, from: u64) -> CheckResult {
    if ours.lines().count() != theirs.lines().count() {
        let message = format!("another number of answers after edit {from}");
        return Ok(vec![finding("count", message)]);
    }
    let mut findings = Vec::new();
    for ((ours, theirs), n) in ours.lines().zip(theirs.lines()).zip(from..) {
        let (ours, theirs) = (object(ours)?, object(theirs)?);
        if ours != theirs {
            let message =
                format!("seed {SEED} edit {n}: handshake-verify {ours}, verify-go {theirs}");
            findings.push(finding("disagree", message));
        }
    }
    Ok(findings)
}

fn finding(rule: &str, message: String) -> Finding {
    let mend = "see what docs/log-format.md says, and mend the verifier that differs, or the page";
    Finding::new(GO, &format!("verify-diff.{rule}"), message, mend)
}

fn object(line: &str) -> Result<Value, CannotRun> {
    serde_json::from_str(line).map_err(|_| CannotRun::new("a verifier printed no JSON"))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s62_a_disagreement_is_found_and_names_its_edit() {
        let same = "{\"verdict\":\"intact\",\"size\":3}\n{\"error\":\"unreadable\"}\n";
        assert_eq!(compare(same, same, 0).expect("compared"), []);
        // The order of members says nothing.
        let turned = "{\"size\":3,\"verdict\":\"intact\"}\n{\"error\":\"unreadable\"}\n";
        assert_eq!(compare(same, turned, 0).expect("compared"), []);
        let other = same.replace('3', "2");
        let found = compare(same, &other, 700).expect("compared");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rule, "verify-diff.disagree");
        assert!(
            found[0].message.contains("edit 700:"),
            "{}",
            found[0].message
        );
        // One that said nothing at all did not agree.
        let short = same.lines().next().expect("a line");
        assert_eq!(compare(same, short, 0).expect("compared").len(), 1);
        assert!(compare(same, "panic\nno\n", 0).is_err());
    }
}
