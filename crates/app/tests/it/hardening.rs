//! What another program of the same account can see of this one.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::json;

use crate::it::machine::{Machine, Running};

/// Some account that is nobody's. As root, these tests change to it: root may read everything.
const NOBODY: u32 = 65534;

struct Account {
    machine: Machine,
    program: PathBuf,
    uid: Option<u32>,
}

impl Account {
    fn new() -> Self {
        let machine = Machine::new();
        let root = rustix::process::geteuid().is_root();
        let program = machine.path("handshake");
        // By another process: a file that this one has open for writing cannot be run, and its other threads fork.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_handshake"))
            .arg(&program)
            .status();
        assert!(copied.is_ok_and(|status| status.success()));
        if root {
            let folder = machine.folder.path();
            std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).expect("given away");
        }
        Self {
            machine,
            program,
            uid: root.then_some(NOBODY),
        }
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let plain = self.machine.command(&[]);
        let mut command = Command::new(program);
        if program == self.program {
            command.args(plain.get_args());
        }
        command.args(args).env_clear().stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.current_dir(self.machine.folder.path());
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// What a program of the same account gets to read.
    fn read(&self, path: &str) -> Output {
        let mut command = self.command(Path::new("head"), &["-c", "1", path]);
        command.output().expect("it runs")
    }

    fn start(&self, program: &Path, args: &[&str]) -> Running {
        let mut command = self.command(program, args);
        command.stdout(Stdio::piped());
        Running(command.spawn().expect("it starts"))
    }
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    line
}

#[test]
fn s52_serve_writes_no_core_and_its_memory_is_its_own() {
    let account = Account::new();
    let args = ["--json", "serve", "--listen", "127.0.0.1:0"];
    let mut serve = account.start(&account.program, &args);
    let line = first_line(&mut serve.0);
    assert!(line.contains("listening"), "{line}");
    let serve = serve.0.id();
    let limits = fs::read_to_string(format!("/proc/{serve}/limits")).expect("limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("a limit");
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "soft and hard: {core}");

    // What root may see: few arenas for all threads, or memory grows with them.
    if account.uid.is_some() {
        let environ = fs::read(format!("/proc/{serve}/environ")).expect("root reads it");
        let set = b"MALLOC_ARENA_MAX=2\0";
        assert!(environ.windows(set.len()).any(|it| it == set));
    }

    // The same account may look at another process of its own, so what follows is about this one.
    let mut other = account.start(Path::new("sleep"), &["60"]);
    let sleeps = other.0.id();
    assert!(
        account
            .read(&format!("/proc/{sleeps}/environ"))
            .status
            .success()
    );
    for file in ["environ", "mem", "maps", "auxv", "syscall"] {
        let path = format!("/proc/{serve}/{file}");
        let read = account.read(&path);
        assert!(
            !read.status.success() && read.stdout.is_empty(),
            "{file} can be read"
        );
        // What belongs to root is what the kernel does not let the account attach to.
        assert_eq!(fs::metadata(&path).expect("there").uid(), 0, "{file}");
    }
    let owner = fs::metadata(format!("/proc/{sleeps}/mem")).expect("there");
    assert_eq!(owner.uid(), account.uid.unwrap_or(owner.uid()));
    let _ended = other.0.kill();
}

#[test]
fn s52_every_command_is_hardened_not_only_serve() {
    let account = Account::new();
    let mut doctor = account.command(&account.program, &["--json", "doctor"]);
    let text = String::from_utf8(doctor.output().expect("it runs").stdout).expect("text");
    assert!(!text.contains("ptrace_scope"), "{text}");
    assert!(!text.contains("a crash"), "{text}");
    let mut waits = account.start(&account.program, &["simulate", "--port", "0"]);
    let line = first_line(&mut waits.0);
    assert!(!line.is_empty());
    let path = format!("/proc/{}/environ", waits.0.id());
    assert!(!account.read(&path).status.success());
}

#[test]
fn s43_what_cannot_be_removed_from_the_environment_stops_the_program() {
    let machine = Machine::new();
    let program = env!("CARGO_BIN_EXE_handshake");
    let script =
        format!("HANDSHAKE_REMOVED_VARIABLES=$$:x SSL_CERT_FILE=/x exec {program} --json doctor");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear();
    for (name, value) in machine.command(&[]).get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    let output = shell.output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let line: serde_json::Value = serde_json::from_str(&text).expect("one object");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(line["error"]["code"], json!("HSK-400-INVALID-CONFIG"));
    assert_eq!(
        line["error"]["next_step"],
        "run `unset SSL_CERT_FILE` first"
    );
}

#[test]
fn s43_the_command_line_and_the_rest_of_the_environment_survive() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    for name in [
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "SSLKEYLOGFILE",
        "RES_OPTIONS",
        "HOSTALIASES",
        "LOCALDOMAIN",
    ] {
        let output = machine
            .command(&["--json", "provider", "list"])
            .env(name, "")
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{name}");
        let output = machine
            .command(&["help", "HSK-404-MODEL"])
            .env(name, "/somewhere")
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains("HSK-404-MODEL"), "{name}: {text}");
    }
}
