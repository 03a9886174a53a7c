//! What waits for the writer: events, and work that somebody waits for.

use std::{
    pin::pin,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use handshake_core::{event::Event, ports::Backlog};
use tokio::sync::Notify;

use super::Job;

/// Events that may wait.
pub(crate) const PLACES: usize = 4096;
/// More places for outcomes, which no flood of other events may crowd out.
pub(crate) const RESERVE: usize = 1024;
/// From so many events on, whoever begins new work waits. A thousand calls that run meanwhile fit above it.
const HIGH_WATER: usize = PLACES / 2;
/// So many events are written without waiting for more.
const ENOUGH: usize = PLACES / 4;
/// How long the first event waits for company; with the write itself below the 50 ms that are promised. Work that
/// somebody waits for never waits.
const LINGER: Duration = Duration::from_millis(20);

/// The queue of one writer. Events have places; work is bounded by its callers, as each waits for its own piece
/// (the one that does not, a waiter that leaves, follows a wait).
#[derive(Default)]
pub(crate) struct Waiting {
    state: Mutex<State>,
    wake: Condvar,
    /// Events that are queued or being written.
    held: AtomicUsize,
    /// Told when `held` falls below the mark.
    freed: Notify,
    ended: AtomicBool,
    /// Events that did not fit.
    pub(super) overflowed: Lost,
    /// Events that could not be written.
    pub(super) failed: Lost,
}

/// Events that were lost for one reason.
#[derive(Default)]
pub(super) struct Lost {
    all: AtomicU64,
    /// Those that the log says are lost.
    recorded: AtomicU64,
}

impl Lost {
    pub(super) fn add(&self, events: u64) {
        self.all.fetch_add(events, Ordering::SeqCst);
    }

    /// Those that the log does not know of yet.
    pub(super) fn unrecorded(&self) -> u64 {
        // What is recorded was counted before: read in this order, it is never the larger one.
        let recorded = self.recorded.load(Ordering::SeqCst);
        self.all.load(Ordering::SeqCst) - recorded
    }

    /// The log says so of this many.
    pub(super) fn recorded(&self, events: u64) {
        self.recorded.fetch_add(events, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    work: Vec<Placed>,
    /// When the first of the events came.
    since: Option<Instant>,
    /// When the first of those came that are being written.
    writing: Option<Instant>,
    sleep: Sleep,
    closed: bool,
}

/// What the writer does, so that nobody wakes one that is awake.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Sleep {
    #[default]
    Awake,
    /// Until something comes.
    Idle,
    /// Until the first event waited long enough.
    Lingering,
}

/// A piece of work, and how many of the batch's events were queued before it.
pub(super) struct Placed {
    pub(super) after: usize,
    pub(super) job: Job,
}

/// What is written in one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) work: Vec<Placed>,
    /// Nothing comes after it.
    pub(super) last: bool,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.work.is_empty()
    }
}

/// Why an event was not queued.
pub(crate) enum Refused {
    Full,
    Ended,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an event, if there are fewer than `places`. What is refused is counted.
    pub(crate) fn event(&self, event: Event, places: usize) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed || self.ended.load(Ordering::SeqCst) {
            self.failed.add(1);
            return Err(Refused::Ended);
        }
        if self.held.load(Ordering::SeqCst) >= places {
            self.overflowed.add(1);
            return Err(Refused::Full);
        }
        self.held.fetch_add(1, Ordering::SeqCst);
        if state.events.is_empty() {
            state.since = Some(Instant::now());
        }
        state.events.push(event);
        let wake = match state.sleep {
            Sleep::Awake => false,
            Sleep::Idle => true,
            Sleep::Lingering => state.events.len() >= ENOUGH,
        };
        self.unlock(state, wake);
        Ok(())
    }

    /// Whether no event is queued or being written, and none was lost.
    pub(crate) fn holds_none(&self) -> bool {
        let lost = [&self.overflowed, &self.failed];
        self.held.load(Ordering::SeqCst) == 0 && lost.iter().all(|lost| lost.unrecorded() == 0)
    }

    /// What waits, since when, and what was lost.
    pub(crate) fn backlog(&self) -> Backlog {
        let state = self.lock();
        let oldest = state.writing.or(state.since);
        Backlog {
            queued: self.held.load(Ordering::SeqCst) as u64,
            oldest: oldest.map(|since| since.elapsed()),
            lost_overflow: self.overflowed.all.load(Ordering::SeqCst),
            lost_storage: self.failed.all.load(Ordering::SeqCst),
        }
    }

    /// An event that never came into the queue is lost too.
    pub(crate) fn refused(&self) {
        self.failed.add(1);
    }

    /// Queues work. A closed queue drops it, and with it the reply: the caller hears of it.
    pub(super) fn work(&self, job: Job) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let after = state.events.len();
        state.work.push(Placed { after, job });
        self.unlock(state, true);
    }

    /// Nothing comes any more. What is queued is written still.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.unlock(state, true);
    }

    /// Whether nothing comes any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed || self.ended.load(Ordering::SeqCst)
    }

    /// A system call only for a writer that sleeps, and once for each sleep.
    fn unlock(&self, mut state: MutexGuard<'_, State>, wake: bool) {
        let wake = wake && std::mem::take(&mut state.sleep) != Sleep::Awake;
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Sleeps until there is something to write; then all that is queued.
    pub(super) fn take(&self) -> Batch {
        let mut state = self.lock();
        while state.work.is_empty() && !state.closed && state.events.len() < ENOUGH {
            let Some(since) = state.since else {
                state.sleep = Sleep::Idle;
                state = self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = LINGER.saturating_sub(since.elapsed());
            if left.is_zero() {
                break;
            }
            state.sleep = Sleep::Lingering;
            let woken = self.wake.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.sleep = Sleep::Awake;
        state.writing = state.since.take();
        Batch {
            events: std::mem::take(&mut state.events),
            work: std::mem::take(&mut state.work),
            last: state.closed,
        }
    }

    /// Puts events that were not written back to the front.
    pub(super) fn put_back(&self, mut events: Vec<Event>) {
        let mut state = self.lock();
        for placed in &mut state.work {
            placed.after += events.len();
        }
        events.append(&mut state.events);
        if let Some(first) = state.writing.take() {
            // They waited long enough, and for no company.
            state.since = Some(first);
        }
        state.events = events;
    }

    /// Gives the places of events back that are written, or will never be.
    pub(super) fn release(&self, events: usize) {
        self.lock().writing = None;
        let before = self.held.fetch_sub(events, Ordering::SeqCst);
        if before >= HIGH_WATER && before - events < HIGH_WATER {
            self.freed.notify_waiters();
        }
    }

    /// Nothing is written any more: events are refused, and nobody waits for room.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.freed.notify_waiters();
    }

    /// Waits until there is room for the events of new work.
    pub(crate) async fn room(&self) {
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            let full = self.held.load(Ordering::SeqCst) >= HIGH_WATER;
            if !full || self.ended.load(Ordering::SeqCst) {
                return;
            }
            freed.await;
        }
    }
}
