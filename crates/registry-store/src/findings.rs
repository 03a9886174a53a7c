//! What blocked a call, sealed, for a person to name; and what a person declassified, as evidence for the gate.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use handshake_core::{
    digest::KeyedHash,
    ids::{ProviderId, RuleId},
    ports::{BlockedFinding, FindingStore, StoreError, StoredDeclassified},
    seal::{Declassified, Seal, declassified_subject},
};
use rusqlite::{Connection, params};

use crate::{codec, epochs, error::Fail, seals, store::Store, writer::Tx};

type Result<T> = std::result::Result<T, Fail<StoreError>>;

/// How many rows of one provider are read. Nobody declassifies so many one by one.
const MOST: i64 = 4096;

#[async_trait]
impl FindingStore for Store {
    async fn declassified(
        &self,
        provider: Option<(&ProviderId, u64)>,
    ) -> std::result::Result<Vec<StoredDeclassified>, StoreError> {
        let provider = provider.map(|(id, revision)| (id.clone(), revision));
        self.read(move |conn| stored(conn, provider.as_ref())).await
    }

    async fn declassify(
        &self,
        what: &Declassified,
        seal: Seal,
    ) -> std::result::Result<(), StoreError> {
        let what = what.clone();
        self.write(move |tx| {
            tx.shared.healthy()?;
            let (provider, revision) = (&what.provider_id, codec::int(what.provider_revision)?);
            let known = tx
                .conn
                .prepare_cached("SELECT 1 FROM providers WHERE provider_id = ?1 AND revision = ?2")?
                .exists(params![provider.as_str(), revision])?;
            if !known {
                return Err(StoreError::Missing.into());
            }
            let seal = seals::column(seals::enter(tx, &what, Some(seal))?);
            tx.conn.execute(
                "INSERT INTO declassified (provider_id, rule, leaf, revision, class, seal)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE
                 SET revision = excluded.revision, class = excluded.class, seal = excluded.seal",
                params![
                    provider.as_str(),
                    what.rule.as_str(),
                    what.leaf.digest().as_bytes(),
                    revision,
                    codec::json(&what.class)?,
                    seal
                ],
            )?;
            epochs::enabled_changed(tx.conn, provider)
        })
        .await
    }

    async fn classify_again(
        &self,
        provider: &ProviderId,
        rule: &RuleId,
        leaf: &KeyedHash,
    ) -> std::result::Result<(), StoreError> {
        let (provider, rule, leaf) = (provider.clone(), rule.clone(), *leaf);
        self.write(move |tx| {
            let subject = declassified_subject(&provider, &rule, &leaf);
            // First: what a crash leaves between the two is in force no more.
            seals::strike(tx, &[subject])?;
            let gone = tx.conn.execute(
                "DELETE FROM declassified WHERE provider_id = ?1 AND rule = ?2 AND leaf = ?3",
                params![provider.as_str(), rule.as_str(), leaf.digest().as_bytes()],
            )?;
            if gone == 0 {
                return Err(StoreError::Missing.into());
            }
            epochs::enabled_changed(tx.conn, &provider)
        })
        .await
    }

    async fn keep_blocked(
        &self,
        blocked: Vec<BlockedFinding>,
    ) -> std::result::Result<(), StoreError> {
        let sealer = Arc::clone(&self.shared().options.sealer);
        let mut rows = Vec::with_capacity(blocked.len());
        for one in blocked {
            let handle = one.handle();
            let text = serde_json::to_vec(&one).map_err(|_| StoreError::Failed)?;
            let sealed = sealer.seal(&context(&handle), &text);
            let sealed = sealed.map_err(codec::seal_error)?;
            let at = one.at.unix_millis();
            rows.push((handle, one.principal.to_string(), at, sealed));
        }
        self.write(move |tx| {
            for (handle, principal, at, sealed) in &rows {
                tx.conn.execute(
                    "INSERT OR REPLACE INTO blocked VALUES (?1, ?2, ?3, ?4)",
                    params![handle, principal, at, sealed],
                )?;
            }
            prune(tx)
        })
        .await
    }

