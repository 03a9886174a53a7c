//! The operator's rules: `policy.toml`, as far as it may be in force.
//!
//! In force is what is written, nowhere wider than what was last in force, nor than what a person confirmed. So a rule
//! that narrows counts at once, and taking it away, or the file, counts when a person with the factor says so
//! ([`Parts::confirm_policy`]). Both bounds stand in the vault.

mod checks;
mod confirm;
mod kept;
mod ledger;
mod live;
mod written;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use handshake_core::{ids::RuleId, seal::SealKeys};
use handshake_leakage::Engine;
use handshake_policy::rules::{InvalidRules, Rules};
use handshake_vault::Vault;

pub use self::live::LivePolicy;
pub(crate) use self::{
    checks::{Second, Secrets},
    kept::Bounds,
    ledger::{WatchfulLedger, Withheld},
    live::{Ground, Watch},
    written::Written,
};
use crate::{
    error::{Error, Result},
    home::Home,
    wire::seal_keys,
};

#[cfg(doc)]
use crate::wire::Parts;

/// The rules of a home.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What counts.
    pub in_force: Rules,
    /// What the file says.
    pub written: Rules,
    /// Whether there is no file, which is the defaults.
    pub missing: bool,
    /// Whether the file allows more than may be in force.
    pub unconfirmed: bool,
}

impl Loaded {
    fn new(written: &Written, bounds: &Bounds) -> Result<Self> {
        let rules = written.rules()?;
        let in_force = bounds.narrow(&rules);
        Ok(Self {
            unconfirmed: rules.widens(&in_force),
            missing: *written == Written::Missing,
            in_force,
            written: rules,
        })
    }
}

/// Reads the rules of a home whose gateway and store are not opened. Changes nothing, and asks nobody: the vault has to
/// open with the key file.
///
/// # Errors
/// As [`load`], and what the vault says.
pub fn of(home: &Home) -> Result<Loaded> {
    load(&home.path, &home.vault(None)?)
}

/// Reads the rules of a home. Changes nothing.
///
/// # Errors
/// What the vault and the file's own rules say.
pub fn load(home: &Path, vault: &Arc<Vault>) -> Result<Loaded> {
    let keys = seal_keys(vault)?;
    Loaded::new(&Written::read(home), &bounds(home, vault, &keys)?)
}

fn bounds(home: &Path, vault: &Vault, keys: &SealKeys) -> Result<Bounds> {
    let kept = vault.policy()?;
    let kept = kept.unwrap_or_else(|| kept::taken_over(home, keys));
    Ok(Bounds::of(&kept, keys))
}

/// The leakage rules of a home: all but those that a person switched off.
///
/// # Errors
/// `HSK-400-INVALID-CONFIG` names what is no rule.
pub fn engine(rules: &Rules) -> Result<Arc<Engine>> {
    let refused = |reason| {
        let field = "disabled_rules".to_owned();
        Error::from(InvalidRules { field, reason }).next("run `handshake leak rules`")
    };
    let off: BTreeSet<RuleId> = rules
        .disabled_rules
        .iter()
        .map(RuleId::new)
        .collect::<std::result::Result<_, _>>()
        // Whatever else was written there is not repeated.
        .map_err(|_| refused("not the id of a rule"))?;
    Engine::builtin_without(&off).map_err(|error| {
        let mut refused = refused("");
        refused.message = format!("invalid policy.toml: disabled_rules: {error}");
        refused
    })
}
