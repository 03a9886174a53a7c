//! A home with its processes, its servers and its clock, all of which can be ended, copied and put back.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use handshake_core::{ports::Clock, time::UtcTime};
use handshake_llm::{
    Handshake,
    parts::{Home, KdfParams, Making, Wiring},
};
use tempfile::TempDir;

use super::step::{Edit, Part};
use crate::it::world::{PASSPHRASE, builder, secret};

/// 2026-01-01T00:00:00Z.
const EPOCH: i64 = 1_767_225_600_000;

/// The clocks of a machine that stand still until they are moved.
#[derive(Default)]
pub(super) struct StillClock {
    passed: AtomicI64,
    set: AtomicI64,
}

impl StillClock {
    pub(super) fn passes(&self, milliseconds: i64) {
        self.passed.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub(super) fn sets(&self, seconds: i64) {
        self.set.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> UtcTime {
        let moved = self.passed.load(Ordering::SeqCst) + self.set.load(Ordering::SeqCst);
        UtcTime::from_unix_millis(EPOCH + moved)
    }

    fn monotonic(&self) -> Duration {
        let passed = u64::try_from(self.passed.load(Ordering::SeqCst)).expect("forward");
        Duration::from_millis(1_000_000 + passed)
    }

    fn run(&self) -> u64 {
        unreachable!("the home knows")
    }
}

/// What lies on the disk.
pub(super) struct Disk {
    folder: TempDir,
}

impl Disk {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the home. Its passphrase is quick to try: it is typed hundreds of times.
    pub(super) async fn make(&self, clock: &Arc<StillClock>) -> Handshake {
        let factor = secret(PASSPHRASE);
        let making = Making {
            approval: Some(&factor),
            recovery: false,
            kdf: KdfParams::new(8, 1, 1).expect("valid"),
            in_place_of: None,
        };
        let home = Home::make(&self.path("home"), &self.path("config"), &making);
        let wiring = Wiring {
            clock: Arc::clone(clock) as _,
            ..Wiring::default()
        };
        let wired = Handshake::wire(home.expect("made"), wiring, None).await;
        wired.expect("wired")
    }

    /// Opens it, as one more process.
    pub(super) async fn open(&self, clock: &Arc<StillClock>) -> Handshake {
        let opening = builder(&self.folder).clock(Arc::clone(clock) as _);
        opening.open().await.expect("opened")
    }

    /// Waits until no process has the database open any more: one that closes it late would take the files of another one
    /// away.
    pub(super) async fn is_closed(&self) {
        let alone = || {
            let database = rusqlite::Connection::open(self.path("home/handshake.db"))?;
            database.busy_timeout(Duration::ZERO)?;
            database.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK")
        };
        for _ in 0..10_000 {
            if alone().is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("a process does not end");
    }

    pub(super) fn copies_home(&self) {
        copy(&self.path("home"), &self.path("older"));
    }

    /// What would be found after a loss of power, of everything or of what lies outside the home.
    pub(super) fn keeps(&self, everything: bool) {
        copy(&self.path("config"), &self.path("config-now"));
        if everything {
            copy(&self.path("home"), &self.path("home-now"));
        }
    }

    pub(super) fn is_as_kept(&self, everything: bool) {
        copy(&self.path("config-now"), &self.path("config"));
        if everything {
            copy(&self.path("home-now"), &self.path("home"));
        }
    }

    pub(super) fn puts_back(&self, what: Part) {
        let (home, older) = (self.path("home"), self.path("older"));
        match what {
            Part::Home => copy(&older, &home),
            Part::Vault => {
                fs::copy(older.join("vault.hskv"), home.join("vault.hskv")).expect("copied");
            }
            Part::Database => {
                for name in ["handshake.db", "handshake.db-wal", "handshake.db-shm"] {
                    let _gone = fs::remove_file(home.join(name));
                    if older.join(name).exists() {
                        fs::copy(older.join(name), home.join(name)).expect("copied");
                    }
                }
            }
        }
    }

    /// What somebody with the file and a database shell does.
    pub(super) fn edits(&self, edit: Edit, elsewhere: &str, here: &str) {
        let database = rusqlite::Connection::open(self.path("home/handshake.db")).expect("opens");
        let patience = Duration::from_secs(10);
        database.busy_timeout(patience).expect("set");
        database
            .execute_batch(&sql(edit, elsewhere, here))
            .expect("written");
    }
}

fn sql(edit: Edit, elsewhere: &str, here: &str) -> String {
    let fixed = match edit {
        Edit::Revive => "UPDATE receipts SET revoked_at = NULL",
        Edit::Refill => {
            "UPDATE receipts SET uses = 0, bytes = 0, new_bytes = 0, last_used = NULL; DELETE FROM uses"
        }
        Edit::Unpause => {
            "UPDATE epochs SET value = 'false' WHERE name = 'paused'; UPDATE epochs SET value = '' WHERE name = 'paused_at'"
        }
        Edit::Wait => "UPDATE requests SET waited_at = 9999999999999",
        Edit::Lend => {
            "INSERT OR IGNORE INTO receipt_sessions SELECT 's0', principal, receipt_id FROM receipt_sessions; INSERT OR IGNORE INTO receipt_sessions SELECT 's1', principal, receipt_id FROM receipt_sessions"
        }
        Edit::Double => {
            "CREATE TEMP TABLE twice AS SELECT * FROM receipts LIMIT 1; UPDATE twice SET receipt_id = '00000000-0000-4000-8000-000000000001', uses = 0; INSERT OR IGNORE INTO receipts SELECT * FROM twice; INSERT OR IGNORE INTO receipt_sessions SELECT 's0', principal, receipt_id FROM twice; DROP TABLE twice"
        }
        Edit::Decide => {
            "UPDATE requests SET state = 'approved', content = NULL, receipt_id = (SELECT receipt_id FROM receipts LIMIT 1) WHERE state = 'pending' AND EXISTS (SELECT 1 FROM receipts)"
        }
        Edit::Widen => "UPDATE receipts SET single = 0",
        Edit::Redirect => {
            return format!(
                "UPDATE providers SET record = replace(record, '{here}', '{elsewhere}')"
            );
        }
        Edit::Local => {
            r#"UPDATE providers SET record = replace(replace(record, '"reach":"relay"', '"reach":"direct"'), '"tier":"cloud"', '"tier":"local"')"#
        }
    };
    fixed.to_owned()
}

/// The folder as it is, elsewhere.
fn copy(from: &Path, to: &Path) {
    let _gone = fs::remove_dir_all(to);
    fs::DirBuilder::new().mode(0o700).create(to).expect("made");
    for entry in fs::read_dir(from).expect("reads").flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("copied")),
        }
    }
}
