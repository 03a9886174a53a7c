//! Homes at a terminal: a person chooses the approval passphrase, and gives what opens a vault whose key file is not
//! here.

use std::sync::Arc;

use handshake_core::{
    code::{ErrorCode, Phase},
    secret::Secret,
};
use handshake_llm::parts::{Handover, Home, KdfParams, Making, OpensWith, Vault};

use crate::{
    context::Context,
    error::{AppError, Result},
    factor,
    out::Out,
};

/// Opens the home, or makes it: implicit on first use. At a terminal a person chooses the approval passphrase;
/// without one, the home can call local models only.
pub(crate) fn open_or_make(cx: &Context) -> Result<Home> {
    match cx.open_home()? {
        Some(home) => Ok(home),
        None => make(cx, None),
    }
}

/// Makes the home. At a terminal a person chooses the approval passphrase, and is shown the recovery code.
pub(crate) fn make(cx: &Context, in_place_of: Option<Handover>) -> Result<Home> {
    let passphrase = match factor::at_terminal() {
        true => Some(factor::ask_new(factor::NEW)?),
        false => None,
    };
    make_with(cx, passphrase.as_ref(), in_place_of)
}

/// Makes the home, with this passphrase or none.
pub(crate) fn make_with(
    cx: &Context,
    passphrase: Option<&Secret>,
    in_place_of: Option<Handover>,
) -> Result<Home> {
    let making = Making {
        approval: passphrase,
        recovery: factor::code::can_be_shown(cx.out),
        kdf: KdfParams::STANDARD,
        in_place_of,
    };
    let home = Home::make(&cx.home_path()?, &cx.trust_dir()?, &making)?;
    if let Some(code) = home.recovery_code() {
        factor::code::show(&code);
    }
    Ok(home)
}

/// The vault's passphrase, where it has one and it is what opens the vault here.
pub(crate) fn passphrase(home: &Home) -> Result<Option<Secret>> {
    if home.opens_with()? != OpensWith::Passphrase {
        return Ok(None);
    }
    if !factor::at_terminal() {
        let message = "the passphrase of this home's vault must be entered at a terminal";
        return Err(AppError::new(
            ErrorCode::VaultLocked,
            Phase::Storage,
            message,
        ));
    }
    factor::ask("Vault passphrase: ").map(Some)
}

/// Opens the vault: with the key file of this account, or with a passphrase at the terminal.
pub(crate) fn vault(home: &Home) -> Result<Arc<Vault>> {
    Ok(home.vault(passphrase(home)?.as_ref())?)
}

/// The same where a person may give the recovery code in place of a key file that is missing, which makes a new one.
pub(crate) fn vault_or_recover(out: Out, home: &Home) -> Result<Arc<Vault>> {
    let recovery = OpensWith::NothingHere { recovery: true };
    if home.opens_with()? == recovery && factor::at_terminal() && !out.json {
        out.note(format!(
            "The key file that opens this home's vault is missing: {}",
            home.key_file().display()
        ));
        let code = factor::ask("Recovery code, to make a new key file (leave empty to cancel): ")?;
        if !code.is_empty() {
            home.makes_key_file(&code)?;
            out.line(format!(
                "Created the key file {}",
                home.key_file().display()
            ));
        }
    }
    vault(home)
}
