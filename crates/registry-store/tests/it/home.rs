//! Opening: whose files, which database, which version.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use handshake_core::{code::ErrorCode, ids::ExternalId, ports::FlightRecorderExt};
use handshake_registry_store::{OpenError, Store};

use crate::{
    fakes::{FakeSigner, Fakes},
    world::{World, commit, db, event, raw},
};

fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(path, Fakes::new().options(77))
}

fn refused(path: &Path) -> OpenError {
    open(path).expect_err("refused")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("meta").permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_every_file_is_its_owners_alone() {
    let outer = crate::fakes::home_directory();
    let home = outer.path().join("made").join("home");
    let store = open(&db(&home)).expect("opens");
    store.append(event(1)).await.expect("appends");
    assert_eq!(mode(&home), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&home).expect("reads") {
        let path = entry.expect("entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 3, "database, write-ahead log and lock");
}

#[test]
fn a2_wider_modes_and_links_are_refused() {
    let home = crate::fakes::home_directory();
    let path = db(home.path());
    drop(open(&path).expect("opens"));
    for wide in [0o640, 0o604, 0o660, 0o666] {
        chmod(&path, wide);
        assert!(
            matches!(refused(&path), OpenError::Permissions(_)),
            "{wide:o}"
        );
    }
    chmod(&path, 0o600);
    for wide in [0o750, 0o701, 0o777] {
        chmod(home.path(), wide);
        let error = refused(&path);
        assert!(matches!(error, OpenError::Permissions(_)), "{wide:o}");
        assert_eq!(error.code(), ErrorCode::HomeUntrusted);
    }
    chmod(home.path(), 0o700);
    drop(open(&path).expect("opens again"));

    let elsewhere = crate::fakes::home_directory();
    symlink(&path, db(elsewhere.path())).expect("links");
    assert!(matches!(refused(&db(elsewhere.path())), OpenError::Kind(_)));
    let linked = elsewhere.path().join("home");
    symlink(home.path(), &linked).expect("links");
    assert!(matches!(refused(&db(&linked)), OpenError::Kind(_)));
    let hard = elsewhere.path().join("hard.db");
    fs::hard_link(&path, &hard).expect("links");
    assert!(matches!(refused(&path), OpenError::Kind(_)), "two names");
    assert!(
        matches!(refused(&elsewhere.path().join("home")), OpenError::Kind(_)),
        "a directory"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s34_a_newer_database_is_refused_and_left_alone() {
    let home = World::new().await.closed();
    raw(home.path())
        .execute_batch("PRAGMA user_version = 99")
        .expect("sets");
    let error = refused(&db(home.path()));
    assert!(
        matches!(error, OpenError::Newer { found: 99, .. }),
        "{error}"
    );
    let version: i64 = raw(home.path())
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .expect("reads");
    assert_eq!(version, 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn s73_a_backup_or_foreign_database_is_no_home() {
    let home = World::new().await.closed();
    raw(home.path())
        .pragma_update(None, "application_id", 0x4853_4b42)
        .expect("sets");
    assert!(matches!(refused(&db(home.path())), OpenError::Foreign));

    let other = crate::fakes::home_directory();
    raw(other.path())
        .execute_batch("CREATE TABLE mine (a)")
        .expect("makes");
    chmod(&db(other.path()), 0o600);
    assert!(matches!(refused(&db(other.path())), OpenError::Foreign));
    let count: i64 = raw(other.path())
        .query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))
        .expect("reads");
    assert_eq!(count, 1, "nothing was added to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_damaged_file_is_damaged() {
    let home = crate::fakes::home_directory();
    fs::write(
        db(home.path()),
        b"this was never a database, whatever its name says",
    )
    .expect("writes");
    chmod(&db(home.path()), 0o600);
    let error = refused(&db(home.path()));
    assert!(matches!(error, OpenError::Damaged), "{error}");
    assert_eq!(error.code(), ErrorCode::Storage);

    let home = World::new().await.closed();
    let mut bytes = fs::read(db(home.path())).expect("reads");
    let middle = bytes.len() / 2;
    // Not the first page: header and schema stay readable.
    bytes[8192..middle].iter_mut().for_each(|byte| *byte = 0xa5);
    fs::write(db(home.path()), bytes).expect("writes");
    assert!(matches!(refused(&db(home.path())), OpenError::Damaged));
}

#[tokio::test(flavor = "multi_thread")]
async fn s33_a_log_whose_end_was_cut_or_changed_does_not_open() {
    for damage in [
        "DROP TRIGGER events_stay; DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
        "DROP TRIGGER events_last; UPDATE events SET hash = zeroblob(32) WHERE seq = (SELECT max(seq) FROM events)",
        "DROP TRIGGER events_last; UPDATE events SET payload = CAST('{}' AS BLOB) WHERE seq = (SELECT max(seq) FROM events)",
    ] {
        let world = World::new().await;
        commit(&world.store, None, 1).await.expect("commits");
        let home = world.closed();
        raw(home.path()).execute_batch(damage).expect("damages");
        assert!(
            matches!(refused(&db(home.path())), OpenError::Damaged),
            "{damage}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_database_belongs_to_one_install_and_one_key() {
    let home = World::new().await.closed();
    let fakes = Fakes::new();
    let mut options = fakes.options(5);
    options.install_id = ExternalId::new("install-2").expect("valid");
    let error = Store::open(&db(home.path()), options).expect_err("refused");
    assert!(matches!(error, OpenError::OtherInstall), "{error}");
    let mut options = fakes.options(5);
    options.recorder_signer = std::sync::Arc::new(FakeSigner::new(40));
    let error = Store::open(&db(home.path()), options).expect_err("refused");
    assert!(matches!(error, OpenError::RecorderKey), "{error}");
    drop(open(&db(home.path())).expect("the right ones"));
}

#[test]
fn s72_many_open_a_new_home_at_once() {
    let home = crate::fakes::home_directory();
    let path = db(home.path());
    let stores: Vec<_> = std::thread::scope(|scope| {
        let open = |seed| {
            let path = &path;
            scope.spawn(move || Store::open(path, Fakes::new().options(seed)).expect("opens"))
        };
        let threads: Vec<_> = (100..108).map(open).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("joins"))
            .collect()
    });
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    for (store, n) in stores.iter().zip(0..) {
        runtime.block_on(store.append(event(n))).expect("appends");
    }
    assert_eq!(
        runtime.block_on(stores[0].log_head()).expect("head").size,
        8
    );
    drop(stores);
    let left: Vec<_> = fs::read_dir(home.path())
        .expect("reads")
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .filter(|name| name.contains(".live-") || name.ends_with("-wal"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

impl World {
    fn closed(self) -> tempfile::TempDir {
        let Self { home, store, .. } = self;
        drop(store);
        home
    }
}
