//! What can go wrong, and which of it ends the store's life.

use handshake_core::{
    code::ErrorCode,
    ports::{LedgerError, QueueError, SessionError, StoreError},
};
use rusqlite::ErrorCode as Sqlite;

/// A store that does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file cannot be made, read or locked.
    #[error("cannot use {role}")]
    Io {
        /// Which one, by its role.
        role: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner may use it, or somebody else owns it. 0600 in 0700 is required.
    #[error("{0} must be accessible only to its owner, who must be this user")]
    Permissions(&'static str),
    /// It is a link, or no plain file or directory.
    #[error("{0} is a link, or not of the expected kind")]
    Kind(&'static str),
    /// It lies on a network file system, where locks and syncs do not hold.
    #[error("the database is on a network file system")]
    NetworkFilesystem,
    /// It is not a database of this program (or a backup, which is not opened in place).
    #[error("the file is not a database of this program")]
    Foreign,
    /// A newer version of this program wrote it.
    #[error(
        "the database was written by a newer version of this program: its version is {found}, the newest known is {known}"
    )]
    Newer {
        /// Its version.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// It is damaged.
    #[error("the database is damaged")]
    Damaged,
    /// It belongs to another install.
    #[error("the database belongs to another installation")]
    OtherInstall,
    /// Its log is signed by another key than the one given.
    #[error("the log is signed with another key")]
    RecorderKey,
    /// Another process keeps it locked.
    #[error("another process is holding the database lock")]
    Busy,
    /// The linked SQLite has a known bug that damages databases.
    #[error("the linked SQLite is older than 3.51.3")]
    Engine,
    /// The storage failed.
    #[error("storage failure")]
    Failed,
}

impl OpenError {
    /// The code to report.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Permissions(_) | Self::Kind(_) | Self::OtherInstall | Self::RecorderKey => {
                ErrorCode::HomeUntrusted
            }
            _ => ErrorCode::Storage,
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(Sqlite::DatabaseBusy | Sqlite::DatabaseLocked) => Self::Busy,
            _ => match store_error(&error) {
                StoreError::Damaged => Self::Damaged,
                _ => Self::Failed,
            },
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged => Self::Damaged,
            _ => Self::Failed,
        }
    }
}

/// A log that could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFailed {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of a segment is missing or damaged.
    #[error("{0} is missing or damaged")]
    Segment(String),
    /// The directory could not be written.
    #[error(transparent)]
    Write(#[from] handshake_flight_recorder::ExportError),
}

/// Why a transaction's part did not happen: refused by a rule, or failed in SQLite.
#[derive(Debug)]
pub(crate) enum Fail<E> {
    Refused(E),
    Db(rusqlite::Error),
}

impl<E> From<rusqlite::Error> for Fail<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error)
    }
}

impl<E: From<StoreError>> From<StoreError> for Fail<E> {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

macro_rules! refusals {
    ($($error:ty),*) => { $(
        impl From<$error> for Fail<$error> {
            fn from(error: $error) -> Self {
                Self::Refused(error)
            }
        }
    )* };
}
refusals!(LedgerError, QueueError, SessionError, ExportFailed);

impl<E: From<StoreError>> Fail<E> {
    /// The error to hand to the caller.
    pub(crate) fn answer(self) -> E {
        match self {
            Self::Refused(error) => error,
            Self::Db(error) => store_error(&error).into(),
        }
    }
}

/// The port's word for an error of SQLite. Holds nothing of what was stored.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            Sqlite::DatabaseCorrupt | Sqlite::NotADatabase => StoreError::Damaged,
            _ => StoreError::Failed,
        },
        // Strict tables hold the declared types, so another one means damage.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => StoreError::Damaged,
        _ => StoreError::Failed,
    }
}

/// Whether nothing that this connection says can be relied on any more: after a failed write or sync the
/// kernel may have dropped what it had (a retried sync lies), and a full disk may have room for a spend's
/// outcome no longer.
pub(crate) fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            Sqlite::DiskFull
                | Sqlite::SystemIoFailure
                | Sqlite::DatabaseCorrupt
                | Sqlite::NotADatabase
                | Sqlite::OutOfMemory
                | Sqlite::ReadOnly
                | Sqlite::CannotOpen
                | Sqlite::PermissionDenied
                | Sqlite::FileLockingProtocolFailed
                | Sqlite::InternalMalfunction
        )
    )
}
