//! What the decision rests on: one set of facts for a call, judged by `decide` alone and recorded at once.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use handshake_core::{
    code::ErrorCode,
    digest::{CommitmentKey, Digest},
    envelope::{EnvelopeView, Prepared},
    event::{Body, Event},
    finding::{Findings, ValidatorError, WorkBudget},
    gate::{ControlRequest, Outcome, PersonFact, Step, StepName, StepResult},
    ids::{ExternalId, UseId},
    policy::Governance,
    ports::{
        Backlog, Clock, ContactGrants, EntropyExt, FlightRecorder, LeakageValidator, LedgerError,
        RecordError, StoreError,
    },
    seal::ContactGrant,
};
use handshake_testkit::{fixture, gate::World, memory::Memory};

use super::gate_world::{
    Refuses, awaiting, call, cleared, denied, local, named, next_call, relay, with,
};

/// What a log was asked to append, and to queue.
#[derive(Default)]
struct Asked {
    appends: Mutex<Vec<Vec<&'static str>>>,
    queued: Mutex<Vec<&'static str>>,
}

impl Asked {
    /// What was appended since the last time.
    fn appended(&self) -> Vec<Vec<&'static str>> {
        std::mem::take(&mut *self.appends.lock().expect("not poisoned"))
    }

    /// What was queued since the last time.
    fn queued(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.queued.lock().expect("not poisoned"))
    }
}

/// A log that notes what it is asked, and may fail to append.
#[derive(Clone)]
struct Appends {
    inner: Memory,
    asked: Arc<Asked>,
    fails: bool,
}

#[async_trait]
impl FlightRecorder for Appends {
    async fn append_all(&self, events: Vec<Event>) -> Result<u64, RecordError> {
        let ids = events.iter().map(|event| event.body.family_id()).collect();
        self.asked.appends.lock().expect("not poisoned").push(ids);
        match self.fails {
            true => Err(RecordError::Store(StoreError::Failed)),
            false => self.inner.append_all(events).await,
        }
    }

    async fn ready(&self) {}

    fn submit(&self, event: Event) -> Result<(), RecordError> {
        let mut queued = self.asked.queued.lock().expect("not poisoned");
        queued.push(event.body.family_id());
        drop(queued);
        self.inner.submit(event)
    }

    async fn flush(&self) -> Result<(), RecordError> {
        self.inner.flush().await
    }

    fn backlog(&self) -> Backlog {
        self.inner.backlog()
    }
}

fn appending(fails: bool) -> (World, Arc<Asked>) {
    let asked = Arc::default();
    let world = World::wired(1, |ports, memory| {
        ports.recorder = Arc::new(Appends {
            inner: memory.clone(),
            asked: Arc::clone(&asked),
            fails,
        });
    });
    (world, asked)
}

/// The event of the family, then the one of the escalation: in one append. A log that cannot be written changes
/// neither that the call is denied nor the code, and both events are queued, where a loss is counted.
#[tokio::test]
async fn d6_a_denial_is_one_append_and_keeps_its_code_where_that_fails() {
    let both = vec!["FR-EVT-EGRESS-001", "FR-EVT-CLOUD-003"];
    for fails in [false, true] {
        let (world, asked) = appending(fails);
        let seen = || (asked.appended(), asked.queued());
        let queued = match fails {
            true => both.clone(),
            false => Vec::new(),
        };
        let once = (vec![both.clone()], queued);

        // Before the look-up.
        world.policy.set(|posture| posture.locked = true);
        let request = call(&world, &named(), "hello").await;
        denied(world.gate.clear(request).await, ErrorCode::GovernanceLocked);
        assert_eq!(seen(), once);

        // After a person.
        world.policy.set(|posture| posture.locked = false);
        let request = world.egress(&named(), fixture::prepared(&named(), "m", "hello"));
        let asks = awaiting(world.gate.clear(request).await);
        let by_person = world.gate.give_up(&asks, PersonFact::No).await;
        assert_eq!(by_person.error.code, ErrorCode::CloudEscalationDenied);
        assert_eq!(seen(), once);

        // Of a payload-free call.
        let control = world.gate.clear_control(control(&world, &named())).await;
        assert_eq!(
            control.expect_err("denied").error.code,
            ErrorCode::ContactNotGranted
        );
        assert_eq!(seen(), once);
        assert_eq!(world.memory.events().len(), 6);
    }
    // Where no cloud is involved there is one event.
    let (world, asked) = appending(false);
    world.policy.set(|posture| posture.max_body_bytes = 1);
    let request = call(&world, &local(), "hello").await;
    denied(world.gate.clear(request).await, ErrorCode::MaxBytes);
    assert_eq!(asked.appended(), [["FR-EVT-EGRESS-001"]]);
}

