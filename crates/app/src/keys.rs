//! One key at a time, at the controlling terminal. What was typed before is thrown away, what comes as more than one
//! byte at once is no answer, and no key stands for another.

use std::time::Duration;

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcsetattr},
};

use self::kept::Kept;

pub(crate) mod kept;

/// What was pressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pressed {
    /// A key.
    Key(char),
    /// The end of the input, Ctrl-C or Ctrl-D: whoever sits there wants to go.
    Leave,
}

/// The terminal while it gives single keys. Dropping it puts it back as it was.
pub(crate) struct Keys(Kept);

impl Keys {
    /// `None` without a controlling terminal.
    pub(crate) fn open() -> Option<Self> {
        let kept = Kept::open()?;
        let mut single = kept.before.clone();
        // Ctrl-C too is a key here: killed by it, this process would leave the terminal as it is now.
        single.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        single.special_codes[SpecialCodeIndex::VMIN] = 1;
        single.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Flushes what was typed ahead.
        tcsetattr(&kept.tty, OptionalActions::Flush, &single).ok()?;
        Some(Self(kept))
    }

    /// Waits for a key, so long at most. Blocks. `None`: none came that could be an answer.
    pub(crate) fn wait(&self, at_most: Duration) -> Option<Pressed> {
        let timeout = Timespec::try_from(at_most).ok();
        let mut ready = [PollFd::new(&self.0.tty, PollFlags::IN)];
        match poll(&mut ready, timeout.as_ref()) {
            Ok(0) => return None,
            Ok(_) => {}
            // A signal, such as that of another size of the window.
            Err(rustix::io::Errno::INTR) => return None,
            Err(_) => return Some(Pressed::Leave),
        }
        let mut bytes = [0u8; 64];
        match rustix::io::read(&self.0.tty, &mut bytes) {
            Ok(1) => pressed(bytes[0]),
            Ok(0) => Some(Pressed::Leave),
            // Pasted, or a key that is written as more than one byte.
            Ok(_) => None,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => None,
            Err(_) => Some(Pressed::Leave),
        }
    }
}

fn pressed(byte: u8) -> Option<Pressed> {
    match byte {
        0x03 | 0x04 => Some(Pressed::Leave),
        b if b.is_ascii_lowercase() => Some(Pressed::Key(char::from(b))),
        _ => None,
    }
}
