//! Which stores are open. Each holds a lock on a file of its own while it lives, so that a process that died
//! is known to be dead, whatever became of its process id.
//!
//! A store that only reads leaves nothing behind, so it is registered with its first transaction, and before that it
//! says in its file that it has events in its queue.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use handshake_core::{
    code::{ErrorClass, ErrorCode, Phase},
    event::{Actor, Body, CallOutcome, Event, LossCause, RecordedEvent},
    ids::{EventId, UseId},
    ports::{EntropyExt, StoreError},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    access::{self, failed},
    codec,
    error::{Fail, OpenError},
    log,
    writer::Tx,
};

const LOCK: &str = "the lock file";
/// How long one waits for another process that opens the same database.
const PATIENCE: Duration = Duration::from_secs(10);

/// Held while a database is opened: making, migrating and recovering it are one process's work at a time.
pub(crate) struct Opening(#[expect(dead_code, reason = "the lock lives as long as the file")] File);

impl Opening {
    pub(crate) fn wait(path: &Path) -> Result<Self, OpenError> {
        let file = access::lock_file(&access::sibling(path, ".opening")).map_err(failed(LOCK))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => return Err(OpenError::Busy),
                Err(TryLockError::Error(source)) => return Err(failed(LOCK)(source)),
            }
        }
    }
}

/// The proof that this store lives.
pub(crate) struct Alive {
    file: Option<File>,
    path: PathBuf,
    announced: AtomicBool,
}

impl Alive {
    pub(crate) fn begin(path: &Path, instance: [u8; 16]) -> Result<Self, OpenError> {
        let path = lock_path(path, &instance);
        let file = access::new_file(&path).map_err(failed(LOCK))?;
        file.try_lock().map_err(|_| OpenError::Busy)?;
        Ok(Self {
            file: Some(file),
            path,
            announced: AtomicBool::new(false),
        })
    }

    /// Says, durably, that this store may have events in its queue. Once; a moment of its caller's time.
    pub(crate) fn announce(&self) -> io::Result<()> {
        if self.announced.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.write_all(b"1")?;
        file.sync_data()?;
        self.announced.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // The file goes before the lock does; one that stays is taken away by whoever opens next.
        let _stays = fs::remove_file(&self.path);
        drop(self.file.take());
    }
}

fn lock_prefix(path: &Path) -> PathBuf {
    access::sibling(path, ".live-")
}

fn lock_path(path: &Path, instance: &[u8]) -> PathBuf {
    let name: String = instance.iter().map(|byte| format!("{byte:02x}")).collect();
    access::sibling(path, &format!(".live-{name}"))
}

/// The lock files of all stores, of those that died too.
fn locks(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = lock_prefix(path);
    let (Some(directory), Some(prefix)) = (prefix.parent(), prefix.file_name()) else {
        return Ok(Vec::new());
    };
    let prefix = prefix.as_encoded_bytes();
    let mut locks = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix) {
            locks.push(entry.path());
        }
    }
    Ok(locks)
}

/// A store that died.
pub(crate) struct Dead {
    lock: PathBuf,
    /// What it was registered as; `None` when it died before its first transaction.
    instance: Option<Vec<u8>>,
}

/// The stores that died and have left something to settle. Lock files of those that have not are taken away. Called
/// under [`Opening`].
pub(crate) fn dead(conn: &Connection, path: &Path) -> Result<Vec<Dead>, OpenError> {
    let mut dead: Vec<Dead> = all(conn)?
        .into_iter()
        .map(|instance| Dead {
            lock: lock_path(path, &instance),
            instance: Some(instance),
        })
        .filter(|dead| !is_alive(&dead.lock))
        .collect();
    for lock in locks(path).map_err(failed(LOCK))? {
        if is_alive(&lock) || dead.iter().any(|dead| dead.lock == lock) {
            continue;
        }
        // One that cannot be read may have said anything.
        let announced = fs::metadata(&lock).map_or(true, |found| found.len() > 0);
        if announced {
            let instance = None;
            dead.push(Dead { lock, instance });
        } else {
            let _gone = fs::remove_file(&lock);
        }
    }
    Ok(dead)
}

