//! The ledger: spending consent, in one transaction with the attempt's event and a checkpoint.

use std::sync::Arc;

use async_trait::async_trait;
use handshake_core::{
    event::Body,
    ids::{ProviderId, UseId},
    ports::{Committed, EgressLedger, EntropyExt, Epochs, Intent, LedgerError, Spend, StoreError},
};
use rusqlite::{OptionalExtension, params};

use crate::{codec, consent, epochs, error::Fail, log, store::Store, writer::Tx};

type Result<T> = std::result::Result<T, Fail<LedgerError>>;

#[async_trait]
impl EgressLedger for Store {
    async fn epochs(&self, provider: &ProviderId) -> std::result::Result<Epochs, StoreError> {
        // A store that cannot write any more may not answer what a cloud verdict rests on.
        self.shared().healthy()?;
        let (provider, shared) = (provider.clone(), Arc::clone(self.shared()));
        self.read(move |conn| epochs::current(conn, &provider, &shared.options.seals))
            .await
    }

    async fn commit(&self, intent: Intent) -> std::result::Result<Committed, LedgerError> {
        self.write(move |tx| commit(tx, intent)).await
    }

    async fn uses_of_job(&self, job: &str) -> std::result::Result<u32, StoreError> {
        self.shared().healthy()?;
        let job = job.to_owned();
        self.read(move |conn| uses_of_job(conn, &job)).await
    }

    async fn close(&self, use_id: UseId) -> std::result::Result<(), StoreError> {
        self.write(move |tx| {
            tx.conn
                .prepare_cached(
                    "UPDATE uses SET closed_at = ?2 WHERE use_id = ?1 AND closed_at IS NULL",
                )?
                .execute(params![use_id.to_string(), tx.now().unix_millis()])?;
            Ok(())
        })
        .await
    }
}

fn commit(tx: &Tx<'_>, mut intent: Intent) -> Result<Committed> {
    let current =
        epochs::current(tx.conn, &intent.provider_id, &tx.shared.options.seals).map_err(lift)?;
    if current != intent.epochs {
        return Err(LedgerError::Stale.into());
    }
    let use_id = match (&intent.spend, &intent.event.body) {
        (Some(spend), _) => spend.use_id,
        (None, Body::CallAttempt { use_id, .. }) => *use_id,
        (None, _) => UseId::from_entropy(tx.shared.options.entropy.bytes()),
    };
    if let Some(spend) = &intent.spend {
        // The ledger's own word, so that the log says what the ledger says.
        match &mut intent.event.body {
            Body::CallAttempt {
                use_id,
                attempt,
                consent_receipt_id,
                ..
            } if (*use_id, *attempt) == (spend.use_id, spend.attempt) => {
                *consent_receipt_id = Some(spend.receipt_id);
            }
            _ => return Err(LedgerError::from(StoreError::Failed).into()),
        }
        let void = consent::contradicts_log(tx, &spend.receipt_id.to_string()).map_err(lift)?;
        if void {
            return Err(LedgerError::Contended.into());
        }
    }
    let seq = log::append(tx, &intent.event).map_err(lift)?;
    if let Some(spend) = &intent.spend {
        spend_receipt(tx, spend, &intent.provider_id, seq)?;
    }
    log::checkpoint(tx).map_err(lift)?;
    Ok(Committed { use_id, seq })
}

