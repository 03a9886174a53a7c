//! The per-user list of trusted homes, outside any home: path, install, approval key, run counter.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use handshake_core::{
    code::{ErrorCode, Phase},
    ids::KeyId,
};
use serde::{Deserialize, Serialize};

use crate::{
    anchor::replace,
    error::{Error, Result},
};

/// One trusted home.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustedHome {
    pub(crate) path: PathBuf,
    pub(crate) install_id: String,
    pub(crate) approval_key: KeyId,
    /// Rises when the machine was started again, or the home was put back: receipts of an older run are void.
    pub(crate) run: u64,
    pub(crate) boot_id: String,
    /// Whether more of it is noted beside this list. Where that is missing then, somebody took it away.
    #[serde(default)]
    pub(crate) anchored: bool,
}

/// The list.
#[derive(Debug)]
pub(crate) struct TrustList {
    path: PathBuf,
    homes: Vec<TrustedHome>,
}

/// The per-user configuration directory: never inside a home, never named by a home.
///
/// # Errors
/// `HSK-400-INVALID-CONFIG` where the environment names no absolute path.
pub fn config_dir() -> Result<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    set("XDG_CONFIG_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .map(|base| base.join("handshake"))
        .ok_or_else(|| {
            Error::usage(
                ErrorCode::InvalidConfig,
                "neither XDG_CONFIG_HOME nor HOME is an absolute path",
            )
        })
}

impl TrustList {
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("homes.json");
        let homes = match fs::symlink_metadata(&path) {
            Err(_) => Vec::new(),
            Ok(meta) => {
                let private = meta.is_file()
                    && meta.mode() & 0o077 == 0
                    && meta.uid() == rustix::process::geteuid().as_raw();
                let text = private.then(|| fs::read(&path).ok()).flatten();
                text.and_then(|text| serde_json::from_slice(&text).ok())
                    .ok_or_else(|| {
                        Error::new(
                            ErrorCode::HomeUntrusted,
                            Phase::Storage,
                            "the list of trusted homes is damaged, or other users can access it",
                        )
                        .next(format!("check {}: its mode must be 0600", path.display()))
                    })?
            }
        };
        Ok(Self { path, homes })
    }

    pub(crate) fn find(&self, home: &Path) -> Option<&TrustedHome> {
        self.homes.iter().find(|trusted| trusted.path == home)
    }

    /// What is listed of an install, under whatever path.
    pub(crate) fn install(&self, install_id: &str) -> Option<&TrustedHome> {
        self.homes.iter().find(|home| home.install_id == install_id)
    }

    /// Changes the list as it is now, while nobody else does.
    pub(crate) fn change<T>(dir: &Path, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let failed = || {
            Error::new(
                ErrorCode::Storage,
                Phase::Storage,
                "cannot write the list of trusted homes",
            )
        };
        let path = dir.join("homes.json");
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

    /// Adds or replaces an entry. An install is trusted at one path: a copy of it elsewhere is not it any more.
    pub(crate) fn put(&mut self, entry: TrustedHome) {
        self.homes
            .retain(|trusted| trusted.path != entry.path && trusted.install_id != entry.install_id);
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
