//! The approval queue in memory.

use std::time::Duration;

use async_trait::async_trait;
use handshake_core::{
    code::ErrorCode,
    consent::{ConsentReceipt, ProjectionPlan, SignedReceipt},
    event::{Actor, Body, EventScope},
    ids::{EventId, ReceiptId, RequestId},
    ports::{
        ApprovalQueue, Clock, Decided, EntropyExt, PendingContent, PendingRecord, QueueError,
        SignedDecision, Submission, Submitted,
    },
    time::UtcTime,
};

use super::{Memory, State};

const PER_PRINCIPAL: usize = 3;
const IN_ALL: usize = 16;
const ABANDONED: Duration = Duration::from_secs(60);

/// The state of a request.
#[derive(Clone, Copy, Eq, PartialEq)]
enum RequestState {
    Pending,
    Decided(Decided),
    Withdrawn,
}

/// One request and who waits for it.
pub(crate) struct Request {
    submission: Submission,
    submitted_at: UtcTime,
    state: RequestState,
    waiters: u32,
    last_waited: UtcTime,
}

impl Request {
    fn is_pending(&self) -> bool {
        self.state == RequestState::Pending
    }
}

/// Whether everybody who waited for a decision left 60 s ago or earlier. A receipt that was stored without
/// a request has nobody to leave.
pub(crate) fn is_abandoned(
    state: &State,
    request: RequestId,
    stored_at: UtcTime,
    now: UtcTime,
) -> bool {
    state.requests.get(&request).is_some_and(|request| {
        request.waiters == 0 && now.since(request.last_waited.max(stored_at)) >= ABANDONED
    })
}

/// Ends requests that were not decided in time or have no waiter any more.
fn sweep(state: &mut State, now: UtcTime) {
    for request in state
        .requests
        .values_mut()
        .filter(|request| request.is_pending())
    {
        if request.submission.deadline <= now {
            request.state = RequestState::Decided(Decided::Expired);
        } else if request.waiters == 0 && now.since(request.last_waited) >= ABANDONED {
            request.state = RequestState::Withdrawn;
        }
    }
}

#[async_trait]
impl ApprovalQueue for Memory {
    async fn submit(&self, submission: Submission) -> Result<Submitted, QueueError> {
        let now = self.now();
        let event_id = EventId::from_entropy(self.bytes());
        let mut state = self.store()?;
        sweep(&mut state, now);
        let ext = &submission.plan.ext;
        let same = state.requests.iter_mut().find(|(_, other)| {
            other.is_pending()
                && other.submission.plan.ext.principal == ext.principal
                && other.submission.plan.ext.destination == ext.destination
                && other.submission.content.manifest == submission.content.manifest
                && other.submission.content.body == submission.content.body
        });
        if let Some((id, other)) = same {
            other.last_waited = now;
            return Ok(Submitted {
                request_id: *id,
                joined: true,
            });
        }
        let refused = state
            .refusals
            .get(&(ext.principal.clone(), ext.destination.provider_id.clone()));
        let cooling = refused.is_some_and(|(no, at)| *no >= 2 || now.since(*at) < ABANDONED);
        let open = || {
            state
                .requests
                .values()
                .filter(|request| request.is_pending())
        };
        let mine = open()
            .filter(|other| other.submission.plan.ext.principal == ext.principal)
            .count();
        if cooling || mine >= PER_PRINCIPAL || open().count() >= IN_ALL {
            return Err(QueueError::Flood);
        }
        let request_id = submission.request.request_id;
        let body = Body::CloudEscalationRequested {
            request_id,
            projection_plan_id: submission.plan.projection_plan_id,
            reason: submission.request.reason,
            body_bytes: submission.content.body.len() as u64,
        };
        let event = scope(&submission).event(event_id, now, Actor::Agent, body);
        state.events.push(event);
        let request = Request {
            submission,
            submitted_at: now,
            state: RequestState::Pending,
            waiters: 0,
            last_waited: now,
        };
        state.requests.insert(request_id, request);
        Ok(Submitted {
            request_id,
            joined: false,
        })
    }

