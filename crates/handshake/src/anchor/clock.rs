//! How far the wall clock is ahead of the time that really passed since the machine was started: what is noted of it
//! tells that it was set back, or far ahead, in whichever process, and between two of them.

use std::{sync::PoisonError, time::Duration};

use handshake_core::{ports::Clock, time::UtcTime};
use serde::{Deserialize, Serialize};

use super::{Anchor, Found, Noted};
use crate::trust::{boot_id, locked};

/// What clocks are set back by without anybody having set them: leap seconds, and daemons that correct a clock in steps.
/// Steps add up: they are measured from the furthest that the clock was ahead.
const TOLERATED_MS: i64 = 5_000;
/// Further than any correction of a clock that was right before: somebody set it, or nobody knows what time it is.
const LEAP_MS: i64 = 60 * 60 * 1000;

/// The furthest that the wall clock was ahead in a run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ahead {
    /// Of which start of the machine.
    boot_id: String,
    ms: i64,
}

impl Ahead {
    fn of(clock: &dyn Clock) -> i64 {
        let between = |wall: UtcTime, passed: Duration| {
            let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
            wall.unix_millis().saturating_sub(passed)
        };
        // In this order: a process that is held up between the two finds the clock behind, which is looked at twice, and
        // never ahead, which is remembered.
        let wall = clock.now();
        between(wall, clock.monotonic())
    }

    fn here(&self) -> bool {
        self.boot_id == boot_id()
    }
}

impl Anchor {
    /// What was noted of the clock, when a home is opened.
    pub(crate) fn knew(&self, noted: &Noted) {
        let ahead = noted.clock.as_ref().filter(|ahead| ahead.here());
        let mut furthest = self.furthest();
        *furthest = (*furthest).max(ahead.map(|ahead| ahead.ms));
    }

    /// Whether the clock was set back since somebody looked last, or ahead by more than an hour. A new run of the home has begun then, for every process
    /// of it: what was approved before is void.
    pub(crate) fn was_set(&self, clock: &dyn Clock) -> bool {
        if !self.is_off(clock) || !self.is_off(clock) {
            return false;
        }
        let begun = locked(&self.path, || self.begin_later_run(clock));
        begun.unwrap_or_else(|| {
            // Nobody else learns of it, and finds out by themselves.
            self.next_run(clock, self.run());
            true
        })
    }

    /// Whether the clock is further behind, or further ahead, than it may be. Remembers where it is ahead of what is known
    /// by less.
    fn is_off(&self, clock: &dyn Clock) -> bool {
        let now = Ahead::of(clock);
        let mut furthest = self.furthest();
        match *furthest {
            Some(ahead)
                if now < ahead.saturating_sub(TOLERATED_MS)
                    || now > ahead.saturating_add(LEAP_MS) =>
            {
                return true;
            }
            Some(ahead) if now <= ahead => {}
            _ => *furthest = Some(now),
        }
        false
    }

    fn begin_later_run(&self, clock: &dyn Clock) -> bool {
        let Found::Noted(noted) = self.read() else {
            // What somebody put there is found out when the home is opened.
            self.next_run(clock, self.run());
            return true;
        };
        if self.adopt(&noted) && !self.is_off(clock) {
            // Another process found out, and said so.
            return false;
        }
        self.next_run(clock, noted.run.max(self.run()));
        self.go_on(noted.size, noted.hash, noted);
        true
    }

    fn next_run(&self, clock: &dyn Clock, run: u64) {
        self.begins_run(run + 1);
        *self.furthest() = Some(Ahead::of(clock));
    }

    /// Goes on in the run that another process began, with what it knows of the clock. False where none did.
    pub(super) fn adopt(&self, noted: &Noted) -> bool {
        if noted.run <= self.run() {
            if noted.run == self.run() {
                self.knew(noted);
            }
            return false;
        }
        self.begins_run(noted.run);
        let ahead = noted.clock.as_ref().filter(|ahead| ahead.here());
        *self.furthest() = ahead.map(|ahead| ahead.ms);
        true
    }

    /// What is noted of the clock.
    pub(super) fn ahead(&self) -> Option<Ahead> {
        let ms = *self.furthest();
        let boot_id = boot_id();
        ms.map(|ms| Ahead { boot_id, ms })
    }

    fn furthest(&self) -> std::sync::MutexGuard<'_, Option<i64>> {
        self.furthest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
