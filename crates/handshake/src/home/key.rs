//! What opens the vault of a home: the key file of this account, the vault's own passphrase, the recovery code.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use handshake_core::{
    code::{ErrorCode, Phase},
    secret::Secret,
};
use handshake_vault::{
    KdfParams, SlotId, SlotKind, Unlock, Vault, VaultError, VaultSummary, create_key_file,
};

use super::Home;
use crate::{
    clock::{OsEntropy, SystemClock},
    error::{Error, Result},
};

/// What a vault opens with here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpensWith {
    /// The key file of this account.
    KeyFile,
    /// The vault's own passphrase: there is no key file, and somebody set one.
    Passphrase,
    /// Nothing that is here. The recovery code, where there is one, makes a new key file.
    NothingHere {
        /// Whether there is a recovery code.
        recovery: bool,
    },
}

impl Home {
    /// The key file of this account, which opens the vault. It need not be there.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    fn vault_file(&self) -> PathBuf {
        self.path.join("vault.hskv")
    }

    fn summary(&self) -> Result<VaultSummary> {
        let file = self.vault_file();
        Vault::inspect(&file).map_err(|error| in_file(error, &file))
    }

    /// What the vault opens with here.
    ///
    /// # Errors
    /// What keeps the vault from being read.
    pub fn opens_with(&self) -> Result<OpensWith> {
        if fs::symlink_metadata(&self.key_file).is_ok() {
            return Ok(OpensWith::KeyFile);
        }
        let slots = self.summary()?.slots;
        let has = |kind| slots.iter().any(|(_, slot)| *slot == kind);
        Ok(match has(SlotKind::Passphrase) {
            true => OpensWith::Passphrase,
            false => OpensWith::NothingHere {
                recovery: has(SlotKind::Recovery),
            },
        })
    }

    /// Opens the vault: with the key file of this account where it has one, with the vault's passphrase otherwise.
    ///
    /// # Errors
    /// `HSK-423-VAULT-LOCKED` without either, with the key file's path; `HSK-403-HOME-UNTRUSTED` for a vault with
    /// another approval key than the home is trusted with; and what the vault says.
    pub fn vault(&self, passphrase: Option<&Secret>) -> Result<Arc<Vault>> {
        let unlock = match (self.opens_with()?, passphrase) {
            (OpensWith::KeyFile, _) => {
                self.check_key_file()?;
                Unlock::KeyFile(&self.key_file)
            }
            (OpensWith::Passphrase, Some(passphrase)) => Unlock::Passphrase(passphrase),
            (OpensWith::Passphrase, None) => {
                let message = "the passphrase of this home's vault is required";
                return Err(locked(
                    message.to_owned(),
                    "enter it at a terminal".to_owned(),
                ));
            }
            (OpensWith::NothingHere { recovery }, _) => return Err(self.key_is_missing(recovery)),
        };
        self.open_vault(unlock)
    }

    fn open_vault(&self, unlock: Unlock<'_>) -> Result<Arc<Vault>> {
        let (clock, entropy) = (Arc::new(SystemClock::new(self.run)), Arc::new(OsEntropy));
        let file = self.vault_file();
        let opened = Vault::open(&file, unlock, clock, entropy);
        let vault = opened.map_err(|error| match (error, unlock) {
            (VaultError::Locked, Unlock::KeyFile(key)) => locked(
                format!(
                    "this key file does not open the home's vault: {}",
                    key.display()
                ),
                "restore the key file that belongs to it".to_owned(),
            ),
            (error, _) => in_file(error, &file),
        })?;
        // What was looked at before was not authenticated, and may be another file by now.
        if *vault.summary()?.approval_key.id() != self.approval_key {
            return Err(self.is_another());
        }
        Ok(Arc::new(vault))
    }

    fn key_is_missing(&self, recovery: bool) -> Error {
        let mut step = format!(
            "copy it there from a backup, or from the account that created the home: {}",
            self.key_file.display()
        );
        if recovery {
            let home = self.path.display();
            step.push_str(&format!(
                "; or run `handshake init --home {home}` at a terminal and give the recovery code"
            ));
        }
        let message = format!(
            "the key file that opens this home's vault is missing: {}",
            self.key_file.display()
        );
        locked(message, step)
    }

    fn check_key_file(&self) -> Result<()> {
        let account = rustix::process::geteuid().as_raw();
        let private = fs::symlink_metadata(&self.key_file)
            .is_ok_and(|meta| meta.is_file() && meta.uid() == account && meta.mode() & 0o077 == 0);
        match private {
            true => Ok(()),
            false => Err(in_file(VaultError::NotPrivate, &self.key_file)),
        }
    }

    /// Makes a new key file with the recovery code, where there is none. The one before opens the vault no more.
    ///
    /// # Errors
    /// `HSK-423-VAULT-LOCKED` for a wrong code, and what keeps the file from being made.
    pub fn makes_key_file(&self, code: &Secret) -> Result<()> {
        let vault = self
            .open_vault(Unlock::Recovery(code))
            .map_err(|error| match error.code {
                ErrorCode::VaultLocked => locked(
                    "wrong recovery code".to_owned(),
                    "run the command again".to_owned(),
                ),
                _ => error,
            })?;
        let lost: Vec<SlotId> = vault
            .summary()?
            .slots
            .into_iter()
            .filter_map(|(id, kind)| (kind == SlotKind::KeyFile).then_some(id))
            .collect();
        let keys = self.key_file.parent().unwrap_or(Path::new("/"));
        super::make::private(keys)?;
        create_key_file(&self.key_file, &OsEntropy)?;
        let added = vault.add_slot(Unlock::KeyFile(&self.key_file), KdfParams::STANDARD);
        added.inspect_err(|_| {
            // A key file that opens nothing would stand in the way of the next try.
            let _gone = fs::remove_file(&self.key_file);
        })?;
        for id in lost {
            vault.remove_slot(id)?;
        }
        Ok(())
    }
}

fn locked(message: String, step: String) -> Error {
    Error::new(ErrorCode::VaultLocked, Phase::Storage, message).next(step)
}

/// An error of a vault, with the file that it is about.
pub(super) fn in_file(error: VaultError, file: &Path) -> Error {
    let at = file.display();
    let (message, step) = match &error {
        VaultError::NotPrivate => (
            format!("other users can access this file, or it is a link: {at}"),
            format!("run `chmod 600 {at}` if it is yours"),
        ),
        VaultError::Io(io) if io.kind() == std::io::ErrorKind::NotFound => (
            format!("this file is missing: {at}"),
            "restore a backup of the home".to_owned(),
        ),
        _ => return error.into(),
    };
    Error::new(error.code(), Phase::Storage, message).next(step)
}