    async fn wait(&self, request_id: RequestId, at_most: Duration) -> Result<Decided, QueueError> {
        let until = tokio::time::Instant::now() + at_most;
        let waiter = Waiter::register(self, request_id)?;
        loop {
            {
                let mut state = self.store()?;
                sweep(&mut state, self.now());
                match state.requests.get(&request_id).map(|request| request.state) {
                    None | Some(RequestState::Withdrawn) => return Err(QueueError::Unknown),
                    Some(RequestState::Decided(decided)) => return Ok(decided),
                    Some(RequestState::Pending) => {}
                }
            }
            if tokio::time::Instant::now() >= until {
                drop(waiter);
                return Ok(Decided::Expired);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn pending(&self) -> Result<Vec<PendingRecord>, QueueError> {
        let now = self.now();
        let mut state = self.store()?;
        sweep(&mut state, now);
        let mut open: Vec<_> = state
            .requests
            .values()
            .filter(|request| request.is_pending())
            .map(|request| PendingRecord {
                request: request.submission.request.clone(),
                plan: request.submission.plan.clone(),
                submitted_at: request.submitted_at,
                deadline: request.submission.deadline,
                live: request.waiters > 0,
            })
            .collect();
        open.sort_by_key(|record| (record.submitted_at, record.request.request_id));
        Ok(open)
    }

    async fn open(&self, request_id: RequestId) -> Result<PendingContent, QueueError> {
        let now = self.now();
        let mut state = self.store()?;
        sweep(&mut state, now);
        let request = state
            .requests
            .get(&request_id)
            .filter(|request| request.is_pending());
        Ok(request
            .ok_or(QueueError::Unknown)?
            .submission
            .content
            .clone())
    }

    async fn decide(&self, decision: SignedDecision) -> Result<(), QueueError> {
        let now = self.now();
        let event_id = EventId::from_entropy(self.bytes());
        let mut state = self.store()?;
        sweep(&mut state, now);
        match decision {
            SignedDecision::Deny(request_id) => {
                let known = state.requests.get(&request_id).ok_or(QueueError::Unknown)?;
                if !known.is_pending() {
                    return Err(QueueError::Mismatch);
                }
                refuse(&mut state, request_id, event_id, now)
            }
            SignedDecision::Revoke(receipt_id) => revoke(&mut state, receipt_id, event_id, now),
            SignedDecision::Receipt(signed) => {
                let receipt = readable(&state, &signed)?;
                let id = receipt.consent_receipt_id;
                if receipt.approved {
                    approve(&mut state, &receipt, event_id, now)?;
                } else {
                    refuse(&mut state, receipt.ext.request_id, event_id, now)?;
                }
                drop(state);
                self.put_receipt(id, signed);
                Ok(())
            }
        }
    }
}

/// The receipt, if the approval key signed it and it is, to the letter, for a waiting request.
fn readable(state: &State, signed: &SignedReceipt) -> Result<ConsentReceipt, QueueError> {
    let key = state.approval_key.as_ref().ok_or(QueueError::Mismatch)?;
    let receipt = signed.open(key).map_err(|_| QueueError::Mismatch)?;
    let waiting = state
        .requests
        .get(&receipt.ext.request_id)
        .filter(|request| request.is_pending());
    let plan = &waiting.ok_or(QueueError::Mismatch)?.submission.plan;
    let fresh = !state.receipts.contains_key(&receipt.consent_receipt_id);
    if fresh && fits(&receipt, plan) {
        Ok(receipt)
    } else {
        Err(QueueError::Mismatch)
    }
}

/// Whether a receipt is for exactly what the person was shown.
fn fits(receipt: &ConsentReceipt, plan: &ProjectionPlan) -> bool {
    let (ext, shown) = (&receipt.ext, &plan.ext);
    receipt.projection_plan_id == plan.projection_plan_id
        && receipt.payload_sha256 == plan.payload_sha256
        && ext.envelope_sha256 == shown.envelope_sha256
        && ext.destination == shown.destination
        && ext.principal == shown.principal
        && ext.session_ids.contains(&shown.session_id)
}

fn approve(
    state: &mut State,
    receipt: &ConsentReceipt,
    event_id: EventId,
    now: UtcTime,
) -> Result<(), QueueError> {
    let (id, ext) = (receipt.consent_receipt_id, &receipt.ext);
    let request = state
        .requests
        .get_mut(&ext.request_id)
        .ok_or(QueueError::Mismatch)?;
    request.state = RequestState::Decided(Decided::Approved(id));
    let body = Body::CloudEscalationApproved {
        request_id: ext.request_id,
        consent_receipt_id: id,
        scope: ext.scope,
        assurance: ext.assurance,
        demo: ext.demo.is_some(),
        key_id: ext.key_id.clone(),
    };
    let event = scope(&request.submission).event(event_id, now, Actor::Human, body);
    state
        .refusals
        .remove(&(ext.principal.clone(), ext.destination.provider_id.clone()));
    state.events.push(event);
    Ok(())
}

/// A no. Whoever waits records it; the queue does where nobody is left to.
fn refuse(
    state: &mut State,
    request_id: RequestId,
    event_id: EventId,
    now: UtcTime,
) -> Result<(), QueueError> {
    let request = state
        .requests
        .get_mut(&request_id)
        .ok_or(QueueError::Unknown)?;
    request.state = RequestState::Decided(Decided::Denied);
    let ext = &request.submission.plan.ext;
    let key = (ext.principal.clone(), ext.destination.provider_id.clone());
    let event = (request.waiters == 0).then(|| denied(request, event_id, now));
    let refusal = state.refusals.entry(key).or_insert((0, now));
    *refusal = (refusal.0 + 1, now);
    state.events.extend(event);
    Ok(())
}

fn revoke(
    state: &mut State,
    receipt_id: ReceiptId,
    event_id: EventId,
    now: UtcTime,
) -> Result<(), QueueError> {
    let stored = state
        .receipts
        .get_mut(&receipt_id)
        .ok_or(QueueError::Unknown)?;
    stored.revoked = stored.revoked.or(Some(now));
    let receipt: Option<ConsentReceipt> = serde_json::from_slice(&stored.signed.payload).ok();
    let request = receipt.and_then(|receipt| state.requests.get(&receipt.ext.request_id));
    let event = request.map(|request| denied(request, event_id, now));
    state.events.extend(event);
    Ok(())
}

fn denied(request: &Request, event_id: EventId, now: UtcTime) -> handshake_core::event::Event {
    let body = Body::CloudEscalationDenied {
        request_id: Some(request.submission.request.request_id),
        code: ErrorCode::CloudEscalationDenied,
    };
    scope(&request.submission).event(event_id, now, Actor::Human, body)
}

fn scope(submission: &Submission) -> EventScope {
    let (request, plan) = (&submission.request, &submission.plan);
    EventScope {
        principal: Some(plan.ext.principal.clone()),
        session_id: Some(request.session_id.clone()),
        trace_id: None,
        job_id: plan.job_id.clone(),
        wp_id: request.wp_id.clone(),
        mt_id: request.mt_id.clone(),
        model_id: Some(request.requested_model_id.model.clone()),
        provider_id: Some(request.requested_model_id.provider.clone()),
    }
}

/// One who waits. Dropping it is leaving.
struct Waiter {
    memory: Memory,
    request_id: RequestId,
}

impl Waiter {
    fn register(memory: &Memory, request_id: RequestId) -> Result<Self, QueueError> {
        let now = memory.now();
        let mut state = memory.store()?;
        // Before anybody counts as waiting: coming back to a withdrawn request does not revive it.
        sweep(&mut state, now);
        let request = state
            .requests
            .get_mut(&request_id)
            .ok_or(QueueError::Unknown)?;
        request.waiters += 1;
        request.last_waited = now;
        drop(state);
        Ok(Self {
            memory: memory.clone(),
            request_id,
        })
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let now = self.memory.now();
        if let Some(request) = self.memory.state().requests.get_mut(&self.request_id) {
            request.waiters -= 1;
            request.last_waited = now;
        }
    }
}
