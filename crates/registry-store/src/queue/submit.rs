//! Putting a call into the queue, and opening what it holds.

use std::sync::Arc;

use handshake_core::{
    digest::{CommitmentKey, KeyedHash, canonical_json},
    envelope::Salt,
    event::Body,
    ids::RequestId,
    ports::{EntropyExt, PendingContent, QueueError, Sealer, StoreError, Submission, Submitted},
};
use rusqlite::{OptionalExtension, params};

use super::{ABANDONED, Result, asker, record, sweep};
use crate::{
    codec,
    store::{Shared, Store},
    writer::Tx,
};

/// Waiting requests of one principal.
const PER_PRINCIPAL: i64 = 3;
/// Waiting requests in all.
const IN_ALL: i64 = 16;
/// Denials after which only reopening helps.
const BLOCKED: i64 = 2;

const SAME_KEY: &str = "hsk.queue.same_key.v1";

fn context(request_id: RequestId) -> String {
    format!("hsk.queue.content.v1/{request_id}")
}

pub(super) async fn submit(
    store: &Store,
    submission: Submission,
) -> std::result::Result<Submitted, QueueError> {
    let key = same_key(store).await?;
    let sealer = Arc::clone(&store.shared().options.sealer);
    let task = tokio::task::spawn_blocking(move || {
        let same = same(&key, &submission)?;
        let sealed = seal(&*sealer, submission.request.request_id, &submission.content)?;
        Ok::<_, StoreError>((same, sealed, submission))
    });
    let (same, sealed, submission) = task.await.map_err(|_| StoreError::Failed)??;
    let enqueued = store.write(move |tx| enqueue(tx, &submission, same, &sealed));
    enqueued.await?
}

/// Puts a call into the queue. A refusal is an answer, and no failure: what was written beside it stays.
fn enqueue(
    tx: &Tx<'_>,
    submission: &Submission,
    same: KeyedHash,
    sealed: &[u8],
) -> Result<std::result::Result<Submitted, QueueError>> {
    sweep(tx)?;
    let (request, plan) = (&submission.request, &submission.plan);
    let principal = plan.ext.principal.to_string();
    let now = tx.now();
    let waiting: Option<String> = tx
        .conn
        .prepare_cached(
            "SELECT request_id FROM requests WHERE state = 'pending' AND principal = ?1 AND same = ?2",
        )?
        .query_row(params![principal, same.digest().as_bytes()], |row| row.get(0))
        .optional()?;
    if let Some(id) = waiting {
        // Somebody is about to wait for it again.
        tx.conn.execute(
            "UPDATE requests SET waited_at = max(waited_at, ?2) WHERE request_id = ?1",
            params![id, now.unix_millis()],
        )?;
        return Ok(Ok(Submitted {
            request_id: codec::id(&id)?,
            joined: true,
        }));
    }
    let provider = plan.ext.destination.provider_id.as_str();
    if let Some(silenced) = silenced(tx, &principal, provider)? {
        return Ok(Err(silenced));
    }
    let (mine, all): (i64, i64) = tx
        .conn
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE principal = ?1), count(*) FROM requests WHERE state = 'pending'",
        )?
        .query_row(params![principal], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if mine >= PER_PRINCIPAL || all >= IN_ALL {
        return Err(QueueError::Flood.into());
    }
    let added = tx.conn.execute(
        "INSERT INTO requests VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?8, 'pending', NULL, NULL)
         ON CONFLICT (request_id) DO NOTHING",
        params![
            request.request_id.to_string(),
            principal,
            provider,
            same.digest().as_bytes(),
            codec::json(request)?,
            codec::json(plan)?,
            sealed,
            now.unix_millis(),
            submission.deadline.unix_millis()
        ],
    )?;
    if added == 0 {
        return Err(StoreError::Conflict.into());
    }
    let body = Body::CloudEscalationRequested {
        request_id: request.request_id,
        projection_plan_id: plan.projection_plan_id,
        reason: request.reason,
        body_bytes: submission.content.body.len() as u64,
    };
    record(tx, request, plan, asker(&plan.ext.principal), body)?;
    Ok(Ok(Submitted {
        request_id: request.request_id,
        joined: false,
    }))
}

