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

    /// A port on which this process answers every request with 200, so that any program seems to be a server.
    fn ready() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let _asked = client.read(&mut [0; 512]);
                let _answered = client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
        });
        port
    }

    fn shell(dir: &Path, port: u16, code: &str) -> Result<Server, String> {
        Server::start(Spec {
            program: Path::new("sh"),
            args: vec!["-c".to_owned(), code.to_owned()],
            envs: vec![],
            ready: "/",
            log: dir.join("x.log"),
            port,
        })
    }

    #[test]
    fn it_ends_with_its_value_and_so_do_its_children() {
        let dir = tempfile::tempdir().expect("a folder");
        // A child that deafens itself is killed in the end.
        let code = "(trap '' TERM; while sleep 0.05; do echo x; done) & wait";
        let server = shell(dir.path(), ready(), code).expect("starts");
        let written = || {
            std::fs::read(dir.path().join("x.log"))
                .expect("a log")
                .len()
        };
        let grows = (0..200).any(|_| {
            thread::sleep(Duration::from_millis(50));
            written() > 4
        });
        assert!(grows, "the child does not run");
        drop(server);
        let at_the_end = written();
        thread::sleep(Duration::from_millis(500));
        assert_eq!(written(), at_the_end, "the child goes on");
    }

    #[test]
    fn one_that_ends_before_it_is_ready_says_what_it_printed() {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port().expect("a port");
        let error = shell(dir.path(), port, "echo not for me; exit 1").expect_err("it ended");
        assert!(error.starts_with("it ended"), "{error}");
        assert!(error.contains("not for me"), "{error}");
    }
}
