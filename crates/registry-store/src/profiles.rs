//! Work profiles. Immutable under their id.

use async_trait::async_trait;
use handshake_core::{
    ids::ProfileId,
    ports::{ProfileStore, StoreError},
    profile::WorkProfile,
};
use rusqlite::{OptionalExtension, params};

use crate::{codec, store::Store};

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
        self.read(|conn| {
            let profile: Option<String> = conn
                .prepare_cached(
                    "SELECT profile FROM active_profile JOIN profiles USING (profile_id)",
                )?
                .query_row([], |row| row.get(0))
                .optional()?;
            Ok(profile
                .map(|profile| codec::from_json(&profile))
                .transpose()?)
        })
        .await
    }

    async fn activate(&self, profile: &ProfileId) -> Result<(), StoreError> {
        let profile = profile.clone();
        self.change(move |tx| {
            let activated = tx.conn.execute(
                "INSERT INTO active_profile SELECT 1, profile_id FROM profiles WHERE profile_id = ?1
                 ON CONFLICT DO UPDATE SET profile_id = excluded.profile_id",
                params![profile.as_str()],
            )?;
            if activated == 1 {
                Ok(())
            } else {
                Err(StoreError::Missing.into())
            }
        })
        .await
    }
}
