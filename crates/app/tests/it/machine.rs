//! A machine of its own for one test: a temporary folder with a home and a list of trusted homes, and the built binary
//! run in it with nothing else of the environment.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The machine.
pub struct Machine {
    pub folder: TempDir,
}

impl Machine {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Where this machine's list of trusted homes lies: named on the command line, for nothing else names it.
    pub fn trust_dir(&self) -> PathBuf {
        self.path("config/handshake")
    }

    /// A command of the binary, not started yet. No terminal, no input.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_with(&self.trust_dir(), args)
    }

    /// The same with another list of trusted homes.
    pub fn command_with(&self, trust_dir: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handshake"));
        command
            .arg("--trust-dir")
            .arg(trust_dir)
            .args(args)
            .env_clear()
            .env("HOME", self.path("user"))
            .env("HANDSHAKE_HOME", self.path("home"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    /// Runs with `--json` and reads every line.
    pub fn json(&self, args: &[&str]) -> (i32, Vec<Value>) {
        let mut all = vec!["--json"];
        all.extend(args);
        let output = self.run(&all);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect();
        (output.status.code().unwrap_or(-1), lines)
    }

    /// One call in session `s` that waits for nobody: the exit status, and the code of a refusal.
    pub fn chat(&self, model: &str, prompt: &str) -> (i32, Value) {
        let (code, lines) = self.json(&[
            "chat",
            "--model",
            model,
            "--session",
            "s",
            "--wait",
            "0",
            prompt,
        ]);
        let last = lines.last().cloned().unwrap_or_default();
        (code, last["error"]["code"].clone())
    }

    /// What somebody with the file and a database shell does.
    pub fn sql(&self, text: &str) {
        let database = rusqlite::Connection::open(self.path("home/handshake.db"));
        let database = database.expect("opens");
        let patience = std::time::Duration::from_secs(10);
        database.busy_timeout(patience).expect("set");
        database.execute_batch(text).expect(text);
    }

    /// Starts and keeps running until dropped.
    pub fn start(&self, args: &[&str]) -> Running {
        let child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        Running(child)
    }

    /// Types of the events in the log, in order.
    pub fn events(&self) -> Vec<String> {
        let (_, lines) = self.json(&["log", "tail", "-n", "1000"]);
        lines
            .iter()
            .filter_map(|line| line["type"].as_str().map(str::to_owned))
            .collect()
    }
}

/// A running process; killed when dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _over = self.0.kill();
        let _reaped = self.0.wait();
    }
}
