//! One logical call to a model: attempts, each cleared again; retries; the stream under its promises.

mod answer;
mod clear;
mod told;

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
};

use futures_util::FutureExt;
use handshake_core::{
    code::{ErrorCode, Phase},
    error::{CallError, SendError},
    event::Body,
    gate::{EgressRequest, Scan},
    ids::UseId,
    ports::{EntropyExt, LlmClient},
    tier::ModelTier,
};
use handshake_policy::retry::{Failure, Next, next};
use tokio_util::sync::CancellationToken;

pub(crate) use self::clear::Refused;
use crate::{
    call::Answered,
    check::Promises,
    config::{CallOptions, Config},
    emit::{Ended, Log, Out},
    handle::Rest,
    outcome::OutcomeGuard,
    ports::Ports,
    redacting::Redacting,
    registry::identity::answered_elsewhere,
    step::{OfCall, Steps},
    timings::CallStep,
    watch::{TakenBack, Watched},
};

/// What one logical call needs.
pub(crate) struct Attempts<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) config: &'a Config,
    pub(crate) options: &'a CallOptions,
    pub(crate) client: Arc<dyn LlmClient>,
    pub(crate) log: &'a Log,
    pub(crate) out: &'a Out,
    pub(crate) cancel: &'a CancellationToken,
    /// The call itself, as its caller holds it.
    pub(crate) rest: &'a Weak<Rest>,
    pub(crate) steps: Steps<'a>,
    /// Which call of the request, from 1.
    pub(crate) turn: u32,
    pub(crate) promises: Promises,
    pub(crate) redacting: Option<&'a Redacting>,
    /// Whether the answer is needed as one.
    pub(crate) fold: bool,
}

/// How often a person is asked for one call: again only where somebody else spent what they gave.
const ASKED_AT_MOST: u32 = 3;

/// How one attempt failed.
struct Failed {
    error: CallError,
    tier: ModelTier,
    in_doubt: bool,
    content_seen: bool,
    crashed: bool,
    /// Whether the gate counted it, in place of recording it.
    counted: bool,
}

/// What the attempts of one call share.
struct Progress {
    guard: OutcomeGuard,
    scan: Option<Scan>,
    /// The first event of the call, until it is recorded.
    started: Option<Body>,
    /// The tier of the last clearance.
    tier: ModelTier,
    turn_told: bool,
    start_told: bool,
    redaction_told: bool,
    /// Whether another model that answers was recorded.
    alarmed: bool,
}

