//! What grows with the body is done beside the reactor, however often it is done.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
};

use async_trait::async_trait;
use handshake_core::{
    digest::Digest,
    envelope::EnvelopeView,
    finding::{Findings, ValidatorError, WorkBudget},
    ids::{ProviderId, UseId},
    ports::{Committed, EgressLedger, Epochs, Intent, LeakageValidator, LedgerError, StoreError},
};
use handshake_runtime::Config;
use handshake_testkit::{gate::World, memory::Memory};

use super::{fake::says, home::Home};

/// Finds nothing, and remembers on which thread it looked.
#[derive(Default)]
struct Where {
    rules: AtomicU64,
    looked: Mutex<Vec<ThreadId>>,
}

impl Where {
    /// Whether each look so far was on this thread.
    fn here(&self) -> Vec<bool> {
        let looked = self.looked.lock().expect("not poisoned");
        looked
            .iter()
            .map(|thread| *thread == thread::current().id())
            .collect()
    }
}

impl LeakageValidator for Where {
    fn epoch(&self) -> (Digest, u64) {
        let rules = self.rules.load(Ordering::SeqCst);
        (Digest::of(&[&rules.to_be_bytes()]), 0)
    }

    fn inspect(
        &self,
        _: &EnvelopeView<'_>,
        _: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError> {
        let thread = thread::current().id();
        self.looked.lock().expect("not poisoned").push(thread);
        let (rules, generation) = self.epoch();
        Ok(Findings::none(rules, generation))
    }
}

/// A ledger before whose first commit the rules change.
struct Changing {
    memory: Memory,
    rules: Arc<Where>,
    changed: AtomicBool,
}

#[async_trait]
impl EgressLedger for Changing {
    async fn epochs(&self, provider: &ProviderId) -> Result<Epochs, StoreError> {
        EgressLedger::epochs(&self.memory, provider).await
    }

    async fn commit(&self, intent: Intent) -> Result<Committed, LedgerError> {
        if self.changed.swap(true, Ordering::SeqCst) {
            return self.memory.commit(intent).await;
        }
        self.rules.rules.fetch_add(1, Ordering::SeqCst);
        Err(LedgerError::Stale)
    }

    async fn uses_of_job(&self, job: &str) -> Result<u32, StoreError> {
        self.memory.uses_of_job(job).await
    }

    async fn close(&self, use_id: UseId) -> Result<(), StoreError> {
        self.memory.close(use_id).await
    }
}

/// A call to the cloud with so much text, during which the rules change: whether each look was on the reactor.
async fn looks(bytes: usize) -> Vec<bool> {
    let looks = Arc::new(Where::default());
    let world = World::wired(1, |ports, memory| {
        ports.validators = vec![Arc::clone(&looks) as _];
        ports.ledger = Arc::new(Changing {
            memory: memory.clone(),
            rules: Arc::clone(&looks),
            changed: AtomicBool::new(false),
        });
    });
    let home = Home::on(world).await;
    home.fake.will([says("hello")]);
    let request = home.ask_cloud(&"word ".repeat(bytes / 5));
    home.run_approved(request).await.succeeded();
    assert_eq!(home.fake.sent().len(), 1);
    looks.here()
}

#[tokio::test]
async fn d8_a_large_body_leaves_the_reactor_when_the_rules_change_too() {
    let inline = usize::try_from(Config::default().inspect_inline_bytes).expect("small");
    // Once before the question and, because the rules changed, once more before the commit.
    assert_eq!(looks(inline + 1_000).await, [false, false]);
    assert_eq!(looks(1_000).await, [true, true]);
}
