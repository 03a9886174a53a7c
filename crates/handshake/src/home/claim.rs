//! How a home that is not listed comes to be: its own factor is given, it opens, and then it is written down.

use handshake_core::{
    code::{ErrorCode, Phase},
    ports::Clock,
};
use handshake_vault::{Given, Vault};

use super::{
    Home,
    files::untrusted,
    place::{Handover, may_take},
};
use crate::{
    clock::SystemClock,
    error::{Error, Result},
    trust::{self, Held, TrustList, TrustedHome},
};

/// By what right a home is trusted.
#[derive(Debug)]
pub(super) enum Claim {
    /// It is listed.
    Listed,
    /// It is not, and is written down once it was opened.
    New {
        handover: Option<Handover>,
        own: Own,
    },
}

/// What a person gave for a home that they did not make here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Own {
    NotShown,
    /// Its own factor: whoever holds it made the home, or was told by who did.
    Factor,
    /// Their word, for one that nobody holds a factor of. Nothing can be approved in it.
    Word,
}

impl Home {
    /// A person gives the factor of a home that is to be trusted. Wrong ones are counted in its vault.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` for a wrong one.
    pub fn shows_factor(&mut self, vault: &Vault, given: Given<'_>) -> Result<()> {
        let approval = vault.approve_with(given)?;
        if approval.key_id()? != self.approval_key {
            return Err(self.is_another());
        }
        self.shown(Own::Factor);
        Ok(())
    }

    /// A person gives their word for a home that nobody holds a factor of.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` where somebody does: a word is on the screen for anybody to type.
    pub fn shows_word(&mut self, vault: &Vault) -> Result<()> {
        if vault.has_factor()? {
            let message = "this home is trusted with its own approval passphrase";
            return Err(Error::new(ErrorCode::FactorRequired, Phase::Input, message));
        }
        self.shown(Own::Word);
        Ok(())
    }

    fn shown(&mut self, by: Own) {
        if let Claim::New { own, .. } = &mut self.claim {
            *own = by;
        }
    }

    pub(super) fn is_another(&self) -> Error {
        untrusted(
            "the home was replaced while it was being opened",
            &self.path,
        )
    }

    /// Whether it may be opened for use.
    ///
    /// # Errors
    /// `HSK-403-HOME-UNTRUSTED` for one that is claimed, and nothing was given for it.
    pub(crate) fn may_be_wired(&self, vault: &Vault) -> Result<()> {
        let allowed = match self.claim {
            Claim::Listed => true,
            Claim::New { own, .. } => match own {
                Own::NotShown => false,
                Own::Factor => true,
                // A factor that somebody set since would be one that nobody was asked for.
                Own::Word => !vault.has_factor()?,
            },
        };
        match allowed {
            true => Ok(()),
            false => Err(untrusted("this home is not trusted", &self.path)),
        }
    }

    /// Writes it down, now that it was opened.
    pub(super) fn claimed(&self, held: Held) -> Result<TrustedHome> {
        let Claim::New { handover, .. } = &self.claim else {
            return Err(self.is_another());
        };
        let entry = TrustedHome {
            path: self.path.clone(),
            install_id: self.install_id.clone(),
            approval_key: self.approval_key.clone(),
            run: self.run,
            boot_id: trust::boot_id(),
            anchored: self.anchored,
            held,
            attempts: Default::default(),
            disturbed: 0,
            instead: None,
            displaced: Vec::new(),
        };
        write_down(self, &entry, handover.as_ref())?;
        Ok(entry)
    }
}

/// Adds an entry, where the list as it is now leaves its place to it.
pub(super) fn write_down(
    home: &Home,
    entry: &TrustedHome,
    handover: Option<&Handover>,
) -> Result<()> {
    let now = SystemClock::new(entry.run).now();
    TrustList::change(&home.trust_dir, |list| {
        if !may_take(list.find(&entry.path), &entry.path, handover) {
            return Err(home.is_another());
        }
        list.put(entry.clone(), now);
        Ok(())
    })
}
