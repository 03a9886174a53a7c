//! One key at a time, at the controlling terminal. What was typed before is thrown away, what comes as more than one
//! byte at once is no answer, and no key stands for another.

use std::{os::fd::OwnedFd, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr},
};

/// What was pressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pressed {
    /// A key.
    Key(char),
    /// The end of the input, Ctrl-C or Ctrl-D: whoever sits there wants to go.
    Leave,
}

/// The terminal while it gives single keys. Dropping it puts it back as it was.
pub(crate) struct Keys {
    tty: OwnedFd,
    before: Termios,
}

impl Keys {
    /// `None` without a controlling terminal.
    pub(crate) fn open() -> Option<Self> {
        let tty =
            rustix::fs::open("/dev/tty", OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).ok()?;
        let before = tcgetattr(&tty).ok()?;
        let mut single = before.clone();
        // Ctrl-C too is a key here: killed by it, this process would leave the terminal as it is now.
        single.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        single.special_codes[SpecialCodeIndex::VMIN] = 1;
        single.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Flushes what was typed ahead.
        tcsetattr(&tty, OptionalActions::Flush, &single).ok()?;
        Some(Self { tty, before })
    }

    /// Waits for a key, so long at most. Blocks. `None`: none came that could be an answer.
    pub(crate) fn wait(&self, at_most: Duration) -> Option<Pressed> {
        let timeout = Timespec::try_from(at_most).ok();
        let mut ready = [PollFd::new(&self.tty, PollFlags::IN)];
        match poll(&mut ready, timeout.as_ref()) {
            Ok(0) => return None,
            Ok(_) => {}
            // A signal, such as that of another size of the window.
            Err(rustix::io::Errno::INTR) => return None,
            Err(_) => return Some(Pressed::Leave),
        }
        let mut bytes = [0u8; 64];
        match rustix::io::read(&self.tty, &mut bytes) {
            Ok(1) => pressed(bytes[0]),
            Ok(0) => Some(Pressed::Leave),
            // Pasted, or a key that is written as more than one byte.
            Ok(_) => None,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => None,
            Err(_) => Some(Pressed::Leave),
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _as_it_was = tcsetattr(&self.tty, OptionalActions::Flush, &self.before);
    }
}

fn pressed(byte: u8) -> Option<Pressed> {
    match byte {
        0x03 | 0x04 => Some(Pressed::Leave),
        b if b.is_ascii_lowercase() => Some(Pressed::Key(char::from(b))),
        _ => None,
    }
}
