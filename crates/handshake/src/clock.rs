//! The real clocks and the real entropy.

use std::time::Duration;

use handshake_core::{
    ports::{Clock, Entropy},
    time::UtcTime,
};

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
#[derive(Clone, Copy, Debug)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness there are no keys, no salts and no ids: nothing sensible is left to do.
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}
