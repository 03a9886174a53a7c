//! A person at a terminal: a pseudo-terminal that the binary controls, and somebody who reads the screen and
//! types.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::it::machine::Machine;

/// The person's end of a terminal in which one command runs.
pub struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    child: Child,
    read: usize,
}

impl Terminal {
    /// Runs a command of the binary in a terminal of its own.
    pub fn run(machine: &Machine, args: &[&str]) -> Self {
        Self::run_command(machine, &machine.command(args))
    }

    /// The same with a command that was made before.
    pub fn run_command(machine: &Machine, plain: &Command) -> Self {
        Self::start(machine, plain, None)
    }

    /// Runs a command in a window of this size, in rows and columns.
    pub fn run_sized(machine: &Machine, args: &[&str], size: (u16, u16)) -> Self {
        Self::start(machine, &machine.command(args), Some(size))
    }

    fn start(machine: &Machine, plain: &Command, size: Option<(u16, u16)>) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        if let Some((rows, columns)) = size {
            rustix::termios::tcsetwinsize(&master, winsize(rows, columns)).expect("a size");
        }
        let name = ptsname(&master, Vec::new()).expect("a name");
        let name = name.to_str().expect("UTF-8").to_owned();
        let slave = || {
            File::options()
                .read(true)
                .write(true)
                .open(&name)
                .expect("the other end")
        };
        // `setsid --ctty` makes the terminal the controlling one, as a shell would.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(plain.get_program())
            .args(plain.get_args())
            .env_clear();
        for (name, value) in plain.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.current_dir(machine.folder.path());
        command
            .stdin(Stdio::from(slave()))
            .stdout(Stdio::from(slave()))
            .stderr(Stdio::from(slave()));
        let child = command.spawn().expect("setsid of util-linux");
        drop(command);
        let keyboard = File::from(master);
        let screen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (shown, mut source) = (Arc::clone(&screen), keyboard.try_clone().expect("cloned"));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = source.read(&mut buffer) {
                shown.lock().expect("lock").extend(&buffer[..n]);
            }
        });
        Self {
            keyboard,
            screen,
            child,
            read: 0,
        }
    }

    /// Waits until the screen shows a text, after what was waited for before.
    pub fn see(&mut self, text: &str) {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let screen = self.screen();
            if let Some(at) = screen[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            assert!(
                Instant::now() < until,
                "{text:?} did not appear; the screen is:\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it still asks for this; `false` when it ended instead.
    pub fn asks(&mut self, text: &str) -> bool {
        loop {
            let ended = self.child.try_wait().expect("waits").is_some();
            let screen = self.screen();
            if let Some(at) = screen[self.read..].find(text) {
                self.read += at + text.len();
                return true;
            }
            if ended {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types a line. Waits a moment first: what is typed before a question is thrown away by design.
    pub fn type_line(&mut self, line: &str) {
        std::thread::sleep(Duration::from_millis(300));
        self.keyboard
            .write_all(format!("{line}\n").as_bytes())
            .expect("typed");
    }

    /// Types at once, whether somebody asks or not.
    pub fn type_ahead(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("typed");
    }

    /// Presses keys. Waits a moment first, as for a line.
    pub fn press(&mut self, keys: &str) {
        std::thread::sleep(Duration::from_millis(300));
        self.keyboard.write_all(keys.as_bytes()).expect("pressed");
    }

    /// Changes the size of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = winsize(rows, columns);
        rustix::termios::tcsetwinsize(&self.keyboard, size).expect("another size");
    }

    /// Ends the command from outside.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("sent");
    }

    /// Whether what is typed is shown, and read by lines.
    pub fn is_usual(&self) -> bool {
        use rustix::termios::LocalModes;
        let modes = rustix::termios::tcgetattr(&self.keyboard).expect("modes");
        modes
            .local_modes
            .contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("waits").is_none()
    }

    /// Everything that was shown.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// The same as it came.
    pub fn bytes(&self) -> Vec<u8> {
        self.screen.lock().expect("lock").clone()
    }

    /// Waits for the end and gives the exit status and the screen. One that asks on instead is a failure.
    pub fn end(&mut self) -> (i32, String) {
        let until = Instant::now() + Duration::from_secs(120);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                break status;
            }
            let screen = self.screen();
            assert!(
                Instant::now() < until,
                "it does not end; the screen is:\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        std::thread::sleep(Duration::from_millis(50));
        (status.code().unwrap_or(-1), self.screen())
    }
}

fn winsize(rows: u16, columns: u16) -> rustix::termios::Winsize {
    rustix::termios::Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _over = self.child.kill();
        let _reaped = self.child.wait();
    }
}
