//! Conversations, sealed message by message, and who may execute in them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use handshake_core::{
    chat::Message,
    digest::Digest,
    ids::{ModelRef, SessionId},
    label::Label,
    ports::{Sealer, SessionError, SessionLease, SessionStore, StoreError, StoredSession},
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

mod opened;

pub(crate) use self::opened::Opened;
use crate::{codec, error::Fail, store::Store, writer::Tx};

/// What is sealed: the label too, so that nobody lowers it in the database.
#[derive(Deserialize, Serialize)]
struct SealedMessage<M> {
    label: Label,
    message: M,
}

/// Longer than anybody asks to execute without saying so again.
const LONGEST: Duration = Duration::from_secs(600);

/// Bound to its place, so that messages cannot be moved or swapped.
fn context(session: &SessionId, position: i64) -> String {
    format!("hsk.session.message.v1/{session}/{position}")
}

type Result<T> = std::result::Result<T, SessionError>;

#[async_trait]
impl SessionStore for Store {
    async fn load(&self, session: &SessionId) -> Result<StoredSession> {
        let (session, shared) = (session.clone(), Arc::clone(self.shared()));
        self.read(move |conn| load(conn, &*shared.options.sealer, &shared.opened, &session))
            .await
    }

    async fn append(
        &self,
        session: &SessionId,
        messages: Vec<Message>,
        label: Label,
    ) -> Result<()> {
        let session = session.clone();
        self.write(move |tx| {
            let (stored, model) = header(tx.conn, &session)?;
            add(tx, &session, &messages, label)?;
            set_header(tx.conn, &session, stored.join(label), model.as_ref())
        })
        .await
    }

    async fn resume(&self, session: &SessionId, resumed: StoredSession) -> Result<()> {
        let session = session.clone();
        self.write(move |tx| {
            tx.conn.execute(
                "DELETE FROM messages WHERE session_id = ?1",
                params![session.as_str()],
            )?;
            add(tx, &session, &resumed.messages, resumed.label)?;
            set_header(tx.conn, &session, resumed.label, resumed.model.as_ref())
        })
        .await
    }

    async fn acquire(
        &self,
        session: &SessionId,
        owner: u128,
        ttl: Duration,
    ) -> Result<SessionLease> {
        let session = session.clone();
        self.write(move |tx| {
            let now = tx.now();
            let expires_at = now.plus(ttl);
            // One that ends later than anybody asks for was given before the clock was set back.
            let never = now.plus(ttl.max(LONGEST));
            let taken = tx
                .conn
                .prepare_cached(
                    "INSERT INTO session_leases VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE
                     SET owner = excluded.owner, expires_at = excluded.expires_at
                     WHERE owner = excluded.owner OR expires_at <= ?4 OR expires_at > ?5",
                )?
                .execute(params![
                    session.as_str(),
                    owner.to_be_bytes(),
                    expires_at.unix_millis(),
                    now.unix_millis(),
                    never.unix_millis()
                ])?;
            if taken == 1 {
                Ok(SessionLease {
                    session_id: session,
                    owner,
                    expires_at,
                })
            } else {
                Err(SessionError::Busy.into())
            }
        })
        .await
    }

    async fn release(&self, lease: &SessionLease) -> Result<()> {
        let lease = lease.clone();
        self.write(move |tx| {
            tx.conn
                .prepare_cached("DELETE FROM session_leases WHERE session_id = ?1 AND owner = ?2")?
                .execute(params![
                    lease.session_id.as_str(),
                    lease.owner.to_be_bytes()
                ])?;
            Ok(())
        })
        .await
    }
}

type Part<T> = std::result::Result<T, Fail<SessionError>>;

