//! Reading a view: whole the first time, then what the counter names.

use std::{collections::BTreeSet, sync::Arc};

use handshake_core::{
    capability::{CapabilitySnapshot, SharedSnapshot},
    digest::Digest,
    ids::{ModelRef, ProviderId},
    ports::StoreError,
    profile::RegistryView,
    provider::ProviderRecord,
    seal::{ActiveProfile, BadSeal, CloudPause, Evidence, GrantedToken, Seal, SealKeys, SealKind},
};
use rusqlite::{Connection, Row, params};

use crate::{
    codec, epochs,
    error::Fail,
    profiles::{self, Active},
    seals, tokens,
};

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
    pub(super) fn next(
        before: Option<&Self>,
        conn: &Connection,
        keys: &Arc<SealKeys>,
    ) -> Result<Self> {
        let version: i64 = conn
            .prepare_cached("SELECT coalesce(max(version), 0) FROM registry_changes")?
            .query_row([], |row| row.get(0))?;
        // A counter that went back is another database than the one that was read.
        let Some(before) = before.filter(|before| before.version <= version) else {
            return whole(conn, version, keys);
        };
        if before.version == version {
            return Ok(Self {
                version,
                view: Arc::clone(&before.view),
            });
        }
        let changed = changed(conn, before.version)?;
        if changed.providers.len() > MANY {
            return whole(conn, version, keys);
        }
        let mut view = RegistryView::clone(&before.view);
        if changed.others {
            others(conn, &mut view, keys)?;
        }
        let stays = |model: &ModelRef| !changed.providers.contains(&model.provider);
        view.snapshots.retain(|model, _| stays(model));
        view.seals.snapshots.retain(|model, _| stays(model));
        view.seals.enabled.retain(|model, _| stays(model));
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

fn whole(conn: &Connection, version: i64, keys: &Arc<SealKeys>) -> Result<Loaded> {
    let mut view = RegistryView::default();
    view.seals.keys = Some(Arc::clone(keys));
    let mut select =
        conn.prepare_cached("SELECT record, seal FROM providers ORDER BY provider_id")?;
    let mut rows = select.query([])?;
    let (mut providers, mut seals) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let record: ProviderRecord = codec::from_json(text(row)?)?;
        let seal = seals::stored(blob(row, 1)?);
        let evidence = Evidence::new(seal, record.revision);
        seals.push((record.provider_id.clone(), Arc::new(evidence)));
        providers.push((record.provider_id.clone(), Arc::new(record)));
    }
    // In order already, so that the maps are built without a comparison too many.
    view.providers = providers.into_iter().collect();
    view.seals.providers = seals.into_iter().collect();
    let mut select = conn.prepare_cached(
        "SELECT snapshot, seal, enabled_seal FROM snapshots ORDER BY provider_id, model_id",
    )?;
    let mut rows = select.query([])?;
    let (mut snapshots, mut seals, mut enabled) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let known = Known::read(row)?;
        seals.push((known.model.clone(), known.evidence));
        enabled.extend(known.enabled.map(|seal| (known.model.clone(), seal)));
        snapshots.push((known.model, known.snapshot));
    }
    view.snapshots = snapshots.into_iter().collect();
    view.seals.snapshots = seals.into_iter().collect();
    view.seals.enabled = enabled.into_iter().collect();
    others(conn, &mut view, keys)?;
    let view = Arc::new(view);
    Ok(Loaded { version, view })
}

