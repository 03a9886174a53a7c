//! The home: where everything of one installation lives. Trusted by path, install and approval key.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use handshake_core::{
    code::{ErrorCode, Phase},
    ports::EntropyExt,
    secret::Secret,
};
use handshake_vault::{
    Approval, ApprovalFactor, KdfParams, NewVault, Unlock, Vault, create_key_file,
};
use serde::{Deserialize, Serialize};

use crate::{
    clock::{OsEntropy, SystemClock},
    error::{Error, Result},
    trust::{self, TrustList, TrustedHome},
};

/// A home that is trusted, and this process's run of it.
#[derive(Debug)]
pub struct Home {
    /// Its folder, through no link.
    pub path: PathBuf,
    /// The id of the installation.
    pub install_id: String,
    /// Rises when the machine was started again: receipts of an older run are void.
    pub run: u64,
    /// Whether `home.json` says that there is no approval passphrase. Nothing follows from it: the vault knows.
    pub(crate) claims_no_factor: bool,
    /// The approval key, where this process made the home and a person chose its passphrase a moment ago.
    chosen: Mutex<Option<Approval>>,
    /// Whether more is noted of it outside.
    pub(crate) anchored: bool,
    /// Where that is, and the list of trusted homes.
    pub(crate) trust_dir: PathBuf,
    key_file: PathBuf,
}

/// `home.json`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct HomeFile {
    install_id: String,
    /// Written by earlier versions. It grants nothing: whether there is a factor stands in the vault, where nobody
    /// can change it unseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    can_approve: Option<bool>,
}

/// How a home is made.
#[derive(Debug)]
pub struct Making<'a> {
    /// The approval passphrase; `None` makes a home in which nobody can approve anything.
    pub approval: Option<&'a Secret>,
    /// How costly it is to guess the passphrase.
    pub kdf: KdfParams,
}

/// The home of this user: `HANDSHAKE_HOME`, or the platform's data directory.
///
/// # Errors
/// `HSK-400-INVALID-CONFIG` where the environment names neither.
pub fn default_path() -> Result<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    set("HANDSHAKE_HOME")
        .or_else(|| set("XDG_DATA_HOME").map(|data| data.join("handshake")))
        .or_else(|| set("HOME").map(|home| home.join(".local/share/handshake")))
        .ok_or_else(|| {
            Error::usage(
                ErrorCode::InvalidConfig,
                "cannot find the home: neither HOME nor HANDSHAKE_HOME is set",
            )
            .next("name one with `--home DIR`")
        })
}

fn untrusted(message: &str, path: &Path) -> Error {
    Error::new(
        ErrorCode::HomeUntrusted,
        Phase::Input,
        format!("{message}: {}", path.display()),
    )
    .next(format!(
        "run `handshake init --home {}` at a terminal if the home is yours",
        path.display()
    ))
}

fn failed(message: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |_| Error::new(ErrorCode::Storage, Phase::Storage, message)
}

