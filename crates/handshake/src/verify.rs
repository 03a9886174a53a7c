//! Verifying the log of a home, whether its database opens as a store or not.

use std::sync::Arc;

use handshake_core::{
    digest::Digest,
    ids::ExternalId,
    ports::{Signer, StoreError},
};
use handshake_registry_store::{Anchor as Head, LogReader, LogReport, LogTrust, OpenError};
use handshake_vault::{ApprovalSigner, RecorderSigner, Vault};

use crate::{
    anchor::{Anchor, Found},
    home::Home,
};

/// Verifies the log of a home: its leaves against what is signed, what a person approved and what was sent, the
/// recorder's present key against the vault, and all of it against what is noted of the home outside it and what the caller
/// brings. Nothing is made or changed.
/// Blocks.
///
/// # Errors
/// [`OpenError::Missing`] where there is no database, [`OpenError::Older`] where it has to be migrated first, and others
/// where it cannot be read. What can be read and is wrong is a verdict.
pub fn verify_log(
    home: &Home,
    vault: &Arc<Vault>,
    mut known: LogTrust,
) -> Result<LogReport, OpenError> {
    let path = home.path.join("handshake.db");
    let install = ExternalId::new(&home.install_id).map_err(|_| OpenError::OtherInstall)?;
    known.anchors.extend(noted(home, vault)?);
    let reader = LogReader::open(&path, &install)?;
    Ok(reader.report(LogTrust {
        present: Some(RecorderSigner::new(Arc::clone(vault)).public_key()),
        approver: Some(ApprovalSigner::new(Arc::clone(vault)).public_key()),
        ..known
    })?)
}

/// The heads that the log must reach: what is noted of it outside the home, and what it was found behind. A note that
/// somebody else wrote says nothing of the log; it is found out when the home is opened.
fn noted(home: &Home, vault: &Arc<Vault>) -> Result<Vec<Head>, OpenError> {
    let key = vault.integrity_key().map_err(|_| StoreError::Locked)?;
    let (trust_dir, install_id) = (&home.trust_dir, &home.install_id);
    let anchor = Anchor::new(trust_dir, install_id, key, Arc::clone(vault), home.run);
    let Found::Noted(noted) = anchor.read() else {
        return Ok(Vec::new());
    };
    let behind = noted.behind.iter().map(|behind| (behind.size, behind.hash));
    Ok(std::iter::once((noted.size, noted.hash))
        .chain(behind)
        // An empty log says nothing.
        .filter(|(size, _)| *size > 0)
        .filter_map(|(size, hash)| head(size, hash))
        .collect())
}

/// A head as the log is verified against it.
fn head(size: u64, hash: Digest) -> Option<Head> {
    format!("{size}:{hash}").parse().ok()
}
