//! Work profiles. Immutable under their id.

use std::sync::Arc;

use async_trait::async_trait;
use handshake_core::{
    ids::ProfileId,
    ports::{ProfileStore, StoreError},
    profile::WorkProfile,
    seal::{ActiveProfile, BadSeal, Seal, SealKeys, SealKind, subject},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{codec, error::Fail, seals, store::Store};

#[async_trait]
impl ProfileStore for Store {
    async fn list(&self) -> Result<Vec<WorkProfile>, StoreError> {
        self.read(|conn| {
            let mut select =
                conn.prepare_cached("SELECT profile FROM profiles ORDER BY profile_id")?;
            let rows = select.query_map([], |row| row.get::<_, String>(0))?;
            rows.map(|profile| Ok(codec::from_json(&profile?)?))
                .collect()
        })
        .await
    }

    async fn put(&self, profile: WorkProfile) -> Result<(), StoreError> {
        self.change(move |tx| {
            let id = profile.profile_id.as_str();
            let stored = tx.conn.execute(
                "INSERT INTO profiles VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![id, codec::json(&profile)?],
            )?;
            if stored == 1 {
                return Ok(());
            }
            let known: String = tx.conn.query_row(
                "SELECT profile FROM profiles WHERE profile_id = ?1",
                params![id],
                |row| row.get(0),
            )?;
            if codec::from_json::<WorkProfile>(&known)? == profile {
                Ok(())
            } else {
                Err(StoreError::Conflict.into())
            }
        })
        .await
    }

    async fn active(&self) -> Result<Option<WorkProfile>, StoreError> {
        let keys = Arc::clone(&self.shared().options.seals);
        self.read(move |conn| match active(conn, &keys)? {
            Active::Withheld => Err(StoreError::Untrusted.into()),
            Active::None => Ok(None),
            Active::Profile(profile) => Ok(Some(*profile)),
        })
        .await
    }

    async fn activate(&self, profile: &ProfileId) -> Result<(), StoreError> {
        self.activate_sealed(profile, None).await
    }
}

impl Store {
    /// The id of the profile that stands as the active one, believed or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn active_profile_id(&self) -> Result<Option<ProfileId>, StoreError> {
        self.read(|conn| {
            let id: Option<String> = conn
                .prepare_cached("SELECT profile_id FROM active_profile")?
                .query_row([], |row| row.get(0))
                .optional()?;
            Ok(id.map(|id| codec::id(&id)).transpose()?)
        })
        .await
    }

    /// As [`ProfileStore::activate`], under the seal of the person who allows it.
    ///
    /// # Errors
    /// Those of [`ProfileStore::activate`].
    pub async fn activate_sealed(
        &self,
        profile: &ProfileId,
        seal: Option<Seal>,
    ) -> Result<(), StoreError> {
        let id = profile.clone();
        self.change(move |tx| {
            let text: Option<String> = tx
                .conn
                .prepare_cached("SELECT profile FROM profiles WHERE profile_id = ?1")?
                .query_row(params![id.as_str()], |row| row.get(0))
                .optional()?;
            let profile: WorkProfile = codec::from_json(&text.ok_or(StoreError::Missing)?)?;
            let seal = seals::enter(tx, &ActiveProfile(&profile), seal)?;
            tx.conn.execute(
                "INSERT INTO active_profile (only, profile_id, seal) VALUES (1, ?1, ?2)
                 ON CONFLICT DO UPDATE SET profile_id = excluded.profile_id, seal = excluded.seal",
                params![id.as_str(), seals::column(seal)],
            )?;
            Ok(())
        })
        .await
    }
}

/// The active profile, as far as it is believed.
pub(crate) enum Active {
    None,
    Profile(Box<WorkProfile>),
    /// It is not as it was activated, or gone although it was.
    Withheld,
}

pub(crate) fn active(conn: &Connection, keys: &SealKeys) -> Result<Active, Fail<StoreError>> {
    let found: Option<(String, Option<Vec<u8>>)> = conn
        .prepare_cached(
            "SELECT profile, seal FROM active_profile JOIN profiles USING (profile_id)",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((text, seal)) = found else {
        let expected = keys.is_expected(&subject(SealKind::Profile, ActiveProfile::ID));
        return match expected {
            Ok(false) => Ok(Active::None),
            Ok(true) => Ok(Active::Withheld),
            Err(_) => Err(StoreError::Locked.into()),
        };
    };
    // What does not even read is no more to be believed than what was changed into another profile.
    let Ok(profile) = codec::from_json::<WorkProfile>(&text) else {
        return Ok(Active::Withheld);
    };
    match keys.check(
        &ActiveProfile(&profile),
        seals::stored(seal.as_deref()).as_ref(),
    ) {
        Ok(()) => Ok(Active::Profile(Box::new(profile))),
        Err(BadSeal::Unreadable) => Err(StoreError::Locked.into()),
        Err(_) => Ok(Active::Withheld),
    }
}
