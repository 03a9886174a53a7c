//! The rules in force while a program runs.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use handshake_core::{
    artifact::LabelVerdict,
    code::{ErrorCode, Phase},
    digest::Digest,
    event::{Actor, Body, EgressCode, EventScope},
    ids::{ArtifactRef, EventId},
    label::Label,
    policy::Posture,
    ports::{Clock, EgressPolicy, Entropy, EntropyExt, FlightRecorderExt},
    seal::SealKeys,
};
use handshake_leakage::{Engine, SharedEnrolment};
use handshake_policy::{egress::RulesPolicy, retry::SharedRetry, rules::Rules};
use handshake_registry_store::{Epoch, Store};
use handshake_vault::{KeptPolicy, Vault};
use tokio::{sync::Mutex, task::JoinHandle};

use super::{Bounds, Loaded, Written, checks::Checks, kept};
use crate::{
    anchor::Anchor,
    error::{Error, Result},
};

/// How often a program looks that nobody makes look: calls to Cloud do.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often what is kept is read again because somebody else changed it meanwhile.
const TRIES: u32 = 16;

/// The rules in force. Whoever looks finds what the file and the vault say now.
pub struct LivePolicy {
    home: PathBuf,
    vault: Arc<Vault>,
    keys: Arc<SealKeys>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    anchor: Arc<Anchor>,
    enrolment: SharedEnrolment,
    rules: RulesPolicy,
    retry: SharedRetry,
    checks: RwLock<Arc<Checks>>,
    looked: RwLock<Option<Arc<Looked>>>,
    /// Held by who puts in force what was found.
    renewing: Arc<Mutex<()>>,
    /// Whether the home is behind what is noted of it, and nobody said why: nobody knows what its rules were.
    behind: AtomicBool,
    /// Whether that what is kept cannot be believed was reported.
    alarmed: AtomicBool,
}

/// What was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Looked {
    written: Written,
    kept: Option<KeptPolicy>,
    behind: bool,
}

/// What it comes to.
struct Found {
    looked: Looked,
    rules: Rules,
    checks: Checks,
    /// Whether the file allows more than may be in force, and nobody said so yet.
    report: bool,
    damaged: bool,
    /// Why the file cannot be read.
    problem: Option<Error>,
}

/// What the rules are looked at with.
pub(crate) struct Ground {
    pub(crate) vault: Arc<Vault>,
    pub(crate) keys: Arc<SealKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) anchor: Arc<Anchor>,
    pub(crate) enrolment: SharedEnrolment,
    pub(crate) behind: bool,
}

impl LivePolicy {
    /// Reads the rules, and begins with them. Sets the epochs of policy and leakage rules.
    ///
    /// # Errors
    /// What the file, the vault and the store say.
    pub(crate) async fn begin(home: &Path, ground: Ground, store: &Store) -> Result<Arc<Self>> {
        // Nothing is let through by these.
        let rules = Rules {
            locked: true,
            ..Rules::default()
        };
        let this = Arc::new(Self {
            home: home.to_owned(),
            vault: ground.vault,
            keys: ground.keys,
            clock: ground.clock,
            entropy: ground.entropy,
            anchor: ground.anchor,
            checks: RwLock::new(Arc::new(Checks::of(&rules, &ground.enrolment)?)),
            enrolment: ground.enrolment,
            retry: SharedRetry::from(handshake_policy::retry::RetryPolicy::from(rules.retry)),
            rules: RulesPolicy::new(rules),
            looked: RwLock::default(),
            renewing: Arc::default(),
            behind: AtomicBool::new(ground.behind),
            alarmed: AtomicBool::new(false),
        });
        let problem = this.renewed(store, false).await?;
        problem.map_or(Ok(this), Err)
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.rules.rules()
    }

    /// Their digest.
    pub(crate) fn digest(&self) -> Digest {
        self.posture().digest
    }

