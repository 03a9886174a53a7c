//! Reading a view: whole the first time, then what the counter names.

use std::{collections::BTreeSet, sync::Arc};

use handshake_core::{
    capability::{CapabilitySnapshot, SharedSnapshot},
    digest::Digest,
    ids::{ModelRef, ProviderId},
    ports::StoreError,
    profile::RegistryView,
    provider::ProviderRecord,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{codec, epochs, error::Fail, tokens};

type Result<T> = std::result::Result<T, Fail<StoreError>>;

/// With more changed providers than this, reading all of them is the shorter way.
const MANY: usize = 1_000;

/// A view, and the number of the last change in it.
pub(super) struct Loaded {
    version: i64,
    pub(super) view: Arc<RegistryView>,
}

/// What changed after a version.
#[derive(Default)]
struct Changed {
    providers: BTreeSet<ProviderId>,
    others: bool,
}

impl Loaded {
    /// The registry as this transaction sees it.
    pub(super) fn next(before: Option<&Self>, conn: &Connection) -> Result<Self> {
        let version: i64 = conn
            .prepare_cached("SELECT coalesce(max(version), 0) FROM registry_changes")?
            .query_row([], |row| row.get(0))?;
        // A counter that went back is another database than the one that was read.
        let Some(before) = before.filter(|before| before.version <= version) else {
            return whole(conn, version);
        };
        if before.version == version {
            return Ok(Self {
                version,
                view: Arc::clone(&before.view),
            });
        }
        let changed = changed(conn, before.version)?;
        if changed.providers.len() > MANY {
            return whole(conn, version);
        }
        let mut view = RegistryView::clone(&before.view);
        if changed.others {
            others(conn, &mut view)?;
            view.paused = epochs::paused(conn)?;
        }
        view.snapshots
            .retain(|model, _| !changed.providers.contains(&model.provider));
        for id in changed.providers {
            provider(conn, &mut view, id)?;
        }
        let view = Arc::new(view);
        Ok(Self { version, view })
    }
}

fn changed(conn: &Connection, after: i64) -> Result<Changed> {
    let mut changed = Changed::default();
    let mut select =
        conn.prepare_cached("SELECT provider_id FROM registry_changes WHERE version > ?1")?;
    for id in select.query_map(params![after], |row| row.get::<_, String>(0))? {
        match id?.as_str() {
            "" => changed.others = true,
            id => {
                changed.providers.insert(codec::id(id)?);
            }
        }
    }
    Ok(changed)
}

fn whole(conn: &Connection, version: i64) -> Result<Loaded> {
    let mut view = RegistryView::default();
    let mut select = conn.prepare_cached("SELECT record FROM providers ORDER BY provider_id")?;
    let mut rows = select.query([])?;
    let mut providers = Vec::new();
    while let Some(row) = rows.next()? {
        let record: ProviderRecord = codec::from_json(text(row)?)?;
        providers.push((record.provider_id.clone(), Arc::new(record)));
    }
    view.providers = providers.into_iter().collect();
    let mut select =
        conn.prepare_cached("SELECT snapshot FROM snapshots ORDER BY provider_id, model_id")?;
    let mut rows = select.query([])?;
    let mut snapshots = Vec::new();
    while let Some(row) = rows.next()? {
        snapshots.push(known(codec::from_json(text(row)?)?));
    }
    view.snapshots = snapshots.into_iter().collect();
    others(conn, &mut view)?;
    view.paused = epochs::paused(conn)?;
    let view = Arc::new(view);
    Ok(Loaded { version, view })
}

/// One provider and what is known about its models, or nothing any more.
fn provider(conn: &Connection, view: &mut RegistryView, id: ProviderId) -> Result<()> {
    let record: Option<String> = conn
        .prepare_cached("SELECT record FROM providers WHERE provider_id = ?1")?
        .query_row(params![id.as_str()], |row| row.get(0))
        .optional()?;
    let Some(record) = record else {
        view.providers.remove(&id);
        return Ok(());
    };
    let record: ProviderRecord = codec::from_json(&record)?;
    let mut select =
        conn.prepare_cached("SELECT snapshot FROM snapshots WHERE provider_id = ?1")?;
    let mut rows = select.query(params![id.as_str()])?;
    while let Some(row) = rows.next()? {
        let (model, snapshot) = known(codec::from_json(text(row)?)?);
        view.snapshots.insert(model, snapshot);
    }
    // The same record stays the same value, and with it what was built from it.
    if view
        .providers
        .get(&id)
        .is_none_or(|known| **known != record)
    {
        view.providers.insert(id, Arc::new(record));
    }
    Ok(())
}

/// Everything that belongs to no provider. Small, so it is read whole.
fn others(conn: &Connection, view: &mut RegistryView) -> Result<()> {
    let profile: Option<String> = conn
        .prepare_cached("SELECT profile FROM active_profile JOIN profiles USING (profile_id)")?
        .query_row([], |row| row.get(0))
        .optional()?;
    view.profile = profile
        .map(|profile| codec::from_json(&profile).map(Arc::new))
        .transpose()?;
    view.aliases.clear();
    let mut select = conn.prepare_cached("SELECT pattern, target FROM aliases")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let target: String = row.get(1)?;
        view.aliases.insert(row.get(0)?, codec::id(&target)?);
    }
    view.tokens.clear();
    let sql = format!(
        "{}, sha256 FROM tokens WHERE revoked_at IS NULL",
        tokens::COLUMNS
    );
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let digest: Digest = codec::digest(&row.get::<_, Vec<u8>>(tokens::COUNT)?)?;
        let token = tokens::token(tokens::columns(row)?)?;
        view.tokens.insert(digest, Arc::new(token));
    }
    Ok(())
}

fn known(snapshot: CapabilitySnapshot) -> (ModelRef, SharedSnapshot) {
    let model = ModelRef {
        provider: snapshot.provider_id.clone(),
        model: snapshot.model_id.clone(),
    };
    (model, snapshot.into())
}

fn text<'a>(row: &'a rusqlite::Row<'_>) -> Result<&'a str> {
    let value = row.get_ref(0)?;
    Ok(value.as_str().map_err(|_| StoreError::Damaged)?)
}
