//! Who may touch the files: nobody but their owner. 0600 in 0700, no links, no network.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use crate::error::OpenError;

const DIRECTORY: &str = "the home directory";
const DATABASE: &str = "the database";

/// Checks or makes the directory and the file. Returns the file's path without links in it, and whether the
/// file was made just now.
pub(crate) fn prepare(path: &Path) -> Result<(PathBuf, bool), OpenError> {
    let name = path.file_name().ok_or(OpenError::Kind(DATABASE))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    check_directory(directory)?;
    // Links above the home are the system's own affair (`/tmp` is one on some); the home itself is none.
    let directory = directory.canonicalize().map_err(failed(DIRECTORY))?;
    if is_remote(&directory) {
        return Err(OpenError::NetworkFilesystem);
    }
    let path = directory.join(name);
    let made = match path.symlink_metadata() {
        Ok(found) => {
            check_file(&found, DATABASE)?;
            false
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match new_file(&path) {
            Ok(_) => true,
            // Somebody else opens the same new home.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let found = path.symlink_metadata().map_err(failed(DATABASE))?;
                check_file(&found, DATABASE)?;
                false
            }
            Err(error) => return Err(failed(DATABASE)(error)),
        },
        Err(error) => return Err(failed(DATABASE)(error)),
    };
    for beside in ["-wal", "-shm", "-journal"] {
        if let Ok(found) = sibling(&path, beside).symlink_metadata() {
            check_file(&found, "a file of the database")?;
        }
    }
    Ok((path, made))
}

/// The database that is there, without links in its path. Makes nothing.
pub(crate) fn existing(path: &Path) -> Result<PathBuf, OpenError> {
    match path.symlink_metadata() {
        Ok(_) => prepare(path).map(|(path, _)| path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Missing),
        Err(error) => Err(failed(DATABASE)(error)),
    }
}

/// A directory for its owner only; made where it is missing.
pub(crate) fn check_directory(directory: &Path) -> Result<(), OpenError> {
    match directory.symlink_metadata() {
        Ok(found) if !found.is_dir() => Err(OpenError::Kind(DIRECTORY)),
        Ok(found) => check_owner(&found, DIRECTORY),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(directory).map_err(failed(DIRECTORY))
        }
        Err(error) => Err(failed(DIRECTORY)(error)),
    }
}

fn check_file(found: &Metadata, role: &'static str) -> Result<(), OpenError> {
    if !found.is_file() {
        return Err(OpenError::Kind(role));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(found) != 1 {
        return Err(OpenError::Kind(role));
    }
    check_owner(found, role)
}

#[cfg(unix)]
fn check_owner(found: &Metadata, role: &'static str) -> Result<(), OpenError> {
    use std::os::unix::fs::MetadataExt;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if ours && found.mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(OpenError::Permissions(role))
    }
}

/// Where there are no modes, the user's profile directory keeps others out.
#[cfg(not(unix))]
fn check_owner(_: &Metadata, _: &'static str) -> Result<(), OpenError> {
    Ok(())
}

/// A file that did not exist, for its owner only.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    owner_only(&mut options);
    options.open(path)
}

/// A lock file: made where it is missing, for its owner only.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    owner_only(&mut options);
    options.open(path)
}

#[cfg(unix)]
fn owner_only(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn owner_only(_: &mut OpenOptions) {}

/// The database's path with something appended to its name.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// NFS and SMB: neither locks nor syncs can be relied on there.
#[cfg(target_os = "linux")]
fn is_remote(directory: &Path) -> bool {
    const REMOTE: [u32; 5] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f];
    rustix::fs::statfs(directory)
        .is_ok_and(|found| u32::try_from(found.f_type).is_ok_and(|kind| REMOTE.contains(&kind)))
}

#[cfg(not(target_os = "linux"))]
fn is_remote(_: &Path) -> bool {
    false
}

pub(crate) fn failed(role: &'static str) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Io { role, source }
}
