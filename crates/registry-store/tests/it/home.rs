//! Opening: whose files, which database, which version.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use handshake_core::{
    code::ErrorCode,
    digest::Digest,
    ids::ExternalId,
    ports::{EgressLedger, FlightRecorder, FlightRecorderExt, ProviderStore, RegistryFeed},
};
use handshake_registry_store::{Epoch, OpenError, Store};

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
            matches!(refused(&db(home.path())), OpenError::Log),
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

/// Every file of a home with its content.
fn files(home: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(home).expect("reads");
    let files = entries.map(|entry| entry.expect("entry").path());
    files
        .filter(|path| path.is_file() && !path.to_string_lossy().ends_with("-shm"))
        .map(|path| {
            (
                path.to_string_lossy().into_owned(),
                fs::read(&path).expect("reads"),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_store_that_only_reads_writes_nothing() {
    let world = World::new().await.reopened(2);
    let epochs = vec![
        Epoch::Policy(Digest::of(&[b"policy"])),
        Epoch::Rules(Digest::of(&[b"rules"])),
    ];
    // A reader beside the writer leaves the log of the database behind; so much for the state before.
    world
        .store
        .epochs(&crate::world::provider_id())
        .await
        .expect("reads");
    drop(world.store);
    let before = files(world.home.path());
    let store = Store::open(&db(world.home.path()), world.fakes.options(3)).expect("opens");
    assert_eq!(ProviderStore::list(&store).await.expect("lists").len(), 1);
    assert_eq!(store.current().expect("a view").providers.len(), 1);
    store.set_epochs(epochs).await.expect("as they are");
    store.log_head().await.expect("head");
    store.flush().await.expect("nothing to write");
    drop(store);
    let after = files(world.home.path());
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
    assert!(before == after, "a file changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_who_died_before_its_first_transaction_is_missed_if_it_had_events() {
    let world = World::new().await;
    let lock = |name: &str| {
        world
            .home
            .path()
            .join(format!("{}.live-{name}", db(Path::new("")).display()))
    };
    let write = |name: &str, content: &[u8]| {
        fs::write(lock(name), content).expect("writes");
        fs::set_permissions(lock(name), fs::Permissions::from_mode(0o600)).expect("sets");
    };
    // One that only read, and was killed: nothing of it is missed.
    write("00", b"");
    drop(world.another(2));
    assert!(!lock("00").exists());
    assert_eq!(world.store.log_losses().await.expect("reads").len(), 0);
    write("01", b"1");
    drop(world.another(3));
    assert!(!lock("01").exists());
    let losses = world.store.log_losses().await.expect("reads");
    assert_eq!(
        losses.iter().map(|loss| loss.lost).collect::<Vec<_>>(),
        [None]
    );
    drop(world.another(4));
    assert_eq!(
        world.store.log_losses().await.expect("reads").len(),
        1,
        "once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_an_event_is_announced_before_it_is_queued_and_forgotten_with_a_clean_end() {
    let world = World::new().await;
    let other = world.another(2);
    let announced = || {
        let files = files(world.home.path());
        let locks = files.iter().filter(|(name, _)| name.contains(".live-"));
        locks.filter(|(_, content)| !content.is_empty()).count()
    };
    assert_eq!(announced(), 0);
    other.submit(event(1)).expect("queued");
    assert_eq!(announced(), 1);
    drop(other);
    assert_eq!(announced(), 0);
    assert_eq!(
        world.store.log_after(None, 10).await.expect("reads").len(),
        1
    );
    drop(world.another(3));
    assert_eq!(world.store.log_losses().await.expect("reads").len(), 0);
}