    /// The leakage rules that calls are judged by.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.checks().engine)
    }

    /// How often and how long is tried again.
    pub(crate) fn retry(&self) -> SharedRetry {
        self.retry.clone()
    }

    pub(super) fn checks(&self) -> Arc<Checks> {
        Arc::clone(&self.checks.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the file says, and what of it counts.
    ///
    /// # Errors
    /// What the file and the vault say.
    pub fn written(&self) -> Result<Loaded> {
        let bounds = super::bounds(&self.home, &self.vault, &self.keys)?;
        Loaded::new(&Written::read(&self.home), &bounds)
    }

    /// A person said why the home was behind.
    pub(crate) fn is_not_behind(&self) {
        self.behind.store(false, Ordering::SeqCst);
    }

    /// Looks whether anything changed, and goes by it from now on. A file that cannot be read locks Cloud until it can.
    ///
    /// # Errors
    /// The vault's and the store's; nothing is to be judged by what stood before.
    pub(crate) async fn look(self: &Arc<Self>, store: &Store) -> Result<()> {
        self.renewed(store, false).await.map(drop)
    }

    /// The same, whether anything changed or not.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub(crate) async fn look_again(self: &Arc<Self>, store: &Store) -> Result<()> {
        self.renewed(store, true).await.map(drop)
    }

    /// Why the file cannot be read, where it was read just now and cannot.
    async fn renewed(self: &Arc<Self>, store: &Store, again: bool) -> Result<Option<Error>> {
        if !again && self.is_as_looked()? {
            return Ok(None);
        }
        let renewing = Arc::clone(&self.renewing).lock_owned().await;
        // Whoever was first may have found it.
        if !again && self.is_as_looked()? {
            return Ok(None);
        }
        let (this, store) = (Arc::clone(self), store.clone());
        // In a task of its own: what was found is put in force and reported, whoever waits for it or does not.
        let renewed = tokio::spawn(async move {
            let _renewing = renewing;
            let found = {
                let this = Arc::clone(&this);
                tokio::task::spawn_blocking(move || this.find()).await
            };
            let found = found.map_err(|_| fell_over())??;
            let problem = found.problem.clone();
            this.take(found, &store).await?;
            Ok(problem)
        });
        renewed.await.map_err(|_| fell_over())?
    }

    /// Whether everything stands as it stood when somebody looked last.
    fn is_as_looked(&self) -> Result<bool> {
        if self.behind.load(Ordering::SeqCst) && self.anchor.is_acknowledged() {
            self.is_not_behind();
        }
        let looked = self.looked.read().unwrap_or_else(PoisonError::into_inner);
        let Some(looked) = looked.clone() else {
            return Ok(false);
        };
        Ok(looked.behind == self.behind.load(Ordering::SeqCst)
            && looked.written == Written::read(&self.home)
            && self.vault.policy_is(looked.kept.as_ref())?)
    }

    /// What is in force by what was seen. What has to be remembered is remembered before it counts.
    fn find(&self) -> Result<Found> {
        let mut looked = Looked {
            written: Written::read(&self.home),
            kept: self.vault.policy()?,
            behind: self.behind.load(Ordering::SeqCst),
        };
        let written = looked.written.rules();
        for _ in 0..TRIES {
            let begun = looked.kept.clone();
            let begun = begun.unwrap_or_else(|| kept::taken_over(&self.home, &self.keys));
            let bounds = Bounds::of(&begun, &self.keys);
            let mut next = begun.clone();
            let mut report = false;
            let mut rules = match &written {
                Ok(written) => {
                    let rules = bounds.narrow(written);
                    if bounds.is_news(&rules) {
                        next.in_force = kept::to_value(&rules);
                    }
                    let beyond = written.widens(&rules).then(|| written.digest());
                    report = beyond.is_some() && beyond != next.reported;
                    next.reported = beyond;
                    rules
                }
                // Not remembered: it counts again when it can be read again.
                Err(_) => Rules {
                    locked: true,
                    ..bounds.widest()
                },
            };
            if looked.kept.as_ref() != Some(&next) {
                let changed = self.vault.keep_policy(|kept| {
                    let as_seen = *kept == looked.kept;
                    if as_seen {
                        *kept = Some(next.clone());
                    }
                    as_seen
                })?;
                if !changed {
                    looked.kept = self.vault.policy()?;
                    continue;
                }
                if looked.kept.is_none() {
                    kept::drop_earlier(&self.home);
                }
                looked.kept = Some(next);
            }
            rules.locked |= looked.behind;
            return Ok(Found {
                checks: Checks::of(&rules, &self.enrolment)?,
                rules,
                report,
                damaged: bounds.damaged,
                problem: written.err(),
                looked,
            });
        }
        Err(fell_over())
    }

    /// Puts in force what was found, and says of it what is to be said.
    async fn take(&self, found: Found, store: &Store) -> Result<()> {
        let epochs = vec![
            Epoch::Policy(found.rules.digest()),
            Epoch::Rules(found.checks.engine.digest()),
        ];
        // First for every process, so that nothing is committed by what stood before.
        store.set_epochs(epochs).await?;
        *self.checks.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found.checks);
        self.retry.set(found.rules.retry.into());
        self.rules.set(found.rules);
        let mut bodies = Vec::new();
        if found.report {
            bodies.push(Body::GateDenied {
                step: EgressCode::Governance,
                code: ErrorCode::FactorRequired,
                count: None,
            });
        }
        if found.damaged && !self.alarmed.swap(true, Ordering::SeqCst) {
            bodies.push(Body::IntegrityAlarm {
                code: ErrorCode::HomeUntrusted,
            });
        }
        for body in bodies {
            let id = EventId::from_entropy(self.entropy.bytes());
            let scope = EventScope::default();
            let event = scope.event(id, self.clock.now(), Actor::System, body);
            store.append(event).await?;
        }
        let looked = Some(Arc::new(found.looked));
        *self.looked.write().unwrap_or_else(PoisonError::into_inner) = looked;
        Ok(())
    }
}

fn fell_over() -> Error {
    Error::new(
        ErrorCode::Storage,
        Phase::Storage,
        "cannot say which rules are in force",
    )
}

impl EgressPolicy for LivePolicy {
    fn posture(&self) -> Arc<Posture> {
        self.rules.posture()
    }

    fn labels(&self, context: Label, items: &[(ArtifactRef, Option<Label>)]) -> LabelVerdict {
        self.rules.labels(context, items)
    }
}

impl std::fmt::Debug for LivePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LivePolicy")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// Looks until it is dropped, so that what concerns no cloud call counts too. Does not keep the store alive.
pub(crate) struct Watch(JoinHandle<()>);

impl Watch {
    /// Must be called within a tokio runtime.
    pub(crate) fn begin(policy: &Arc<LivePolicy>, store: &Arc<Store>) -> Self {
        let (policy, store) = (Arc::clone(policy), Arc::downgrade(store));
        Self(tokio::spawn(look_after(policy, store)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look_after(policy: Arc<LivePolicy>, store: Weak<Store>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(store) = store.upgrade() else { return };
        // What cannot be looked at now is looked at with the next call, which is refused until it can be.
        let _again = policy.look(&store).await;
    }
}