fn control(
    world: &World,
    record: &Arc<handshake_core::provider::ProviderRecord>,
) -> ControlRequest {
    use handshake_core::envelope::{Envelope, Method};
    let envelope = Envelope {
        method: Method::Get,
        base_url: record.base_url.clone(),
        path: format!("{}/models", record.base_url.path().trim_end_matches('/')),
        headers: Default::default(),
        provider_id: record.provider_id.clone(),
        revision: record.revision,
        model_id: None,
        body: bytes::Bytes::new(),
    };
    ControlRequest::new(
        envelope,
        handshake_core::control::ControlCall::ListModels,
        Arc::clone(record),
        Governance::NO_PROFILE,
        UseId::from_entropy(world.memory.bytes()),
    )
}

/// The steps that a denial reports are the ones that were taken, the last of them the one that denied.
#[tokio::test]
async fn a10_the_steps_of_a_denial_are_what_happened() {
    // The ledger, judged again until it is enough.
    for (error, code) in [
        (LedgerError::Stale, ErrorCode::Revision),
        (LedgerError::Contended, ErrorCode::CloudConsentMismatch),
        (LedgerError::Store(StoreError::Failed), ErrorCode::Storage),
    ] {
        let errors = vec![error; 100];
        let world = World::wired(1, |ports, memory| {
            ports.ledger = Refuses::meanwhile(memory, errors, |_| {});
        });
        let request = call(&world, &named(), "hello").await;
        world.approve(&awaiting(world.gate.clear(request.clone()).await));
        let refused = denied(world.gate.clear(request).await, code);
        assert_eq!(
            refused.decision.outcome,
            Outcome::Deny(StepName::Ledger, code)
        );
        assert_eq!(
            last_two(&refused.decision.steps),
            [
                (StepName::Person, StepResult::NotApplicable),
                (StepName::Ledger, StepResult::Deny(code)),
            ]
        );
        // The same for a call without content, which takes no receipt and leaves none contended.
        world
            .memory
            .grant(&ContactGrant::of(&named()), fixture::seal())
            .await
            .expect("granted");
        let refused = world.gate.clear_control(control(&world, &named())).await;
        let refused = refused.expect_err("denied");
        let code = match code {
            ErrorCode::CloudConsentMismatch => ErrorCode::Revision,
            code => code,
        };
        assert_eq!(
            refused.decision.outcome,
            Outcome::Deny(StepName::Ledger, code)
        );
    }
    // A person.
    let world = World::new(1);
    let request = call(&world, &relay(), "hello").await;
    let asks = awaiting(world.gate.clear(request).await);
    let refused = world.gate.give_up(&asks, PersonFact::No).await;
    assert_eq!(
        last_two(&refused.decision.steps),
        [
            (StepName::Receipt, StepResult::Ask),
            (
                StepName::Person,
                StepResult::Deny(ErrorCode::CloudEscalationDenied)
            ),
        ]
    );
    // Contact, with no address made up to get there.
    let world = World::new(1);
    world.register(&named()).await;
    let refused = world.gate.clear_control(control(&world, &named())).await;
    let refused = refused.expect_err("denied");
    assert_eq!(refused.decision.effective, None, "nobody looked for a peer");
    assert_eq!(
        refused.decision.steps.last().map(|step| step.step),
        Some(StepName::Contact)
    );
}

fn last_two(steps: &[Step]) -> Vec<(StepName, StepResult)> {
    let last = &steps[steps.len() - 2..];
    last.iter().map(|step| (step.step, step.result)).collect()
}

/// A validator that notes where the body it is shown was read to.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<usize>>>);

impl Notes {
    fn seen(&self) -> Vec<usize> {
        self.0.lock().expect("not poisoned").clone()
    }
}

impl LeakageValidator for Notes {
    fn epoch(&self) -> (Digest, u64) {
        // Never the same: nothing is reused.
        let seen = self.seen().len();
        (Digest::of(&[&seen.to_be_bytes()]), 0)
    }

