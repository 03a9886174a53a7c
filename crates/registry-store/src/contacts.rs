//! Contact grants, bound to a provider's revision.

use async_trait::async_trait;
use handshake_core::{
    ids::ProviderId,
    ports::{ContactGrants, StoreError},
};
use rusqlite::params;

use crate::{codec, store::Store};

#[async_trait]
impl ContactGrants for Store {
    async fn granted(&self, provider: &ProviderId, revision: u64) -> Result<bool, StoreError> {
        self.shared().healthy()?;
        let provider = provider.clone();
        self.read(move |conn| {
            // Joined with the record: a grant for another revision than the present one is void.
            let mut select = conn.prepare_cached(
                "SELECT 1 FROM contacts JOIN providers USING (provider_id, revision)
                 WHERE provider_id = ?1 AND revision = ?2",
            )?;
            Ok(select.exists(params![provider.as_str(), codec::int(revision)?])?)
        })
        .await
    }

    async fn grant(&self, provider: &ProviderId, revision: u64) -> Result<(), StoreError> {
        let provider = provider.clone();
        self.write(move |tx| {
            let stored = tx.conn.execute(
                "INSERT INTO contacts SELECT provider_id, revision, ?3 FROM providers
                 WHERE provider_id = ?1 AND revision = ?2 ON CONFLICT DO NOTHING",
                params![
                    provider.as_str(),
                    codec::int(revision)?,
                    tx.now().unix_millis()
                ],
            )?;
            let mut known = tx.conn.prepare_cached(
                "SELECT 1 FROM contacts WHERE provider_id = ?1 AND revision = ?2",
            )?;
            if stored == 1 || known.exists(params![provider.as_str(), codec::int(revision)?])? {
                Ok(())
            } else {
                Err(StoreError::Missing.into())
            }
        })
        .await
    }
}
