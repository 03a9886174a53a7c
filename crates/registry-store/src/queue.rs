//! The queue of calls that wait for a person, shared by all processes of a home.

mod decide;
mod submit;
mod wait;

use std::{sync::PoisonError, time::Duration};

use async_trait::async_trait;
use handshake_core::{
    consent::{CloudEscalationRequest, ProjectionPlan},
    event::{Actor, Body, Event, EventScope},
    ids::{EventId, Principal, PrincipalKind, ProviderId, RequestId},
    ports::{
        ApprovalQueue, Decided, EntropyExt, PendingContent, PendingRecord, QueueError,
        SignedDecision, StoreError, Submission, Submitted,
    },
    time::UtcTime,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    codec,
    error::Fail,
    log,
    store::{Shared, Store},
    writer::Tx,
};

/// A request, and the receipt for one call, is void so long after the last waiter left.
pub(crate) const ABANDONED: Duration = Duration::from_secs(60);
/// How often a waiter says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A waiter of another process that was not heard of for so long is gone.
const SILENT: Duration = Duration::from_secs(30);

/// A principal that may not ask for a provider at present.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Who asked, as `kind:name`.
    pub principal: String,
    /// For what.
    pub provider_id: ProviderId,
    /// How often a person said no since the last yes. From two on, only reopening helps.
    pub denials: u32,
    /// When the last time.
    pub last_at: UtcTime,
}

type Result<T> = std::result::Result<T, Fail<QueueError>>;

#[async_trait]
impl ApprovalQueue for Store {
    async fn submit(&self, submission: Submission) -> std::result::Result<Submitted, QueueError> {
        submit::submit(self, submission).await
    }

    async fn wait(
        &self,
        request_id: RequestId,
        at_most: Duration,
    ) -> std::result::Result<Decided, QueueError> {
        wait::wait(self, request_id, at_most).await
    }

    async fn pending(&self) -> std::result::Result<Vec<PendingRecord>, QueueError> {
        self.write(|tx| {
            sweep(tx)?;
            let mut select = tx.conn.prepare_cached(
                "SELECT request_id, request, plan, submitted_at, deadline FROM requests
                 WHERE state = 'pending' ORDER BY submitted_at, request_id",
            )?;
            let rows = select.query_map([], |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            })?;
            rows.map(|row| {
                let (id, request, plan, submitted_at, deadline): (
                    String,
                    String,
                    String,
                    i64,
                    i64,
                ) = row?;
                let presence = presence(tx.conn, tx.shared, &id, tx.now()).map_err(lift)?;
                Ok(PendingRecord {
                    request: codec::from_json(&request)?,
                    plan: codec::from_json(&plan)?,
                    submitted_at: codec::time(submitted_at),
                    deadline: codec::time(deadline),
                    live: presence.is_some_and(|presence| presence.live),
                })
            })
            .collect()
        })
        .await
    }

    async fn open(&self, request_id: RequestId) -> std::result::Result<PendingContent, QueueError> {
        submit::open(self, request_id).await
    }

    async fn decide(&self, decision: SignedDecision) -> std::result::Result<(), QueueError> {
        let decided = self.write(move |tx| decide::decide(tx, decision)).await;
        self.shared().decided.notify_waiters();
        decided
    }
}

impl Store {
    /// What became of a request; `None` while it waits.
    ///
    /// # Errors
    /// [`QueueError::Unknown`] for one that never was.
    pub async fn decided(
        &self,
        request_id: RequestId,
    ) -> std::result::Result<Option<Decided>, QueueError> {
        self.write(move |tx| {
            sweep(tx)?;
            let found: Option<(String, Option<String>)> = tx
                .conn
                .prepare_cached("SELECT state, receipt_id FROM requests WHERE request_id = ?1")?
                .query_row(params![request_id.to_string()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let (state, receipt) = found.ok_or(QueueError::Unknown)?;
            decided(&state, receipt.as_deref())
        })
        .await
    }

    /// Lets a principal ask for a provider again. True when it could not before. The caller has checked
    /// that a person asks for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reopen(
        &self,
        principal: &Principal,
        provider: &ProviderId,
    ) -> std::result::Result<bool, StoreError> {
        let (principal, provider) = (principal.to_string(), provider.clone());
        self.write(move |tx| {
            let gone = tx.conn.execute(
                "DELETE FROM refusals WHERE principal = ?1 AND provider_id = ?2",
                params![principal, provider.as_str()],
            )?;
            Ok(gone > 0)
        })
        .await
    }

    /// Lets everybody ask again whom a person said no to, and names them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reopen_all(&self) -> std::result::Result<Vec<Refusal>, StoreError> {
        self.write(|tx| {
            let all = refusals(tx.conn)?;
            tx.conn.execute("DELETE FROM refusals", [])?;
            Ok(all)
        })
        .await
    }

    /// Whom a person said no to, and for what, since their last yes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refusals(&self) -> std::result::Result<Vec<Refusal>, StoreError> {
        self.read(refusals).await
    }
}

fn refusals(conn: &Connection) -> std::result::Result<Vec<Refusal>, Fail<StoreError>> {
    let mut select = conn.prepare_cached(
        "SELECT principal, provider_id, denials, last_at FROM refusals
         ORDER BY principal, provider_id",
    )?;
    let rows = select.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    rows.map(|row| {
        let (principal, provider, denials, last_at): (String, String, i64, i64) = row?;
        Ok(Refusal {
            principal,
            provider_id: codec::id(&provider)?,
            denials: codec::small(denials)?,
            last_at: codec::time(last_at),
        })
    })
    .collect()
}

