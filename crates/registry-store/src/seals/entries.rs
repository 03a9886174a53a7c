//! What the register learns in one transaction: all of it at once, as the last thing before the records are stored. A
//! vault is written whole, however little of it is new.

use handshake_core::{
    ports::StoreError,
    provider::ProviderRecord,
    seal::{AttestedRelay, Proof, Seal, Sealable, Statement},
    tier::Reach,
};

use super::{Result, known};
use crate::writer::Tx;

/// What comes into force, and what is in force no more.
#[derive(Default)]
pub(crate) struct Entries {
    enter: Vec<Statement>,
    strike: Vec<String>,
}

impl Entries {
    /// The seal to store beside a record: the one that a person made, or one of this program's where that is enough.
    /// `None` where a person's is needed and nobody gave it; the record is not believed then. What was in force for its
    /// subject is not any more.
    pub(crate) fn seal(
        &mut self,
        tx: &Tx<'_>,
        thing: &dyn Sealable,
        given: Option<Seal>,
    ) -> Result<Option<Seal>> {
        let keys = &tx.shared.options.seals;
        let seal = match given {
            Some(seal) => Some(seal),
            None => keys.seal(thing, tx.now()).map_err(|_| StoreError::Failed)?,
        };
        let statement = thing
            .statement(seal.map_or_else(|| tx.now(), |seal| seal.made_at))
            .map_err(|_| StoreError::Failed)?;
        match seal {
            Some(seal) if thing.is_registered() || matches!(seal.proof, Proof::Signature(_)) => {
                self.enter.push(statement);
            }
            // What a person signed before must not come back in the place of what needs none.
            _ => self.strike.push(statement.subject()),
        }
        Ok(seal)
    }

    /// Remembers that a person attested a relay at a provider's address, or forgets it because they say now that a
    /// server there is none. It stays when the provider is removed.
    pub(crate) fn attest(&mut self, tx: &Tx<'_>, record: &ProviderRecord) -> Result<()> {
        let relay = AttestedRelay {
            origin: record.base_url.origin(),
        };
        let statement = relay.statement(tx.now());
        let statement = statement.map_err(|_| StoreError::Failed)?;
        let subject = statement.subject();
        if record.reach == Reach::Direct {
            self.strike.push(subject);
        } else if known(tx, std::slice::from_ref(&subject))?.is_empty() {
            self.enter.push(statement);
        }
        Ok(())
    }

    /// The register learns of it. It is not written for what it does not know, nor for nothing.
    pub(crate) fn learn(self, tx: &Tx<'_>) -> Result<()> {
        let strike = known(tx, &self.strike)?;
        if self.enter.is_empty() && strike.is_empty() {
            return Ok(());
        }
        super::change(tx, &self.enter, &strike)
    }
}
