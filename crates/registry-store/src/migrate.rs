//! Which database it is, and bringing it to the present version.

use std::path::Path;

use handshake_core::time::UtcTime;
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::{backup, error::OpenError, instance, schema::APPLICATION_ID};

/// Databases up to this size are checked page by page when they are opened.
const CHECKED_PAGES: i64 = 16 * 1024 * 1024 / 4096;

/// Checks that the file is ours and sound, and takes it through the steps that it lacks, after a copy.
pub(crate) fn bring_up(
    conn: &mut Connection,
    path: &Path,
    now: UtcTime,
    steps: &[M<'_>],
) -> Result<(), OpenError> {
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let version = identify(conn, known)?;
    let sound = is_sound(conn)?;
    if !sound {
        return Err(OpenError::Damaged);
    }
    if 0 < version && version < known {
        // Whoever has it open knows the old tables only.
        if instance::is_in_use(path)? {
            return Err(OpenError::Busy);
        }
        backup::make(conn, path, version, now)?;
    }
    backup::prune(path, now)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::NetworkFilesystem);
    }
    if version < known {
        conn.pragma_update(None, "application_id", APPLICATION_ID)?;
        Migrations::from_slice(steps)
            .to_latest(conn)
            .map_err(|error| match error {
                rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
                _ => OpenError::Failed,
            })?;
    }
    Ok(())
}

fn is_sound(conn: &Connection) -> Result<bool, OpenError> {
    let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    if pages > CHECKED_PAGES {
        return Ok(true);
    }
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(found == "ok")
}

/// The version of a database of ours; 0 for an empty one.
pub(crate) fn identify(conn: &Connection, known: u32) -> Result<u32, OpenError> {
    let id: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version = u32::try_from(version).map_err(|_| OpenError::Foreign)?;
    match (id, version, tables) {
        (0 | APPLICATION_ID, 0, 0) => Ok(0),
        (APPLICATION_ID, 1.., _) if version > known => Err(OpenError::Newer {
            found: version,
            known,
        }),
        (APPLICATION_ID, 1.., _) => Ok(version),
        _ => Err(OpenError::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Store, connection, fakes, schema::STEPS};

    /// The released steps and one more, as a later version of this program would have.
    fn later(step: &'static str) -> Vec<M<'static>> {
        STEPS.iter().cloned().chain([M::up(step)]).collect()
    }

    fn backups(directory: &Path) -> usize {
        let entries = fs::read_dir(directory).expect("reads");
        let names = entries.map(|entry| entry.expect("entry").file_name());
        names
            .filter(|name| name.to_string_lossy().contains(".backup-v"))
            .count()
    }

    #[test]
    fn s73_the_steps_are_valid() {
        Migrations::from_slice(STEPS).validate().expect("valid");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn s73_a_migration_copies_first_and_only_what_nobody_uses() {
        let home = fakes::home_directory();
        let path = home.path().join("h.db");
        let fakes = fakes::Fakes::new();
        let store = Store::open(&path, fakes.options(1)).expect("opens");
        let now = UtcTime::from_unix_millis(fakes::EPOCH);
        let steps = later("CREATE TABLE more (a INTEGER) STRICT");
        let bring_up = |steps: &[M<'_>]| {
            let mut conn = connection::writer(&path).expect("opens");
            bring_up(&mut conn, &path, now, steps)
        };
        // One that has written nothing yet uses it too.
        let used = bring_up(&steps).expect_err("in use");
        assert!(matches!(used, OpenError::Busy), "{used}");
        store.log_checkpoint().await.expect("writes");
        let used = bring_up(&steps).expect_err("in use");
        assert!(matches!(used, OpenError::Busy), "{used}");
        drop(store);
        assert_eq!(backups(home.path()), 0);
        bring_up(&steps).expect("migrates");
        assert_eq!(backups(home.path()), 1);
        bring_up(&steps).expect("nothing to do");
        assert_eq!(backups(home.path()), 1);
        // The present program is the older one now.
        let newer = Store::open(&path, fakes.options(2)).expect_err("newer");
        assert!(matches!(newer, OpenError::Newer { .. }), "{newer}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn s73_a_failed_migration_leaves_the_old_version() {
        let home = fakes::home_directory();
        let path = home.path().join("h.db");
        let fakes = fakes::Fakes::new();
        drop(Store::open(&path, fakes.options(1)).expect("opens"));
        let mut conn = connection::writer(&path).expect("opens");
        let now = UtcTime::from_unix_millis(fakes::EPOCH);
        let steps = later("CREATE TABLE more (a INTEGER) STRICT; CREATE TABLE events (a)");
        bring_up(&mut conn, &path, now, &steps).expect_err("a table that is there");
        drop(conn);
        assert_eq!(backups(home.path()), 1);
        Store::open(&path, fakes.options(2)).expect("as it was");
    }
}
