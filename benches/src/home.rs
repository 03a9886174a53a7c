//! A home of `handshake` with a provider that answers and others that are merely registered, as a user makes it: by
//! commands, each a process of its own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{proc::Strace, server::Server};

/// A home, not served yet.
#[derive(Debug)]
pub(crate) struct Home {
    program: PathBuf,
    around: PathBuf,
    /// How many providers it has.
    pub(crate) providers: usize,
    /// The token of its client.
    pub(crate) token: String,
}

/// What lies on the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Bytes of all files of the home.
    pub(crate) bytes: u64,
    /// Events of the log.
    pub(crate) events: u64,
}

impl Home {
    /// Makes it. `Ok(None)` where registering the providers takes longer than the limit.
    pub(crate) fn make(
        program: &Path,
        around: PathBuf,
        upstream: SocketAddr,
        providers: usize,
        limit: Duration,
    ) -> Result<Option<Self>, String> {
        fs::create_dir_all(&around).map_err(|error| error.to_string())?;
        let mut home = Self {
            program: program.to_owned(),
            around,
            providers,
            token: String::new(),
        };
        let url = format!("http://{upstream}/v1");
        home.run(&["init", "--headless"])?;
        home.run(&[
            "provider",
            "add",
            "mock",
            "--kind",
            "openai_compat",
            "--base-url",
            &url,
        ])?;
        home.run(&["provider", "models", "mock"])?;
        let token = home.run(&["token", "create", "bench"])?;
        home.token = token["token"].as_str().unwrap_or_default().to_owned();
        if home.token.is_empty() {
            return Err("no token was made".to_owned());
        }
        if !home.import(providers.saturating_sub(1), limit)? {
            return Ok(None);
        }
        Ok(Some(home))
    }

    /// Registers providers that nobody calls. Whether it ended in time.
    fn import(&self, count: usize, limit: Duration) -> Result<bool, String> {
        if count == 0 {
            return Ok(true);
        }
        let draft = |n: usize| {
            json!({
                "provider_id": format!("other-{n:05}"), "provider_kind": "openai_compat", "tier": "local",
                "base_url": format!("http://127.0.0.1:{}/v1", 20_000 + n % 10_000),
            })
        };
        let drafts: Vec<Value> = (0..count).map(draft).collect();
        let file = self.around.join("providers.json");
        fs::write(&file, Value::from(drafts).to_string()).map_err(|error| error.to_string())?;
        let mut command = self.command(&["provider", "import"]);
        command.arg(&file).stdout(Stdio::null());
        let mut child = Guard(command.spawn().map_err(|error| error.to_string())?);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            match child.0.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(true),
                Some(status) => return Err(format!("provider import: {status}")),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
        Ok(false)
    }

    /// Serves it.
    pub(crate) fn serve(&self) -> Result<Server, String> {
        let command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        Server::start(command, |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            said["listening"].as_str()?.parse().ok()
        })
    }

    /// The wall time of `provider list`, warm, and its fsyncs.
    pub(crate) fn list(&self, times: usize) -> Result<(Vec<f64>, Result<u64, String>), String> {
        let list = ["provider", "list"];
        let mut walls = Vec::new();
        for _ in 0..=times {
            let began = Instant::now();
            self.run(&list)?;
            walls.push(began.elapsed().as_secs_f64() * 1e3);
        }
        // The first one warmed up.
        walls.remove(0);
        Ok((walls, Strace::run(&self.command(&list), &self.around)))
    }

    /// What it holds while nothing runs on it.
    pub(crate) fn kept(&self) -> Result<Kept, String> {
        let output = self
            .command(&["log", "verify"])
            .output()
            .map_err(|error| error.to_string())?;
        let verdict: Value =
            serde_json::from_slice(&output.stdout).map_err(|_| "log verify: no JSON".to_owned())?;
        Ok(Kept {
            bytes: size(&self.around.join("home")),
            events: verdict["size"].as_u64().unwrap_or(0),
        })
    }

    /// Where files about it may be written.
    pub(crate) fn around(&self) -> &Path {
        &self.around
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--json", "--trust-dir"])
            .arg(self.around.join("config/handshake"))
            .args(args)
            .env_clear()
            .env("HOME", self.around.join("user"))
            .env("HANDSHAKE_HOME", self.around.join("home"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(&self.around)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end and returns the first object that it prints.
    fn run(&self, args: &[&str]) -> Result<Value, String> {
        let output = self
            .command(args)
            .output()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!(
                "handshake {}: {}\n{text}",
                args.join(" "),
                output.status
            ));
        }
        Ok(text
            .lines()
            .next()
            .and_then(|line| serde_json::from_str(line).ok())
            .unwrap_or_default())
    }
}

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_folder_is_that_of_all_its_files() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("x")).expect("made");
        fs::write(dir.path().join("a"), [0; 10]).expect("written");
        fs::write(dir.path().join("x").join("b"), [0; 5]).expect("written");
        assert_eq!(size(dir.path()), 15);
    }
}
