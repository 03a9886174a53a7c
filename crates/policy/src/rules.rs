//! The operator's rules: `policy.toml`.

use std::collections::BTreeSet;

use handshake_core::{
    code::ErrorCode,
    consent::Assurance,
    digest::Digest,
    ids::{ModelRef, ProviderId},
    policy::{Posture, SecondHand},
};
use serde::{Deserialize, Serialize};

/// `policy.toml`. Every absent value is its default below; unknown values are errors.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Whether cloud calls are locked: nothing may leave.
    pub locked: bool,
    /// Whether cloud calls may be requested at all.
    pub cloud: bool,
    /// Hosts on private networks that may be dialled, by exact spelling.
    pub private_hosts: BTreeSet<String>,
    /// The lowest accepted assurance of a receipt: `A0` to `A3`.
    pub min_assurance: Assurance,
    /// The largest request body in bytes.
    pub max_body_bytes: u64,
    /// `refuse` or `ask`.
    pub second_hand: SecondHand,
    /// The largest context window to ask a local server for, in tokens.
    pub max_context_tokens: u64,
    /// Retries.
    pub retry: RetryRules,
    /// Where tools are emulated for models that have no tool calling: providers, `PROVIDER`, and models, `PROVIDER/MODEL`.
    pub emulate_tools: BTreeSet<String>,
    /// Gateway clients, by the name of their token, whose calls are redacted and go on: what a leakage rule finds is
    /// replaced by a stand-in before anything is judged. Enrolled secrets are not replaced for them, they block.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub redact_clients: BTreeSet<String>,
    /// Whether answers that begin like a refusal are marked as suspected ones. Left out where it is not, so that rules
    /// which were confirmed before it existed have the digest that they had.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspect_refusals: bool,
    /// Leakage rules that are switched off: calls are not blocked by them. Enrolled secrets always block.
    pub disabled_rules: BTreeSet<String>,
}

/// How often and how long to try again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryRules {
    /// Attempts of one call, the first included.
    pub max_attempts: u32,
    /// The first wait, in milliseconds.
    pub base_ms: u64,
    /// The longest wait, in milliseconds.
    pub cap_ms: u64,
}

impl Default for RetryRules {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base_ms: 500,
            cap_ms: 30_000,
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            locked: false,
            cloud: true,
            private_hosts: BTreeSet::new(),
            min_assurance: Assurance::A1,
            max_body_bytes: 16 << 20,
            second_hand: SecondHand::Refuse,
            max_context_tokens: 32_768,
            retry: RetryRules::default(),
            emulate_tools: BTreeSet::new(),
            redact_clients: BTreeSet::new(),
            suspect_refusals: false,
            disabled_rules: BTreeSet::new(),
        }
    }
}

/// A `policy.toml` that cannot be used. Names the field, never its value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid policy.toml: {field}: {reason}")]
pub struct InvalidRules {
    /// The field at fault, as far as it is known.
    pub field: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl InvalidRules {
    /// The code to report.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidConfig
    }
}

impl Rules {
    /// Reads `policy.toml`.
    ///
    /// # Errors
    /// [`InvalidRules`] for anything that is not exactly a set of rules.
    pub fn read(text: &str) -> Result<Self, InvalidRules> {
        let table: toml::Table = toml::from_str(text).map_err(|_| InvalidRules {
            field: "(file)".to_owned(),
            reason: "not valid TOML",
        })?;
        // One field at a time, so that the message can name it without repeating what was written.
        for (field, value) in &table {
            let one = toml::Table::from_iter([(field.clone(), value.clone())]);
            if one.try_into::<Self>().is_err() {
                let known = field.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let field = if known {
                    field.clone()
                } else {
                    "(unknown)".to_owned()
                };
                return Err(InvalidRules {
                    field,
                    reason: "unknown field, or a value of the wrong form",
                });
            }
        }
        let rules: Self = table.try_into().map_err(|_| InvalidRules {
            field: "(file)".to_owned(),
            reason: "not a set of rules",
        })?;
        let named = |name: &String| {
            ProviderId::new(name.as_str()).is_ok() || name.parse::<ModelRef>().is_ok()
        };
        if !rules.emulate_tools.iter().all(named) {
            return Err(InvalidRules {
                field: "emulate_tools".to_owned(),
                reason: "must be a list of providers or of models, written PROVIDER/MODEL",
            });
        }
        if rules.retry.max_attempts == 0 || rules.retry.max_attempts > 10 {
            return Err(InvalidRules {
                field: "retry".to_owned(),
                reason: "max_attempts must be 1 to 10",
            });
        }
        if rules.retry.base_ms > rules.retry.cap_ms || rules.retry.cap_ms > 600_000 {
            return Err(InvalidRules {
                field: "retry".to_owned(),
                reason: "base_ms must be at most cap_ms, and cap_ms at most 600000",
            });
        }
        Ok(rules)
    }