/// The conversation. What was opened before is not opened again: only what was said since is decrypted.
fn load(
    conn: &Connection,
    sealer: &dyn Sealer,
    opened: &Opened,
    session: &SessionId,
) -> Part<StoredSession> {
    let (mut label, model) = header(conn, session)?;
    let mut known = opened.known(session);
    if !stands(conn, session, &known)? {
        known = opened::Conversation::default();
    }
    let first = i64::try_from(known.messages.len()).map_err(|_| StoreError::Damaged)?;
    let mut select = conn.prepare_cached(
        "SELECT position, sealed FROM messages WHERE session_id = ?1 AND position >= ?2
         ORDER BY position",
    )?;
    let rows = select.query_map(params![session.as_str(), first], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    for (row, expected) in rows.zip(first..) {
        let (position, sealed) = row?;
        let plain = sealer
            .open(&context(session, position), &sealed)
            .map_err(codec::seal_error)?;
        let kept: SealedMessage<Message> =
            serde_json::from_slice(&plain).map_err(|_| StoreError::Damaged)?;
        // A message that is missing in the middle would change what was said.
        if position != expected {
            return Err(StoreError::Damaged.into());
        }
        known.push(kept.message, kept.label, Digest::of(&[&sealed]));
    }
    label = label.join(known.label);
    let messages = known.messages.clone();
    opened.keep(session, known);
    Ok(StoredSession {
        messages,
        label,
        model,
    })
}

/// Whether what was opened still stands: none of it is missing, and its last message is the very bytes that were
/// opened. Sealing draws a nonce, so another conversation in its place has other bytes.
fn stands(conn: &Connection, session: &SessionId, known: &opened::Conversation) -> Part<bool> {
    let Some(last) = known.last else {
        return Ok(true);
    };
    let opened = i64::try_from(known.messages.len()).map_err(|_| StoreError::Damaged)?;
    let there: i64 = conn
        .prepare_cached(
            "SELECT count(*) FROM messages WHERE session_id = ?1 AND position BETWEEN 0 AND ?2",
        )?
        .query_row(params![session.as_str(), opened - 1], |row| row.get(0))?;
    if there != opened {
        return Ok(false);
    }
    let sealed: Vec<u8> = conn
        .prepare_cached("SELECT sealed FROM messages WHERE session_id = ?1 AND position = ?2")?
        .query_row(params![session.as_str(), opened - 1], |row| row.get(0))?;
    Ok(Digest::of(&[&sealed]) == last)
}

fn add(tx: &Tx<'_>, session: &SessionId, messages: &[Message], label: Label) -> Part<()> {
    let id = session.as_str();
    let next: i64 = tx
        .conn
        .prepare_cached(
            "SELECT coalesce(max(position) + 1, 0) FROM messages WHERE session_id = ?1",
        )?
        .query_row(params![id], |row| row.get(0))?;
    let mut insert = tx
        .conn
        .prepare_cached("INSERT INTO messages VALUES (?1, ?2, ?3)")?;
    for (message, position) in messages.iter().zip(next..) {
        let plain = serde_json::to_vec(&SealedMessage { label, message })
            .map_err(|_| StoreError::Failed)?;
        let sealer = &tx.shared.options.sealer;
        let sealed = sealer
            .seal(&context(session, position), &plain)
            .map_err(codec::seal_error)?;
        insert.execute(params![id, position, sealed])?;
    }
    Ok(())
}

/// Label and model. An unknown session is inline and has no model.
fn header(conn: &Connection, session: &SessionId) -> Part<(Label, Option<ModelRef>)> {
    let found: Option<(String, Option<String>)> = conn
        .prepare_cached("SELECT label, model FROM sessions WHERE session_id = ?1")?
        .query_row(params![session.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((label, model)) = found else {
        return Ok((Label::INLINE, None));
    };
    Ok((
        codec::from_json(&label)?,
        model.map(|model| codec::id(&model)).transpose()?,
    ))
}

fn set_header(
    conn: &Connection,
    session: &SessionId,
    label: Label,
    model: Option<&ModelRef>,
) -> Part<()> {
    conn.prepare_cached(
        "INSERT INTO sessions VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE
         SET label = excluded.label, model = excluded.model",
    )?
    .execute(params![
        session.as_str(),
        codec::json(&label)?,
        model.map(ModelRef::to_string)
    ])?;
    Ok(())
}
