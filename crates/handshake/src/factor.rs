//! The factors of a home that is open: its passphrase and its recovery code, set and changed by whoever may.

use handshake_core::secret::Secret;
use handshake_vault::{Approval, KdfParams, RecoveryCode};

use crate::{error::Result, wire::Parts};

impl Parts {
    /// Sets the approval passphrase, and makes a recovery code with it; the code of before is void. Without an approval
    /// only in a home that has no factor yet: then the approval key is a new one, and what is already open with the old
    /// one, in this process or another, has to be opened again.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` without an approval where one is needed, `HSK-400-INVALID-CONFIG` for a passphrase that
    /// is too weak.
    pub fn set_passphrase(
        &self,
        approval: Option<&Approval>,
        passphrase: &Secret,
        kdf: KdfParams,
    ) -> Result<RecoveryCode> {
        let code = self.vault.set_factor(approval, passphrase, kdf)?;
        self.home.has_other_factor(&self.vault)?;
        Ok(code)
    }

    /// Makes a recovery code in the place of the one before, which is void then.
    ///
    /// # Errors
    /// What keeps the vault or the list of trusted homes from being written.
    pub fn renew_recovery_code(&self, approval: &Approval) -> Result<RecoveryCode> {
        let code = self.vault.make_recovery_code(approval)?;
        self.home.has_other_factor(&self.vault)?;
        Ok(code)
    }
}
