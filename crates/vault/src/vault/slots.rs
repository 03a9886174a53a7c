//! Slots: what opens the vault.

use handshake_core::ports::Entropy;

use super::{Unlock, Vault};
use crate::{
    crypto::Key,
    error::VaultError,
    header::{Header, MAX_SLOTS, Slot, SlotId, SlotInput, SlotKind},
    kdf::{KdfParams, check_passphrase},
    key_file,
};

impl Vault {
    /// Adds another way to open the vault. Widening: the caller asks for the approval factor first.
    ///
    /// # Errors
    /// [`VaultError::WeakPassphrase`]; [`VaultError::UnknownSlot`] when there are sixteen already;
    /// [`VaultError::Io`].
    pub fn add_slot(&self, unlock: Unlock<'_>, kdf: KdfParams) -> Result<SlotId, VaultError> {
        self.change(|header, _| self.push_slot(header, unlock, kdf))
    }

    pub(crate) fn push_slot(
        &self,
        header: &mut Header,
        unlock: Unlock<'_>,
        kdf: KdfParams,
    ) -> Result<SlotId, VaultError> {
        if header.slots.len() >= MAX_SLOTS {
            return Err(VaultError::UnknownSlot);
        }
        let id = header.next_slot;
        let slot = wrap(
            id,
            &self.vault_id,
            unlock,
            kdf,
            &self.data_key,
            &*self.entropy,
        )?;
        header.next_slot = id.checked_add(1).ok_or(VaultError::UnknownSlot)?;
        header.slots.push(slot);
        Ok(id)
    }

    /// Takes a way to open the vault away. It does not protect against anyone who kept an older copy of the
    /// file.
    ///
    /// # Errors
    /// [`VaultError::UnknownSlot`] when there is none with this number, or no other one.
    pub fn remove_slot(&self, id: SlotId) -> Result<(), VaultError> {
        self.change(|header, _| {
            let before = header.slots.len();
            header.slots.retain(|slot| slot.id != id);
            let removed = header.slots.len() < before && !header.slots.is_empty();
            if removed {
                Ok(())
            } else {
                Err(VaultError::UnknownSlot)
            }
        })
    }

    /// Whether a key file opens the vault: then every key of it, the approval key under A1 aside, is
    /// readable by this account.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn keys_readable_by_account(&self) -> Result<bool, VaultError> {
        Ok(self
            .current()?
            .header
            .slots
            .iter()
            .any(|slot| slot.kind == SlotKind::KeyFile))
    }
}

pub(super) fn wrap(
    id: SlotId,
    vault_id: &[u8; 16],
    unlock: Unlock<'_>,
    kdf: KdfParams,
    data_key: &Key,
    entropy: &dyn Entropy,
) -> Result<Slot, VaultError> {
    match unlock {
        Unlock::Passphrase(passphrase) => {
            check_passphrase(passphrase)?;
            Slot::wrap(
                id,
                vault_id,
                &SlotInput::Passphrase(passphrase),
                kdf,
                data_key,
                entropy,
            )
        }
        Unlock::Recovery(code) => Slot::wrap(
            id,
            vault_id,
            &SlotInput::Recovery(code),
            kdf,
            data_key,
            entropy,
        ),
        Unlock::KeyFile(path) => {
            let content = key_file::read(path)?;
            Slot::wrap(
                id,
                vault_id,
                &SlotInput::KeyFile(&content),
                kdf,
                data_key,
                entropy,
            )
        }
    }
}

/// The data key from the first slot that opens.
pub(super) fn open(
    slots: &[Slot],
    vault_id: &[u8; 16],
    unlock: Unlock<'_>,
) -> Result<Key, VaultError> {
    let content;
    let input = match unlock {
        Unlock::Passphrase(passphrase) => SlotInput::Passphrase(passphrase),
        Unlock::Recovery(code) => SlotInput::Recovery(code),
        Unlock::KeyFile(path) => {
            content = key_file::read(path)?;
            SlotInput::KeyFile(&content)
        }
    };
    slots
        .iter()
        .find_map(|slot| slot.open(vault_id, &input).ok())
        .ok_or(VaultError::Locked)
}
