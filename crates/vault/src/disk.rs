//! The vault's file: private, locked against a second writer, replaced whole or not at all.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use atomic_write_file::{AtomicWriteFile, unix::OpenOptionsExt as _};
use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::{codec::MAX_FILE, error::VaultError};

/// Identifies a file and its state; a different stamp means that the file was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Opens a file without following a link and without blocking, and only if it belongs to this user alone.
pub(crate) fn open_private(path: &Path) -> Result<File, VaultError> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd.into(),
        Err(rustix::io::Errno::LOOP) => return Err(VaultError::NotPrivate),
        Err(error) => return Err(VaultError::Io(error.into())),
    };
    check_private(&file, false)?;
    Ok(file)
}

/// Regular, one name, this user's (or root's, where a service manager puts it), nobody else's bits.
pub(crate) fn check_private(file: &File, root_may_own: bool) -> Result<u64, VaultError> {
    let meta = file.metadata().map_err(VaultError::Io)?;
    let owner =
        meta.uid() == rustix::process::geteuid().as_raw() || (root_may_own && meta.uid() == 0);
    if meta.is_file() && owner && meta.mode() & 0o077 == 0 && meta.nlink() == 1 {
        Ok(meta.len())
    } else {
        Err(VaultError::NotPrivate)
    }
}

pub(crate) fn read(path: &Path) -> Result<(Vec<u8>, Stamp), VaultError> {
    let file = open_private(path)?;
    let meta = file.metadata().map_err(VaultError::Io)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(VaultError::Io)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(VaultError::Damaged);
    }
    Ok((bytes, Stamp::of(&meta)))
}

pub(crate) fn stamp(path: &Path) -> Result<Stamp, VaultError> {
    path.symlink_metadata()
        .map(|meta| Stamp::of(&meta))
        .map_err(VaultError::Io)
}

/// Writes beside the file, makes it durable, renames it over the old one and makes the name durable.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    if bytes.len() as u64 > MAX_FILE {
        return Err(VaultError::Io(io::Error::other("the vault is full")));
    }
    let mut options = AtomicWriteFile::options();
    // Without this, the mode of an older, more open file would be kept.
    options.preserve_mode(false).mode(0o600);
    let mut file = options.open(path).map_err(VaultError::Io)?;
    file.write_all(bytes).map_err(VaultError::Io)?;
    file.commit().map_err(VaultError::Io)?;
    let directory = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|dir| dir.sync_all())
        .map_err(VaultError::Io)
}

/// Held while the file is read, changed and written. Released on drop.
#[derive(Debug)]
pub(crate) struct WriteLock(
    #[expect(dead_code, reason = "closing the file releases the lock")] File,
);

impl WriteLock {
    /// Waits for other writers of any process.
    pub(crate) fn acquire(path: &Path) -> Result<Self, VaultError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = rustix::fs::open(PathBuf::from(name), flags, mode)
            .map_err(|e| VaultError::Io(e.into()))?;
        rustix::fs::flock(&fd, FlockOperation::LockExclusive)
            .map_err(|e| VaultError::Io(e.into()))?;
        Ok(Self(fd.into()))
    }
}

/// Makes a new private file that was not there before.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            if exists {
                VaultError::Exists
            } else {
                VaultError::Io(error)
            }
        })?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(VaultError::Io)
}

impl Stamp {
    fn of(meta: &std::fs::Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}