/// Whether a person said no a moment ago, or too often.
fn silenced(tx: &Tx<'_>, principal: &str, provider: &str) -> Result<Option<QueueError>> {
    let now = tx.now();
    let refused: Option<(i64, i64)> = tx
        .conn
        .prepare_cached(
            "SELECT denials, last_at FROM refusals WHERE principal = ?1 AND provider_id = ?2",
        )?
        .query_row(params![principal, provider], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((denials, last_at)) = refused else {
        return Ok(None);
    };
    let last_at = codec::time(last_at);
    if last_at > now {
        // The clock was set back. A no lasts as long as it lasts, counted from here.
        tx.conn.execute(
            "UPDATE refusals SET last_at = ?3 WHERE principal = ?1 AND provider_id = ?2",
            params![principal, provider, now.unix_millis()],
        )?;
    }
    let left = ABANDONED.saturating_sub(now.since(last_at));
    let again_in = match denials >= BLOCKED {
        true => None,
        false if left.is_zero() => return Ok(None),
        false => Some(left),
    };
    Ok(Some(QueueError::Silenced { again_in }))
}

pub(super) async fn open(
    store: &Store,
    request_id: RequestId,
) -> std::result::Result<PendingContent, QueueError> {
    let sealed: Option<Vec<u8>> = store
        .write::<_, QueueError, _>(move |tx| {
            sweep(tx)?;
            Ok(tx
                .conn
                .prepare_cached(
                    "SELECT content FROM requests WHERE request_id = ?1 AND state = 'pending'",
                )?
                .query_row(params![request_id.to_string()], |row| row.get(0))
                .optional()?)
        })
        .await?;
    let sealed = sealed.ok_or(QueueError::Unknown)?;
    let sealer = Arc::clone(&store.shared().options.sealer);
    let task = tokio::task::spawn_blocking(move || unseal(&*sealer, request_id, &sealed));
    Ok(task.await.map_err(|_| StoreError::Failed)??)
}

/// Salt, length of the manifest, manifest, body.
fn seal(
    sealer: &dyn Sealer,
    request_id: RequestId,
    content: &PendingContent,
) -> std::result::Result<Vec<u8>, StoreError> {
    let length = (content.manifest.len() as u64).to_be_bytes();
    let plain = [
        &content.salt.as_bytes()[..],
        &length,
        &content.manifest,
        &content.body,
    ]
    .concat();
    sealer
        .seal(&context(request_id), &plain)
        .map_err(codec::seal_error)
}

fn unseal(
    sealer: &dyn Sealer,
    request_id: RequestId,
    sealed: &[u8],
) -> std::result::Result<PendingContent, StoreError> {
    let plain = sealer
        .open(&context(request_id), sealed)
        .map_err(codec::seal_error)?;
    let parts = || {
        let (salt, rest) = plain.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (manifest, body) = rest.split_at_checked(length)?;
        Some(PendingContent {
            manifest: manifest.to_vec().into(),
            body: body.to_vec().into(),
            salt: Salt::new(*salt),
        })
    };
    parts().ok_or(StoreError::Damaged)
}

/// What identical requests share: destination, manifest and body, under a key. Without one, whoever reads
/// the database could try texts against it.
fn same(
    key: &CommitmentKey,
    submission: &Submission,
) -> std::result::Result<KeyedHash, StoreError> {
    let destination =
        canonical_json(&submission.plan.ext.destination).map_err(|_| StoreError::Failed)?;
    let content = &submission.content;
    Ok(key.commit(
        "hsk.queue.same.v1",
        &[&destination, &content.manifest, &content.body],
    ))
}

/// The key of this database, made when it is first needed and sealed beside what it protects.
async fn same_key(store: &Store) -> std::result::Result<CommitmentKey, StoreError> {
    let shared: &Shared = store.shared();
    if let Some(key) = shared.same_key.get() {
        return Ok(key.clone());
    }
    let sealer = Arc::clone(&shared.options.sealer);
    let fresh: [u8; 32] = shared.options.entropy.bytes();
    let sealed = sealer.seal(SAME_KEY, &fresh).map_err(codec::seal_error)?;
    let stored: Vec<u8> = store
        .write::<_, StoreError, _>(move |tx| {
            tx.conn.execute(
                "INSERT INTO meta VALUES ('same_key', ?1) ON CONFLICT DO NOTHING",
                params![sealed],
            )?;
            // Another process may have been first.
            Ok(tx.conn.query_row(
                "SELECT value FROM meta WHERE name = 'same_key'",
                [],
                |row| row.get(0),
            )?)
        })
        .await?;
    let plain = sealer.open(SAME_KEY, &stored).map_err(codec::seal_error)?;
    let bytes = plain.try_into().map_err(|_| StoreError::Damaged)?;
    let key = CommitmentKey::new(bytes).map_err(|_| StoreError::Damaged)?;
    Ok(shared.same_key.get_or_init(|| key).clone())
}
