//! Starting cargo and what it built: the only place, with `real`, where a process begins.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::report::CannotRun;

/// A cargo that runs in the root of the workspace.
#[derive(Debug)]
pub(crate) struct Cargo {
    program: PathBuf,
    root: PathBuf,
    /// Whether what the children print must stay off stdout, because one JSON object belongs there.
    quiet_stdout: bool,
}

impl Cargo {
    /// The cargo that runs us, else the one on the path.
    pub(crate) fn new(root: &Path, quiet_stdout: bool) -> Self {
        let program =
            std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        Self {
            program,
            root: root.to_owned(),
            quiet_stdout,
        }
    }

    /// Runs it with the terminal as it is. `Ok(None)` when it succeeds, else how it ended.
    pub(crate) fn run(
        &self,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Result<Option<String>, CannotRun> {
        self.pass(&self.program, args, envs)
    }

    /// Runs another program in the same way.
    pub(crate) fn run_program(
        &self,
        program: &Path,
        args: &[&str],
    ) -> Result<Option<String>, CannotRun> {
        self.pass(program, args, &[])
    }

    fn pass(
        &self,
        program: &Path,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Result<Option<String>, CannotRun> {
        let mut command = self.command(program, args);
        command.envs(envs.iter().copied());
        if self.quiet_stdout {
            command.stdout(std::io::stderr());
        }
        let status = command
            .status()
            .map_err(|e| failed(program, args, &e.to_string()))?;
        Ok(if status.success() {
            None
        } else {
            Some(status.to_string())
        })
    }

    /// Runs it and returns what it printed. A failure is an error that carries the end of its stderr.
    pub(crate) fn output(&self, args: &[&str]) -> Result<String, CannotRun> {
        self.capture(&self.program, args)
    }

    /// The triple of this machine, as the compiler names it.
    pub(crate) fn host(&self) -> Result<String, CannotRun> {
        let rustc = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
        let verbose = self.capture(&rustc, &["-vV"])?;
        host_line(&verbose).ok_or_else(|| CannotRun::new("`rustc -vV` names no host"))
    }

    /// Runs another program to its end and returns what it said on stderr; `None` where it failed.
    pub(crate) fn stderr_of(
        &self,
        program: &Path,
        args: &[&str],
    ) -> Result<Option<String>, CannotRun> {
        let output = self
            .command(program, args)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| failed(program, args, &e.to_string()))?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(output.status.success().then_some(stderr))
    }

    /// Runs a program and returns what it printed. A failure is an error that carries the end of its stderr.
    pub(crate) fn capture(&self, program: &Path, args: &[&str]) -> Result<String, CannotRun> {
        let output = self
            .command(program, args)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| failed(program, args, &e.to_string()))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(failed(
                program,
                args,
                &format!("{}\n{}", output.status, last_lines(&stderr, 12)),
            ));
        }
        String::from_utf8(output.stdout)
            .map_err(|_| failed(program, args, "its output is not UTF-8"))
    }

    /// Runs a program to its end and returns its exit code and what it printed; `Ok(None)` where there is no such
    /// program.
    pub(crate) fn answer(
        &self,
        program: &Path,
        args: &[&str],
    ) -> Result<Option<(i32, String)>, CannotRun> {
        let output = match self.command(program, args).stdin(Stdio::null()).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| failed(program, args, &e.to_string()))?,
        };
        let code = output
            .status
            .code()
            .ok_or_else(|| failed(program, args, &output.status.to_string()))?;
        let text = String::from_utf8(output.stdout)
            .map_err(|_| failed(program, args, "its output is not UTF-8"))?;
        Ok(Some((code, text)))
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(describes_us) {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// Without the folder of the program, which differs from machine to machine.
fn failed(program: &Path, args: &[&str], why: &str) -> CannotRun {
    let name = program.file_stem().unwrap_or(program.as_os_str());
    CannotRun::new(format!("`{} {}`: {why}", name.display(), args.join(" ")))
}

/// Variables that cargo set to describe this very package. Build scripts watch some of them, so a child that
/// inherited them would rebuild what a plain `cargo` has just built, and the other way round.
fn describes_us(name: &str) -> bool {
    name == "OUT_DIR"
        || ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
            .iter()
            .any(|p| name.starts_with(p))
}

fn host_line(verbose: &str) -> Option<String> {
    verbose
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
}

fn last_lines(text: &str, n: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(n)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_the_compiler() {
        let text = "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(host_line(text).as_deref(), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(host_line("rustc 1.95.0"), None);
    }

    #[test]
    fn only_what_describes_this_package_is_kept_from_children() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "OUT_DIR"] {
            assert!(describes_us(name), "{name}");
        }
        for name in [
            "CARGO_TARGET_DIR",
            "CARGO_HOME",
            "CARGO_INCREMENTAL",
            "PATH",
        ] {
            assert!(!describes_us(name), "{name}");
        }
    }

    #[test]
    fn the_end_of_an_error_is_kept() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
