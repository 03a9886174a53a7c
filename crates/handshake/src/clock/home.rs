//! The clocks of a home.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use handshake_core::{
    event::{Actor, Body, EventScope, Withdrawn},
    ids::EventId,
    ports::{Clock, Entropy, EntropyExt, FlightRecorderExt},
    time::UtcTime,
};
use handshake_registry_store::Store;

use crate::{anchor::Anchor, error::Result};

/// The clocks of a home: those of the machine, and the run that the home is in. Set back, or ahead by more than an hour, the
/// wall clock begins another one, the next time that anybody asks which it is.
pub(crate) struct HomeClock {
    machine: Arc<dyn Clock>,
    anchor: Arc<Anchor>,
    was_set: AtomicBool,
}

impl HomeClock {
    pub(crate) fn new(machine: Arc<dyn Clock>, anchor: Arc<Anchor>) -> Self {
        Self {
            machine,
            anchor,
            was_set: AtomicBool::new(false),
        }
    }

    /// Whether this process found that the clock was set, and nobody said so yet.
    pub(crate) fn is_news(&self) -> bool {
        self.run();
        self.was_set.swap(false, Ordering::SeqCst)
    }

    /// Says that the clock was set.
    ///
    /// # Errors
    /// The log's; it is news still then, as it is where nobody waits for the end of this.
    pub(crate) async fn says(&self, store: &Store, entropy: &dyn Entropy) -> Result<()> {
        let mut unsaid = Unsaid(Some(&self.was_set));
        let body = Body::Revoked {
            what: Withdrawn::Clock,
            consent_receipt_id: None,
        };
        let id = EventId::from_entropy(entropy.bytes());
        let event = EventScope::default().event(id, self.now(), Actor::System, body);
        store.append(event).await?;
        unsaid.0 = None;
        Ok(())
    }
}

/// What is to be said, until it was.
struct Unsaid<'a>(Option<&'a AtomicBool>);

impl Drop for Unsaid<'_> {
    fn drop(&mut self) {
        if let Some(was_set) = self.0 {
            was_set.store(true, Ordering::SeqCst);
        }
    }
}

impl Clock for HomeClock {
    fn now(&self) -> UtcTime {
        self.machine.now()
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }

    fn run(&self) -> u64 {
        if self.anchor.was_set(&*self.machine) {
            self.was_set.store(true, Ordering::SeqCst);
        }
        self.anchor.run()
    }
}
