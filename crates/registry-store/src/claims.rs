//! What operators declare about models.

use handshake_core::{capability::Claims, ids::ModelRef, ports::StoreError};
use rusqlite::{OptionalExtension, params};

use crate::{codec, store::Store};

impl Store {
    /// What the operator declared about a model; `None` when nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claims(&self, model: &ModelRef) -> Result<Option<Claims>, StoreError> {
        let model = model.clone();
        self.read(move |conn| {
            let claims: Option<String> = conn
                .prepare_cached(
                    "SELECT claims FROM claims WHERE provider_id = ?1 AND model_id = ?2",
                )?
                .query_row(
                    params![model.provider.as_str(), model.model.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(claims.map(|claims| codec::from_json(&claims)).transpose()?)
        })
        .await
    }

    /// Declares what a model can do; `None` takes the declaration back. They go with their provider.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for an unknown provider.
    pub async fn set_claims(
        &self,
        model: &ModelRef,
        claims: Option<Claims>,
    ) -> Result<(), StoreError> {
        let model = model.clone();
        self.write(move |tx| {
            let (provider, id) = (model.provider.as_str(), model.model.as_str());
            let Some(claims) = claims else {
                tx.conn.execute(
                    "DELETE FROM claims WHERE provider_id = ?1 AND model_id = ?2",
                    params![provider, id],
                )?;
                return Ok(());
            };
            let stored = tx.conn.execute(
                "INSERT INTO claims SELECT provider_id, ?2, ?3 FROM providers WHERE provider_id = ?1
                 ON CONFLICT DO UPDATE SET claims = excluded.claims",
                params![provider, id, codec::json(&claims)?],
            )?;
            if stored == 1 {
                Ok(())
            } else {
                Err(StoreError::Missing.into())
            }
        })
        .await
    }
}