/// Buries the dead: their uses end as crashed, and what they may have had in their queue is recorded as lost.
pub(crate) fn bury(tx: &Tx<'_>, dead: &[Dead]) -> Result<(), Fail<StoreError>> {
    for dead in dead {
        // What it had in its queue came before the end of its uses.
        log::record_loss(tx, None, LossCause::Crash)?;
        if let Some(instance) = &dead.instance {
            close_uses(tx, instance)?;
            forget(tx, instance)?;
        }
    }
    Ok(())
}

/// After their burial was committed.
pub(crate) fn forget_locks(dead: &[Dead]) {
    for dead in dead {
        let _gone = fs::remove_file(&dead.lock);
    }
}

/// Registers this store, in its first transaction.
pub(crate) fn enter(tx: &Tx<'_>) -> Result<(), Fail<StoreError>> {
    let clock = &tx.shared.options.clock;
    tx.conn.execute(
        "INSERT INTO instances VALUES (?1, ?2, ?3)",
        params![
            tx.shared.instance,
            clock.now().unix_millis(),
            codec::int(clock.run())?
        ],
    )?;
    Ok(())
}

/// A clean end: nothing of this store is open, nothing was lost.
pub(crate) fn leave(tx: &Tx<'_>) -> Result<(), Fail<StoreError>> {
    close_uses(tx, &tx.shared.instance)?;
    forget(tx, &tx.shared.instance)
}

/// Whether any store has the database open.
pub(crate) fn is_in_use(path: &Path) -> Result<bool, OpenError> {
    let locks = locks(path).map_err(failed(LOCK))?;
    Ok(locks.iter().any(|lock| is_alive(lock)))
}

fn all(conn: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut select = conn.prepare("SELECT instance FROM instances")?;
    let rows = select.query_map([], |row| row.get(0))?;
    rows.collect()
}

fn is_alive(lock: &Path) -> bool {
    // Without its file nobody can tell any more; calling it dead only ends uses, and never begins one.
    File::open(lock).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

fn forget(tx: &Tx<'_>, instance: &[u8]) -> Result<(), Fail<StoreError>> {
    // A waiter of a process that is gone left when it was last heard of.
    tx.conn.execute(
        "UPDATE requests SET waited_at = max(waited_at, w.beat_at) FROM waiters AS w
         WHERE w.request_id = requests.request_id AND w.instance = ?1",
        params![instance],
    )?;
    tx.conn
        .execute("DELETE FROM waiters WHERE instance = ?1", params![instance])?;
    tx.conn.execute(
        "DELETE FROM instances WHERE instance = ?1",
        params![instance],
    )?;
    Ok(())
}

/// Ends the open uses of a store as crashed, each with its event.
fn close_uses(tx: &Tx<'_>, owner: &[u8]) -> Result<(), Fail<StoreError>> {
    let open: Vec<(String, i64, i64)> = tx
        .conn
        .prepare(
            "SELECT use_id, intent_seq, opened_at FROM uses WHERE owner = ?1 AND closed_at IS NULL",
        )?
        .query_map(params![owner], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let now = tx.now();
    for (use_id, intent_seq, opened_at) in open {
        tx.conn.execute(
            "UPDATE uses SET closed_at = ?2 WHERE use_id = ?1",
            params![use_id, now.unix_millis()],
        )?;
        let intent: Option<Vec<u8>> = tx
            .conn
            .query_row(
                "SELECT payload FROM events WHERE seq = ?1 + 1",
                params![intent_seq],
                |row| row.get(0),
            )
            .optional()?;
        let intent = intent.ok_or(StoreError::Damaged)?;
        let intent = RecordedEvent::read(&intent)
            .map_err(|_| StoreError::Damaged)?
            .event;
        let use_id: UseId = codec::id(&use_id)?;
        let duration = now.since(codec::time(opened_at)).as_millis();
        log::append(
            tx,
            &Event {
                event_id: EventId::from_entropy(tx.shared.options.entropy.bytes()),
                timestamp: now,
                actor: Actor::System,
                // The same ids as the attempt that nobody saw the end of.
                body: Body::CallFailed {
                    use_id,
                    outcome: CallOutcome::Crashed,
                    code: ErrorCode::StreamTruncated,
                    class: ErrorClass::Permanent,
                    phase: Phase::Stream,
                    duration_ms: u64::try_from(duration).unwrap_or(u64::MAX),
                },
                ..intent
            },
        )?;
    }
    Ok(())
}
