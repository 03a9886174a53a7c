//! The store: one database, one writer, a few readers.

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use handshake_core::{
    attest::PublicKey,
    digest::CommitmentKey,
    ids::RequestId,
    ports::{EntropyExt, Signer, StoreError},
};
use handshake_flight_recorder::LogId;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Notify;

use crate::{
    access, backup, connection,
    error::{Fail, OpenError},
    instance::{self, Alive, Opening},
    log,
    options::StoreOptions,
    readers::Readers,
    schema::{APPLICATION_ID, MIGRATIONS, VERSION},
    writer::{Tx, Writer},
};

/// The first SQLite without the bug that could damage a database in WAL mode.
const SOUND_SQLITE: i32 = 3_051_003;
/// Databases up to this size are checked page by page when they are opened.
const CHECKED_PAGES: i64 = 16 * 1024 * 1024 / 4096;

/// Every port that a home's database is behind. Cheap to clone; clones share one writer.
///
/// Dropping the last clone commits what is queued. Two processes may hold the same database open.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    /// Dropped first: the writer ends before the proof of life does.
    writer: Writer,
    readers: Readers,
    shared: Arc<Shared>,
    _alive: Alive,
}

/// What the writer's thread and the callers share.
pub(crate) struct Shared {
    pub(crate) options: StoreOptions,
    pub(crate) log_id: LogId,
    /// This store among all that have the database open.
    pub(crate) instance: [u8; 16],
    signer: RwLock<Arc<dyn Signer>>,
    approval_key: RwLock<Option<PublicKey>>,
    poisoned: AtomicBool,
    /// Submitted events that are not committed yet.
    pub(crate) queued: AtomicUsize,
    /// Events that were lost and are not recorded as a gap yet.
    pub(crate) lost: AtomicU64,
    /// Who waits here for a person, by request.
    pub(crate) waiting: Mutex<BTreeMap<RequestId, usize>>,
    /// Told when a request was decided here.
    pub(crate) decided: Notify,
    /// The key under which identical requests are found.
    pub(crate) same_key: OnceLock<CommitmentKey>,
}

impl Shared {
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }

    /// Refuses everything that Cloud rests on after the storage failed once, until it is opened again.
    pub(crate) fn healthy(&self) -> Result<(), StoreError> {
        if self.is_poisoned() {
            Err(StoreError::Failed)
        } else {
            Ok(())
        }
    }

    pub(crate) fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_signer(&self, signer: Arc<dyn Signer>) {
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = signer;
    }

    pub(crate) fn approval_key(&self) -> Option<PublicKey> {
        self.approval_key
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_approval_key(&self, key: Option<PublicKey>) {
        *self
            .approval_key
            .write()
            .unwrap_or_else(PoisonError::into_inner) = key;
    }
}

impl Store {
    /// Opens or makes the database at `path`. Blocks for a moment; the port's methods need a tokio runtime.
    ///
    /// The directory is made with mode 0700 where it is missing; directory and file of anybody else, with
    /// wider modes or that are links are refused. An older database is copied beside itself and migrated.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        if rusqlite::version_number() < SOUND_SQLITE {
            return Err(OpenError::Engine);
        }
        let (path, _) = access::prepare(path)?;
        let _opening = Opening::wait(&path)?;
        let mut conn = connection::writer(&path)?;
        bring_up(&mut conn, &path, &options)?;

        let shared = Arc::new(Shared {
            log_id: format!("hsk.local/{}", options.install_id)
                .parse()
                .map_err(|_| OpenError::OtherInstall)?,
            instance: options.entropy.bytes(),
            signer: RwLock::new(Arc::clone(&options.recorder_signer)),
            approval_key: RwLock::new(options.approval_key.clone()),
            poisoned: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            waiting: Mutex::default(),
            decided: Notify::new(),
            same_key: OnceLock::new(),
            options,
        });
        let alive = Alive::begin(&path, shared.instance)?;
        let begin = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let tx = Tx {
                conn: &begin,
                shared: &shared,
            };
            log::bind(&tx)?;
            instance::enter(&tx, &path).map_err(Fail::answer)?;
        }
        begin.commit()?;
        let writer = Writer::spawn(conn, Arc::clone(&shared))
            .map_err(access::failed("the writer's thread"))?;
        Ok(Self(Arc::new(Inner {
            writer,
            readers: Readers::new(path),
            shared,
            _alive: alive,
        })))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.0.writer
    }

    pub(crate) async fn read<T, E, F>(&self, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fail<E>> + Send + 'static,
    {
        self.0.readers.read(read).await
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, Fail<E>> + Send + 'static,
    {
        self.0.writer.write(work).await
    }

    /// Whether a write failed in a way that nothing is written any more until the store is opened again.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.shared().is_poisoned()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("log_id", self.log_id())
            .finish_non_exhaustive()
    }
}

/// Checks that the file is ours and sound, and brings it to the present version.
fn bring_up(conn: &mut Connection, path: &Path, options: &StoreOptions) -> Result<(), OpenError> {
    let now = options.clock.now();
    let version = identify(conn)?;
    if 0 < version && version < VERSION {
        backup::make(conn, path, version, now)?;
    }
    backup::prune(path, now)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::NetworkFilesystem);
    }
    if version < VERSION {
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
        MIGRATIONS.to_latest(conn).map_err(|error| match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
            _ => OpenError::Failed,
        })?;
    }
    let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    if pages <= CHECKED_PAGES {
        let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(OpenError::Damaged);
        }
    }
    Ok(())
}

/// The version of a database of ours; 0 for an empty one.
fn identify(conn: &Connection) -> Result<u32, OpenError> {
    let id: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version = u32::try_from(version).map_err(|_| OpenError::Foreign)?;
    match (id, version, tables) {
        (0 | APPLICATION_ID, 0, 0) => Ok(0),
        (APPLICATION_ID, 1.., _) if version > VERSION => Err(OpenError::Newer {
            found: version,
            known: VERSION,
        }),
        (APPLICATION_ID, 1.., _) => Ok(version),
        _ => Err(OpenError::Foreign),
    }
}
