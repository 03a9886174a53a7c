//! Tokens of gateway clients. Only their hashes are stored.

use std::collections::BTreeSet;

use handshake_core::{
    client::ClientToken,
    digest::Digest,
    ids::{ExternalId, ModelRef, ProfileId},
    ports::StoreError,
    seal::{GrantedToken, SealKind, subject},
};
use rusqlite::{Row, params};

use crate::{codec, seals, store::Store};

/// A token to store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewToken {
    /// The client's name, which is the name of its principal.
    pub name: ExternalId,
    /// SHA-256 of the token. A token is random, so no salt is needed.
    pub sha256: Digest,
    /// The models that it opens; `None` for every enabled one.
    pub models: Option<BTreeSet<ModelRef>>,
    /// The work profile that its calls run under; `None` for the active one.
    pub profile: Option<ProfileId>,
}

/// The head of a selection that [`token`] reads; more columns may follow.
pub(crate) const COLUMNS: &str = "SELECT name, models, profile_id, created_at, revoked_at";
/// How many those are.
pub(crate) const COUNT: usize = 5;

pub(crate) type Columns = (String, Option<String>, Option<String>, i64, Option<i64>);

pub(crate) fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
    ))
}

pub(crate) fn token(
    (name, models, profile, created, revoked): Columns,
) -> Result<ClientToken, StoreError> {
    Ok(ClientToken {
        name: codec::id(&name)?,
        models: models.map(|models| codec::from_json(&models)).transpose()?,
        profile: profile.map(|profile| codec::id(&profile)).transpose()?,
        created_at: codec::time(created),
        revoked_at: revoked.map(codec::time),
    })
}

impl Store {
    /// Stores a token. A name is used once and never again, revoked or not: receipts name the principal,
    /// and a new client must not inherit what an old one was allowed.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a known name or token.
    pub async fn create_token(&self, new: NewToken) -> Result<(), StoreError> {
        self.change(move |tx| {
            let known = tx
                .conn
                .prepare_cached("SELECT 1 FROM tokens WHERE name = ?1 OR sha256 = ?2")?
                .exists(params![new.name.as_str(), new.sha256.as_bytes()])?;
            if known {
                return Err(StoreError::Conflict.into());
            }
            let token = ClientToken {
                name: new.name.clone(),
                models: new.models.clone(),
                profile: new.profile.clone(),
                created_at: tx.now(),
                revoked_at: None,
            };
            let granted = GrantedToken {
                token: &token,
                sha256: new.sha256,
            };
            let seal = seals::column(seals::enter(tx, &granted, None)?);
            tx.conn.execute(
                "INSERT INTO tokens (name, sha256, models, profile_id, created_at, revoked_at, seal)
                 VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6)",
                params![
                    token.name.as_str(),
                    new.sha256.as_bytes(),
                    token.models.as_ref().map(codec::json).transpose()?,
                    token.profile.as_ref().map(ProfileId::as_str),
                    token.created_at.unix_millis(),
                    seal
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// All tokens by name, the revoked ones too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tokens(&self) -> Result<Vec<ClientToken>, StoreError> {
        self.read(|conn| {
            let mut select =
                conn.prepare_cached(&format!("{COLUMNS} FROM tokens ORDER BY name"))?;
            let rows = select.query_map([], columns)?;
            rows.map(|row| Ok(token(row?)?)).collect()
        })
        .await
    }

    /// Revokes a token. Doing it twice is doing it once.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for an unknown name.
    pub async fn revoke_token(&self, name: &ExternalId) -> Result<(), StoreError> {
        let name = name.clone();
        self.change(move |tx| {
            tx.shared.must_note();
            seals::strike(tx, &[subject(SealKind::Token, &name)])?;
            let revoked = tx.conn.execute(
                "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE name = ?1",
                params![name.as_str(), tx.now().unix_millis()],
            )?;
            if revoked == 1 {
                Ok(())
            } else {
                Err(StoreError::Missing.into())
            }
        })
        .await
    }
}
