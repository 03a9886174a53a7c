//! The program under test, run as its users run it: a home of its own, nothing of our environment.

use std::{
    ffi::OsStr,
    fs,
    io::{BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::stream::Answer;
use crate::process::Cargo;

/// The longest that one command may take: a tiny model is slow too on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(600);

/// The program and the home that it works on.
#[derive(Debug)]
pub(super) struct Handshake {
    program: PathBuf,
    /// Its home; beside it stand the account's folders and the files that commands are given.
    pub(super) home: PathBuf,
    around: PathBuf,
}

/// Builds the program and returns its path.
pub(super) fn build(cargo: &Cargo) -> Result<PathBuf, String> {
    let args = [
        "build",
        "--locked",
        "--package=handshake-app",
        "--bin=handshake",
        "--message-format=json-render-diagnostics",
    ];
    let messages = cargo.output(&args).map_err(|error| error.to_string())?;
    executable(&messages).ok_or_else(|| "cargo built no `handshake`".to_owned())
}

fn executable(messages: &str) -> Option<PathBuf> {
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    built
        .filter(|message| message["target"]["name"] == "handshake")
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
}

impl Handshake {
    /// Works in a folder that is empty.
    pub(super) fn new(program: PathBuf, around: PathBuf) -> Self {
        Self {
            program,
            home: around.join("home"),
            around,
        }
    }

    /// A file for a command to read.
    pub(super) fn file(&self, name: &str, content: &Value) -> Result<String, String> {
        let path = self.around.join(name);
        fs::write(&path, content.to_string()).map_err(|error| error.to_string())?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Sets the rules of the home.
    pub(super) fn policy(&self, rules: &str) -> Result<(), String> {
        fs::write(self.home.join("policy.toml"), rules).map_err(|error| error.to_string())
    }

    /// Runs it to its end.
    pub(super) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Answer, String> {
        self.run_and(args, |_, _| Ok(()))
    }

    /// Runs it, and interrupts it as a terminal does once the first text has come.
    pub(super) fn run_and_interrupt<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Answer, String> {
        let mut sent = false;
        self.run_and(args, |child, line| {
            if !sent && line.contains(r#""text_delta""#) {
                sent = true;
                interrupt(child)?;
            }
            Ok(())
        })
    }

    fn run_and<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        mut at_line: impl FnMut(&Child, &str) -> Result<(), String>,
    ) -> Result<Answer, String> {
        let failed = |error: std::io::Error| format!("the program does not run: {error}");
        let mut child = Guard(self.command(args).spawn().map_err(failed)?);
        let lines = child
            .0
            .stdout
            .take()
            .map(|out| lines_of(BufReader::new(out)));
        let errors = child.0.stderr.take().map(|mut err| {
            thread::spawn(move || {
                let mut text = Vec::new();
                let _cut = err.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let (Some(lines), Some(errors)) = (lines, errors) else {
            return Err("its output cannot be read".to_owned());
        };
        let deadline = Instant::now() + PATIENCE;
        let mut stdout = Vec::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    at_line(&child.0, &line)?;
                    stdout.push(line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let so_far = Answer::new(None, &stdout, String::new());
                    return Err(format!(
                        "it takes longer than ten minutes: {}",
                        so_far.short()
                    ));
                }
            }
        }
        let status = child.0.wait().map_err(failed)?;
        let stderr = errors.join().unwrap_or_default();
        Ok(Answer::new(status.code(), &stdout, stderr))
    }

    fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--json", "--home"])
            .arg(&self.home)
            .arg("--trust-dir")
            .arg(self.around.join("config"))
            .args(args)
            .env_clear()
            .env("HOME", &self.around)
            .env("USER", "real")
            .current_dir(&self.around)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The files of its home that hold the text, as bytes.
    pub(super) fn files_with(&self, text: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        search(&self.home, text.as_bytes(), &mut found).map_err(|error| error.to_string())?;
        Ok(found)
    }
}

/// A process that does not outlive the value.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn interrupt(child: &Child) -> Result<(), String> {
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("it cannot be interrupted: {status}")),
        Err(error) => Err(format!("it cannot be interrupted: {error}")),
    }
}

fn lines_of(reader: impl std::io::BufRead + Send + 'static) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

fn search(dir: &Path, text: &[u8], found: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            search(&entry.path(), text, found)?;
        } else if entry.file_type()?.is_file() {
            let bytes = fs::read(entry.path())?;
            if bytes.windows(text.len()).any(|window| window == text) {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell script stands for the program.
    fn script(code: &str) -> (tempfile::TempDir, Handshake) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("program");
        fs::write(&path, format!("#!/bin/sh\n{code}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("set");
        let around = dir.path().join("around");
        fs::create_dir_all(around.join("home")).expect("made");
        (dir, Handshake::new(path, around))
    }

    #[test]
    fn it_runs_with_a_home_and_nothing_of_our_environment() {
        let (_dir, hsk) =
            script(r#"echo "{\"args\":\"$*\",\"cargo\":\"$CARGO\"}"; echo no >&2; exit 3"#);
        let answer = hsk
            .run(&["log", "verify"])
            .expect("runs")
            .exits(3)
            .expect("3");
        let args = answer.object().expect("one")["args"]
            .as_str()
            .expect("text");
        assert!(
            args.starts_with("--json --home ") && args.ends_with("log verify"),
            "{args}"
        );
        assert_eq!(answer.object().expect("one")["cargo"], "");
        assert_eq!(answer.stderr, "no\n");
    }

    #[test]
    fn it_is_interrupted_at_the_first_text_and_once() {
        let (_dir, hsk) = script(
            r#"trap 'n=x$n' INT; echo '{"type":"text_delta"}'; echo '{"type":"text_delta"}'; i=0
            while [ -z "$n" ] && [ $i -lt 500 ]; do sleep 0.02; i=$((i+1)); done
            echo "{\"type\":\"error\",\"error\":{\"code\":\"$n\"}}"; exit 1"#,
        );
        let answer = hsk
            .run_and_interrupt(&["chat"])
            .expect("runs")
            .exits(1)
            .expect("1");
        assert_eq!(answer.error_code(), Some("x"));
    }

    #[test]
    fn what_a_home_holds_is_found_in_any_folder() {
        let (_dir, hsk) = script("exit 0");
        fs::create_dir(hsk.home.join("run")).expect("made");
        fs::write(hsk.home.join("run").join("a"), "xx canary yy").expect("written");
        fs::write(hsk.home.join("b"), "xx cana").expect("written");
        assert_eq!(hsk.files_with("canary"), Ok(vec!["a".to_owned()]));
    }

    #[test]
    fn the_program_is_the_one_that_cargo_names() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"other\"},\"executable\":\"/o\"}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"handshake\"},\"executable\":\"/t/handshake\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("/t/handshake")));
        assert_eq!(executable("{\"reason\":\"build-finished\"}"), None);
    }
}