    /// The digest by which a person confirms the rules: over their canonical form, not the file's layout.
    ///
    /// # Panics
    /// Never: rules hold strings, booleans and integers below 2^53.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut value = serde_json::to_value(self).expect("rules are plain data");
        // Numbers beyond 2^53 have no canonical form; as text they do.
        stringify(&mut value);
        Digest::of(&[
            b"hsk.policy.v1\0",
            &handshake_core::digest::canonical_json(&value).expect("strings only"),
        ])
    }

    /// These rules, but nowhere wider than `confirmed`: the part of an unconfirmed file that is in force.
    #[must_use]
    pub fn narrowed_to(&self, confirmed: &Self) -> Self {
        Self {
            locked: self.locked || confirmed.locked,
            cloud: self.cloud && confirmed.cloud,
            private_hosts: self
                .private_hosts
                .intersection(&confirmed.private_hosts)
                .cloned()
                .collect(),
            min_assurance: self.min_assurance.max(confirmed.min_assurance),
            max_body_bytes: self.max_body_bytes.min(confirmed.max_body_bytes),
            second_hand: match (self.second_hand, confirmed.second_hand) {
                (SecondHand::Ask, SecondHand::Ask) => SecondHand::Ask,
                _ => SecondHand::Refuse,
            },
            max_context_tokens: self.max_context_tokens.min(confirmed.max_context_tokens),
            retry: RetryRules {
                max_attempts: self.retry.max_attempts.min(confirmed.retry.max_attempts),
                base_ms: self.retry.base_ms.max(confirmed.retry.base_ms),
                cap_ms: self.retry.cap_ms.min(confirmed.retry.cap_ms),
            },
            redact_clients: self
                .redact_clients
                .intersection(&confirmed.redact_clients)
                .cloned()
                .collect(),
            // How calls are written, and nothing about what may leave or who may call: as it is written.
            emulate_tools: self.emulate_tools.clone(),
            suspect_refusals: self.suspect_refusals,
            disabled_rules: self
                .disabled_rules
                .intersection(&confirmed.disabled_rules)
                .cloned()
                .collect(),
        }
    }

    /// Whether these rules allow anything that `confirmed` does not.
    #[must_use]
    pub fn widens(&self, confirmed: &Self) -> bool {
        self.narrowed_to(confirmed) != *self
    }

    /// The posture that the gate judges by.
    #[must_use]
    pub fn posture(&self) -> Posture {
        Posture {
            locked: self.locked,
            cloud_allowed: self.cloud,
            private_hosts: self.private_hosts.clone(),
            min_assurance: self.min_assurance,
            max_body_bytes: self.max_body_bytes,
            second_hand: self.second_hand,
            redact_clients: self.redact_clients.clone(),
            max_context_tokens: self.max_context_tokens,
            digest: self.digest(),
        }
    }
}

fn stringify(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) => *value = serde_json::Value::String(number.to_string()),
        serde_json::Value::Array(items) => items.iter_mut().for_each(stringify),
        serde_json::Value::Object(members) => members.values_mut().for_each(stringify),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_named_and_values_are_not_repeated() {
        let error = Rules::read("api_key = \"sk-not-for-here\"").expect_err("refused");
        assert_eq!(error.field, "api_key");
        assert!(!error.to_string().contains("sk-not"));
        assert!(Rules::read("locked = \"yes\"").is_err());
        assert!(Rules::read("[retry]\nmax_attempts = 0").is_err());
        assert_eq!(Rules::read(""), Ok(Rules::default()));
    }

    #[test]
    fn a_changed_file_counts_only_where_it_narrows() {
        let confirmed = Rules::default();
        let wider = Rules {
            private_hosts: ["models.corp.example.net".to_owned()].into(),
            min_assurance: Assurance::A0,
            second_hand: SecondHand::Ask,
            ..Rules::default()
        };
        assert!(wider.widens(&confirmed));
        assert_eq!(wider.narrowed_to(&confirmed), confirmed);
        let narrower = Rules {
            locked: true,
            max_body_bytes: 10,
            ..Rules::default()
        };
        assert!(!narrower.widens(&confirmed));
        assert_eq!(narrower.narrowed_to(&confirmed), narrower);
    }

    #[test]
    fn s58_redacting_for_a_client_is_a_widening_and_changes_no_older_digest() {
        let rules = Rules::read("redact_clients = [\"editor\"]").expect("rules");
        assert!(rules.widens(&Rules::default()));
        assert!(!Rules::default().widens(&rules));
        assert!(rules.posture().redact_clients.contains("editor"));
        assert_ne!(rules.digest(), Rules::default().digest());
        let older = serde_json::to_value(Rules::default()).expect("data");
        assert_eq!(older.get("redact_clients"), None);
    }

    #[test]
    fn the_digest_is_of_the_rules_and_not_of_the_layout() {
        let one = Rules::read("locked = true\ncloud = true").expect("rules");
        let two = Rules::read("# a comment\ncloud=true\nlocked   = true\n").expect("rules");
        assert_eq!(one.digest(), two.digest());
        assert_ne!(one.digest(), Rules::default().digest());
    }
}
