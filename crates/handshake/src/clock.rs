//! The real clocks and the real entropy.

use std::{cell::RefCell, time::Duration};

use handshake_core::{
    ports::{Clock, Entropy},
    time::UtcTime,
};
use zeroize::Zeroize;

pub(crate) use self::home::HomeClock;

mod home;

/// The clocks of this machine. The monotonic one counts suspended time.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    run: u64,
}

impl SystemClock {
    /// The clocks of one run of a home; receipts of an older run are void.
    #[must_use]
    pub fn new(run: u64) -> Self {
        Self { run }
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> UtcTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 is a broken clock; every receipt has expired then.
        let millis = since.map_or(i64::MAX, |d| {
            i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
        });
        UtcTime::from_unix_millis(millis)
    }

    fn monotonic(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(id);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    fn run(&self) -> u64 {
        self.run
    }
}

/// The operating system's randomness.
///
/// Keys, nonces and salts are asked for one by one. What is as long as an id or shorter comes out of a kilobyte that
/// each thread fetches at once: every byte is handed out a single time and erased as it goes.
#[derive(Clone, Copy, Debug)]
pub struct OsEntropy;

/// The length of an id.
const ID: usize = 16;
/// What a thread fetches at once.
const FETCHED: usize = 1024;

struct Ready {
    bytes: [u8; FETCHED],
    used: usize,
}

thread_local! {
    static READY: RefCell<Ready> = const {
        RefCell::new(Ready { bytes: [0; FETCHED], used: FETCHED })
    };
}

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > ID {
            return fetch(bytes);
        }
        READY.with_borrow_mut(|ready| {
            if ready.used + bytes.len() > FETCHED {
                fetch(&mut ready.bytes);
                ready.used = 0;
            }
            let next = ready.used..ready.used + bytes.len();
            ready.used = next.end;
            let taken = &mut ready.bytes[next];
            bytes.copy_from_slice(taken);
            taken.zeroize();
        });
    }
}

fn fetch(bytes: &mut [u8]) {
    // Without randomness there are no keys, no salts and no ids: nothing sensible is left to do.
    getrandom::fill(bytes).expect("the operating system gives randomness");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use handshake_core::ports::EntropyExt;

    use super::*;

    #[test]
    fn a13_no_randomness_is_handed_out_twice() {
        let mut ids = BTreeSet::new();
        for _ in 0..10_000 {
            assert!(ids.insert(OsEntropy.bytes::<16>()));
        }
        for length in [1, 7, 8, 15, 16, 17, 32, 2000] {
            let mut bytes = vec![0; length];
            // A run of zeros this long does not happen twice in the life of this test.
            for _ in 0..3 {
                OsEntropy.fill(&mut bytes);
            }
            assert!(length < 8 || bytes.iter().any(|byte| *byte != 0));
        }
        READY.with_borrow(|ready| {
            assert!(ready.bytes[..ready.used].iter().all(|byte| *byte == 0));
        });
    }
}
