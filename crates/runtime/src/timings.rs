//! Where the time of a call goes: what was waited for, and what each step of the call path took.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The steps of the call path.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum CallStep {
    /// Target to route.
    Resolve,
    /// Request to envelope: `admit` and `prepare`.
    Prepare,
    /// Envelope to peers.
    Locate,
    /// The look at the exact bytes.
    Inspect,
    /// Receipt, spend, clearance.
    Authorize,
    /// Until the response head: waits for the upstream.
    Send,
    /// From the head to the terminal: waits for the upstream.
    Stream,
}

impl CallStep {
    /// Every step, in order.
    pub const ALL: [Self; 7] = [
        Self::Resolve,
        Self::Prepare,
        Self::Locate,
        Self::Inspect,
        Self::Authorize,
        Self::Send,
        Self::Stream,
    ];

    /// The word for metrics and spans.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Prepare => "prepare",
            Self::Locate => "locate",
            Self::Inspect => "inspect",
            Self::Authorize => "authorize",
            Self::Send => "send",
            Self::Stream => "stream",
        }
    }
}

/// The times of one call, summed over its attempts and turns. Filled in while the call runs.
#[derive(Debug, Default)]
pub struct Timings {
    steps: [AtomicU64; CallStep::ALL.len()],
    upstream: AtomicU64,
    person: AtomicU64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Timings {
    pub(crate) fn add(&self, step: CallStep, took: Duration) {
        self.steps[step as usize].fetch_add(nanos(took), Ordering::Relaxed);
    }

    pub(crate) fn waited_for_upstream(&self, time: Duration) {
        self.upstream.fetch_add(nanos(time), Ordering::Relaxed);
    }

    pub(crate) fn waited_for_person(&self, time: Duration) {
        self.person.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// What a step took so far.
    #[must_use]
    pub fn step(&self, step: CallStep) -> Duration {
        Duration::from_nanos(self.steps[step as usize].load(Ordering::Relaxed))
    }

    /// How long the call waited for its upstream: for the head, and between pieces of the body.
    #[must_use]
    pub fn upstream(&self) -> Duration {
        Duration::from_nanos(self.upstream.load(Ordering::Relaxed))
    }

    /// How long the call waited for a person.
    #[must_use]
    pub fn person(&self) -> Duration {
        Duration::from_nanos(self.person.load(Ordering::Relaxed))
    }
}
