//! The home: where everything of one installation lives. Trusted by path, install and approval key.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use handshake_core::{code::ErrorCode, ids::KeyId, ports::Clock, secret::Secret, time::UtcTime};
use handshake_vault::{Approval, KdfParams, RecoveryCode, Vault};

pub use self::{
    key::OpensWith,
    place::{Handover, Holder, Place},
};
use crate::{
    clock::SystemClock,
    error::{Error, Result},
    trust::{self, Held, TrustList, TrustedHome},
};

mod claim;
mod files;
mod key;
mod make;
mod place;

use self::claim::Claim;

/// A home that is trusted, or is about to be, and this process's run of it.
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
    /// The recovery code, where this process made the home with one.
    code: Mutex<Option<RecoveryCode>>,
    /// Whether more is noted of it outside.
    pub(crate) anchored: bool,
    /// How often its place was found taken, or a wrong factor was given for it, since it was opened last; and once where
    /// it takes the place of another home itself.
    pub(crate) disturbed: u32,
    /// Where the list of trusted homes is, and what is noted of them.
    pub(crate) trust_dir: PathBuf,
    key_file: PathBuf,
    /// The approval key that it is trusted with.
    approval_key: KeyId,
    /// What the list says of it. `None` where it is not listed yet.
    listed: Option<TrustedHome>,
    /// How it comes to be listed, where it is not.
    claim: Claim,
}

/// How a home is made.
#[derive(Debug)]
pub struct Making<'a> {
    /// The approval passphrase; `None` makes a home in which nobody can approve anything until a person sets one.
    pub approval: Option<&'a Secret>,
    /// Whether a recovery code is made with it. It is shown to that person, and kept nowhere.
    pub recovery: bool,
    /// How costly it is to guess the passphrase.
    pub kdf: KdfParams,
    /// The leave of whoever holds the home that was trusted at this path before.
    pub in_place_of: Option<Handover>,
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

impl Home {
    /// Opens a home that is there and trusted. `Ok(None)` when there is none yet, and none is trusted at its path. The
    /// list of trusted homes lies in `trust_dir`: [`default_trust_dir`](crate::parts::default_trust_dir), but for
    /// tests.
    ///
    /// # Errors
    /// `HSK-403-HOME-UNTRUSTED` when this user neither made nor trusted it, or another one was trusted there.
    pub fn open(path: &Path, trust_dir: &Path) -> Result<Option<Self>> {
        let place = Place::at(path, trust_dir)?;
        if place.is_free() && !place.has_home() {
            return Ok(None);
        }
        let Some((mut trusted, there)) = place.trusted() else {
            place.note_what_stands_there();
            return Err(place.refusal());
        };
        let boot_id = trust::boot_id();
        if trusted.boot_id != boot_id {
            let now = SystemClock::new(0).now();
            trusted.run += 1;
            trusted.boot_id = boot_id;
            TrustList::change(place.trust_dir(), |list| {
                list.put(trusted.clone(), now);
                Ok(())
            })?;
        }
        Ok(Some(Self::of(&place, there, trusted)))
    }

    fn of(place: &Place, there: &files::There, trusted: TrustedHome) -> Self {
        Self {
            path: trusted.path.clone(),
            install_id: trusted.install_id.clone(),
            run: trusted.run,
            claims_no_factor: there.claims_no_factor,
            chosen: Mutex::default(),
            code: Mutex::default(),
            anchored: trusted.anchored,
            disturbed: trusted.disturbed,
            trust_dir: place.trust_dir().to_owned(),
            key_file: files::key_file(place.trust_dir(), &trusted.install_id),
            approval_key: trusted.approval_key.clone(),
            listed: Some(trusted),
            claim: Claim::Listed,
        }
    }

    /// Says in the list that more is noted beside it, and which run this is.
    pub(crate) fn is_noted(&mut self, run: u64) -> Result<()> {
        if self.anchored && self.run == run {
            return Ok(());
        }
        (self.anchored, self.run) = (true, run);
        // One that is not listed yet says so when it is.
        if self.listed.is_some() {
            let entry = self.change_entry(|entry| {
                entry.run = entry.run.max(run);
                entry.anchored = true;
            })?;
            self.listed = Some(entry);
        }
        Ok(())
    }

    /// The home was opened, all of it: what the list says of it becomes what is so.
    ///
    /// # Errors
    /// `HSK-403-HOME-UNTRUSTED` where it may not be listed, or is not any more.
    pub(crate) fn settle(&mut self, vault: &Vault) -> Result<()> {
        let held = Held::by(vault)?;
        let Some(listed) = &self.listed else {
            self.listed = Some(self.claimed(held)?);
            return Ok(());
        };
        let undisturbed = listed.disturbed == 0 && listed.instead.is_none();
        if listed.held == held && undisturbed {
            return Ok(());
        }
        let entry = self.change_entry(|entry| {
            entry.held = held;
            (entry.disturbed, entry.instead) = (0, None);
        })?;
        self.listed = Some(entry);
        Ok(())
    }

    /// The approval factor was set or changed by this process, in the vault, and by whoever may.
    pub(crate) fn has_other_factor(&self, vault: &Vault) -> Result<()> {
        let (held, key) = (Held::by(vault)?, vault.summary()?.approval_key);
        self.change_entry(|entry| {
            entry.held = held;
            entry.approval_key = key.id().clone();
        })?;
        Ok(())
    }

    /// Changes what the list says of this very home. It never adds one.
    fn change_entry(&self, change: impl FnOnce(&mut TrustedHome)) -> Result<TrustedHome> {
        let now = SystemClock::new(self.run).now();
        TrustList::change(&self.trust_dir, |list| {
            let mine = |it: &&TrustedHome| {
                it.install_id == self.install_id && it.approval_key == self.approval_key
            };
            let entry = list.find(&self.path).filter(mine).cloned();
            let mut entry = entry.ok_or_else(|| {
                let message = "this home is not trusted any more";
                files::untrusted(message, &self.path)
            })?;
            change(&mut entry);
            list.put(entry.clone(), now);
            Ok(entry)
        })
    }

    /// How often its place was found taken, or a wrong factor was given for it, before this process opened it; and once
    /// where it took the place of another home itself.
    #[must_use]
    pub fn disturbed(&self) -> u32 {
        self.disturbed
    }

    /// The homes that were trusted in its place before, and when they were displaced.
    #[must_use]
    pub fn displaced(&self) -> Vec<(&str, UtcTime)> {
        let all = self.listed.iter().flat_map(|entry| &entry.displaced);
        all.filter(|it| it.home.path == self.path)
            .map(|it| (it.home.install_id.as_str(), it.at))
            .collect()
    }

    /// The approval key, where a person chose its passphrase in this process. Once: it stands for one approval.
    #[must_use]
    pub fn just_chosen(&self) -> Option<Approval> {
        self.chosen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The recovery code, where this process made the home with one. Once: to be shown to the person, and dropped.
    #[must_use]
    pub fn recovery_code(&self) -> Option<RecoveryCode> {
        self.code
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