/// Takes an attempt's share. What the gate judged by is compared once more with what is there now.
fn spend_receipt(tx: &Tx<'_>, spend: &Spend, provider: &ProviderId, seq: u64) -> Result<()> {
    let receipt_id = spend.receipt_id.to_string();
    let found = tx
        .conn
        .prepare_cached(
            "SELECT uses, approved AND revoked_at IS NULL AND provider_id = ?2, single, request_id, stored_at, new_bytes
             FROM receipts WHERE receipt_id = ?1",
        )?
        .query_row(params![receipt_id, provider.as_str()], |row| {
            let first: (i64, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let then: (String, i64, i64) = (row.get(3)?, row.get(4)?, row.get(5)?);
            Ok((first, then))
        })
        .optional()?;
    let Some(((uses, good, single), (request_id, stored_at, before))) = found else {
        return Err(LedgerError::Contended.into());
    };
    if !good {
        return Err(LedgerError::Contended.into());
    }
    let starts = spend.attempt == 1;
    if starts {
        let spent = (single && uses > 0) || codec::small(uses)? >= spend.reach.uses;
        let void = single
            && consent::is_abandoned(tx.conn, tx.shared, &request_id, stored_at, tx.now())
                .map_err(lift)?;
        if spent || void {
            return Err(LedgerError::Contended.into());
        }
        start_use(tx, spend, &receipt_id, seq)?;
        count_for_job(tx, spend)?;
    } else {
        continue_use(tx, spend, &receipt_id, seq)?;
    }
    let new_bytes = add_blocks(tx, spend, &receipt_id)?;
    let all = codec::unsigned(before)?.saturating_add(new_bytes);
    if spend.reach.new_bytes.is_some_and(|most| all > most) {
        return Err(LedgerError::Contended.into());
    }
    tx.conn
        .prepare_cached(
            "UPDATE receipts SET uses = uses + ?2, bytes = bytes + ?3, new_bytes = new_bytes + ?4, last_used = ?5
             WHERE receipt_id = ?1",
        )?
        .execute(params![
            receipt_id,
            i64::from(starts),
            codec::int(spend.body_bytes)?,
            codec::int(new_bytes)?,
            tx.now().unix_millis()
        ])?;
    consent::settle(tx, &receipt_id).map_err(lift)
}

fn start_use(tx: &Tx<'_>, spend: &Spend, receipt_id: &str, seq: u64) -> Result<()> {
    let started = tx
        .conn
        .prepare_cached(
            "INSERT INTO uses (use_id, receipt_id, envelope, attempts, max_attempts, owner, intent_seq, opened_at)
             VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            spend.use_id.to_string(),
            receipt_id,
            spend.envelope_sha256.as_bytes(),
            spend.max_attempts,
            tx.shared.instance,
            codec::int(seq)?,
            tx.now().unix_millis()
        ])?;
    // The id of a use is random; one that is there already was begun, or closed, by somebody else.
    if started == 1 && spend.max_attempts >= 1 {
        Ok(())
    } else {
        Err(LedgerError::Contended.into())
    }
}

/// One use more of the job, where it is bounded and one is left.
fn count_for_job(tx: &Tx<'_>, spend: &Spend) -> Result<()> {
    let Some(bound) = &spend.job else {
        return Ok(());
    };
    let counted = tx
        .conn
        .prepare_cached(
            "INSERT INTO jobs (job, uses) SELECT ?1, 1 WHERE ?2 >= 1
             ON CONFLICT DO UPDATE SET uses = uses + 1 WHERE uses < ?2",
        )?
        .execute(params![bound.job, bound.most])?;
    match counted {
        1 => Ok(()),
        _ => Err(LedgerError::JobSpent.into()),
    }
}

fn uses_of_job(
    conn: &rusqlite::Connection,
    job: &str,
) -> std::result::Result<u32, Fail<StoreError>> {
    let uses: Option<i64> = conn
        .prepare_cached("SELECT uses FROM jobs WHERE job = ?1")?
        .query_row([job], |row| row.get(0))
        .optional()?;
    Ok(codec::small(uses.unwrap_or_default())?)
}

/// The next attempt of a use that this store began and nobody closed, with the very same envelope.
fn continue_use(tx: &Tx<'_>, spend: &Spend, receipt_id: &str, seq: u64) -> Result<()> {
    let continued = tx
        .conn
        .prepare_cached(
            "UPDATE uses SET attempts = ?5, intent_seq = ?7
             WHERE use_id = ?1 AND receipt_id = ?2 AND envelope = ?3 AND owner = ?4 AND closed_at IS NULL
               AND attempts + 1 = ?5 AND ?5 <= min(max_attempts, ?6)",
        )?
        .execute(params![
            spend.use_id.to_string(),
            receipt_id,
            spend.envelope_sha256.as_bytes(),
            tx.shared.instance,
            spend.attempt,
            spend.max_attempts,
            codec::int(seq)?
        ])?;
    if continued == 1 {
        Ok(())
    } else {
        Err(LedgerError::Contended.into())
    }
}

/// Remembers the blocks, and counts the bytes of those that were new.
fn add_blocks(tx: &Tx<'_>, spend: &Spend, receipt_id: &str) -> Result<u64> {
    let mut insert = tx.conn.prepare_cached(
        "INSERT INTO blocks (receipt_id, commitment, bytes, mac) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET bytes = excluded.bytes, mac = excluded.mac
               WHERE mac IS NOT excluded.mac",
    )?;
    let mut new_bytes = 0_u64;
    for block in &spend.new_blocks {
        let (keys, bytes) = (&tx.shared.options.seals, codec::int(block.bytes)?);
        let mac = consent::block_code(keys, receipt_id, &block.commitment, bytes);
        let added = insert.execute(params![
            receipt_id,
            block.commitment.digest().as_bytes(),
            bytes,
            mac.digest().as_bytes()
        ])?;
        // What stood there and was not written by this program counts as new, as it does for the gate.
        if added == 1 {
            new_bytes = new_bytes.saturating_add(block.bytes);
        }
    }
    Ok(new_bytes)
}

fn lift(fail: Fail<StoreError>) -> Fail<LedgerError> {
    match fail {
        Fail::Refused(error) => Fail::Refused(error.into()),
        Fail::Db(error) => Fail::Db(error),
    }
}
