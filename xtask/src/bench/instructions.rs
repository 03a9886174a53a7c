//! Instructions of small pieces under callgrind. Each piece runs twice, few times and many; what making it ready
//! costs is in both, so the difference is what it costs itself.

use std::path::{Path, PathBuf};

use super::{PACKAGE, built, text};
use crate::{report::CannotRun, workspace::Workspace};

const FEW: u64 = 20;
const MANY: u64 = 120;
const ABSENT: &str = "valgrind does not run; install it (Debian: apt-get install valgrind)";

/// Counts for this tree's program and for others that were built earlier, side by side.
pub(super) fn run(workspace: &Workspace, rest: &[&str]) -> Result<(), CannotRun> {
    let mut programs = also(rest)?;
    let bench = [
        "bench",
        "--no-run",
        "--locked",
        PACKAGE,
        "--bench=instructions",
    ];
    workspace.say("bench: the pieces, built with optimisations …");
    programs.push((
        "ours".to_owned(),
        built(&workspace.cargo, &bench, "instructions")?,
    ));

    let names: Vec<&str> = programs.iter().map(|(name, _)| name.as_str()).collect();
    workspace.say(&format!("| instructions | {} |", names.join(" | ")));
    workspace.say(&format!("|---|{}", "---|".repeat(names.len())));
    let ours = &programs[programs.len() - 1].1;
    let pieces = workspace.cargo.capture(ours, &["list"])?;
    for piece in pieces.lines() {
        let mut cells = Vec::new();
        for (_, program) in &programs {
            // An older build may not know the piece.
            let count = each(workspace, program, piece)?;
            cells.push(count.map_or_else(|| "–".to_owned(), |count| count.to_string()));
        }
        workspace.say(&format!("| {piece} | {} |", cells.join(" | ")));
    }
    Ok(())
}

fn also(rest: &[&str]) -> Result<Vec<(String, PathBuf)>, CannotRun> {
    let usage = || CannotRun::new("usage: cargo xtask bench --instructions [--also NAME=PATH]…");
    let mut programs = Vec::new();
    for pair in rest.chunks(2) {
        let ["--also", named] = pair else {
            return Err(usage());
        };
        let (name, path) = named.split_once('=').ok_or_else(usage)?;
        programs.push((name.to_owned(), PathBuf::from(path)));
    }
    Ok(programs)
}

/// Instructions of one run of a piece; `None` where the program does not run it.
fn each(workspace: &Workspace, program: &Path, piece: &str) -> Result<Option<u64>, CannotRun> {
    let few = counted(workspace, program, piece, FEW)?;
    let many = counted(workspace, program, piece, MANY)?;
    let difference = many.zip(few).map(|(many, few)| many.saturating_sub(few));
    Ok(difference.map(|all| all / (MANY - FEW)))
}

fn counted(
    workspace: &Workspace,
    program: &Path,
    piece: &str,
    times: u64,
) -> Result<Option<u64>, CannotRun> {
    let (program, times) = (text(program), times.to_string());
    let args = [
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        &program,
        piece,
        &times,
    ];
    let said = workspace
        .cargo
        .stderr_of(Path::new("valgrind"), &args)
        .map_err(|why| CannotRun::new(format!("{ABSENT}: {why}")))?;
    Ok(said.as_deref().and_then(collected))
}

/// `==123== Collected : 4567` of a run that ended well.
fn collected(stderr: &str) -> Option<u64> {
    stderr
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("==7== Command: x"), None);
    }

    #[test]
    fn other_programs_are_named() {
        let also = also(&["--also", "before=/x"]).expect("understood");
        assert_eq!(also, [("before".to_owned(), PathBuf::from("/x"))]);
        for bad in [&["--also"][..], &["--also", "x"], &["--json", "y"]] {
            assert!(super::also(bad).is_err(), "{bad:?}");
        }
    }
}