    fn inspect(
        &self,
        view: &EnvelopeView<'_>,
        _: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError> {
        let json = view.json().map_err(|_| ValidatorError::Undecodable)?;
        let place = std::ptr::from_ref(json).addr();
        self.0.lock().expect("not poisoned").push(place);
        Ok(Findings::none(self.epoch().0, 0))
    }
}

#[tokio::test]
async fn d8_the_facts_of_a_body_are_made_once_for_a_call() {
    let notes = Notes::default();
    let world = World::with_validators(1, vec![Arc::new(notes.clone()), Arc::new(notes.clone())]);
    let key = world.gate.commitments();
    let request = call(&world, &relay(), "hello").await;
    let manifest = request.prepared.manifest().as_ptr();
    let outline = request.prepared.outline(key).expect("an outline");
    let json = std::ptr::from_ref(request.prepared.json().expect("JSON")).addr();

    let _explained = world.gate.explain(request.clone()).await;
    let asks = awaiting(world.gate.clear(request.clone()).await);
    let shown = asks.submission(world.memory.now()).content;
    assert_eq!(shown.manifest.as_ptr(), manifest);
    assert_eq!(
        shown.body.as_ptr(),
        request.prepared.envelope().body.as_ptr()
    );
    world.approve(&asks);
    for attempt in 1..=2 {
        let request = request.clone().at_attempt(attempt);
        let cleared = cleared(world.gate.clear(request).await);
        assert_eq!(cleared.prepared().manifest().as_ptr(), manifest);
        let again = cleared.prepared().outline(key).expect("an outline");
        assert!(Arc::ptr_eq(&again, &outline));
    }
    let seen = notes.seen();
    assert_eq!(seen, vec![json; seen.len()]);
    assert!(
        seen.len() >= 8,
        "two validators, four times: {}",
        seen.len()
    );
    // What was recorded is what the request itself says.
    let recorded: Vec<_> = world
        .memory
        .events()
        .into_iter()
        .filter_map(|event| match event.body {
            Body::CallAttempt { envelope_hash, .. } => Some(envelope_hash),
            _ => None,
        })
        .collect();
    assert_eq!(recorded, [request.prepared.attempt_hash(key); 2]);
}

#[test]
fn d8_s59_a_fact_belongs_to_its_bytes_its_key_and_its_salt() {
    let key = |n| CommitmentKey::new([n; 32]).expect("a key");
    let record = named();
    let prepared = |text| fixture::prepared(&record, "m", text);
    let one = prepared("hello");
    let (fresh, other) = (prepared("hello"), prepared("hullo"));
    let facts = |prepared: &Prepared, n: u8| {
        let key = key(n);
        let salt = prepared.salt(&key, &fixture::principal());
        (
            prepared.body_commitment(&key),
            prepared.attempt_hash(&key),
            prepared.prompt_hash(&key),
            prepared.outline(&key),
            prepared.payload_sha256(&salt),
            prepared.envelope_sha256(&salt),
        )
    };
    let (first, second) = (facts(&one, 1), facts(&one, 2));
    // Whatever was asked for before, each key gets its own.
    assert_eq!(first, facts(&one, 1));
    assert_eq!(second, facts(&fresh, 2));
    assert_eq!(first, facts(&fresh, 1));
    assert_ne!(first.0, second.0);
    assert_ne!(first.5, second.5);
    for (ours, theirs) in [(facts(&other, 1), &first), (facts(&other, 2), &second)] {
        assert_ne!(ours.0, theirs.0);
        assert_ne!(ours.1, theirs.1);
        assert_ne!(ours.2, theirs.2);
        assert_ne!(ours.3, theirs.3);
    }
    // Derived values are of domains of their own.
    let distinct: std::collections::BTreeSet<_> = [first.0, first.1, first.2]
        .iter()
        .map(|hash| hash.to_string())
        .collect();
    assert_eq!(distinct.len(), 3);
    // Another envelope is another call, about which nothing is known.
    let moved = one.clone().edited(|envelope| envelope.revision = 2);
    let after = facts(&moved, 1);
    assert_eq!((after.0, after.2), (first.0, first.2), "the same body");
    assert_ne!(after.1, first.1);
    assert_ne!(after.5, first.5);
    assert_eq!(facts(&one, 1), first);
}

/// A yes is not lost when its asker comes back with the same request, and nobody else's question has the same hash.
#[tokio::test]
async fn d8_the_same_question_has_the_same_salt() {
    let world = World::new(1);
    let key = world.gate.commitments();
    let one = call(&world, &named(), "hello").await;
    let again = world.egress(&named(), fixture::prepared(&named(), "m", "hello"));
    assert_eq!(one.salt(key), again.salt(key));
    let other = next_call(&world, &named(), b"{}".to_vec());
    assert_ne!(one.salt(key), other.salt(key));
    let elsewhere = call(&world, &relay(), "hello").await;
    assert_ne!(one.salt(key), elsewhere.salt(key), "another manifest");
    let theirs = with(again, |context| {
        context.principal.name = ExternalId::new("somebody-else").expect("a name");
    });
    assert_ne!(one.salt(key), theirs.salt(key));
    let another = CommitmentKey::new([6; 32]).expect("a key");
    assert_ne!(one.salt(key), one.salt(&another));
}

/// Local pays for one keyed pass and nothing else: whatever Cloud needs is never asked for.
#[tokio::test]
async fn d8_a_local_call_asks_no_ledger_no_receipts_and_no_validator() {
    let notes = Notes::default();
    let validator = notes.clone();
    let world = World::wired(1, |ports, _| {
        ports.validators = vec![Arc::new(validator)];
        ports.ledger = Arc::new(handshake_testkit::mock::MockLedger::new());
        ports.consent = Arc::new(handshake_testkit::mock::MockConsent::new());
    });
    let request = call(&world, &local(), "hello").await;
    let cleared = cleared(world.gate.clear(request).await);
    assert_eq!(cleared.intent(), None);
    assert!(notes.seen().is_empty());
}
