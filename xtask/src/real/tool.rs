//! Programs that install things: run to their end, everything they print kept in a log.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// One program with its arguments.
#[derive(Debug)]
pub(super) struct Tool {
    program: PathBuf,
    args: Vec<OsString>,
    envs: Vec<(&'static str, OsString)>,
}

impl Tool {
    pub(super) fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            envs: Vec::new(),
        }
    }

    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(super) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.envs.push((name, value.into()));
        self
    }

    /// Runs it in the background of whatever else the machine does. The error says how it ended and what it
    /// printed last.
    pub(super) fn run_nicely(self, log: &Path) -> Result<(), String> {
        let mut args = vec![OsString::from("-n"), OsString::from("10")];
        args.push(self.program.into());
        args.extend(self.args);
        Self {
            program: PathBuf::from("nice"),
            args,
            envs: self.envs,
        }
        .run(log)
    }

    /// Runs it. The error says how it ended and what it printed last.
    pub(super) fn run(self, log: &Path) -> Result<(), String> {
        let open = || fs::File::options().create(true).append(true).open(log);
        let (out, err) = match (open(), open()) {
            (Ok(out), Ok(err)) => (out, err),
            (Err(error), _) | (_, Err(error)) => {
                return Err(format!("the log cannot be written: {error}"));
            }
        };
        let status = self
            .command()
            .stdout(out)
            .stderr(err)
            .status()
            .map_err(|error| self.failed(&error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        let printed = fs::read_to_string(log).unwrap_or_default();
        Err(self.failed(&format!("{status}\n{}", last_lines(&printed, 12))))
    }

    /// Runs it and returns what it printed on stdout.
    pub(super) fn output(self) -> Result<String, String> {
        let output = self
            .command()
            .stderr(Stdio::null())
            .output()
            .map_err(|error| self.failed(&error.to_string()))?;
        if !output.status.success() {
            return Err(self.failed(&output.status.to_string()));
        }
        String::from_utf8(output.stdout).map_err(|_| self.failed("its output is not UTF-8"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null());
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Without the folder of the program, which differs from machine to machine.
    fn failed(&self, why: &str) -> String {
        let name = self.program.file_name().unwrap_or(self.program.as_os_str());
        let first = self.args.iter().take(3).map(|arg| arg.to_string_lossy());
        let shown: Vec<_> = first.collect();
        format!("`{} {}`: {why}", name.display(), shown.join(" "))
    }
}

/// The end of a text.
pub(super) fn last_lines(text: &str, n: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(n)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_carries_the_status_and_the_last_words() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("x.log");
        let tool = Tool::new("sh").args(["-c", "echo one; echo $WORD >&2; exit 3"]);
        let error = tool
            .env("WORD", "two")
            .run(&log)
            .expect_err("it exits with 3");
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("one") && error.contains("two"), "{error}");
    }

    #[test]
    fn output_is_what_it_printed_and_a_missing_program_is_an_error() {
        let out = Tool::new("sh").args(["-c", "echo x; echo y >&2"]).output();
        assert_eq!(out.as_deref(), Ok("x\n"));
        assert!(Tool::new("no-such-program-here").output().is_err());
    }
}
