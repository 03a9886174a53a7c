//! What the vault keeps of the rules: those that a person confirmed, and those that were last in force.

use std::{fs, path::Path};

use handshake_core::{
    attest::PublicKey,
    seal::{Seal, SealKeys},
};
use handshake_leakage::Engine;
use handshake_policy::{confirmed::ConfirmedRules, rules::Rules};
use handshake_vault::{ConfirmedPolicy, KeptPolicy};
use serde::Deserialize;
use serde_json::Value;

use super::engine;

/// The domain of confirmations of earlier versions, which kept them in a file of the home.
const EARLIER_DOMAIN: &str = "hsk.policy.v1";
const EARLIER_FILE: &str = "policy.confirmed.json";

/// How wide rules may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Bounds {
    /// What a person confirmed; the defaults where they confirmed nothing.
    confirmed: Rules,
    /// What was last in force.
    last: Option<Rules>,
    /// Whether that is remembered.
    remembers: bool,
    /// Whether what is kept cannot be believed: then Cloud is locked.
    pub(crate) damaged: bool,
}

impl Bounds {
    /// In a home where nobody holds the approval key nobody could widen again what was narrowed once, and nothing can leave
    /// by it: there the defaults are the bound, and nothing is remembered.
    pub(crate) fn of(kept: &KeptPolicy, keys: &SealKeys) -> Self {
        let remembers = keys.has_factor();
        let confirmed = match &kept.confirmed {
            Some(confirmed) if remembers => {
                parse(&confirmed.rules).filter(|rules| believed(rules, confirmed, keys))
            }
            _ => Some(Rules::default()),
        };
        let last = kept.in_force.as_ref().filter(|_| remembers).map(parse);
        let damaged = confirmed.is_none() || last == Some(None);
        Self {
            confirmed: known_only(confirmed.unwrap_or_default()),
            last: last.flatten().map(known_only),
            remembers,
            damaged,
        }
    }

    /// These rules, as far as they may be in force.
    pub(crate) fn narrow(&self, written: &Rules) -> Rules {
        let mut rules = written.narrowed_to(&self.confirmed);
        if let Some(last) = &self.last {
            rules = rules.narrowed_to(last);
        }
        rules.locked |= self.damaged;
        rules
    }

    /// The most that may be in force.
    pub(crate) fn widest(&self) -> Rules {
        self.narrow(&self.confirmed)
    }

    /// Whether these have to be remembered, now that they are in force.
    pub(crate) fn is_news(&self, rules: &Rules) -> bool {
        self.remembers && !self.damaged && self.last.as_ref() != Some(rules)
    }
}

fn parse(value: &Value) -> Option<Rules> {
    Rules::deserialize(value).ok()
}

/// A rule of the engine that is gone with an older release is switched off no more.
fn known_only(mut rules: Rules) -> Rules {
    if engine(&rules).is_err() {
        let known = Engine::builtin().rules();
        rules
            .disabled_rules
            .retain(|name| known.iter().any(|rule| rule.id.as_str() == name));
    }
    rules
}

/// Whether a person confirmed these rules.
fn believed(rules: &Rules, confirmed: &ConfirmedPolicy, keys: &SealKeys) -> bool {
    let proof = confirmed.proof();
    match Seal::from_bytes(proof) {
        Some(seal) => keys.check(&ConfirmedRules(rules), Some(&seal)).is_ok(),
        None => keys
            .approval_key()
            .is_some_and(|key| confirmed_earlier(rules, proof, key)),
    }
}

fn confirmed_earlier(rules: &Rules, signature: &[u8], key: &PublicKey) -> bool {
    let message = rules.digest();
    let signature: Option<&[u8; 64]> = signature.try_into().ok();
    signature.is_some_and(|signature| {
        key.verify(EARLIER_DOMAIN, message.as_bytes(), signature)
            .is_ok()
    })
}

/// What an earlier version kept, to be taken over once. Nothing where there is nothing; where somebody changed it, a
/// lock until a person confirms what is written.
pub(super) fn taken_over(home: &Path, keys: &SealKeys) -> KeptPolicy {
    let Ok(bytes) = fs::read(home.join(EARLIER_FILE)) else {
        return KeptPolicy::default();
    };
    match earlier(&bytes, keys) {
        Some(confirmed) => KeptPolicy {
            confirmed: Some(confirmed),
            ..KeptPolicy::default()
        },
        None => KeptPolicy {
            in_force: to_value(&Rules {
                locked: true,
                ..Rules::default()
            }),
            ..KeptPolicy::default()
        },
    }
}

fn earlier(bytes: &[u8], keys: &SealKeys) -> Option<ConfirmedPolicy> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Earlier {
        rules: Value,
        signature: String,
    }
    let Earlier { rules, signature } = serde_json::from_slice(bytes).ok()?;
    let signature: Option<Vec<u8>> = (0..signature.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(signature.get(at..at + 2)?, 16).ok())
        .collect();
    let read = Rules::deserialize(&rules).ok()?;
    let signature = signature?;
    confirmed_earlier(&read, &signature, keys.approval_key()?)
        .then(|| ConfirmedPolicy::new(rules, signature))
}

/// The file counts for nothing any more. One that stays does not either.
pub(super) fn drop_earlier(home: &Path) {
    let _stays = fs::remove_file(home.join(EARLIER_FILE));
}

/// Rules as the vault keeps them.
pub(super) fn to_value(rules: &Rules) -> Option<Value> {
    // Rules are plain data: this does not fail.
    serde_json::to_value(rules).ok()
}
