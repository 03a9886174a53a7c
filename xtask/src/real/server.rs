//! A server that runs for as long as its value lives.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::tool::last_lines;

/// Runs the program in the background, waits until the pipe on stdin closes, and ends the whole process group.
/// The pipe closes when the value is dropped, and also when this process dies in any other way.
const KEEPER: &str = r#"{ "$@" </dev/null; kill -TERM 0; } & read -r _; kill -TERM 0"#;
/// How long a server may take to answer after its start.
const READY: Duration = Duration::from_secs(120);
/// How long a server may take to end before it is killed.
const END: Duration = Duration::from_secs(5);

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    keeper: Child,
    log: PathBuf,
    /// Where it listens.
    pub(super) addr: SocketAddr,
}

/// What is started.
pub(super) struct Spec<'a> {
    pub(super) program: &'a Path,
    pub(super) args: Vec<String>,
    pub(super) envs: Vec<(&'a str, String)>,
    /// A path that answers 200 once the server can be used.
    pub(super) ready: &'a str,
    pub(super) log: PathBuf,
    pub(super) port: u16,
}

/// A port of the loopback interface that nobody listens on.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

impl Server {
    /// Starts it in a process group and an environment of its own and waits until it is ready.
    pub(super) fn start(spec: Spec<'_>) -> Result<Self, String> {
        let failed = |error: io::Error| format!("it does not start: {error}");
        let out = File::create(&spec.log).map_err(failed)?;
        let err = out.try_clone().map_err(failed)?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(spec.program)
            .args(&spec.args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(spec.envs)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let mut server = Self {
            keeper,
            log: spec.log,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, spec.port)),
        };
        server.wait_until(spec.ready)?;
        Ok(server)
    }

    fn wait_until(&mut self, path: &str) -> Result<(), String> {
        let deadline = Instant::now() + READY;
        loop {
            if status_of(self.addr, path).is_ok_and(|status| status == 200) {
                return Ok(());
            }
            let ended = matches!(self.keeper.try_wait(), Ok(Some(_)) | Err(_));
            if ended || Instant::now() > deadline {
                let log = std::fs::read(&self.log).unwrap_or_default();
                let said = last_lines(&String::from_utf8_lossy(&log), 12);
                let how = if ended {
                    "it ended"
                } else {
                    "it never became ready"
                };
                return Err(format!("{how}\n{said}"));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends a signal to the process group. Whether anyone was there to take it.
    fn signal(&self, signal: &str) -> bool {
        let group = format!("-{}", self.keeper.id());
        Command::new("sh")
            .args(["-c", r#"kill -s "$0" -- "$1""#, signal, &group])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let deadline = Instant::now() + END;
        let mut killed = false;
        // The keeper is reaped as soon as it ends; the group is there until its last member is gone. A process
        // that nobody reaps any more counts as there, so this has an end of its own.
        loop {
            let _reaped = self.keeper.try_wait();
            let late = Instant::now() > deadline;
            if !self.signal("0") || (late && killed) {
                break;
            }
            if late {
                killed = self.signal("KILL");
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _reaped = self.keeper.try_wait();
    }
}

/// The status of a GET.
fn status_of(addr: SocketAddr, path: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    std::str::from_utf8(&head)
        .ok()
        .and_then(|line| line.rsplit(' ').next())
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| io::Error::other("not HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server in shell would need `nc`; a Python one is what the step needs anyway.
    fn python(dir: &Path, code: &str) -> Result<Server, String> {
        let port = free_port().expect("a port");
        Server::start(Spec {
            program: Path::new("python3"),
            args: vec!["-c".to_owned(), code.replace("PORT", &port.to_string())],
            envs: vec![],
            ready: "/",
            log: dir.join("x.log"),
            port,
        })
    }

    const SERVE: &str = "import http.server as h, subprocess as s; p = s.Popen(['sleep', '1000']); \
        print(p.pid, flush=True); h.test(h.SimpleHTTPRequestHandler, port=PORT, bind='127.0.0.1')";

    fn runs(pid: &str) -> bool {
        Path::new("/proc").join(pid).exists()
    }

    #[test]
    fn it_ends_with_its_value_and_so_do_its_children() {
        let dir = tempfile::tempdir().expect("a folder");
        let server = python(dir.path(), SERVE).expect("starts");
        let log = std::fs::read_to_string(dir.path().join("x.log")).expect("a log");
        let child = log.lines().next().expect("the child's id").to_owned();
        let addr = server.addr;
        assert!(status_of(addr, "/").is_ok());
        assert!(runs(&child) || !Path::new("/proc/self").exists());
        drop(server);
        assert!(TcpStream::connect(addr).is_err());
        // Whoever adopts orphans may take a moment to reap them.
        let gone = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(50));
            !runs(&child)
        });
        assert!(gone, "the child is left");
    }

    #[test]
    fn one_that_ends_before_it_is_ready_says_what_it_printed() {
        let dir = tempfile::tempdir().expect("a folder");
        let error = python(dir.path(), "raise SystemExit('no PORT for me')");
        let error = error.expect_err("it ended");
        assert!(error.starts_with("it ended"), "{error}");
        assert!(error.contains("for me"), "{error}");
    }
}
