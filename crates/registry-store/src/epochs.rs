//! The versions of everything that a verdict rests on, as the database has them.

use handshake_core::{
    attest::PublicKey,
    digest::Digest,
    ids::{KeyId, ProviderId},
    ports::{Epochs, StoreError},
    seal::{CloudPause, SealKeys},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{codec, error::Fail, seals, store::Store, writer::Tx};

const PAUSED: &str = "paused";
const PAUSED_AT: &str = "paused_at";

/// One of the versions that are set from outside. The provider's revision and the generation of enabled
/// models are counted by the store itself.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Epoch {
    /// The confirmed policy. Cloud is denied until it was set once.
    Policy(Digest),
    /// The leakage rules. Cloud is denied until they were set once.
    Rules(Digest),
    /// The generation of the enrolled set. Never goes back.
    Enrolled(u64),
    /// Whether everything is locked.
    Locked(bool),
    /// The approval key.
    ApprovalKey(Option<KeyId>),
}

type Result<T> = std::result::Result<T, Fail<StoreError>>;

impl Epoch {
    /// Its name and its value, as they are stored.
    fn row(&self) -> (&'static str, String) {
        match self {
            Self::Policy(digest) => ("policy", digest.to_string()),
            Self::Rules(digest) => ("rules", digest.to_string()),
            Self::Enrolled(generation) => ("enrolled", generation.to_string()),
            Self::Locked(locked) => ("locked", locked.to_string()),
            Self::ApprovalKey(key) => (
                "approval_key",
                key.as_ref()
                    .map_or_else(String::new, |key| key.as_str().to_owned()),
            ),
        }
    }
}

impl Store {
    /// Sets one version. Every verdict that was reached under another one is void at its commit, in every
    /// process of the home.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for an enrolled generation that is older than the stored one.
    pub async fn set_epoch(&self, epoch: Epoch) -> std::result::Result<(), StoreError> {
        self.set_epochs(vec![epoch]).await
    }

    /// Sets several versions in one transaction, as [`Store::set_epoch`] does. Writes nothing where all of them
    /// stand there already.
    ///
    /// # Errors
    /// Those of [`Store::set_epoch`].
    pub async fn set_epochs(&self, epochs: Vec<Epoch>) -> std::result::Result<(), StoreError> {
        let wanted = epochs.clone();
        let there = self.read(move |conn| {
            for epoch in &wanted {
                let (name, value) = epoch.row();
                if get(conn, name)? != Some(value) {
                    return Ok(false);
                }
            }
            Ok(true)
        });
        if there.await? {
            return Ok(());
        }
        self.write(move |tx| {
            for epoch in &epochs {
                if let Epoch::Enrolled(generation) = epoch {
                    let stored: u64 = codec::id(&required(tx.conn, "enrolled")?)?;
                    if *generation < stored {
                        return Err(StoreError::Conflict.into());
                    }
                }
                let (name, value) = epoch.row();
                set(tx.conn, name, &value)?;
            }
            tx.shared.must_note();
            Ok(())
        })
        .await
    }

    /// Makes this key the approval key, for verifying decisions here and as an epoch. The caller has
    /// checked the factor of the old one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_approval_key(
        &self,
        key: Option<PublicKey>,
    ) -> std::result::Result<(), StoreError> {
        self.set_epoch(Epoch::ApprovalKey(key.as_ref().map(|key| key.id().clone())))
            .await?;
        self.shared().set_approval_key(key);
        Ok(())
    }
}

/// All versions. One that was never set is an error: nothing may be judged by a rule that nobody set.
pub(crate) fn current(conn: &Connection, provider: &ProviderId, keys: &SealKeys) -> Result<Epochs> {
    let revision: Option<i64> = conn
        .prepare_cached("SELECT revision FROM providers WHERE provider_id = ?1")?
        .query_row(params![provider.as_str()], |row| row.get(0))
        .optional()?;
    let key = required(conn, "approval_key")?;
    let pause = pause(conn, keys)?.said;
    Ok(Epochs {
        policy: codec::id(&required(conn, "policy")?)?,
        provider_revision: codec::unsigned(revision.unwrap_or(0))?,
        enabled_models: match get(conn, &enabled_name(provider))? {
            Some(generation) => codec::id(&generation)?,
            None => 0,
        },
        rules: codec::id(&required(conn, "rules")?)?,
        enrolled: codec::id(&required(conn, "enrolled")?)?,
        locked: codec::id(&required(conn, "locked")?)?,
        paused: pause.paused,
        paused_at: pause.paused_at,
        approval_key: if key.is_empty() {
            None
        } else {
            Some(codec::id(&key)?)
        },
    })
}

