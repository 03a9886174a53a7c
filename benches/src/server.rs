//! A process that listens, says where on its first line, and ends with its value.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::proc;

/// How long a server that was asked to end may take.
const END: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From its start until it said so.
    pub(crate) ready: Duration,
}

impl Server {
    /// Starts it; `read` finds the address in its first line.
    pub(crate) fn start(
        mut command: Command,
        read: impl Fn(&str) -> Option<SocketAddr>,
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("a server does not start: {error}");
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        let said = child.stdout.take().map(|stdout| {
            let mut lines = BufReader::new(stdout);
            let said = lines.read_line(&mut line);
            // What comes later is read too, or a full pipe would stop the server.
            thread::spawn(move || lines.lines().map_while(Result::ok).count());
            said
        });
        let ready = began.elapsed();
        match (said, read(line.trim())) {
            (Some(Ok(_)), Some(address)) => Ok(Self {
                child,
                address,
                ready,
            }),
            _ => {
                let _ended = child.kill();
                let _reaped = child.wait();
                Err(format!(
                    "a server does not say where it listens: {}",
                    line.trim()
                ))
            }
        }
    }

    /// A part of this very program.
    pub(crate) fn part(args: &[&str]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(args);
        Self::start(command, |line| line.parse().ok())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end and waits.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        proc::interrupt(&self.child);
        let deadline = Instant::now() + END;
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("a server that was asked to end goes on".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
