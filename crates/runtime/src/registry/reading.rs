//! Reading a model again, once for everybody who needs it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use handshake_core::{
    capability::SharedSnapshot,
    code::{ErrorCode, Phase},
    error::CallError,
    ids::ModelRef,
    policy::Governance,
    provider::ProviderRecord,
};
use tokio::sync::watch;

use super::refresh_model;
use crate::{config::Config, ports::Ports, route::stale};

/// How long nobody reads again beside the calls after that failed.
const PAUSE: Duration = Duration::from_secs(10);

type Known = Result<SharedSnapshot, CallError>;
type Answer = watch::Receiver<Option<Known>>;

/// The readings that are under way, by model.
#[derive(Default)]
pub(crate) struct Readings(Mutex<State>);

#[derive(Default)]
struct State {
    begun: u64,
    under_way: BTreeMap<ModelRef, Reading>,
    /// When reading a model failed last.
    failed: BTreeMap<ModelRef, Duration>,
}

struct Reading {
    number: u64,
    record: Arc<ProviderRecord>,
    governance: Governance,
    answer: Answer,
}

/// A model to read, and under which rules.
pub(crate) struct Wanted<'a> {
    pub(crate) record: &'a Arc<ProviderRecord>,
    pub(crate) model: &'a ModelRef,
    pub(crate) governance: Governance,
}

impl Readings {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of the reading with this number: the next one may begin.
    fn ended(&self, model: &ModelRef, number: u64, failed: Option<Duration>) {
        let mut state = self.state();
        if state
            .under_way
            .get(model)
            .is_some_and(|reading| reading.number == number)
        {
            state.under_way.remove(model);
        }
        match failed {
            Some(at) => state.failed.insert(model.clone(), at),
            None => state.failed.remove(model),
        };
    }
}

/// Reads a model again, or waits for the reading that is under way.
///
/// # Errors
/// The failure of the reading, for everybody who waited for it.
///
/// # Cancellation
/// Whoever goes does not take the reading away from the others.
pub(crate) async fn awaited(ports: &Ports, config: &Config, wanted: &Wanted<'_>) -> Known {
    let mut answer = begin(ports, config, wanted);
    let known = answer.wait_for(Option::is_some).await;
    match known.as_deref() {
        Ok(Some(known)) => known.clone(),
        // The reading fell over.
        _ => Err(CallError::new(ErrorCode::Protocol, Phase::Resolve).about("crash")),
    }
}

/// Sees to it that a reading is under way, unless one failed a moment ago.
pub(crate) fn beside(ports: &Ports, config: &Config, wanted: &Wanted<'_>) {
    let failed = ports
        .adapters
        .readings()
        .state()
        .failed
        .get(wanted.model)
        .copied();
    let paused = failed.is_some_and(|at| ports.clock.monotonic().saturating_sub(at) < PAUSE);
    if !paused {
        let _nobody_waits = begin(ports, config, wanted);
    }
}

fn begin(ports: &Ports, config: &Config, wanted: &Wanted<'_>) -> Answer {
    let mut state = ports.adapters.readings().state();
    if let Some(reading) = state.under_way.get(wanted.model)
        && reading.record == *wanted.record
        && reading.governance == wanted.governance
    {
        return reading.answer.clone();
    }
    state.begun += 1;
    let number = state.begun;
    let (sender, answer) = watch::channel(None);
    let reading = Reading {
        number,
        record: Arc::clone(wanted.record),
        governance: wanted.governance,
        answer: answer.clone(),
    };
    state.under_way.insert(wanted.model.clone(), reading);
    let work = Work {
        ports: ports.clone(),
        config: config.clone(),
        record: Arc::clone(wanted.record),
        model: wanted.model.clone(),
        governance: wanted.governance,
        number,
        failed: true,
    };
    // In a task of its own: it ends, whoever waits.
    tokio::spawn(work.run(sender));
    answer
}

struct Work {
    ports: Ports,
    config: Config,
    record: Arc<ProviderRecord>,
    model: ModelRef,
    governance: Governance,
    number: u64,
    failed: bool,
}

impl Work {
    async fn run(mut self, sender: watch::Sender<Option<Known>>) {
        let known = match self.read_meanwhile() {
            Some(known) => Ok(known),
            None => refresh_model(
                &self.ports,
                &self.record,
                &self.model.model,
                self.governance,
            )
            .await
            .map(SharedSnapshot::from),
        };
        self.failed = known.is_err();
        // Ended before it is told: whoever comes in between finds what was stored.
        drop(self);
        let _nobody_waits = sender.send(Some(known));
    }

    /// What another reading stored since the caller's view was made.
    fn read_meanwhile(&self) -> Option<SharedSnapshot> {
        let view = self.ports.feed.current().ok()?;
        let known = view.snapshots.get(&self.model)?;
        view.seals.snapshot(known).ok()?;
        let fresh = !stale(&self.record, known, &self.ports, &self.config);
        fresh.then(|| known.clone())
    }
}

impl Drop for Work {
    /// Also where the reading fell over.
    fn drop(&mut self) {
        let failed = self.failed.then(|| self.ports.clock.monotonic());
        let readings = self.ports.adapters.readings();
        readings.ended(&self.model, self.number, failed);
    }
}
