//! The copy that is made before a migration: of the same home, owner-only, without what waits for a person,
//! not openable as a database of this program, and gone after a week.

use std::{fs, path::Path, time::Duration};

use handshake_core::time::UtcTime;
use rusqlite::{Connection, OpenFlags, backup::Backup};

use crate::{
    access::{self, failed},
    error::OpenError,
    schema::BACKUP_ID,
};

const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const WHAT: &str = "the backup";

/// Copies a database of version `version` beside itself.
pub(crate) fn make(
    from: &Connection,
    path: &Path,
    version: u32,
    now: UtcTime,
) -> Result<(), OpenError> {
    let to = access::sibling(path, &format!(".backup-v{version}-{}", now.unix_millis()));
    access::new_file(&to).map_err(failed(WHAT))?;
    let made = copy(from, &to);
    if made.is_err() {
        // A half copy is worth nothing; the migration does not begin either.
        fs::remove_file(&to).map_err(failed(WHAT))?;
    }
    made
}

fn copy(from: &Connection, to: &Path) -> Result<(), OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut copy = Connection::open_with_flags(to, flags)?;
    Backup::new(from, &mut copy)?.run_to_completion(256, Duration::ZERO, None)?;
    // No sidecar files may stay beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |row| {
        row.get::<_, String>(0)
    })?;
    let has_requests: bool = copy.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'requests')",
        [],
        |row| row.get(0),
    )?;
    if has_requests {
        copy.execute(
            "UPDATE requests SET content = NULL, state = 'withdrawn' WHERE state = 'pending'",
            [],
        )?;
    }
    copy.pragma_update(None, "application_id", BACKUP_ID)?;
    // Rewrites the file, so that no free page holds what was just taken out.
    copy.execute_batch("VACUUM;")?;
    let sound: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound == "ok" {
        Ok(())
    } else {
        Err(OpenError::Damaged)
    }
}

/// Deletes backups that are older than a week.
pub(crate) fn prune(path: &Path, now: UtcTime) -> Result<(), OpenError> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Ok(());
    };
    let prefix = format!("{name}.backup-v");
    for entry in fs::read_dir(directory).map_err(failed(WHAT))? {
        let entry = entry.map_err(failed(WHAT))?;
        let made_at = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(&prefix)?.split_once('-')?.1.parse().ok())
            .map(UtcTime::from_unix_millis);
        if made_at.is_some_and(|made_at| now.since(made_at) > KEPT) {
            fs::remove_file(entry.path()).map_err(failed(WHAT))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn backups(directory: &Path) -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(directory)
            .expect("reads")
            .map(|entry| entry.expect("entry").path());
        entries
            .filter(|path| path.to_string_lossy().contains(".backup-v"))
            .collect()
    }

    #[test]
    fn s73_a_backup_holds_no_waiting_content_and_is_no_home() {
        let home = crate::fakes::home_directory();
        let path = home.path().join("handshake.db");
        let original = Connection::open(&path).expect("opens");
        let marker = "SEALED-CONTENT-OF-A-WAITING-CALL".repeat(400);
        original
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE requests (request_id TEXT, state TEXT, content BLOB);
                 CREATE TABLE kept (word TEXT);
                 INSERT INTO kept VALUES ('kept');
                 INSERT INTO requests VALUES ('r', 'pending', '{marker}');"
            ))
            .expect("fills");
        let now = UtcTime::from_unix_millis(1_767_225_600_000);
        make(&original, &path, 1, now).expect("copies");

        let made = backups(home.path());
        let [backup] = &made[..] else {
            panic!("one file and no sidecar: {made:?}")
        };
        assert_eq!(
            fs::metadata(backup).expect("meta").permissions().mode() & 0o777,
            0o600
        );
        let bytes = fs::read(backup).expect("reads");
        assert!(
            !bytes
                .windows(32)
                .any(|window| window == b"SEALED-CONTENT-OF-A-WAITING-CALL")
        );
        let copy = Connection::open(backup).expect("opens");
        let kept: String = copy
            .query_row("SELECT word FROM kept", [], |row| row.get(0))
            .expect("row");
        let id: i32 = copy
            .query_row("PRAGMA application_id", [], |row| row.get(0))
            .expect("application id");
        assert_eq!((kept.as_str(), id), ("kept", BACKUP_ID));

        prune(&path, now.plus(KEPT)).expect("prunes");
        assert_eq!(backups(home.path()).len(), 1);
        prune(&path, now.plus(KEPT + Duration::from_millis(1))).expect("prunes");
        assert_eq!(backups(home.path()).len(), 0);
    }
}
