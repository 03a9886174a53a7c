//! What a person saw last of one client towards one provider, so that the next question can say what changed since. It
//! helps a person to read and decides nothing: whatever is missing or damaged here is shown as new.

use std::sync::Arc;

use handshake_core::{
    ids::{Principal, ProviderId},
    ports::StoreError,
    time::UtcTime,
};
use rusqlite::{OptionalExtension, params};

use crate::{codec, store::Store};

/// How many clients' are kept. The oldest goes.
const KEPT: i64 = 32;
/// What is larger is not kept.
const LARGEST: usize = 2 << 20;

fn context(principal: &str, provider: &ProviderId) -> String {
    format!("hsk.shown.v1/{provider}/{principal}")
}

impl Store {
    /// Keeps what was shown to a person who said yes to it, sealed, in place of what was kept for the same client and
    /// provider before. It goes with the provider. What is larger than 2 MiB is not kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_shown(
        &self,
        principal: &Principal,
        provider: &ProviderId,
        content: Vec<u8>,
    ) -> Result<(), StoreError> {
        let (principal, provider) = (principal.to_string(), provider.clone());
        let sealer = Arc::clone(&self.shared().options.sealer);
        let small = content.len() <= LARGEST;
        let sealed = sealer.seal(&context(&principal, &provider), &content);
        let sealed = sealed.map_err(codec::seal_error)?;
        self.write(move |tx| {
            let known = tx
                .conn
                .prepare_cached("SELECT 1 FROM providers WHERE provider_id = ?1")?
                .exists(params![provider.as_str()])?;
            tx.conn.execute(
                "DELETE FROM shown WHERE principal = ?1 AND provider_id = ?2",
                params![principal, provider.as_str()],
            )?;
            if known && small {
                tx.conn.execute(
                    "INSERT INTO shown VALUES (?1, ?2, ?3, ?4)",
                    params![principal, provider.as_str(), tx.now().unix_millis(), sealed],
                )?;
            }
            tx.conn.execute(
                "DELETE FROM shown WHERE (principal, provider_id) NOT IN
                   (SELECT principal, provider_id FROM shown ORDER BY shown_at DESC, principal LIMIT ?1)",
                params![KEPT],
            )?;
            Ok(())
        })
        .await
    }

    /// What was kept, and since when. `None` for what does not open any more, too: it was never shown then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shown_before(
        &self,
        principal: &Principal,
        provider: &ProviderId,
    ) -> Result<Option<(UtcTime, Vec<u8>)>, StoreError> {
        let (principal, provider) = (principal.to_string(), provider.clone());
        let context = context(&principal, &provider);
        let found: Option<(i64, Vec<u8>)> = self
            .read::<_, StoreError, _>(move |conn| {
                Ok(conn
                    .prepare_cached(
                        "SELECT shown_at, sealed FROM shown WHERE principal = ?1 AND provider_id = ?2",
                    )?
                    .query_row(params![principal, provider.as_str()], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional()?)
            })
            .await?;
        let sealer = &self.shared().options.sealer;
        Ok(found.and_then(|(at, sealed)| {
            let content = sealer.open(&context, &sealed).ok()?;
            Some((codec::time(at), content))
        }))
    }
}
