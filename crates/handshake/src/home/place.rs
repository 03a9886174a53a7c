//! The place of a home: what lies there, what is trusted there, and what has to be given before another home is.

use std::path::{Path, PathBuf};

use handshake_core::{code::ErrorCode, ids::KeyId, ports::Clock};
use handshake_vault::{ApprovalBackup, Given};

use super::{
    Home,
    claim::{Claim, Own},
    files::{There, absolute, untrusted},
};
use crate::{
    clock::SystemClock,
    error::{Error, Result},
    trust::{self, Held, Identity, TrustList, TrustedHome},
};

/// A path, and how it stands with the list of trusted homes.
#[derive(Clone, Debug)]
pub struct Place {
    path: PathBuf,
    trust_dir: PathBuf,
    there: Option<There>,
    listed: Option<TrustedHome>,
    /// What is known of the install that lies there, where it is not the one that is trusted there.
    elsewhere: Option<TrustedHome>,
}

/// Whose leave it takes to trust another home at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Holder {
    /// Nobody's: no home is trusted there, or one that nobody holds the factor of.
    Nobody,
    /// Of the person who holds the factor of the home that is trusted there.
    Person,
    /// Of a person of whom the list does not know enough, because an earlier version wrote it. Opening that home once,
    /// at its path, mends it.
    Unknown,
}

/// The leave of whoever holds the home that was trusted at a path: nobody else can make one.
#[must_use]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handover {
    path: PathBuf,
    from: Identity,
}

impl Place {
    /// Looks. Nothing is made or changed.
    ///
    /// # Errors
    /// `HSK-400-INVALID-CONFIG` for a path that cannot be one, or a list that lies in the home. `HSK-403-HOME-UNTRUSTED`
    /// for files that others can change, and what cannot be read.
    pub fn at(path: &Path, trust_dir: &Path) -> Result<Self> {
        let (path, trust_dir) = (absolute(path)?, absolute(trust_dir)?);
        if trust_dir.starts_with(&path) {
            let message = "the list of trusted homes must not lie in a home";
            return Err(Error::usage(ErrorCode::InvalidConfig, message)
                .next("name another directory with `--trust-dir DIR`"));
        }
        let list = TrustList::load(&trust_dir)?;
        let there = There::at(&path)?;
        let listed = list.find(&path).cloned();
        let elsewhere = there
            .as_ref()
            .and_then(|there| list.install(&there.identity.install_id))
            .filter(|known| known.path != path)
            .cloned();
        Ok(Self {
            path,
            trust_dir,
            there,
            listed,
            elsewhere,
        })
    }

    /// The path, through no link.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the list of trusted homes is.
    #[must_use]
    pub fn trust_dir(&self) -> &Path {
        &self.trust_dir
    }

    /// Whether there is a home, whoever made it.
    #[must_use]
    pub fn has_home(&self) -> bool {
        self.there.is_some()
    }

