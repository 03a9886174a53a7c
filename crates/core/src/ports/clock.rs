//! Time and randomness, injected.

use std::time::Duration;

use crate::time::UtcTime;

/// The clocks.
///
/// # Contract
/// `monotonic` never goes back and counts suspended time where the platform can. `run` rises with every
/// boot or restored home: receipts of an older run are void.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> UtcTime;

    /// Time since some fixed point of this run.
    fn monotonic(&self) -> Duration;

    /// The run of this machine and home.
    fn run(&self) -> u64;
}

/// Cryptographic randomness.
///
/// # Contract
/// Fills the whole slice from the operating system, or does not return.
pub trait Entropy: Send + Sync {
    /// Fills a slice.
    fn fill(&self, bytes: &mut [u8]);
}

/// Conveniences over [`Entropy`].
pub trait EntropyExt: Entropy {
    /// So many random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl<T: Entropy + ?Sized> EntropyExt for T {}
