//! The per-user list of trusted homes, outside any home: path, install, approval key, run counter.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use handshake_core::{
    code::{ErrorCode, Phase},
    time::UtcTime,
};

pub(crate) use self::entry::{Displaced, Held, Identity, TrustedHome};
use crate::{
    anchor::replace,
    error::{Error, Result},
};

mod entry;

/// How many displaced homes are remembered with one entry.
const REMEMBERED: usize = 8;

/// The list.
#[derive(Debug)]
pub(crate) struct TrustList {
    path: PathBuf,
    homes: Vec<TrustedHome>,
}

impl TrustList {
    /// Reads the list. One that cannot be read is no empty one: a home would be free to be taken then.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("homes.json");
        let bad = || {
            let message = "the list of trusted homes is damaged, or other users can change it";
            Error::new(ErrorCode::HomeUntrusted, Phase::Storage, message).next(format!(
                "check {}: only you may write to its directory, and its mode must be 0600",
                path.display()
            ))
        };
        let account = rustix::process::geteuid().as_raw();
        match fs::metadata(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Ok(meta) if meta.is_dir() && meta.uid() == account && meta.mode() & 0o022 == 0 => {}
            _ => return Err(bad()),
        }
        let homes = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(_) => return Err(bad()),
            Ok(meta) => {
                let private = meta.is_file() && meta.mode() & 0o077 == 0 && meta.uid() == account;
                let text = private.then(|| fs::read(&path).ok()).flatten();
                let homes = text.and_then(|text| serde_json::from_slice(&text).ok());
                homes.ok_or_else(bad)?
            }
        };
        Ok(Self { path, homes })
    }

    pub(crate) fn find(&self, home: &Path) -> Option<&TrustedHome> {
        self.homes.iter().find(|trusted| trusted.path == home)
    }

    /// What is listed of an install, under whatever path, or was before another one took its place.
    pub(crate) fn install(&self, install_id: &str) -> Option<&TrustedHome> {
        let displaced = self.homes.iter().flat_map(|home| &home.displaced);
        let mut known = self.homes.iter().chain(displaced.map(|it| &*it.home));
        known.find(|home| home.install_id == install_id)
    }

    /// Changes the list as it is now, while nobody else does.
    pub(crate) fn change<T>(dir: &Path, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let path = dir.join("homes.json");
        let failed = || {
            let message = "cannot write the list of trusted homes";
            Error::new(ErrorCode::Storage, Phase::Storage, message)
                .next(format!("check that you can write {}", path.display()))
        };
        locked(&path, || {
            let mut list = Self::load(dir)?;
            let before = list.homes.clone();
            let changed = change(&mut list)?;
            if list.homes != before {
                let text = serde_json::to_vec_pretty(&list.homes).map_err(|_| failed())?;
                replace(&list.path, &text).map_err(|_| failed())?;
            }
            Ok(changed)
        })
        .unwrap_or_else(|| Err(failed()))
    }

    /// Adds or replaces an entry. An install is trusted at one path: a copy of it elsewhere is not it any more. What it
    /// takes the place of is remembered with it.
    pub(crate) fn put(&mut self, mut entry: TrustedHome, at: UtcTime) {
        let homes = std::mem::take(&mut self.homes);
        let (gone, kept): (Vec<_>, Vec<_>) = homes
            .into_iter()
            .partition(|it| it.path == entry.path || it.install_id == entry.install_id);
        let mut displaced = Vec::new();
        for mut home in gone {
            displaced.append(&mut home.displaced);
            let home = Box::new(home);
            displaced.push(Displaced { home, at });
        }
        displaced.retain(|it| it.home.install_id != entry.install_id);
        let too_many = displaced.len().saturating_sub(REMEMBERED);
        entry.displaced = displaced.split_off(too_many);
        self.homes = kept;
        self.homes.push(entry);
        self.homes.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

/// Runs while no other process does so for the same file. `None` where the lock cannot be made.
pub(crate) fn locked<T>(path: &Path, run: impl FnOnce() -> T) -> Option<T> {
    let directory = path.parent()?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .ok()?;
    let lock = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path.with_extension("lock"))
        .ok()?;
    lock.lock().ok()?;
    // Released when the file is closed.
    let done = run();
    drop(lock);
    Some(done)
}

/// What tells one start of the machine from the next.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_else(|_| "unknown".to_owned())
}
