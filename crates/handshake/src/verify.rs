//! Verifying the log of a home, whether its database opens as a store or not.

use std::sync::Arc;

use handshake_core::{ids::ExternalId, ports::Signer};
use handshake_registry_store::{LogReader, LogReport, LogTrust, OpenError};
use handshake_vault::{ApprovalSigner, RecorderSigner, Vault};

use crate::home::Home;

/// Verifies the log of a home: its leaves against what is signed, what a person approved and what was sent, the
/// recorder's present key against the vault, and all of it against what the caller brings. Nothing is made or changed.
/// Blocks.
///
/// # Errors
/// [`OpenError::Missing`] where there is no database, [`OpenError::Older`] where it has to be migrated first, and others
/// where it cannot be read. What can be read and is wrong is a verdict.
pub fn verify_log(
    home: &Home,
    vault: &Arc<Vault>,
    known: LogTrust,
) -> Result<LogReport, OpenError> {
    let path = home.path.join("handshake.db");
    let install = ExternalId::new(&home.install_id).map_err(|_| OpenError::OtherInstall)?;
    let reader = LogReader::open(&path, &install)?;
    Ok(reader.report(LogTrust {
        present: Some(RecorderSigner::new(Arc::clone(vault)).public_key()),
        approver: Some(ApprovalSigner::new(Arc::clone(vault)).public_key()),
        ..known
    })?)
}
