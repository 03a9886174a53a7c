//! What a server does with a connection after its answer.
//!
//! Some servers close it without saying so. A request that is written while the close is on its way is lost, and
//! nobody can tell whether it was read: it must not be sent again. So a kept connection is not trusted before
//! the server was seen to answer twice on one: until then, a call waits out the moment in which a close would
//! arrive, and after three connections that did not last, none is kept for a while.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long after an answer a server that closes without a word has closed.
const GRACE: Duration = Duration::from_millis(5);
/// A connection that lasted this long was closed for its age: that says nothing of the habit.
const AGE: Duration = Duration::from_secs(1);
/// Connections that did not last, before no more are kept.
const TRIES: u8 = 3;
/// How long none are kept then.
const FORGET: Duration = Duration::from_secs(30);
/// Connections that are remembered while nothing is known.
const SEEN: usize = 8;

/// What is known of one server.
#[derive(Default)]
pub(super) struct Habit(Mutex<State>);

#[derive(Default)]
struct State {
    known: Known,
    /// When a kept connection last became idle, unless that was long ago.
    idle: Option<Instant>,
    /// Whether no call has tried that connection yet.
    untried: bool,
    seen: [Option<SocketAddr>; SEEN],
    next: usize,
}

enum Known {
    Nothing { lost: u8 },
    Keeps,
    Closes { until: Instant },
}

impl Default for Known {
    fn default() -> Self {
        Self::Nothing { lost: 0 }
    }
}

/// How a call should go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// Over a kept connection, or one that is kept afterwards.
    Kept {
        /// Not before.
        from: Option<Instant>,
        /// Whether the call shows if the last connection lasted.
        tries: bool,
    },
    /// Over a connection of its own.
    Once,
}

impl Habit {
    /// How a call that starts now should go.
    pub(super) fn way(&self) -> Way {
        let mut state = self.lock();
        if let Known::Closes { until } = state.known {
            if Instant::now() < until {
                return Way::Once;
            }
            *state = State::default();
        }
        let (from, tries) = match (&state.known, state.idle) {
            (Known::Nothing { .. }, Some(idle)) => {
                let now = Instant::now();
                let young = now.saturating_duration_since(idle) < AGE;
                let tries = std::mem::take(&mut state.untried) && young;
                (Some(idle + GRACE).filter(|from| now < *from), tries)
            }
            _ => (None, false),
        };
        Way::Kept { from, tries }
    }

    /// A call over a kept connection got its head; `local` tells the connection.
    pub(super) fn answered(&self, local: Option<SocketAddr>, tries: bool) {
        let mut state = self.lock();
        let Known::Nothing { lost } = state.known else {
            return;
        };
        let Some(local) = local else { return };
        if state.seen.contains(&Some(local)) {
            state.known = Known::Keeps;
            return;
        }
        let next = state.next;
        state.seen[next] = Some(local);
        state.next = (next + 1) % SEEN;
        if tries {
            state.known = if lost + 1 < TRIES {
                Known::Nothing { lost: lost + 1 }
            } else {
                let until = Instant::now() + FORGET;
                Known::Closes { until }
            };
        }
    }

    /// A kept connection was read to the end of its answer.
    pub(super) fn idle(&self) {
        let mut state = self.lock();
        if matches!(state.known, Known::Nothing { .. }) {
            state.idle = Some(Instant::now());
            state.untried = true;
        }
    }

    /// A kept connection was lost before the head.
    pub(super) fn lost(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(port: u16) -> Option<SocketAddr> {
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_answer_on_one_connection_shows_that_it_is_kept() {
        let habit = Habit::default();
        habit.answered(port(1), false);
        habit.idle();
        let from = Instant::now() + GRACE;
        let waits = Way::Kept {
            from: Some(from),
            tries: true,
        };
        assert_eq!(habit.way(), waits);
        // Only one call tries; all wait.
        let waits = Way::Kept {
            from: Some(from),
            tries: false,
        };
        assert_eq!(habit.way(), waits);
        habit.answered(port(1), true);
        habit.idle();
        let at_once = Way::Kept {
            from: None,
            tries: false,
        };
        assert_eq!(habit.way(), at_once);
        habit.lost();
        habit.idle();
        assert!(matches!(habit.way(), Way::Kept { from: Some(_), .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_never_last_are_not_kept_for_a_while() {
        let habit = Habit::default();
        for call in 1..=4 {
            let Way::Kept { tries, .. } = habit.way() else {
                panic!("not kept before call {call}");
            };
            assert_eq!(tries, call > 1);
            tokio::time::advance(GRACE).await;
            habit.answered(port(call), tries);
            habit.idle();
        }
        assert_eq!(habit.way(), Way::Once);
        tokio::time::advance(FORGET).await;
        assert!(matches!(habit.way(), Way::Kept { from: None, .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_ended_by_age_says_nothing() {
        let habit = Habit::default();
        for call in 1..=9 {
            assert!(matches!(habit.way(), Way::Kept { tries: false, .. }));
            habit.answered(port(call), false);
            habit.idle();
            tokio::time::advance(AGE).await;
        }
    }
}
