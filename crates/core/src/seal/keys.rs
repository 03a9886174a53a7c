//! Making and checking seals.

use std::sync::Arc;

use super::{BadSeal, Proof, SEAL_DOMAIN, Seal, Sealable, Statement};
use crate::{
    attest::PublicKey,
    digest::{CommitmentKey, KeyedHash, NotCanonical},
    ports::SealRegister,
    time::UtcTime,
};

/// Whose word a record needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Needs {
    /// This program's: nothing leaves the machine by it. A person's is good too.
    Mac,
    /// A person's.
    Signature,
}

/// What seals are checked with, and made where they need no person.
#[derive(Clone)]
pub struct SealKeys {
    integrity: CommitmentKey,
    approval: Option<PublicKey>,
    register: Arc<dyn SealRegister>,
}

impl SealKeys {
    /// The key of the vault, the approval key where a person holds it, and the register of present seals.
    #[must_use]
    pub fn new(
        integrity: CommitmentKey,
        approval: Option<PublicKey>,
        register: Arc<dyn SealRegister>,
    ) -> Self {
        Self {
            integrity,
            approval,
            register,
        }
    }

    /// Whether a person holds the approval key.
    #[must_use]
    pub fn has_factor(&self) -> bool {
        self.approval.is_some()
    }

    /// The approval key, where a person holds it.
    #[must_use]
    pub fn approval_key(&self) -> Option<&PublicKey> {
        self.approval.as_ref()
    }

    /// Seals what needs no person. `None` for what does.
    ///
    /// # Errors
    /// [`NotCanonical`] for a record without a canonical form.
    pub fn seal(
        &self,
        thing: &(impl Sealable + ?Sized),
        made_at: UtcTime,
    ) -> Result<Option<Seal>, NotCanonical> {
        if thing.needs(self.has_factor()) == Needs::Signature {
            return Ok(None);
        }
        let proof = Proof::Mac(self.mac(&thing.statement(made_at)?)?);
        Ok(Some(Seal { made_at, proof }))
    }

    /// Checks a seal against what it stands beside.
    ///
    /// A signature counts while its statement is the present one of its subject: an older one, put back beside the
    /// record that it was made for, was a person's word once and is not any more.
    ///
    /// # Errors
    /// [`BadSeal`]; the record is as if it were not there.
    pub fn check(
        &self,
        thing: &(impl Sealable + ?Sized),
        seal: Option<&Seal>,
    ) -> Result<(), BadSeal> {
        let seal = seal.ok_or(BadSeal::Missing)?;
        let statement = thing.statement(seal.made_at).map_err(|_| BadSeal::Forged)?;
        match (&seal.proof, thing.needs(self.has_factor())) {
            (Proof::Mac(mac), Needs::Mac) => match self.mac(&statement) {
                Ok(wanted) if !wanted.same_as(mac) => Err(BadSeal::Forged),
                Ok(_) if thing.is_registered() => self.is_in_force(&statement),
                Ok(_) => Ok(()),
                Err(_) => Err(BadSeal::Forged),
            },
            (Proof::Mac(_), Needs::Signature) => Err(BadSeal::Forged),
            (Proof::Signature(signature), _) => {
                let key = self.approval.as_ref().ok_or(BadSeal::Forged)?;
                let message = statement.bytes().map_err(|_| BadSeal::Forged)?;
                key.verify(SEAL_DOMAIN, &message, signature)
                    .map_err(|_| BadSeal::Forged)?;
                self.is_in_force(&statement)
            }
        }
    }

    /// Whether something is in force for a subject: what is missing then was taken away behind this program's back.
    ///
    /// # Errors
    /// [`BadSeal::Unreadable`].
    pub fn is_expected(&self, subject: &str) -> Result<bool, BadSeal> {
        self.register
            .knows(subject)
            .map_err(|_| BadSeal::Unreadable)
    }

    /// The register, for whoever stores what is sealed.
    #[must_use]
    pub fn register(&self) -> &dyn SealRegister {
        &*self.register
    }

    fn is_in_force(&self, statement: &Statement) -> Result<(), BadSeal> {
        match self.register.is_in_force(statement) {
            Ok(true) => Ok(()),
            Ok(false) => Err(BadSeal::Superseded),
            Err(_) => Err(BadSeal::Unreadable),
        }
    }

    /// A code over a row of this program's own books, which no person seals.
    #[must_use]
    pub fn keyed(&self, domain: &str, parts: &[&[u8]]) -> KeyedHash {
        self.integrity.commit(domain, parts)
    }

    fn mac(&self, statement: &Statement) -> Result<KeyedHash, NotCanonical> {
        Ok(self.integrity.commit(SEAL_DOMAIN, &[&statement.bytes()?]))
    }
}

impl std::fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKeys(..)")
    }
}