/// One provider and what is known about its models, or nothing any more.
fn provider(conn: &Connection, view: &mut RegistryView, id: ProviderId) -> Result<()> {
    let mut select =
        conn.prepare_cached("SELECT record, seal FROM providers WHERE provider_id = ?1")?;
    let mut rows = select.query(params![id.as_str()])?;
    let Some(row) = rows.next()? else {
        view.providers.remove(&id);
        view.seals.providers.remove(&id);
        return Ok(());
    };
    let record: ProviderRecord = codec::from_json(text(row)?)?;
    let evidence = Evidence::new(seals::stored(blob(row, 1)?), record.revision);
    view.seals.providers.insert(id.clone(), Arc::new(evidence));
    let mut select = conn.prepare_cached(
        "SELECT snapshot, seal, enabled_seal FROM snapshots WHERE provider_id = ?1",
    )?;
    let mut rows = select.query(params![id.as_str()])?;
    while let Some(row) = rows.next()? {
        let known = Known::read(row)?;
        let model = known.model;
        view.seals.snapshots.insert(model.clone(), known.evidence);
        if let Some(seal) = known.enabled {
            view.seals.enabled.insert(model.clone(), seal);
        }
        view.snapshots.insert(model, known.snapshot);
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
fn others(conn: &Connection, view: &mut RegistryView, keys: &SealKeys) -> Result<()> {
    view.seals.broken.clear();
    let pause = epochs::pause(conn, keys)?;
    view.paused = pause.said.paused;
    if pause.edited {
        let id = CloudPause::ID.to_owned();
        view.seals.broken.push((SealKind::Pause, id));
    }
    (view.profile, view.profile_withheld) = match profiles::active(conn, keys)? {
        Active::None => (None, false),
        Active::Profile(profile) => (Some(Arc::from(profile)), false),
        Active::Withheld => {
            let id = ActiveProfile::ID.to_owned();
            view.seals.broken.push((SealKind::Profile, id));
            (None, true)
        }
    };
    view.aliases.clear();
    let mut select = conn.prepare_cached("SELECT pattern, target FROM aliases")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let target: String = row.get(1)?;
        view.aliases.insert(row.get(0)?, codec::id(&target)?);
    }
    view.tokens.clear();
    let sql = format!(
        "{}, sha256, seal FROM tokens WHERE revoked_at IS NULL",
        tokens::COLUMNS
    );
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let sha256: Digest = codec::digest(&row.get::<_, Vec<u8>>(tokens::COUNT)?)?;
        let seal = seals::stored(blob(row, tokens::COUNT + 1)?);
        let token = tokens::token(tokens::columns(row)?)?;
        let granted = GrantedToken {
            token: &token,
            sha256,
        };
        match keys.check(&granted, seal.as_ref()) {
            Ok(()) => {
                view.tokens.insert(sha256, Arc::new(token));
            }
            Err(BadSeal::Unreadable) => return Err(StoreError::Locked.into()),
            // It opens nothing, as if it were not there.
            Err(_) => {
                let name = token.name.to_string();
                view.seals.broken.push((SealKind::Token, name));
            }
        }
    }
    Ok(())
}

/// What is known about a model, and the seals beside it.
struct Known {
    model: ModelRef,
    snapshot: SharedSnapshot,
    evidence: Arc<Evidence<SharedSnapshot>>,
    enabled: Option<Seal>,
}

impl Known {
    fn read(row: &Row<'_>) -> Result<Self> {
        let snapshot: CapabilitySnapshot = codec::from_json(text(row)?)?;
        let seal = seals::stored(blob(row, 1)?);
        let evidence = Evidence::new(seal, snapshot.provider_revision);
        Ok(Self {
            model: ModelRef {
                provider: snapshot.provider_id.clone(),
                model: snapshot.model_id.clone(),
            },
            evidence: Arc::new(evidence),
            enabled: seals::stored(blob(row, 2)?),
            snapshot: snapshot.into(),
        })
    }
}

fn text<'a>(row: &'a Row<'_>) -> Result<&'a str> {
    let value = row.get_ref(0)?;
    Ok(value.as_str().map_err(|_| StoreError::Damaged)?)
}

/// A column of bytes. One that holds something else holds no seal.
fn blob<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a [u8]>> {
    Ok(row.get_ref(column)?.as_blob_or_null().unwrap_or(None))
}
