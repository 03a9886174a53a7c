//! Homes at a terminal: a person chooses the approval passphrase, and gives the vault's where its key file is not
//! here.

use std::{path::Path, sync::Arc};

use handshake_core::secret::Secret;
use handshake_llm::parts::{Home, KdfParams, Making, Vault};

use crate::{error::Result, factor};

/// Opens the home, or makes it: implicit on first use. At a terminal a person chooses the approval passphrase;
/// without one, the home can call local models only.
pub(crate) fn open_or_make(path: &Path) -> Result<Home> {
    if let Some(home) = Home::open(path)? {
        return Ok(home);
    }
    let passphrase = if factor::at_terminal() {
        Some(factor::ask_new(
            "an approval passphrase of at least 12 characters (asked for at every approval)",
        )?)
    } else {
        None
    };
    Ok(Home::make(
        path,
        &Making {
            approval: passphrase.as_ref(),
            kdf: KdfParams::STANDARD,
        },
    )?)
}

/// The vault's passphrase, where it has to be asked for.
pub(crate) fn passphrase(home: &Home) -> Result<Option<Secret>> {
    home.needs_passphrase()
        .then(|| factor::ask("Vault passphrase: "))
        .transpose()
}

/// Opens the vault: with the key file of this account, or with a passphrase at the terminal.
pub(crate) fn vault(home: &Home) -> Result<Arc<Vault>> {
    Ok(home.vault(passphrase(home)?.as_ref())?)
}
