//! Making a home.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::{Arc, Mutex},
};

use handshake_core::{
    code::{ErrorCode, Phase},
    ports::EntropyExt,
};
use handshake_vault::{ApprovalFactor, NewVault, Unlock, Vault, create_key_file};

use super::{
    Home, Making,
    claim::{Claim, write_down},
    files::{HomeFile, failed, key_file},
    place::{Place, may_take},
};
use crate::{
    clock::{OsEntropy, SystemClock},
    error::{Error, Result},
    trust::{self, Held, TrustedHome},
};

const MADE: &str = "cannot create the home";

pub(super) fn private(dir: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed(MADE))
}

impl Home {
    /// Makes a home where none is, and trusts it.
    ///
    /// # Errors
    /// `HSK-403-HOME-UNTRUSTED` where another home is trusted at its path, and its holder did not give it away;
    /// `HSK-400-INVALID-CONFIG` for a folder that is not empty; `HSK-500-STORAGE`.
    pub fn make(path: &Path, trust_dir: &Path, making: &Making<'_>) -> Result<Self> {
        let place = Place::at(path, trust_dir)?;
        let (path, trust_dir) = (place.path(), place.trust_dir());
        let handover = making.in_place_of.as_ref();
        if !may_take(place.listed(), path, handover) {
            return Err(place.refusal());
        }
        let busy = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if busy {
            return Err(Error::usage(
                ErrorCode::InvalidConfig,
                format!(
                    "cannot create a home in a directory that is not empty: {}",
                    path.display()
                ),
            ));
        }
        private(path)?;
        private(&path.join("run"))?;
        let install_id: String = OsEntropy
            .bytes::<16>()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let key_file = key_file(trust_dir, &install_id);
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
        let chosen = vault.just_chosen();
        let code = match &chosen {
            Some(approval) if making.recovery => Some(vault.make_recovery_code(approval)?),
            _ => None,
        };
        write_home_file(path, &install_id)?;
        let entry = TrustedHome {
            path: path.to_owned(),
            install_id: install_id.clone(),
            approval_key: vault.summary()?.approval_key.id().clone(),
            run: 1,
            boot_id: trust::boot_id(),
            anchored: false,
            held: Held::by(&vault)?,
            attempts: Default::default(),
            disturbed: 0,
            instead: None,
            displaced: Vec::new(),
        };
        let home = Self {
            path: path.to_owned(),
            install_id,
            run: 1,
            claims_no_factor: false,
            chosen: Mutex::new(chosen),
            code: Mutex::new(code),
            anchored: false,
            // It is told where it can be: in the log of the home that took the place.
            disturbed: u32::from(place.listed().is_some()),
            trust_dir: trust_dir.to_owned(),
            key_file,
            approval_key: entry.approval_key.clone(),
            listed: Some(entry.clone()),
            claim: Claim::Listed,
        };
        write_down(&home, &entry, handover)?;
        Ok(home)
    }
}

fn write_home_file(path: &Path, install_id: &str) -> Result<()> {
    let text = serde_json::to_vec(&HomeFile {
        install_id: install_id.to_owned(),
        can_approve: None,
    })
    .map_err(|_| Error::new(ErrorCode::Storage, Phase::Storage, MADE))?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path.join("home.json"))
        .map_err(failed(MADE))?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(failed(MADE))
}