/// Who waits for a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presence {
    /// Somebody does.
    pub(crate) live: bool,
    /// When somebody last did.
    pub(crate) last: UtcTime,
}

/// Who waits for a request, here or in another process; `None` when there is no such request.
pub(crate) fn presence(
    conn: &Connection,
    shared: &Shared,
    request_id: &str,
    now: UtcTime,
) -> std::result::Result<Option<Presence>, Fail<StoreError>> {
    let found: Option<(i64, Option<i64>)> = conn
        .prepare_cached(
            "SELECT waited_at, (SELECT max(beat_at) FROM waiters
               WHERE waiters.request_id = requests.request_id AND instance <> ?2)
             FROM requests WHERE request_id = ?1",
        )?
        .query_row(params![request_id, shared.instance], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((waited_at, beat_at)) = found else {
        return Ok(None);
    };
    let id: RequestId = codec::id(request_id)?;
    let waiting = shared
        .waiters
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let here = waiting.get(&id).is_some_and(|count| *count > 0);
    // Nobody was heard of in a minute that has not come yet.
    let heard = |at: i64| match codec::time(at) {
        at if at.since(now) >= ABANDONED => codec::time(0),
        at => at,
    };
    let beat = beat_at.map(heard);
    let elsewhere = beat.is_some_and(|beat| now.since(beat) < SILENT);
    let last = heard(waited_at).max(beat.unwrap_or_else(|| heard(waited_at)));
    Ok(Some(Presence {
        live: here || elsewhere,
        last,
    }))
}

/// Ends what nobody decided in time and what nobody waits for any more. Their content goes.
fn sweep(tx: &Tx<'_>) -> Result<()> {
    let pending: Vec<(String, i64)> = tx
        .conn
        .prepare_cached("SELECT request_id, deadline FROM requests WHERE state = 'pending'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let now = tx.now();
    for (id, deadline) in pending {
        let presence = presence(tx.conn, tx.shared, &id, now).map_err(lift)?;
        let left = presence.is_none_or(|p| !p.live && now.since(p.last) >= ABANDONED);
        if codec::time(deadline) <= now {
            end(tx, &id, "expired", None)?;
        } else if left {
            end(tx, &id, "withdrawn", None)?;
        }
    }
    Ok(())
}

/// Ends what waits for a provider that is another one from now on: a yes to it would cover nothing.
pub(crate) fn end_for(
    tx: &Tx<'_>,
    provider: &ProviderId,
) -> std::result::Result<(), Fail<StoreError>> {
    tx.conn
        .prepare_cached(
            "UPDATE requests SET state = 'expired', content = NULL, decided_at = ?2
             WHERE provider_id = ?1 AND state = 'pending'",
        )?
        .execute(params![provider.as_str(), tx.now().unix_millis()])?;
    Ok(())
}

/// What a request's state comes to for whoever decides on it; `None` while it waits.
fn decided(state: &str, receipt: Option<&str>) -> Result<Option<Decided>> {
    Ok(match (state, receipt) {
        ("pending", _) => None,
        ("approved", Some(receipt)) => Some(Decided::Approved(codec::id(receipt)?)),
        ("denied", _) => Some(Decided::Denied),
        ("expired" | "withdrawn", _) => Some(Decided::Expired),
        _ => return Err(StoreError::Damaged.into()),
    })
}

/// Ends a pending request. Its content goes with it.
fn end(tx: &Tx<'_>, request_id: &str, state: &str, receipt: Option<&str>) -> Result<()> {
    tx.conn
        .prepare_cached(
            "UPDATE requests SET state = ?2, receipt_id = ?3, content = NULL, decided_at = ?4
             WHERE request_id = ?1 AND state = 'pending'",
        )?
        .execute(params![request_id, state, receipt, tx.now().unix_millis()])?;
    Ok(())
}

/// Records what happened to a request, with the ids of its plan.
fn record(
    tx: &Tx<'_>,
    request: &CloudEscalationRequest,
    plan: &ProjectionPlan,
    actor: Actor,
    body: Body,
) -> Result<()> {
    let model = &request.requested_model_id;
    let scope = EventScope {
        principal: Some(plan.ext.principal.clone()),
        session_id: Some(request.session_id.clone()),
        trace_id: None,
        job_id: plan.job_id.clone(),
        wp_id: request.wp_id.clone(),
        mt_id: request.mt_id.clone(),
        model_id: Some(model.model.clone()),
        provider_id: Some(model.provider.clone()),
    };
    let event_id = EventId::from_entropy(tx.shared.options.entropy.bytes());
    let event: Event = scope.event(event_id, tx.now(), actor, body);
    log::append(tx, &event).map_err(lift)?;
    Ok(())
}

/// Who acts when this principal asks.
fn asker(principal: &Principal) -> Actor {
    match principal.kind {
        PrincipalKind::Terminal => Actor::Human,
        PrincipalKind::Client => Actor::Agent,
        PrincipalKind::Application => Actor::System,
    }
}

fn lift(fail: Fail<StoreError>) -> Fail<QueueError> {
    match fail {
        Fail::Refused(error) => Fail::Refused(error.into()),
        Fail::Db(error) => Fail::Db(error),
    }
}