/// A pause, as this home is to be run.
pub(crate) struct Pause {
    pub(crate) said: CloudPause,
    /// The rows are not what was last said, so Cloud is paused until a person resumes.
    pub(crate) edited: bool,
}

/// Whether a person paused Cloud. A database that does not say is damaged, and nobody may take that for a no; one that
/// says something else than the register does was edited, and that is a pause.
pub(crate) fn pause(conn: &Connection, keys: &SealKeys) -> Result<Pause> {
    let mut said = stored_pause(conn)?;
    let statement = said.statement().map_err(|_| StoreError::Failed)?;
    let register = keys.register();
    // A register that cannot be read vouches for no row.
    let edited = match register.knows(&statement.subject()) {
        Ok(true) => !register.is_in_force(&statement).unwrap_or(false),
        Ok(false) => said != CloudPause::default(),
        Err(_) => true,
    };
    said.paused |= edited;
    Ok(Pause { said, edited })
}

fn stored_pause(conn: &Connection) -> Result<CloudPause> {
    let at = required(conn, PAUSED_AT)?;
    let paused_at = match at.as_str() {
        "" => None,
        at => Some(codec::time(codec::id(at)?)),
    };
    Ok(CloudPause {
        paused: codec::id(&required(conn, PAUSED)?)?,
        paused_at,
    })
}

/// Pauses or resumes. False where it is so already; a pause in a pause is a later one all the same.
///
/// The register learns of it before the rows are committed: what a crash leaves between the two is a pause.
pub(crate) fn set_paused(tx: &Tx<'_>, pause: bool) -> Result<bool> {
    let keys = &tx.shared.options.seals;
    let before = self::pause(tx.conn, keys)?;
    if before.said.paused == pause && !pause {
        return Ok(false);
    }
    let mut next = before.said;
    next.paused = pause;
    // Nobody knows when Cloud was paused where the rows were edited, so no lease is from after it.
    if pause || before.edited {
        next.paused_at = Some(tx.now());
    }
    let statement = next.statement().map_err(|_| StoreError::Failed)?;
    seals::change(tx, &[statement], &[])?;
    let at = next
        .paused_at
        .map_or_else(String::new, |at| at.unix_millis().to_string());
    set(tx.conn, PAUSED_AT, &at)?;
    set(tx.conn, PAUSED, &pause.to_string())?;
    Ok(before.said.paused != pause)
}

/// Counts a change of the provider's enabled models.
pub(crate) fn enabled_changed(conn: &Connection, provider: &ProviderId) -> Result<()> {
    let name = enabled_name(provider);
    let stored: u64 = match get(conn, &name)? {
        Some(generation) => codec::id(&generation)?,
        None => 0,
    };
    set(conn, &name, &stored.saturating_add(1).to_string())
}

/// Outlives the provider, so that one that is registered again under the same id does not begin anew.
fn enabled_name(provider: &ProviderId) -> String {
    format!("enabled:{provider}")
}

fn required(conn: &Connection, name: &str) -> Result<String> {
    Ok(get(conn, name)?.ok_or(StoreError::Missing)?)
}

fn get(conn: &Connection, name: &str) -> Result<Option<String>> {
    let value = conn
        .prepare_cached("SELECT value FROM epochs WHERE name = ?1")?
        .query_row(params![name], |row| row.get(0));
    Ok(value.optional()?)
}

fn set(conn: &Connection, name: &str, value: &str) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO epochs VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )?
    .execute(params![name, value])?;
    Ok(())
}
