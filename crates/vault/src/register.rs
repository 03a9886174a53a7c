//! The register of seals: which statements are in force. And the key under which this program seals what needs no
//! person.

use handshake_core::{
    digest::CommitmentKey,
    ports::{SealError, SealRegister},
    seal::Statement,
};

use crate::{error::VaultError, vault::Vault};

const INTEGRITY: &str = "hsk.vault.integrity.v1";

impl Vault {
    /// The key under which records are sealed that need no person. Whoever has it can make such seals, so it goes to
    /// what checks them and nowhere else.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when the derived key is all zero, which does not happen.
    pub fn integrity_key(&self) -> Result<CommitmentKey, VaultError> {
        CommitmentKey::new(*self.key(INTEGRITY).as_bytes()).map_err(|_| VaultError::Damaged)
    }

    /// Whether anything was ever sealed in this home: whether a record without a seal was tampered with, or is merely
    /// older than seals are.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn has_seals(&self) -> Result<bool, VaultError> {
        Ok(self.current()?.index.register.is_some())
    }

    /// Says that from now on a record without a seal is not believed.
    ///
    /// # Errors
    /// [`VaultError`] when the vault cannot be written.
    pub fn begin_seals(&self) -> Result<(), VaultError> {
        self.change(|_, index| {
            index.register.get_or_insert_default();
            Ok(())
        })
    }
}

impl SealRegister for Vault {
    fn is_in_force(&self, statement: &Statement) -> Result<bool, SealError> {
        let digest = statement.digest().map_err(|_| SealError::Damaged)?;
        let state = self.current()?;
        let register = state.index.register.as_ref();
        let known = register.and_then(|known| known.statements.get(&statement.subject()));
        Ok(known == Some(&digest))
    }

    fn knows(&self, subject: &str) -> Result<bool, SealError> {
        let state = self.current()?;
        let register = state.index.register.as_ref();
        Ok(register.is_some_and(|known| known.statements.contains_key(subject)))
    }

    fn change(&self, enter: &[Statement], strike: &[String]) -> Result<(), SealError> {
        let mut entries = Vec::with_capacity(enter.len());
        for statement in enter {
            let digest = statement.digest().map_err(|_| SealError::Damaged)?;
            entries.push((statement.subject(), digest));
        }
        Self::change(self, |_, index| {
            let statements = &mut index.register.get_or_insert_default().statements;
            for subject in strike {
                statements.remove(subject);
            }
            statements.extend(entries);
            Ok(())
        })
        .map_err(SealError::from)
    }
}
