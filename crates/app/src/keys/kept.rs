//! A terminal that is put back as it was, also where this process is told to end while it asks: a shell that nobody can
//! type into any more is no answer to a question.

use std::{
    os::fd::OwnedFd,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{
    fs::{Mode, OFlags},
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};

/// How the terminal was, for each that asks now. The first is what it is put back to.
static ASKING: Mutex<Vec<Termios>> = Mutex::new(Vec::new());
/// Whether this process has its own way of ending.
static ENDS_ITSELF: AtomicBool = AtomicBool::new(false);

fn asking() -> MutexGuard<'static, Vec<Termios>> {
    ASKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on somebody else sees to it that the process ends when it is told to, unless it asks just then.
pub(crate) fn ends_itself() {
    ENDS_ITSELF.store(true, Ordering::SeqCst);
}

fn terminal() -> Option<OwnedFd> {
    rustix::fs::open("/dev/tty", OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).ok()
}

/// The controlling terminal while somebody is asked. Dropping it puts it back.
pub(crate) struct Kept {
    pub(super) tty: OwnedFd,
    pub(super) before: Termios,
}

impl Kept {
    /// `None` without a controlling terminal.
    pub(crate) fn open() -> Option<Self> {
        let tty = terminal()?;
        let before = tcgetattr(&tty).ok()?;
        listen();
        asking().push(before.clone());
        Some(Self { tty, before })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _as_it_was = tcsetattr(&self.tty, OptionalActions::Flush, &self.before);
        asking().pop();
    }
}

/// Puts the terminal back where somebody asks. False where nobody does.
fn put_back() -> bool {
    let asking = asking();
    let (Some(before), Some(tty)) = (asking.first(), terminal()) else {
        return !asking.is_empty();
    };
    let _as_it_was = tcsetattr(&tty, OptionalActions::Flush, before);
    true
}

/// Once for a process, and only within its runtime: without one, nothing is asked.
fn listen() {
    static LISTENS: OnceLock<()> = OnceLock::new();
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    LISTENS.get_or_init(|| {
        let _runtime = runtime.enter();
        for end in ENDS {
            let number = end.as_raw();
            let kind = tokio::signal::unix::SignalKind::from_raw(number);
            // One that cannot be listened for ends the process as ever.
            if let Ok(signal) = tokio::signal::unix::signal(kind) {
                runtime.spawn(end_at(signal, number));
            }
        }
    });
}

const ENDS: [rustix::process::Signal; 3] = [
    rustix::process::Signal::TERM,
    rustix::process::Signal::HUP,
    rustix::process::Signal::QUIT,
];

async fn end_at(mut signal: tokio::signal::unix::Signal, number: i32) {
    while signal.recv().await.is_some() {
        let ours =
            number != rustix::process::Signal::TERM.as_raw() || !ENDS_ITSELF.load(Ordering::SeqCst);
        if put_back() || ours {
            // As a shell says it of a process that a signal ended.
            std::process::exit(128 + number);
        }
    }
}
