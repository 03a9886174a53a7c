//! A person confirms what is written.

use handshake_core::{
    code::{ErrorCode, Phase},
    seal::Sealable,
};
use handshake_policy::{confirmed::ConfirmedRules, rules::Rules};
use handshake_vault::{Approval, ConfirmedPolicy};

use super::kept;
use crate::{
    error::{Error, Result},
    wire::Parts,
};

impl Parts {
    /// Puts these rules in force, in every process of the home: what a person was shown of
    /// [`written`](super::LivePolicy::written). The caller has recorded it.
    ///
    /// # Errors
    /// The vault's and the store's.
    pub async fn confirm_policy(&self, rules: &Rules, approval: &Approval) -> Result<()> {
        let failed = || {
            let message = "cannot seal the confirmed policy";
            Error::new(ErrorCode::Storage, Phase::Storage, message)
        };
        let now = self.clock.now();
        let confirmed = ConfirmedRules(rules);
        let seal = approval.seal(&confirmed, now).map_err(|_| failed())?;
        let statement = confirmed.statement(now).map_err(|_| failed())?;
        let rules = kept::to_value(rules).ok_or_else(failed)?;
        let confirmed = ConfirmedPolicy::new(rules, seal.to_bytes());
        self.vault.confirm_policy(&statement, confirmed)?;
        self.policy.look(&self.store).await
    }
}
