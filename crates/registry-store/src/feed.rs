//! The registry in memory, kept up with what this process and others write.
//!
//! A look asks the database one number, `PRAGMA data_version`. It changes with every commit of another connection, and
//! events are commits too, so the second question is the counter that triggers raise with every change of what the
//! view holds. What it names is read again, provider by provider.

mod load;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use handshake_core::{
    ports::{Clock, RegistryFeed, StoreError},
    profile::RegistryView,
    seal::SealKeys,
};
use rusqlite::{Connection, TransactionBehavior};

use self::load::Loaded;
use crate::{connection, error::Fail, store::Store};

/// How old a view becomes before somebody looks whether it still holds.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How old a view may be while another thread looks. After that one waits for it.
const MAX_AGE: Duration = Duration::from_millis(50);
/// How long a look waits for a lock of the database. Readers meet one only while a database is recovered.
const BUSY: Duration = Duration::from_millis(250);

impl RegistryFeed for Store {
    fn current(&self) -> Result<Arc<RegistryView>, StoreError> {
        let view = self.feed().current()?;
        self.report_broken_seals(&view.seals.broken);
        Ok(view)
    }
}

/// What the last look found.
struct Found {
    view: Result<Arc<RegistryView>, StoreError>,
    /// When the look began: whatever was committed before is in it.
    at: Duration,
    /// How many changes of our own it has.
    changes: u64,
}

/// The connection that looks, and what it knows.
#[derive(Default)]
struct Look {
    connection: Option<Connection>,
    /// The answer to the first question at the last look that succeeded.
    data_version: Option<i64>,
    loaded: Option<Loaded>,
}

pub(crate) struct Feed {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    keys: Arc<SealKeys>,
    /// Changes of our own, finished or failed.
    changes: AtomicU64,
    found: RwLock<Option<Found>>,
    look: Mutex<Look>,
}

impl Feed {
    pub(crate) fn new(path: PathBuf, clock: Arc<dyn Clock>, keys: Arc<SealKeys>) -> Self {
        Self {
            path,
            clock,
            keys,
            changes: AtomicU64::new(0),
            found: RwLock::new(None),
            look: Mutex::default(),
        }
    }

    /// This process changed what the view holds.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    fn current(&self) -> Result<Arc<RegistryView>, StoreError> {
        if let Some(view) = self.found(LOOK_EVERY) {
            return view;
        }
        let look = match self.look.try_lock() {
            Ok(look) => look,
            Err(TryLockError::Poisoned(poisoned)) => self.anew(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                if let Some(view) = self.found(MAX_AGE) {
                    return view;
                }
                let look = match self.look.lock() {
                    Ok(look) => look,
                    Err(poisoned) => self.anew(poisoned.into_inner()),
                };
                // Whoever had the lock may have found what we wanted.
                if let Some(view) = self.found(LOOK_EVERY) {
                    return view;
                }
                look
            }
        };
        self.look(look)
    }

    /// What the last look found, if that was less than `age` ago and nothing of ours changed since.
    fn found(&self, age: Duration) -> Option<Result<Arc<RegistryView>, StoreError>> {
        let found = self.found.read().unwrap_or_else(PoisonError::into_inner);
        let found = found.as_ref()?;
        let young = self.clock.monotonic().checked_sub(found.at)? < age;
        let ours = self.changes.load(Ordering::SeqCst) == found.changes;
        (young && ours).then(|| found.view.clone())
    }

    /// A look that fell over is begun anew.
    fn anew<'a>(&self, mut look: MutexGuard<'a, Look>) -> MutexGuard<'a, Look> {
        *look = Look::default();
        self.look.clear_poison();
        look
    }

    fn look(&self, mut look: MutexGuard<'_, Look>) -> Result<Arc<RegistryView>, StoreError> {
        // Both before the look: what comes later is for the next one.
        let changes = self.changes.load(Ordering::SeqCst);
        let at = self.clock.monotonic();
        let view = look.refresh(&self.path, &self.keys).map_err(Fail::answer);
        let found = Found {
            view: view.clone(),
            at,
            changes,
        };
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = Some(found);
        drop(look);
        view
    }
}

impl Look {
    fn refresh(
        &mut self,
        path: &Path,
        keys: &Arc<SealKeys>,
    ) -> Result<Arc<RegistryView>, Fail<StoreError>> {
        let result = self.ask(path, keys);
        if matches!(result, Err(Fail::Db(_))) {
            // A connection that failed may be in any state; another one counts anew.
            (self.connection, self.data_version) = (None, None);
        }
        result
    }

    fn ask(
        &mut self,
        path: &Path,
        keys: &Arc<SealKeys>,
    ) -> Result<Arc<RegistryView>, Fail<StoreError>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connection = connection::reader(path)?;
                connection.busy_timeout(BUSY)?;
                none.insert(connection)
            }
        };
        let data_version: i64 = connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if let Some(loaded) = &self.loaded
            && self.data_version == Some(data_version)
        {
            return Ok(Arc::clone(&loaded.view));
        }
        let tx = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        let loaded = Loaded::next(self.loaded.as_ref(), &tx, keys)?;
        tx.finish()?;
        let view = Arc::clone(&loaded.view);
        (self.loaded, self.data_version) = (Some(loaded), Some(data_version));
        Ok(view)
    }
}
