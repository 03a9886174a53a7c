//! `policy.toml`: bound at its confirmed digest. A file that was changed since counts only where it narrows.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use handshake_core::{
    attest::PublicKey,
    code::{ErrorCode, Phase},
    ids::RuleId,
};
use handshake_leakage::Engine;
use handshake_policy::rules::{InvalidRules, Rules};
use handshake_vault::Vault;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    home::Home,
};

/// The domain of confirmations of policy.
pub const POLICY_DOMAIN: &str = "hsk.policy.v1";

/// The rules of a home.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What counts.
    pub in_force: Rules,
    /// What the file says.
    pub written: Rules,
    /// Whether the file allows more than a person confirmed.
    pub unconfirmed: bool,
}

/// `policy.confirmed.json`: rules that a person confirmed with the approval factor.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    rules: Rules,
    signature: String,
}

/// Reads the rules of a home that is not opened: its vault's header says which key confirmed them, and that key is
/// the one that the home is trusted with.
///
/// # Errors
/// As [`load`], and what the vault says.
pub fn of(home: &Home) -> Result<Loaded> {
    let summary = Vault::inspect(&home.path.join("vault.hskv"))?;
    load(&home.path, &summary.approval_key)
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

/// Reads the rules of a home.
///
/// # Errors
/// `HSK-403-HOME-UNTRUSTED` when what was confirmed was changed afterwards, and what the file's own rules say.
pub fn load(home: &Path, key: &PublicKey) -> Result<Loaded> {
    let confirmed = confirmed(home, key)?;
    let written = match fs::read_to_string(home.join("policy.toml")) {
        Ok(text) => {
            let written = Rules::read(&text)?;
            engine(&written)?;
            written
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => confirmed.clone(),
        Err(_) => {
            return Err(Error::new(
                ErrorCode::Storage,
                Phase::Storage,
                "cannot read policy.toml",
            ));
        }
    };
    let unconfirmed = written.widens(&confirmed);
    Ok(Loaded {
        in_force: written.narrowed_to(&confirmed),
        written,
        unconfirmed,
    })
}

/// What was confirmed: the defaults, until a person confirmed something else.
fn confirmed(home: &Path, key: &PublicKey) -> Result<Rules> {
    let Ok(bytes) = fs::read(home.join("policy.confirmed.json")) else {
        return Ok(Rules::default());
    };
    let damaged = || {
        Error::new(
            ErrorCode::HomeUntrusted,
            Phase::Storage,
            "policy.confirmed.json was changed after it was confirmed",
        )
        .next("run `handshake init` at a terminal to confirm policy.toml again")
    };
    let confirmed: Confirmed = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    let signature = unhex(&confirmed.signature).ok_or_else(damaged)?;
    let message = confirmed.rules.digest();
    key.verify(POLICY_DOMAIN, message.as_bytes(), &signature)
        .map_err(|_| damaged())?;
    let mut rules = confirmed.rules;
    if engine(&rules).is_err() {
        // Confirmed with an older release, whose rule is gone: nothing is left of it to switch off.
        let known: BTreeSet<_> = Engine::builtin()
            .rules()
            .into_iter()
            .map(|r| r.id)
            .collect();
        rules
            .disabled_rules
            .retain(|name| known.iter().any(|id| id.as_str() == name));
    }
    Ok(rules)
}

/// Stores a confirmation: a signature of the rules' digest under [`POLICY_DOMAIN`].
///
/// # Errors
/// `HSK-500-STORAGE`.
pub fn confirm(home: &Path, rules: &Rules, signature: &[u8; 64]) -> Result<()> {
    let text = serde_json::to_vec_pretty(&Confirmed {
        rules: rules.clone(),
        signature: signature.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
    .map_err(|_| {
        Error::new(
            ErrorCode::Storage,
            Phase::Storage,
            "cannot write policy.confirmed.json",
        )
    })?;
    let failed = |_| {
        Error::new(
            ErrorCode::Storage,
            Phase::Storage,
            "cannot write policy.confirmed.json",
        )
    };
    let temporary = tempfile::NamedTempFile::new_in(home).map_err(failed)?;
    fs::write(temporary.path(), text).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(home.join("policy.confirmed.json"))
        .map_err(|e| failed(e.error))?;
    Ok(())
}

fn unhex(text: &str) -> Option<[u8; 64]> {
    let bytes: Option<Vec<u8>> = (0..text.len())
        .step_by(2)
        .map(|at| {
            text.get(at..at + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect();
    bytes?.try_into().ok()
}