    /// Whether the home that is there is the one that is trusted there.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.trusted().is_some()
    }

    pub(super) fn listed(&self) -> Option<&TrustedHome> {
        self.listed.as_ref()
    }

    /// Whether nothing is trusted there that anybody holds.
    pub(crate) fn is_free(&self) -> bool {
        self.holder() == Holder::Nobody
    }

    pub(super) fn trusted(&self) -> Option<(TrustedHome, &There)> {
        let (listed, there) = (self.listed.as_ref()?, self.there.as_ref()?);
        (listed.identity() == there.identity).then(|| (listed.clone(), there))
    }

    /// Whose leave it takes to trust another home there.
    #[must_use]
    pub fn holder(&self) -> Holder {
        match self.listed.as_ref().map(|listed| &listed.held) {
            None | Some(Held::Nobody) => Holder::Nobody,
            Some(Held::Key(_)) => Holder::Person,
            Some(Held::Unknown) => Holder::Unknown,
        }
    }

    /// The approval key of the home that is there, as its files say.
    #[must_use]
    pub fn approval_key(&self) -> Option<&KeyId> {
        self.there
            .as_ref()
            .map(|there| &there.identity.approval_key)
    }

    /// Why the home is not opened. Of one that is not there: why none is made.
    #[must_use]
    pub fn refusal(&self) -> Error {
        let init = format!(
            "run `handshake init --home {}` at a terminal",
            self.path.display()
        );
        let old = match self.holder() {
            Holder::Nobody => String::new(),
            Holder::Person => format!(
                "put it back; if you replaced it yourself, {init} and give the passphrase or the recovery code of the home that was trusted here"
            ),
            Holder::Unknown => {
                "put it back and open it once, or name another home with `--home DIR`".to_owned()
            }
        };
        match (&self.listed, &self.there) {
            (Some(listed), there) => {
                let message = match there {
                    None => "the home that is trusted at this path is not there",
                    Some(it) if it.identity.install_id == listed.install_id => {
                        "the home at this path has another approval key than the one that you trusted"
                    }
                    Some(_) => "another home is in the place of the one that you trusted",
                };
                let refused = untrusted(message, &self.path);
                match self.holder() {
                    Holder::Nobody => refused,
                    _ => refused.next(old),
                }
            }
            _ => match &self.elsewhere {
                Some(known) => untrusted(
                    &format!(
                        "this home is trusted at {}, and was moved or copied from there",
                        known.path.display()
                    ),
                    &self.path,
                ),
                None => untrusted("this home was not created or trusted by you", &self.path),
            },
        }
    }

    /// Remembers that another home was found in the place of one that is trusted, for the one whose place it is.
    pub(super) fn note_what_stands_there(&self) {
        let Some(there) = &self.there else { return };
        let now = SystemClock::new(0).now();
        // It is refused whether this can be written or not.
        let _noted = TrustList::change(&self.trust_dir, |list| {
            if let Some(mut entry) = list.find(&self.path).cloned() {
                let stands = Some(there.identity.clone());
                if entry.identity() != there.identity && entry.instead != stands {
                    entry.instead = stands;
                    entry.disturbed = entry.disturbed.saturating_add(1);
                    list.put(entry, now);
                }
            }
            Ok(())
        });
    }

    /// The holder of the home that is trusted there gives its place away, with the passphrase or the recovery code of
    /// that home. Wrong ones are counted in the list, before they are tried and over all processes: after five, nothing
    /// is tried for a minute.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` for a wrong one or after too many; [`refusal`](Self::refusal) where nobody can say.
    pub fn hand_over(&self, given: Given<'_>) -> Result<Handover> {
        let mut counted = Ok(());
        let (from, backup) = self.counted(|entry| {
            // At the time at which nobody else is at it, and kept whatever it answers.
            counted = entry.attempts.count(SystemClock::new(0).now());
            let tried = u32::from(counted.is_ok());
            entry.disturbed = entry.disturbed.saturating_add(tried);
            Ok(())
        })?;
        counted?;
        backup.approve(given)?;
        self.counted(|entry| {
            entry.attempts = Default::default();
            entry.disturbed = entry.disturbed.saturating_sub(1);
            Ok(())
        })?;
        let path = self.path.clone();
        Ok(Handover { path, from })
    }

    fn counted(
        &self,
        change: impl FnOnce(&mut TrustedHome) -> Result<()>,
    ) -> Result<(Identity, Box<ApprovalBackup>)> {
        let now = SystemClock::new(0).now();
        TrustList::change(&self.trust_dir, |list| {
            let mut entry = list
                .find(&self.path)
                .cloned()
                .ok_or_else(|| self.refusal())?;
            let Held::Key(backup) = entry.held.clone() else {
                return Err(self.refusal());
            };
            change(&mut entry)?;
            let from = entry.identity();
            list.put(entry, now);
            Ok((from, backup))
        })
    }

    /// The home that is there, to be opened and judged. It is not trusted by this, and cannot be wired before a person
    /// gave its own factor: [`Home::shows_factor`], or their word where it has none: [`Home::shows_word`].
    ///
    /// # Errors
    /// [`refusal`](Self::refusal) where there is none, or without the leave that its place takes.
    pub fn claim(&self, handover: Option<Handover>) -> Result<Home> {
        let there = self.there.as_ref().ok_or_else(|| self.refusal())?;
        if !may_take(self.listed.as_ref(), &self.path, handover.as_ref()) {
            return Err(self.refusal());
        }
        let same = |it: &&TrustedHome| it.install_id == there.identity.install_id;
        let known = self
            .elsewhere
            .as_ref()
            .or(self.listed.as_ref().filter(same));
        let entry = TrustedHome {
            path: self.path.clone(),
            install_id: there.identity.install_id.clone(),
            approval_key: there.identity.approval_key.clone(),
            // A home that comes back may be an older copy: what was approved in it before counts no more. What is noted
            // of it stays, and is compared.
            run: known.map_or(1, |known| known.run + 1),
            boot_id: trust::boot_id(),
            anchored: known.is_some_and(|known| known.anchored),
            held: Held::Unknown,
            attempts: Default::default(),
            disturbed: u32::from(self.listed.is_some()),
            instead: None,
            displaced: Vec::new(),
        };
        let mut home = Home::of(self, there, entry);
        home.listed = None;
        let own = Own::NotShown;
        home.claim = Claim::New { handover, own };
        Ok(home)
    }
}

/// Whether a home may be trusted at a path where the list says this.
pub(super) fn may_take(
    listed: Option<&TrustedHome>,
    path: &Path,
    handover: Option<&Handover>,
) -> bool {
    let Some(listed) = listed else { return true };
    match listed.held {
        Held::Nobody => true,
        Held::Key(_) => handover.is_some_and(|it| it.path == path && it.from == listed.identity()),
        Held::Unknown => false,
    }
}
