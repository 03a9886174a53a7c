//! What the data key protects: names, origins and times in the index, and every value sealed once more on
//! its own, bound to its name, version and origin.

use std::collections::BTreeMap;

use handshake_core::{
    base_url::Origin,
    digest::Digest,
    ports::Entropy,
    secret::{Secret, SecretBinding},
    time::UtcTime,
};
use serde::{Deserialize, Serialize};

use crate::{
    approval::FailedAttempts,
    codec::{FixedHex, Hex},
    crypto::{Key, bind},
    error::VaultError,
    policy::KeptPolicy,
};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    /// Rises with every write.
    pub(crate) generation: u64,
    pub(crate) secrets: BTreeMap<String, SecretRecord>,
    /// By [`binding_key`](crate::store).
    pub(crate) bindings: BTreeMap<String, SecretBinding>,
    pub(crate) keys: Keys,
    /// What is in force of what this program sealed; absent in a vault that was never opened by a version that seals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) register: Option<Register>,
    /// What is kept of the operator's rules; absent in a vault that was never opened by a version that keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<KeptPolicy>,
    /// Approval factors that were given and wrong, in a row.
    #[serde(default)]
    pub(crate) attempts: FailedAttempts,
}

/// Which statements are in force, by subject. Here and not beside the records, so that whoever can edit those cannot
/// put an older one back.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    pub(crate) statements: BTreeMap<String, Digest>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretRecord {
    pub(crate) version: u64,
    pub(crate) origin: Origin,
    pub(crate) created_at: UtcTime,
    pub(crate) updated_at: UtcTime,
    value: Hex,
}

/// Keys that serve without a person: under the data key.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) commitment: SealedKey,
    pub(crate) recorder: RecorderKey,
    /// The prepared successor of the recorder's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_recorder: Option<RecorderKey>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedKey {
    pub(crate) number: u64,
    pub(crate) key: Hex,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecorderKey {
    pub(crate) epoch: u64,
    pub(crate) public: FixedHex<32>,
    pub(crate) seed: Hex,
}

/// What a list shows of a secret. Never the value.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SecretInfo {
    /// The name in `vault:NAME`.
    pub name: String,
    /// The only origin that may receive it.
    pub origin: Origin,
    /// Rises with every new value.
    pub version: u64,
    /// When it was first put.
    pub created_at: UtcTime,
    /// When its value or origin last changed.
    pub updated_at: UtcTime,
}

/// The associated data of a value: another name, version, origin or vault does not open it.
fn value_bound_to(vault_id: &[u8; 16], name: &str, version: u64, origin: &Origin) -> Vec<u8> {
    let origin = origin.as_str().as_bytes();
    bind(&[
        b"hsk.vault.secret.v1",
        vault_id,
        name.as_bytes(),
        &version.to_be_bytes(),
        origin,
    ])
}

impl SecretRecord {
    pub(crate) fn seal(
        (vault_id, key, entropy): (&[u8; 16], &Key, &dyn Entropy),
        (name, origin, value): (&str, Origin, &Secret),
        before: Option<&Self>,
        now: UtcTime,
    ) -> Self {
        let version = before.map_or(1, |before| before.version.saturating_add(1));
        let bound = value_bound_to(vault_id, name, version, &origin);
        let value = Hex(key.seal(entropy, value.expose_secret(), &bound));
        let created_at = before.map_or(now, |before| before.created_at);
        Self {
            version,
            origin,
            created_at,
            updated_at: now,
            value,
        }
    }

    /// Opens the value for an origin. The origin is part of the associated data: for another one there is
    /// no plaintext, whatever the caller's code does.
    pub(crate) fn open(
        &self,
        (vault_id, key): (&[u8; 16], &Key),
        name: &str,
        origin: &Origin,
    ) -> Result<Secret, VaultError> {
        let bound = value_bound_to(vault_id, name, self.version, origin);
        let value = key
            .open(&self.value.0, &bound)
            .map_err(|_| VaultError::Damaged)?;
        Ok(Secret::new(value.to_vec()))
    }

    pub(crate) fn info(&self, name: &str) -> SecretInfo {
        SecretInfo {
            name: name.to_owned(),
            origin: self.origin.clone(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// A secret's name: 1 to 128 characters of `A-Z a-z 0-9 . _ -`, as in `vault:NAME`.
pub(crate) fn check_name(name: &str) -> Result<(), VaultError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let good = (1..=128).contains(&name.len()) && name.bytes().all(plain);
    if good {
        Ok(())
    } else {
        Err(VaultError::InvalidName)
    }
}

/// A value goes into one header line, and under eight characters it cannot be told from ordinary text.
pub(crate) fn check_value(value: &Secret, at_most: usize) -> Result<(), VaultError> {
    let bytes = value.expose_secret();
    let good = (8..=at_most).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    if good {
        Ok(())
    } else {
        Err(VaultError::InvalidValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zero;
    impl Entropy for Zero {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn a2_a_value_opens_for_no_other_name_origin_version_or_vault() {
        let origin = |text: &str| Origin::try_from(text.to_owned()).expect("an origin");
        let (id, key, now) = (
            [1; 16],
            Key::from_bytes([7; 32]),
            UtcTime::from_unix_millis(0),
        );
        let good = origin("https://api.example.org");
        let value = Secret::new(b"sk-0123456789".to_vec());
        let record = SecretRecord::seal(
            (&id, &key, &Zero),
            ("main", good.clone(), &value),
            None,
            now,
        );
        let opens = |record: &SecretRecord, id: [u8; 16], name: &str, at: &Origin| {
            record.open((&id, &key), name, at).is_ok()
        };
        assert!(opens(&record, id, "main", &good));
        assert!(!opens(
            &record,
            id,
            "main",
            &origin("https://evil.example.net")
        ));
        assert!(!opens(&record, id, "main2", &good));
        assert!(!opens(&record, [2; 16], "main", &good));
        let renumbered = SecretRecord {
            version: 2,
            ..record.clone()
        };
        assert!(!opens(&renumbered, id, "main", &good));
        assert!(
            record
                .open((&id, &Key::from_bytes([8; 32])), "main", &good)
                .is_err()
        );
    }
}
