//! Contact grants, bound to a provider's revision.

use async_trait::async_trait;
use handshake_core::{
    ids::ProviderId,
    ports::{ContactGrants, StoreError},
    seal::{ContactGrant, Seal},
};
use rusqlite::params;

use crate::{codec, seals, store::Store};

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

    async fn grant(&self, grant: &ContactGrant, seal: Seal) -> Result<(), StoreError> {
        let grant = grant.clone();
        self.write(move |tx| {
            let revision = codec::int(grant.provider_revision)?;
            let provider = grant.provider_id.as_str();
            let known = tx
                .conn
                .prepare_cached(
                    "SELECT 1 FROM providers WHERE provider_id = ?1 AND revision = ?2",
                )?
                .exists(params![provider, revision])?;
            if !known {
                return Err(StoreError::Missing.into());
            }
            let seal = seals::column(seals::enter(tx, &grant, Some(seal))?);
            tx.conn.execute(
                "INSERT INTO contacts (provider_id, revision, granted_at, seal) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET seal = excluded.seal",
                params![provider, revision, tx.now().unix_millis(), seal],
            )?;
            Ok(())
        })
        .await
    }
}