impl Attempts<'_> {
    /// Makes the call. Batches go to `out`, but for the last one, which is returned. Every ending is recorded.
    ///
    /// `started` is recorded before anything else of the call, but in a flood of denials: one that is counted with others
    /// leaves no event of its own, so whether it is one must be known first.
    pub(crate) async fn run(
        &self,
        mut request: EgressRequest,
        started: Body,
        scan: Option<Scan>,
    ) -> Result<Answered, Ended> {
        let mut progress = Progress {
            guard: OutcomeGuard::new(self.log.clone(), request.use_id),
            scan,
            started: Some(started),
            tier: request.record.tier,
            turn_told: false,
            start_told: false,
            redaction_told: false,
            alarmed: false,
        };
        if !self.ports.gate.in_flood(&self.log.scope) {
            self.started(&mut progress, request.record.tier).await?;
        }
        let seed = u64::from_be_bytes(self.ports.entropy.bytes());
        loop {
            // An adapter that falls over is a failed call and not a lost one. Only what was known before it was
            // asked, and how far the call came, is used again.
            // On the heap: this is most of what a call is, and whoever waits for it would hold it again.
            let attempt = Box::pin(self.one(&request, &mut progress));
            let mut failed = match AssertUnwindSafe(attempt).catch_unwind().await {
                Ok(Ok(answered)) => return Ok(answered),
                Ok(Err(failed)) => failed,
                Err(_) => Failed {
                    error: CallError::new(ErrorCode::Protocol, Phase::Check).about("adapter"),
                    tier: progress.tier,
                    in_doubt: true,
                    content_seen: true,
                    crashed: true,
                    counted: false,
                },
            };
            match self.try_again(&request, &failed, seed).await {
                Ok(true) => request.attempt += 1,
                Ok(false) => return self.give_up(failed, &mut progress, &request).await,
                Err(error) => {
                    failed.error = error;
                    return self.give_up(failed, &mut progress, &request).await;
                }
            }
        }
    }

    /// Whether to try again, after the wait. `Err` when the call was cancelled meanwhile or the log failed.
    async fn try_again(
        &self,
        request: &EgressRequest,
        failed: &Failed,
        seed: u64,
    ) -> Result<bool, CallError> {
        let (use_id, attempt) = (request.use_id, request.attempt);
        if failed.error.code == ErrorCode::Timeout {
            let phase = failed.error.phase;
            let body = Body::CallTimeout {
                use_id,
                attempt,
                phase,
            };
            self.log.record(failed.tier, body).await?;
        }
        let failure = Failure {
            class: failed.error.class,
            tier: failed.tier,
            in_doubt: failed.in_doubt,
            content_seen: failed.content_seen,
            retry_after: failed.error.retry_after,
        };
        // A provider's own error answer is for the client of its shape, who decides whether to ask again.
        let passed_on = failed.error.upstream.is_some();
        let mut policy = self.config.retry.current();
        if let Some(most) = self.options.max_attempts {
            policy.max_attempts = policy.max_attempts.min(most);
        }
        let wait = match next(&policy, attempt, &failure, seed) {
            Next::Wait(wait) if !self.cancel.is_cancelled() && !passed_on => wait,
            _ => return Ok(false),
        };
        let body = Body::CallRetry {
            use_id,
            attempt,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            code: failed.error.code,
        };
        self.log.record(failed.tier, body).await?;
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(CallError::new(ErrorCode::Cancelled, Phase::Connect)),
            () = tokio::time::sleep(wait) => Ok(true),
        }
    }

    /// Records the outcome and closes the use, whichever of them fails.
    async fn give_up(
        &self,
        failed: Failed,
        progress: &mut Progress,
        request: &EgressRequest,
    ) -> Result<Answered, Ended> {
        let use_id = request.use_id;
        if failed.error.code == ErrorCode::TierMismatch && failed.error.phase != Phase::Gate {
            let model = request.prepared.envelope().model_id.as_ref();
            let noted = answered_elsewhere(self.ports, &request.record, model, &failed.error);
            // The call fails all the same; what could not be stored is asked again before it is relied on.
            let _unwritten = noted.await;
        }
        let first = match failed.counted {
            true => {
                progress.guard.reported();
                self.ports.counted();
                return Err(Ended {
                    error: failed.error,
                    recorded: true,
                });
            }
            false => self.started(progress, failed.tier).await,
        };
        let guard = &mut progress.guard;
        let closed = self.close(failed.tier, use_id).await;
        let body = match failed.crashed {
            true => guard.crashed(&failed.error),
            false => guard.failed(&failed.error, failed.in_doubt),
        };
        let recorded = self.log.record(failed.tier, body).await;
        if recorded.is_ok() {
            guard.reported();
        }
        // What could not be written is counted by the recorder, or recorded when the guard is dropped.
        let error = closed
            .and(first)
            .and(recorded)
            .err()
            .unwrap_or(failed.error);
        Err(Ended {
            error,
            recorded: true,
        })
    }

    fn since(&self, began: std::time::Duration) -> std::time::Duration {
        self.ports.clock.monotonic().saturating_sub(began)
    }

    async fn close(&self, tier: ModelTier, use_id: UseId) -> Result<(), CallError> {
        if tier == ModelTier::Cloud {
            let closed = self.ports.ledger.close(use_id).await;
            closed.map_err(|e| CallError::new(e.code(), Phase::Storage))?;
        }
        Ok(())
    }

    /// One attempt, from `locate` to the terminal.
    async fn one(
        &self,
        request: &EgressRequest,
        progress: &mut Progress,
    ) -> Result<Answered, Failed> {
        let unsent = |error, tier| Failed {
            error,
            tier,
            in_doubt: false,
            content_seen: false,
            crashed: false,
            counted: false,
        };
        let since = self.ports.clock.now();
        let cleared = match self.cleared(request, progress).await {
            Ok(cleared) => cleared,
            Err(Refused { error, counted }) => {
                return Err(Failed {
                    counted,
                    ..unsent(error, request.record.tier)
                });
            }
        };
        let tier = cleared.effective_tier();
        progress.tier = tier;
        let started = self.started(progress, tier).await;
        started.map_err(|error| unsent(error, tier))?;
        if !progress.turn_told {
            progress.turn_told = true;
            let started = self
                .turn_started(request, &cleared)
                .ok_or_else(|| unsent(broken(), tier))?;
            self.out.event(started).await;
        }
        let redaction = self.redaction(request, tier, progress).await;
        redaction.map_err(|error| unsent(error, tier))?;
        let executed = Body::CloudEscalationExecuted {
            use_id: request.use_id,
            attempt: request.attempt,
            consent_receipt_id: cleared.receipt(),
            body_bytes: cleared.envelope().body.len() as u64,
        };
        let secret = cleared.envelope().secret_ref().is_some();
        let watched = cleared
            .receipt()
            .map(|id| self.ports.watched(id, since, self.rest));
        let revoked = revoked(watched.as_ref());
        tokio::pin!(revoked);
        if self.cancel.is_cancelled() {
            let error = CallError::new(ErrorCode::Cancelled, Phase::Connect);
            return Err(unsent(error, tier));
        }
        let sending = async {
            tokio::select! {
                biased;
                sent = self.client.send(cleared) => sent,
                // What a send that is dropped half-way has done nobody knows.
                () = self.cancel.cancelled() => Err(SendError::in_doubt(CallError::new(
                    ErrorCode::Cancelled,
                    Phase::Status,
                ))),
                why = &mut revoked => Err(SendError::in_doubt(taken_back(why, Phase::Status))),
            }
        };
        let began = self.ports.clock.monotonic();
        let sent = self
            .steps
            .run(CallStep::Send, of(request, Some(tier)), sending, |sent| {
                sent.as_ref().err().map(|failed| failed.error.code)
            })
            .await;
        self.steps.timings.waited_for_upstream(self.since(began));
        let left = sent.as_ref().err().is_none_or(|error| error.in_doubt);
        if left && secret {
            self.log.submit(Body::SecretUsed {
                use_id: request.use_id,
            });
        }
        if left && tier == ModelTier::Cloud {
            let recorded = self.log.record(tier, executed).await;
            recorded.map_err(|error| Failed {
                in_doubt: true,
                ..unsent(error, tier)
            })?;
        }
        match sent {
            Ok(answer) => {
                self.drain(answer, tier, request, progress, &mut revoked)
                    .await
            }
            Err(error) => Err(Failed {
                in_doubt: error.in_doubt,
                ..unsent(error.error, tier)
            }),
        }
    }
}

fn of(request: &EgressRequest, tier: Option<ModelTier>) -> OfCall {
    OfCall {
        use_id: Some(request.use_id),
        attempt: Some(request.attempt),
        tier,
    }
}

/// Resolves when the consent that a call runs under is taken back, or Cloud is locked; never for one that needs none.
async fn revoked(watched: Option<&Watched>) -> TakenBack {
    match watched {
        Some(watched) => watched.revoked().await,
        None => std::future::pending().await,
    }
}

/// The error of a call that may not go on.
fn taken_back(why: TakenBack, phase: Phase) -> CallError {
    match why {
        TakenBack::Consent => {
            CallError::new(ErrorCode::CloudConsentRequired, phase).about("consent revoked")
        }
        TakenBack::Locked => {
            CallError::new(ErrorCode::GovernanceLocked, phase).about("locked by policy")
        }
    }
}

fn broken() -> CallError {
    CallError::new(ErrorCode::InvalidRequest, Phase::Gate).about("scope")
}