impl Home {
    /// Opens a home that is there and trusted. `Ok(None)` when there is none yet.
    ///
    /// # Errors
    /// `HSK-403-HOME-UNTRUSTED` when this user neither made nor trusted it.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        Self::open_in(path, &trust::config_dir()?)
    }

    /// The same with another configuration directory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(path: &Path, config: &Path) -> Result<Option<Self>> {
        let path = absolute(path)?;
        if !path.join("home.json").exists() {
            return Ok(None);
        }
        let list = TrustList::load(config)?;
        let file = read_home_file(&path)?;
        let summary = Vault::inspect(&path.join("vault.hskv"))?;
        let trusted = list
            .find(&path)
            .filter(|t| {
                t.install_id == file.install_id && t.approval_key == *summary.approval_key.id()
            })
            .cloned()
            .ok_or_else(|| untrusted("this home was not created or trusted by you", &path))?;
        let boot_id = trust::boot_id();
        let run = if trusted.boot_id == boot_id {
            trusted.run
        } else {
            trusted.run + 1
        };
        if run != trusted.run {
            TrustList::change(config, |list| {
                list.put(TrustedHome {
                    run,
                    boot_id,
                    ..trusted.clone()
                });
                Ok(())
            })?;
        }
        let key_file = key_file(config, &file.install_id);
        Ok(Some(Self {
            path,
            install_id: file.install_id,
            run,
            claims_no_factor: file.can_approve == Some(false),
            chosen: Mutex::default(),
            anchored: trusted.anchored,
            trust_dir: config.to_owned(),
            key_file,
        }))
    }

    /// Makes a home where none is.
    ///
    /// # Errors
    /// `HSK-400-INVALID-CONFIG` for a folder that is not empty; `HSK-500-STORAGE`.
    pub fn make(path: &Path, making: &Making<'_>) -> Result<Self> {
        Self::make_in(path, &trust::config_dir()?, making)
    }

    /// The same with another configuration directory: the demo leaves nothing behind in the real one.
    ///
    /// # Errors
    /// As [`make`](Self::make).
    pub fn make_in(path: &Path, config: &Path, making: &Making<'_>) -> Result<Self> {
        let path = absolute(path)?;
        let busy = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some());
        if busy {
            return Err(Error::usage(
                ErrorCode::InvalidConfig,
                format!(
                    "cannot create a home in a directory that is not empty: {}",
                    path.display()
                ),
            ));
        }
        let private = |dir: &Path| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(failed("cannot create the home"))
        };
        private(&path)?;
        private(&path.join("run"))?;
        let install_id: String = OsEntropy
            .bytes::<16>()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let key_file = key_file(config, &install_id);
        private(key_file.parent().unwrap_or(Path::new("/")))?;
        create_key_file(&key_file, &OsEntropy)?;
        let vault = Vault::create(
            &path.join("vault.hskv"),
            NewVault {
                unlock: Unlock::KeyFile(&key_file),
                approval: making
                    .approval
                    .map_or(ApprovalFactor::Nobody, ApprovalFactor::Passphrase),
                kdf: making.kdf,
            },
            Arc::new(SystemClock::new(1)),
            Arc::new(OsEntropy),
        )?;
        let text = serde_json::to_vec(&HomeFile {
            install_id: install_id.clone(),
            can_approve: None,
        })
        .map_err(|_| Error::new(ErrorCode::Storage, Phase::Storage, "cannot create the home"))?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path.join("home.json"))
            .map_err(failed("cannot create the home"))?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(failed("cannot create the home"))?;
        let entry = TrustedHome {
            path: path.clone(),
            install_id: install_id.clone(),
            approval_key: vault.summary()?.approval_key.id().clone(),
            run: 1,
            boot_id: trust::boot_id(),
            anchored: false,
        };
        TrustList::change(config, |list| {
            list.put(entry);
            Ok(())
        })?;
        Ok(Self {
            path,
            install_id,
            run: 1,
            claims_no_factor: false,
            chosen: Mutex::new(vault.just_chosen()),
            anchored: false,
            trust_dir: config.to_owned(),
            key_file,
        })
    }

    /// Trusts a home that somebody else made, after a person confirmed.
    ///
    /// # Errors
    /// What keeps the home or the list from being read or written.
    pub fn trust(path: &Path) -> Result<()> {
        let path = absolute(path)?;
        let file = read_home_file(&path)?;
        let summary = Vault::inspect(&path.join("vault.hskv"))?;
        TrustList::change(&trust::config_dir()?, |list| {
            let known = list.install(&file.install_id);
            // A home that comes back may be an older copy: what was approved in it before counts no more. What is
            // noted of it stays, and is compared.
            let (run, anchored) = known.map_or((1, false), |known| (known.run + 1, known.anchored));
            list.put(TrustedHome {
                path,
                install_id: file.install_id,
                approval_key: summary.approval_key.id().clone(),
                run,
                boot_id: trust::boot_id(),
                anchored,
            });
            Ok(())
        })
    }

    /// Says in the list that more is noted beside it, and which run this is.
    pub(crate) fn is_noted(&mut self, run: u64) -> Result<()> {
        if self.anchored && self.run == run {
            return Ok(());
        }
        let install_id = self.install_id.clone();
        TrustList::change(&self.trust_dir, |list| {
            if let Some(mut known) = list.install(&install_id).cloned() {
                known.run = known.run.max(run);
                known.anchored = true;
                list.put(known);
            }
            Ok(())
        })?;
        (self.anchored, self.run) = (true, run);
        Ok(())
    }

    /// The approval key, where a person chose its passphrase in this process. Once: it stands for one approval.
    #[must_use]
    pub fn just_chosen(&self) -> Option<Approval> {
        self.chosen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The key file of this account, which opens the vault. It need not be there.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    /// Whether the vault opens only with its own passphrase, because this account has no key file for it.
    #[must_use]
    pub fn needs_passphrase(&self) -> bool {
        !self.key_file.exists()
    }

    /// Opens the vault: with the key file of this account where it has one, with the vault's passphrase otherwise.
    ///
    /// # Errors
    /// `HSK-423-VAULT-LOCKED` without either, and what the vault says.
    pub fn vault(&self, passphrase: Option<&Secret>) -> Result<Arc<Vault>> {
        let (clock, entropy) = (Arc::new(SystemClock::new(self.run)), Arc::new(OsEntropy));
        let path = self.path.join("vault.hskv");
        let unlock = match passphrase {
            _ if !self.needs_passphrase() => Unlock::KeyFile(&self.key_file),
            Some(passphrase) => Unlock::Passphrase(passphrase),
            None => {
                return Err(Error::new(
                    ErrorCode::VaultLocked,
                    Phase::Storage,
                    "the key file that opens this home's vault is missing",
                ));
            }
        };
        Ok(Arc::new(Vault::open(&path, unlock, clock, entropy)?))
    }
}

fn key_file(config: &Path, install_id: &str) -> PathBuf {
    config.join("keys").join(format!("{install_id}.key"))
}

fn read_home_file(path: &Path) -> Result<HomeFile> {
    let meta = fs::symlink_metadata(path).map_err(failed("cannot read the home"))?;
    let private = meta.is_dir()
        && meta.uid() == rustix::process::geteuid().as_raw()
        && meta.mode() & 0o077 == 0;
    if !private {
        return Err(untrusted(
            "this home is a link, or other users can access it",
            path,
        ));
    }
    let text = fs::read(path.join("home.json")).map_err(failed("cannot read the home"))?;
    serde_json::from_slice(&text).map_err(|_| {
        Error::new(
            ErrorCode::Storage,
            Phase::Storage,
            "damaged file: home.json",
        )
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    let absolute =
        std::path::absolute(path).map_err(failed("cannot make the path of the home absolute"))?;
    // Trust goes by path, so one home has one path: through no link.
    let parent = absolute
        .parent()
        .and_then(|parent| parent.canonicalize().ok());
    match (parent, absolute.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.join(name)),
        _ => Ok(absolute),
    }
}
