//! The per-user list of trusted homes, outside any home: path, install, approval key, run counter.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use handshake_core::{
    code::{ErrorCode, Phase},
    ids::KeyId,
};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One trusted home.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustedHome {
    pub(crate) path: PathBuf,
    pub(crate) install_id: String,
    pub(crate) approval_key: KeyId,
    /// Rises when the machine was started again: receipts of an older run are void.
    pub(crate) run: u64,
    pub(crate) boot_id: String,
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

    /// The highest run that an install is known to have had, under whatever path.
    pub(crate) fn last_run(&self, install_id: &str) -> u64 {
        self.homes
            .iter()
            .filter(|home| home.install_id == install_id)
            .map(|home| home.run)
            .max()
            .unwrap_or(0)
    }

    /// Adds or replaces an entry, atomically.
    pub(crate) fn put(&mut self, entry: TrustedHome) -> Result<()> {
        self.homes.retain(|trusted| trusted.path != entry.path);
        self.homes.push(entry);
        self.homes.sort_by(|a, b| a.path.cmp(&b.path));
        let failed = |_| {
            Error::new(
                ErrorCode::Storage,
                Phase::Storage,
                "cannot write the list of trusted homes",
            )
        };
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed)?;
        let text = serde_json::to_vec_pretty(&self.homes).map_err(|_| {
            Error::new(
                ErrorCode::Storage,
                Phase::Storage,
                "cannot write the list of trusted homes",
            )
        })?;
        let temporary = self
            .path
            .with_extension(format!("tmp{}", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(failed)?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        fs::rename(&temporary, &self.path).map_err(failed)
    }
}

/// What tells one start of the machine from the next.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_else(|_| "unknown".to_owned())
}
