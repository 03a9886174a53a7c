//! The store: one database, one writer, a few readers.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use handshake_core::{
    attest::PublicKey,
    digest::{CommitmentKey, Digest},
    ids::RequestId,
    ports::{EntropyExt, Signer, StoreError},
};
use handshake_flight_recorder::{LogHead, LogId};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Notify;

use crate::{
    access, connection,
    consent::Book,
    error::{Fail, OpenError},
    feed::Feed,
    instance::{self, Alive, Opening},
    log, migrate,
    options::StoreOptions,
    readers::Readers,
    schema::STEPS,
    sessions,
    writer::{Tx, Writer, waiting::Waiting},
};

/// The first SQLite without the bug that could damage a database in WAL mode.
const SOUND_SQLITE: i32 = 3_051_003;

/// Every port that a home's database is behind. Cheap to clone; clones share one writer.
///
/// Dropping the last clone commits what is queued. Two processes may hold the same database open.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    /// Dropped first: the last connection that closes puts the write-ahead log away, and a reader cannot.
    readers: Readers,
    feed: Feed,
    /// Ends before the proof of life does.
    writer: Writer,
    shared: Arc<Shared>,
    alive: Alive,
}

/// What the writer's thread and the callers share.
pub(crate) struct Shared {
    pub(crate) options: StoreOptions,
    pub(crate) log_id: LogId,
    /// The database's file.
    pub(crate) path: PathBuf,
    /// The folder of sealed segments.
    pub(crate) segments: PathBuf,
    /// This store among all that have the database open.
    pub(crate) instance: [u8; 16],
    signer: RwLock<Arc<dyn Signer>>,
    approval_key: RwLock<Option<PublicKey>>,
    poisoned: AtomicBool,
    /// Whether this store is registered, as it is with its first transaction.
    entered: AtomicBool,
    /// What waits for the writer.
    pub(crate) waiting: Waiting,
    /// Who waits here for a person, by request.
    pub(crate) waiters: Mutex<BTreeMap<RequestId, usize>>,
    /// Told when a request was decided here.
    pub(crate) decided: Notify,
    /// Conversations that were opened before.
    pub(crate) opened: sessions::Opened,
    /// Whether the running transaction is to be noted outside the home once it is committed.
    to_note: AtomicBool,
    /// What the log says about receipts, as far as it was read.
    book: Mutex<Book>,
    /// Broken seals that were reported.
    pub(crate) alarms: Mutex<BTreeSet<String>>,
    /// The key under which identical requests are found.
    pub(crate) same_key: OnceLock<CommitmentKey>,
}

impl Shared {
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    pub(crate) fn has_entered(&self) -> bool {
        self.entered.load(Ordering::SeqCst)
    }

    pub(crate) fn entered(&self) {
        self.entered.store(true, Ordering::SeqCst);
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
        self.waiting.end();
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

    /// The running transaction spends something, or takes something back: an older home is found out by it, also where
    /// this process ends right after.
    pub(crate) fn must_note(&self) {
        self.to_note.store(true, Ordering::SeqCst);
    }

    /// Whether that was said since it was asked last.
    pub(crate) fn is_to_note(&self) -> bool {
        self.to_note.swap(false, Ordering::SeqCst)
    }

    /// Notes outside the home that the log came so far.
    pub(crate) fn note(&self, head: LogHead) {
        if let Some(anchor) = &self.options.anchor {
            anchor.note(head.size, Digest::from_bytes(*head.hash.as_bytes()));
        }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        // One that fell over while it read is begun anew.
        self.book.lock().unwrap_or_else(|poisoned| {
            let mut book = poisoned.into_inner();
            *book = Book::default();
            self.book.clear_poison();
            book
        })
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
        migrate::bring_up(&mut conn, &path, options.clock.now(), STEPS)?;

        let shared = Arc::new(Shared {
            log_id: log::log_id_of(&options.install_id)?,
            segments: path.with_file_name(log::segment::FOLDER),
            path: path.clone(),
            instance: options.entropy.bytes(),
            signer: RwLock::new(Arc::clone(&options.recorder_signer)),
            approval_key: RwLock::new(options.approval_key.clone()),
            poisoned: AtomicBool::new(false),
            entered: AtomicBool::new(false),
            waiting: Waiting::default(),
            waiters: Mutex::default(),
            decided: Notify::new(),
            opened: sessions::Opened::default(),
            to_note: AtomicBool::new(false),
            book: Mutex::default(),
            alarms: Mutex::default(),
            same_key: OnceLock::new(),
            options,
        });
        let alive = Alive::begin(&path, shared.instance)?;
        let dead = instance::dead(&conn, &path)?;
        // A home that is as it was left is only read.
        let behavior = if log::is_bound(&conn)? && dead.is_empty() {
            connection::leaves_tidy(&conn, false)?;
            TransactionBehavior::Deferred
        } else {
            TransactionBehavior::Immediate
        };
        let begin = conn.transaction_with_behavior(behavior)?;
        {
            let tx = Tx {
                conn: &begin,
                shared: &shared,
                head: &Cell::new(None),
            };
            log::bind(&tx)?;
            instance::bury(&tx, &dead).map_err(Fail::answer)?;
        }
        begin.commit()?;
        instance::forget_locks(&dead);
        let writer = Writer::spawn(conn, Arc::clone(&shared))
            .map_err(access::failed("the writer's thread"))?;
        Ok(Self(Arc::new(Inner {
            writer,
            feed: Feed::new(
                path.clone(),
                Arc::clone(&shared.options.clock),
                Arc::clone(&shared.options.seals),
            ),
            readers: Readers::new(path),
            shared,
            alive,
        })))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// To be called before an event is queued: what this store would take with it is known to whoever finds it dead.
    pub(crate) fn announce(&self) -> Result<(), StoreError> {
        if self.0.shared.has_entered() {
            return Ok(());
        }
        self.0.alive.announce().map_err(|_| StoreError::Failed)
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.0.writer
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.0.feed
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

    /// The same for what the registry view holds: the next view that is handed out has it.
    pub(crate) async fn change<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, Fail<E>> + Send + 'static,
    {
        let done = self.write(work).await;
        self.0.feed.changed();
        done
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
