//! Pausing, stopping, resuming. The first two never ask; the last one always does.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use handshake_core::{
    code::{ErrorCode, Phase},
    event::{Actor, EventScope, WidenKind},
    ids::EventId,
    ports::EntropyExt,
    secret::Secret,
};
use handshake_registry_store::Store;
use tokio::task::JoinHandle;

use crate::{
    account::account,
    error::{Error, Result},
    facade::Handshake,
    wire::Parts,
};

/// How often is looked for the file.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Handshake {
    /// Pauses Cloud: no call leaves until somebody resumes, in no process of this home, and calls wait. What is on its
    /// way goes on. False where it was paused already. Needs no factor.
    ///
    /// # Errors
    /// `HSK-500-STORAGE`.
    pub async fn pause(&self) -> Result<bool> {
        self.parts().pause().await
    }

    /// Stops Cloud: as [`pause`](Self::pause), and what is on its way ends, and every receipt is revoked. Returns how
    /// many there were. Needs no factor. An empty file `run/stop` in the home does the same.
    ///
    /// # Errors
    /// `HSK-500-STORAGE`.
    pub async fn stop(&self) -> Result<u64> {
        self.parts().stop().await
    }

    /// Lets Cloud go on. `factor` is the approval passphrase; a home that has none needs none, for nothing can leave
    /// from it. False where it was not paused.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED`.
    pub async fn resume(&self, factor: Option<&Secret>) -> Result<bool> {
        self.parts().resume(factor).await
    }
}

impl Parts {
    /// See [`Handshake::pause`].
    ///
    /// # Errors
    /// `HSK-500-STORAGE`.
    pub async fn pause(&self) -> Result<bool> {
        Ok(self.store.pause_cloud(account()).await?)
    }

    /// See [`Handshake::stop`].
    ///
    /// # Errors
    /// `HSK-500-STORAGE`.
    pub async fn stop(&self) -> Result<u64> {
        Ok(self.store.stop_cloud(account()).await?)
    }

    /// See [`Handshake::resume`].
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED`, and the store's.
    pub async fn resume(&self, factor: Option<&Secret>) -> Result<bool> {
        let mut actor = Actor::Agent;
        if self.has_factor()? {
            let required = || {
                let message = "the approval passphrase is required to resume cloud calls";
                Error::new(ErrorCode::FactorRequired, Phase::Gate, message)
            };
            self.vault
                .check_factor(Some(factor.ok_or_else(required)?))?;
            actor = Actor::Human;
        }
        let scope = EventScope {
            principal: Some(account()),
            ..EventScope::default()
        };
        let body = self.widened(WidenKind::Resume, Some(&"paused"), &"running")?;
        let id = EventId::from_entropy(self.entropy.bytes());
        let event = scope.event(id, self.clock.now(), actor, body);
        Ok(self.store.resume_cloud(event).await?)
    }
}

/// The file that stops Cloud, for whoever has no command at hand: a script, a watchdog, a full terminal.
fn file(home: &Path) -> PathBuf {
    home.join("run").join("stop")
}

/// Does what the file asks for, and takes it away: from then on only a person with the factor resumes.
async fn obey(file: &Path, store: &Store) -> Result<()> {
    if file.symlink_metadata().is_err() {
        return Ok(());
    }
    store.stop_cloud(account()).await?;
    // One that stays stops again.
    let _stays = std::fs::remove_file(file);
    Ok(())
}

/// Looks for the file until it is dropped.
pub(crate) struct StopFile(JoinHandle<()>);

impl StopFile {
    /// Obeys a file that is there, and looks for one from now on. Does not keep the store alive.
    ///
    /// # Errors
    /// The store's: what was to be stopped does not begin.
    pub(crate) async fn begin(home: &Path, store: &Arc<Store>) -> Result<Self> {
        let file = file(home);
        obey(&file, store).await?;
        let store = Arc::downgrade(store);
        Ok(Self(tokio::spawn(look_after(file, store))))
    }
}

impl Drop for StopFile {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look_after(file: PathBuf, store: Weak<Store>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(store) = store.upgrade() else { return };
        // A store that fails lets nothing leave either.
        let _again = obey(&file, &store).await;
    }
}
