//! Homes of versions that had no seals.

use handshake_core::{
    capability::CapabilitySnapshot,
    digest::Digest,
    ports::StoreError,
    profile::WorkProfile,
    provider::ProviderRecord,
    seal::{ActiveProfile, GrantedToken, Needs, Sealable, Statement},
};
use rusqlite::params;

use super::{Result, column};
use crate::{codec, tokens, writer::Tx};

/// Seals every record without a seal that needs no person. The register learns of all of them at once, before any of
/// them is written.
pub(super) fn adopt(tx: &Tx<'_>) -> Result<()> {
    let mut adopting = Adopting {
        tx,
        statements: Vec::new(),
    };
    let mut updates = providers(&mut adopting)?;
    updates.extend(tokens(&mut adopting)?);
    updates.extend(profile(&mut adopting)?);
    if !adopting.statements.is_empty() {
        super::change(tx, &adopting.statements, &[])?;
    }
    for (sql, seal, id) in updates {
        tx.conn.prepare_cached(sql)?.execute(params![seal, id])?;
    }
    snapshots(tx)
}

struct Adopting<'a> {
    tx: &'a Tx<'a>,
    statements: Vec<Statement>,
}

type Update = (&'static str, Option<Vec<u8>>, String);

impl Adopting<'_> {
    fn seal(&mut self, thing: &dyn Sealable) -> Result<Option<Vec<u8>>> {
        let keys = &self.tx.shared.options.seals;
        if thing.needs(keys.has_factor()) == Needs::Signature {
            return Ok(None);
        }
        let now = self.tx.now();
        let seal = keys.seal(thing, now).map_err(|_| StoreError::Failed)?;
        if thing.is_registered() {
            let statement = thing.statement(now).map_err(|_| StoreError::Failed)?;
            self.statements.push(statement);
        }
        Ok(column(seal))
    }
}

fn providers(adopting: &mut Adopting<'_>) -> Result<Vec<Update>> {
    let conn = adopting.tx.conn;
    let mut select =
        conn.prepare("SELECT provider_id, record FROM providers WHERE seal IS NULL")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let mut updates = Vec::new();
    for row in rows {
        let (id, text): (String, _) = row?;
        let record: ProviderRecord = codec::from_json(&text)?;
        if let Some(seal) = adopting.seal(&record)? {
            updates.push((
                "UPDATE providers SET seal = ?1 WHERE provider_id = ?2",
                Some(seal),
                id,
            ));
        }
    }
    Ok(updates)
}

fn tokens(adopting: &mut Adopting<'_>) -> Result<Vec<Update>> {
    let conn = adopting.tx.conn;
    let sql = format!(
        "{}, sha256 FROM tokens WHERE revoked_at IS NULL AND seal IS NULL",
        tokens::COLUMNS
    );
    let mut select = conn.prepare(&sql)?;
    let mut rows = select.query([])?;
    let mut updates = Vec::new();
    while let Some(row) = rows.next()? {
        let sha256: Digest = codec::digest(&row.get::<_, Vec<u8>>(tokens::COUNT)?)?;
        let token = tokens::token(tokens::columns(row)?)?;
        let granted = GrantedToken {
            token: &token,
            sha256,
        };
        updates.push((
            "UPDATE tokens SET seal = ?1 WHERE name = ?2",
            adopting.seal(&granted)?,
            token.name.to_string(),
        ));
    }
    Ok(updates)
}

fn profile(adopting: &mut Adopting<'_>) -> Result<Vec<Update>> {
    let conn = adopting.tx.conn;
    let mut select = conn.prepare(
        "SELECT profile_id, profile FROM active_profile JOIN profiles USING (profile_id)
         WHERE seal IS NULL",
    )?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let mut updates = Vec::new();
    for row in rows {
        let (id, text): (String, _) = row?;
        let profile: WorkProfile = codec::from_json(&text)?;
        if let Some(seal) = adopting.seal(&ActiveProfile(&profile))? {
            updates.push((
                "UPDATE active_profile SET seal = ?1 WHERE profile_id = ?2",
                Some(seal),
                id,
            ));
        }
    }
    Ok(updates)
}

/// Of the providers that are believed; a cloud provider's are read again once it is.
fn snapshots(tx: &Tx<'_>) -> Result<()> {
    let mut select = tx
        .conn
        .prepare("SELECT provider_id, model_id, snapshot FROM snapshots WHERE seal IS NULL")?;
    let rows = select.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
    })?;
    let rows: Vec<(String, String, String)> = rows.collect::<rusqlite::Result<_>>()?;
    let mut update = tx
        .conn
        .prepare("UPDATE snapshots SET seal = ?1 WHERE provider_id = ?2 AND model_id = ?3")?;
    for (provider, model, text) in rows {
        let snapshot: CapabilitySnapshot = codec::from_json(&text)?;
        let seal = tx.shared.options.seals.seal(&snapshot, tx.now());
        let seal = column(seal.map_err(|_| StoreError::Failed)?);
        update.execute(params![seal, provider, model])?;
    }
    Ok(())
}