    async fn blocked(&self) -> std::result::Result<Vec<BlockedFinding>, StoreError> {
        let since = oldest(self.shared().options.clock.now().unix_millis());
        let rows: Vec<(String, Vec<u8>)> = self
            .read::<_, StoreError, _>(move |conn| {
                let mut select = conn.prepare_cached(
                    "SELECT handle, sealed FROM blocked WHERE at > ?1 ORDER BY at DESC, handle LIMIT ?2",
                )?;
                let kept = i64::try_from(BlockedFinding::KEPT).unwrap_or(i64::MAX);
                let rows =
                    select.query_map(params![since, kept], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })
            .await?;
        let sealer = &self.shared().options.sealer;
        let mut found = Vec::new();
        for (handle, sealed) in rows {
            match sealer.open(&context(&handle), &sealed) {
                Ok(text) => {
                    let one = serde_json::from_slice::<BlockedFinding>(&text);
                    // Of another version of this program, at worst: nobody is told of it.
                    let fits = |one: &BlockedFinding| {
                        one.handle() == handle && one.at.unix_millis() > since
                    };
                    found.extend(one.ok().filter(fits));
                }
                Err(handshake_core::ports::SealError::Locked) => return Err(StoreError::Locked),
                // Somebody else wrote it.
                Err(_) => {}
            }
        }
        Ok(found)
    }
}

fn context(handle: &str) -> String {
    format!("hsk.blocked.v1/{handle}")
}

fn oldest(now: i64) -> i64 {
    let life = Duration::from_secs(BlockedFinding::KEPT_SECONDS).as_millis();
    now.saturating_sub(i64::try_from(life).unwrap_or(i64::MAX))
}

/// None that is too old, the newest of each client, the newest of all.
fn prune(tx: &Tx<'_>) -> Result<()> {
    tx.conn.execute(
        "DELETE FROM blocked WHERE at <= ?1",
        params![oldest(tx.now().unix_millis())],
    )?;
    let mut of_one: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = 0;
    let mut over = Vec::new();
    let mut select = tx
        .conn
        .prepare_cached("SELECT handle, principal FROM blocked ORDER BY at DESC, handle")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for row in rows {
        let (handle, principal): (String, String) = row?;
        let count = of_one.entry(principal).or_default();
        if *count >= BlockedFinding::KEPT_OF_ONE || all >= BlockedFinding::KEPT {
            over.push(handle);
            continue;
        }
        *count += 1;
        all += 1;
    }
    for handle in over {
        tx.conn
            .execute("DELETE FROM blocked WHERE handle = ?1", params![handle])?;
    }
    Ok(())
}

fn stored(
    conn: &Connection,
    provider: Option<&(ProviderId, u64)>,
) -> Result<Vec<StoredDeclassified>> {
    let mut select = conn.prepare_cached(
        "SELECT provider_id, revision, leaf, rule, class, seal FROM declassified
         WHERE ?1 IS NULL OR (provider_id = ?1 AND revision = ?2)
         ORDER BY provider_id, rule, leaf LIMIT ?3",
    )?;
    let (id, revision) = match provider {
        Some((id, revision)) => (Some(id.as_str()), codec::int(*revision)?),
        None => (None, 0),
    };
    let mut rows = select.query(params![id, revision, MOST])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let leaf: Vec<u8> = row.get(2)?;
        let seal = row.get_ref(5)?.as_blob_or_null().unwrap_or(None);
        let (id, rule, class): (String, String, String) = (row.get(0)?, row.get(3)?, row.get(4)?);
        let read = || {
            Ok::<_, StoreError>(StoredDeclassified {
                provider_id: codec::id(&id)?,
                revision: codec::unsigned(row.get(1).unwrap_or(-1))?,
                leaf: KeyedHash::from_digest(codec::digest(&leaf)?),
                rule: codec::id(&rule)?,
                class: codec::from_json(&class)?,
                seal: seals::stored(seal),
            })
        };
        // One that names nothing says nothing, and must not hide the others.
        found.extend(read().ok());
    }
    Ok(found)
}

/// The seals of what is declassified for a provider, by their names.
pub(crate) fn subjects(conn: &Connection, provider: &ProviderId) -> Result<Vec<String>> {
    let mut select =
        conn.prepare_cached("SELECT rule, leaf FROM declassified WHERE provider_id = ?1")?;
    let rows = select.query_map(params![provider.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let mut subjects = Vec::new();
    for row in rows {
        let (rule, leaf) = row?;
        // One that cannot be read names no seal.
        let (Ok(rule), Ok(leaf)) = (codec::id::<RuleId>(&rule), codec::digest(&leaf)) else {
            continue;
        };
        let leaf = KeyedHash::from_digest(leaf);
        subjects.push(declassified_subject(provider, &rule, &leaf));
    }
    Ok(subjects)
}

/// Ends what is declassified for a provider that becomes another one.
pub(crate) fn end_for(tx: &Tx<'_>, provider: &ProviderId) -> Result<()> {
    seals::strike(tx, &subjects(tx.conn, provider)?)?;
    tx.conn.execute(
        "DELETE FROM declassified WHERE provider_id = ?1",
        params![provider.as_str()],
    )?;
    Ok(())
}
