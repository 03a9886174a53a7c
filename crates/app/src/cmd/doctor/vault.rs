//! What `doctor` says about the vault: whether it opens, who can approve, what is confirmed with its key.

use std::sync::Arc;

use handshake_core::code::ErrorCode;
use handshake_llm::parts::{Home, Vault, policy_file};

use super::{Findings, state};
use crate::home;

/// Opens it. `None` where it does not open: nothing else can be looked at then.
pub(super) fn look(findings: &mut Findings, home: &Home) -> Option<Arc<Vault>> {
    let vault = match home::vault(home) {
        Ok(vault) => vault,
        Err(error) => {
            let damaged = error.code == ErrorCode::Storage
                && error.next_step.as_deref() == Some(ErrorCode::Storage.next_step());
            findings.failed("vault", error);
            if damaged {
                findings.next("restore a backup of the home");
            }
            return None;
        }
    };
    findings.ok("vault", "the vault opens");
    match vault.has_factor() {
        Ok(true) => findings.ok("approval", "approvals need the approval passphrase"),
        Ok(false) => {
            findings.remark(
                "approval",
                "this home has no approval passphrase, so cloud calls cannot be approved",
            );
            findings.next("run `handshake home passphrase` at a terminal to set one");
        }
        Err(error) => findings.failed("approval", error.into()),
    }
    if let Ok(summary) = vault.summary()
        && summary.has_factor
        && !summary.has_recovery
    {
        findings.remark(
            "recovery",
            "this home has no recovery code: a forgotten passphrase or a lost key file cannot be mended",
        );
        findings.next("run `handshake home recovery-code` at a terminal to make one");
    }
    match vault.keys_readable_by_account() {
        Ok(true) => findings.remark(
            "keys",
            "keys readable by this account: any program you run can open the vault with the key file",
        ),
        Ok(false) => findings.ok("keys", "the vault does not open with a key file"),
        Err(error) => findings.failed("keys", error.into()),
    }
    state::policy(findings, policy_file::load(&home.path, &vault));
    Some(vault)
}
