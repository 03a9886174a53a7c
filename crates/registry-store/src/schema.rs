//! The tables. A released migration is never edited; a change is a new one.

use rusqlite_migration::M;

/// "HSK1": a database of this program.
pub(crate) const APPLICATION_ID: i32 = 0x4853_4b31;
/// "HSKB": a backup, which does not open as a database of this program.
pub(crate) const BACKUP_ID: i32 = 0x4853_4b42;

/// All migrations, in order. The version of a database is the number of those it went through.
pub(crate) const STEPS: &[M<'static>] = &[
    M::up(V1),
    M::up(V2),
    M::up(SEGMENTS),
    M::up(HALTS),
    M::up(SEALS),
    M::up(STATE),
    M::up(SHOWN),
    M::up(DECLASSIFIED),
    M::up(PAUSED_AT),
    M::up(JOBS),
];

/// Times are milliseconds since 1970 in UTC; UUIDs and ids are text as they are printed; hashes are blobs.
const V1: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE instances (instance BLOB PRIMARY KEY, opened_at INTEGER NOT NULL, run INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;

-- The log. `payload` is the exact bytes that were hashed.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, payload BLOB NOT NULL, prev BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE TABLE checkpoints (number INTEGER PRIMARY KEY, size INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE TABLE handovers (epoch INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
-- Events that were not recorded: how many (NULL: nobody knows), why, and at which size of the log it was noticed.
CREATE TABLE gaps (
  number INTEGER PRIMARY KEY, at_size INTEGER NOT NULL, lost INTEGER, cause TEXT NOT NULL,
  noticed_at INTEGER NOT NULL
) STRICT;
-- These guard against our own mistakes; the hashes guard against others.
CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER events_last BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER checkpoints_stay BEFORE DELETE ON checkpoints BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER checkpoints_last BEFORE UPDATE ON checkpoints BEGIN SELECT RAISE(ABORT, 'append only'); END;

CREATE TABLE epochs (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO epochs VALUES ('enrolled', '0'), ('locked', 'false'), ('approval_key', '');

CREATE TABLE providers (provider_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, record TEXT NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE snapshots (
  provider_id TEXT NOT NULL REFERENCES providers ON DELETE CASCADE,
  model_id TEXT NOT NULL, enabled INTEGER NOT NULL, snapshot TEXT NOT NULL,
  PRIMARY KEY (provider_id, model_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE claims (
  provider_id TEXT NOT NULL REFERENCES providers ON DELETE CASCADE,
  model_id TEXT NOT NULL, claims TEXT NOT NULL, PRIMARY KEY (provider_id, model_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE contacts (
  provider_id TEXT NOT NULL REFERENCES providers ON DELETE CASCADE,
  revision INTEGER NOT NULL, granted_at INTEGER NOT NULL, PRIMARY KEY (provider_id, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE profiles (profile_id TEXT PRIMARY KEY, profile TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE active_profile (
  only INTEGER PRIMARY KEY CHECK (only = 1), profile_id TEXT NOT NULL REFERENCES profiles
) STRICT;

-- Receipts: the exact bytes that were signed. The other columns find them and count their uses.
CREATE TABLE receipts (
  receipt_id TEXT PRIMARY KEY, request_id TEXT NOT NULL, principal TEXT NOT NULL,
  provider_id TEXT NOT NULL, envelope BLOB NOT NULL, single INTEGER NOT NULL, approved INTEGER NOT NULL,
  payload BLOB NOT NULL, signature BLOB NOT NULL, stored_at INTEGER NOT NULL,
  uses INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, new_bytes INTEGER NOT NULL DEFAULT 0,
  last_used INTEGER, revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_by_envelope ON receipts (envelope);
CREATE INDEX receipts_by_provider ON receipts (provider_id);
CREATE INDEX receipts_by_revocation ON receipts (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE TABLE receipt_sessions (
  session_id TEXT NOT NULL, principal TEXT NOT NULL, receipt_id TEXT NOT NULL REFERENCES receipts,
  PRIMARY KEY (session_id, principal, receipt_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE uses (
  use_id TEXT PRIMARY KEY, receipt_id TEXT NOT NULL REFERENCES receipts, envelope BLOB NOT NULL,
  attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL, owner BLOB NOT NULL, intent_seq INTEGER NOT NULL,
  opened_at INTEGER NOT NULL, closed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX open_uses ON uses (receipt_id) WHERE closed_at IS NULL;
CREATE TABLE blocks (
  receipt_id TEXT NOT NULL REFERENCES receipts, commitment BLOB NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY (receipt_id, commitment)
) STRICT, WITHOUT ROWID;

-- Calls that wait for a person. `content` is sealed, and gone once the request is not pending any more.
CREATE TABLE requests (
  request_id TEXT PRIMARY KEY, principal TEXT NOT NULL, provider_id TEXT NOT NULL, same BLOB NOT NULL,
  request TEXT NOT NULL, plan TEXT NOT NULL, content BLOB, submitted_at INTEGER NOT NULL,
  deadline INTEGER NOT NULL, waited_at INTEGER NOT NULL, state TEXT NOT NULL, receipt_id TEXT,
  decided_at INTEGER,
  CHECK ((state = 'pending') = (content IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_requests ON requests (submitted_at) WHERE state = 'pending';
CREATE TABLE waiters (
  request_id TEXT NOT NULL REFERENCES requests, instance BLOB NOT NULL, beat_at INTEGER NOT NULL,
  PRIMARY KEY (request_id, instance)
) STRICT, WITHOUT ROWID;
CREATE TABLE refusals (
  principal TEXT NOT NULL, provider_id TEXT NOT NULL, denials INTEGER NOT NULL, last_at INTEGER NOT NULL,
  PRIMARY KEY (principal, provider_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (session_id TEXT PRIMARY KEY, label TEXT NOT NULL, model TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE messages (
  session_id TEXT NOT NULL, position INTEGER NOT NULL, sealed BLOB NOT NULL,
  PRIMARY KEY (session_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE session_leases (session_id TEXT PRIMARY KEY, owner BLOB NOT NULL, expires_at INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE artifacts (artifact TEXT PRIMARY KEY, meta TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;

CREATE TABLE tokens (
  name TEXT PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, models TEXT, profile_id TEXT,
  created_at INTEGER NOT NULL, revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE aliases (pattern TEXT PRIMARY KEY, target TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// Triggers that count every change of a table under the name of what changed.
macro_rules! counted {
    ($($table:literal: $old:literal, $new:literal);+ $(;)?) => {
        concat!($(
            counted!(@ $table, "insert", $new), counted!(@ $table, "update", $new), counted!(@ $table, "delete", $old),
        )+)
    };
    (@ $table:literal, $on:literal, $what:literal) => {
        concat!(
            "CREATE TRIGGER ", $table, "_", $on, " AFTER ", $on, " ON ", $table, " BEGIN
               INSERT INTO registry_changes
               VALUES (", $what, ", (SELECT coalesce(max(version), 0) + 1 FROM registry_changes))
               ON CONFLICT (provider_id) DO UPDATE SET version = excluded.version;
             END;\n"
        )
    };
}

/// What the registry view reads, counted: each change gives its provider, or '' for what belongs to none, the
/// next number. One row for each provider that ever changed, so that a view learns of a removal too.
const V2: &str = concat!(
    "CREATE TABLE registry_changes (provider_id TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE UNIQUE INDEX registry_changes_by_version ON registry_changes (version);\n",
    counted! {
        "providers": "OLD.provider_id", "NEW.provider_id";
        "snapshots": "OLD.provider_id", "NEW.provider_id";
        "profiles": "''", "''";
        "active_profile": "''", "''";
        "tokens": "''", "''";
        "aliases": "''", "''";
    }
);

/// The log in segments: which leaves are in which file, and what was pruned. A row of `events` goes only where a
/// segment holds it, and a segment is marked as pruned only where a seam says so.
const SEGMENTS: &str = "
CREATE TABLE segments (
  first INTEGER PRIMARY KEY, last INTEGER NOT NULL, prev BLOB NOT NULL, head BLOB NOT NULL,
  sha256 BLOB NOT NULL, bytes INTEGER NOT NULL, losses INTEGER NOT NULL, last_at INTEGER NOT NULL,
  pruned INTEGER NOT NULL DEFAULT 0, CHECK (first <= last AND pruned IN (0, 1))
) STRICT;
CREATE TABLE seams (number INTEGER PRIMARY KEY, size INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE INDEX checkpoints_by_size ON checkpoints (size);
DROP TRIGGER events_stay;
CREATE TRIGGER events_stay BEFORE DELETE ON events
  WHEN coalesce((SELECT last FROM segments WHERE first <= OLD.seq ORDER BY first DESC LIMIT 1), 0) < OLD.seq
  BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER segments_stay BEFORE DELETE ON segments BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER segments_last BEFORE UPDATE ON segments
  WHEN OLD.pruned OR NOT NEW.pruned OR NOT EXISTS (SELECT 1 FROM seams WHERE size >= OLD.last)
    OR (OLD.first, OLD.last, OLD.prev, OLD.head, OLD.sha256, OLD.bytes, OLD.losses, OLD.last_at)
      IS NOT (NEW.first, NEW.last, NEW.prev, NEW.head, NEW.sha256, NEW.bytes, NEW.losses, NEW.last_at)
  BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER seams_stay BEFORE DELETE ON seams BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER seams_last BEFORE UPDATE ON seams BEGIN SELECT RAISE(ABORT, 'append only'); END;
";

/// What ends or holds Cloud calls is counted with what the registry view holds, so that everybody who looks there
/// learns of it: a receipt that is revoked, and a pause.
const HALTS: &str = "
CREATE TRIGGER receipts_revoked AFTER UPDATE OF revoked_at ON receipts BEGIN
  INSERT INTO registry_changes VALUES ('', (SELECT coalesce(max(version), 0) + 1 FROM registry_changes))
  ON CONFLICT (provider_id) DO UPDATE SET version = excluded.version;
END;
CREATE TRIGGER paused_changed AFTER UPDATE ON epochs WHEN NEW.name = 'paused' BEGIN
  INSERT INTO registry_changes VALUES ('', (SELECT coalesce(max(version), 0) + 1 FROM registry_changes))
  ON CONFLICT (provider_id) DO UPDATE SET version = excluded.version;
END;
INSERT INTO epochs VALUES ('paused', 'false'), ('paused_at', '');
";

/// Seals, each beside the record that it is for. What was stored before has none, and is not believed.
const SEALS: &str = "
ALTER TABLE providers ADD COLUMN seal BLOB;
ALTER TABLE snapshots ADD COLUMN seal BLOB;
ALTER TABLE snapshots ADD COLUMN enabled_seal BLOB;
ALTER TABLE contacts ADD COLUMN seal BLOB;
ALTER TABLE active_profile ADD COLUMN seal BLOB;
ALTER TABLE tokens ADD COLUMN seal BLOB;
";

/// The state of a receipt under a code of this program's, with the place in the log that it stands for. What lived before
/// has none, and is over.
const STATE: &str = "
ALTER TABLE receipts ADD COLUMN state_seq INTEGER;
ALTER TABLE receipts ADD COLUMN state_leaf BLOB;
ALTER TABLE receipts ADD COLUMN mac BLOB;
ALTER TABLE blocks ADD COLUMN mac BLOB;
UPDATE receipts SET revoked_at = stored_at WHERE revoked_at IS NULL;
";

/// What a person saw last of one client towards one provider. Sealed, and gone with the provider.
const SHOWN: &str = "
CREATE TABLE shown (
  principal TEXT NOT NULL, provider_id TEXT NOT NULL REFERENCES providers ON DELETE CASCADE,
  shown_at INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (principal, provider_id)
) STRICT, WITHOUT ROWID;
";

/// What a person declassified: beside each row its seal, which is what counts. What blocked a call, sealed, for a person to
/// name.
const DECLASSIFIED: &str = "
CREATE TABLE declassified (
  provider_id TEXT NOT NULL REFERENCES providers ON DELETE CASCADE, rule TEXT NOT NULL, leaf BLOB NOT NULL,
  revision INTEGER NOT NULL, class TEXT NOT NULL, seal BLOB, PRIMARY KEY (provider_id, rule, leaf)
) STRICT, WITHOUT ROWID;
CREATE TABLE blocked (
  handle TEXT PRIMARY KEY, principal TEXT NOT NULL, at INTEGER NOT NULL, sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// When Cloud was paused last decides which leases are asked about again, so it is counted as the pause itself is: also
/// where somebody changes nothing else.
const PAUSED_AT: &str = "
CREATE TRIGGER paused_at_changed AFTER UPDATE ON epochs WHEN NEW.name = 'paused_at' BEGIN
  INSERT INTO registry_changes VALUES ('', (SELECT coalesce(max(version), 0) + 1 FROM registry_changes))
  ON CONFLICT (provider_id) DO UPDATE SET version = excluded.version;
END;
";

/// How many cloud calls each job began, for work profiles that bound them.
const JOBS: &str = "
CREATE TABLE jobs (job TEXT PRIMARY KEY, uses INTEGER NOT NULL CHECK (uses > 0)) STRICT, WITHOUT ROWID;
";
