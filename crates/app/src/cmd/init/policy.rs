//! `policy.toml`, confirmed by a person.

use std::{fs, path::Path, sync::Arc};

use handshake_core::{
    code::{ErrorCode, Phase},
    ports::Signer,
    secret::Secret,
};
use handshake_llm::parts::{
    ApprovalSigner, Home, Rules, Vault,
    policy_file::{self, POLICY_DOMAIN},
};
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::{AppError, Result},
    factor,
};

/// How `policy.toml` stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Policy {
    /// It allows nothing beyond what was confirmed.
    Confirmed,
    /// A person confirmed it just now.
    NowConfirmed,
    /// It allows more; that part does not count.
    Unconfirmed(Vec<String>),
}

/// What was confirmed before, for the log.
pub(super) fn confirmed_digest(home: &Path) -> Value {
    let file = fs::read(home.join("policy.confirmed.json")).ok();
    json!({ "policy": file.map(|bytes| handshake_core::digest::Digest::of(&[&bytes])) })
}

/// Looks at `policy.toml`; at a terminal a person confirms what it allows beyond what was confirmed. Gives the
/// passphrase back where that happened.
pub(super) fn confirm(
    cx: &Context,
    home: &Home,
    vault: &Arc<Vault>,
) -> Result<(Policy, Option<Secret>)> {
    let signer = ApprovalSigner::new(Arc::clone(vault));
    let (written, wider) = match policy_file::load(&home.path, &signer.public_key()) {
        Ok(loaded) if !loaded.unconfirmed => return Ok((Policy::Confirmed, None)),
        Ok(loaded) => {
            let wider = differing(&loaded.written, &loaded.in_force);
            (loaded.written, wider)
        }
        // The confirmation itself is damaged: it is given again, or nothing of this home is used.
        Err(error) if error.code == ErrorCode::HomeUntrusted && factor::at_terminal() => {
            let written = written(&home.path)?;
            let wider = differing(&written, &Rules::default());
            (written, wider)
        }
        Err(error) => return Err(error.into()),
    };
    if !vault.has_factor()? || !factor::at_terminal() {
        return Ok((Policy::Unconfirmed(wider), None));
    }
    cx.out.note("policy.toml allows more than was confirmed:");
    for line in &wider {
        cx.out.note(format!("  {line}"));
    }
    let passphrase = factor::ask("Approval passphrase to confirm it: ")?;
    let signature = signer.sign(
        POLICY_DOMAIN,
        written.digest().as_bytes(),
        Some(&passphrase),
    )?;
    policy_file::confirm(&home.path, &written, &signature)?;
    Ok((Policy::NowConfirmed, Some(passphrase)))
}

fn written(home: &Path) -> Result<Rules> {
    match fs::read_to_string(home.join("policy.toml")) {
        Ok(text) => Ok(Rules::read(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Rules::default()),
        Err(_) => Err(AppError::new(
            ErrorCode::Storage,
            Phase::Storage,
            "cannot read policy.toml",
        )),
    }
}

/// The fields in which two sets of rules differ, as `name = value` of the first.
pub(crate) fn differing(written: &Rules, other: &Rules) -> Vec<String> {
    let members = |rules: &Rules| match serde_json::to_value(rules) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let other = members(other);
    members(written)
        .into_iter()
        .filter(|(name, value)| other.get(name) != Some(value))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s08_the_fields_that_widen_are_named() {
        let wider = Rules {
            max_body_bytes: 99 << 20,
            locked: true,
            ..Rules::default()
        };
        assert_eq!(
            differing(&wider, &Rules::default()),
            ["locked = true", "max_body_bytes = 103809024"]
        );
        assert!(differing(&wider, &wider).is_empty());
    }
}
