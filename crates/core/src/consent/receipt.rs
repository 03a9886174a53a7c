//! The consent receipt: a signed decision, bound to a plan.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ContentKind, Destination, Waiver};
use crate::{
    attest::{BadSignature, PublicKey, RECEIPT_DOMAIN},
    digest::{Digest, KeyedHash, NotCanonical, canonical_json},
    ids::{ExternalId, KeyId, ModelId, PlanId, Principal, ReceiptId, RequestId, SessionId},
    time::UtcTime,
};

/// How surely a person approved, weakest first.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
pub enum Assurance {
    /// Nothing a process could not do. Only if chosen at `init`, and then stamped everywhere.
    A0,
    /// A passphrase that no process can read from disk, environment or screen.
    A1,
    /// A gesture on a platform authenticator or security key.
    A2,
    /// A separate uid.
    A3,
}

/// What a receipt covers.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReceiptScope {
    /// One envelope, one use.
    SingleCall,
    /// A lease: similar calls within limits.
    SessionScoped,
    /// A work package. Not issued yet.
    WpScoped,
    /// Several sessions, enumerated. Not issued yet.
    BroadcastScoped,
}

/// The limits and the fixed frame of a lease.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseTerms {
    /// The models of the one provider that it covers.
    pub models: BTreeSet<ModelId>,
    /// Commitment to the system prompt.
    pub system: Option<KeyedHash>,
    /// Commitment to the tools.
    pub tools: Option<KeyedHash>,
    /// Top-level field names of the body.
    pub fields: BTreeSet<String>,
    /// The kinds of content.
    pub kinds: BTreeSet<ContentKind>,
    /// New bytes that one call may hold.
    pub max_new_bytes_per_call: u64,
    /// New bytes in total.
    pub max_new_bytes_total: u64,
    /// Uses in total.
    pub max_uses: u32,
    /// The lease ends after so long without use, in seconds.
    pub idle_seconds: u64,
    /// Values that rules ask about and the person let pass again. Absent where there are none, so that what was signed
    /// before there were any keeps its bytes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waived: BTreeSet<Waiver>,
}

impl LeaseTerms {
    /// The most that one call may add: 64 KiB.
    pub const MAX_NEW_BYTES_PER_CALL: u64 = 64 * 1024;
    /// Largest total: 2 MiB.
    pub const MAX_NEW_BYTES_TOTAL: u64 = 2 * 1024 * 1024;
    /// The most uses.
    pub const MAX_USES: u32 = 200;
    /// The longest idle time: 30 minutes.
    pub const MAX_IDLE_SECONDS: u64 = 30 * 60;
    /// The longest life: 8 hours.
    pub const MAX_LIFE_SECONDS: u64 = 8 * 60 * 60;
}

/// Where a demo-marked receipt is good: at the demo's own simulator and nowhere else.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DemoBinding {
    /// The simulator's own listening address.
    pub listener: std::net::SocketAddr,
}

/// `hsk.consent_receipt@0.4`: what a person decided.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentReceipt {
    /// Its id.
    pub consent_receipt_id: ReceiptId,
    /// What they were shown.
    pub projection_plan_id: PlanId,
    /// SHA-256(salt ‖ body) of what they were shown.
    pub payload_sha256: Digest,
    /// Yes or no.
    pub approved: bool,
    /// When.
    pub approved_at: UtcTime,
    /// Who: the OS account or console login, never a request's word.
    pub user_id: ExternalId,
    /// Where they were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_surface: Option<ExternalId>,
    /// Reserved by the published type. Stays empty: free text would end up in packs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Our additions.
    pub ext: ReceiptExt,
}

/// `hsk.egress_ext@0.1` of a receipt.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptExt {
    /// `hsk.egress_ext@0.1`.
    pub schema: String,
    /// The hash of the envelope that was shown.
    pub envelope_sha256: Digest,
    /// Where it may go.
    pub destination: Destination,
    /// Who may use it.
    pub principal: Principal,
    /// The request that waited.
    pub request_id: RequestId,
    /// What it covers.
    pub scope: ReceiptScope,
    /// The consent sessions that it covers.
    pub session_ids: BTreeSet<SessionId>,
    /// The most bytes of one body.
    pub max_bytes: u64,
    /// The most attempts of one use.
    pub max_attempts: u32,
    /// The limits of a lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseTerms>,
    /// Good from.
    pub not_before: UtcTime,
    /// Good until.
    pub expires_at: UtcTime,
    /// 32 hex digits of entropy: two decisions never share their bytes.
    pub nonce: String,
    /// How surely a person approved.
    pub assurance: Assurance,
    /// The log's head when it was signed, `size:hash`.
    pub recorder_checkpoint: Option<String>,
    /// The run of this machine; a reboot or a restored home voids it.
    pub run: u64,
    /// Set on receipts of the demo's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demo: Option<DemoBinding>,
    /// The key.
    pub key_id: KeyId,
    /// The signature in hex. Absent from the bytes that are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A receipt as it is stored: the exact bytes that were signed, and the signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedReceipt {
    /// Canonical JSON of the receipt without its signature.
    pub payload: Vec<u8>,
    /// Ed25519 over [`RECEIPT_DOMAIN`] and the payload.
    pub signature: [u8; 64],
}

impl ConsentReceipt {
    /// The bytes to sign.
    ///
    /// # Errors
    /// [`NotCanonical`] for a number that canonical JSON cannot hold.
    pub fn signing_payload(&self) -> Result<Vec<u8>, NotCanonical> {
        let mut unsigned = self.clone();
        unsigned.ext.signature = None;
        canonical_json(&unsigned)
    }
}

impl SignedReceipt {
    /// Verifies the stored bytes, then reads them. Never the other way round.
    ///
    /// # Errors
    /// [`BadSignature`] when the signature, the key id or the form of the bytes is wrong.
    pub fn open(&self, key: &PublicKey) -> Result<ConsentReceipt, BadSignature> {
        key.verify(RECEIPT_DOMAIN, &self.payload, &self.signature)?;
        let receipt: ConsentReceipt =
            serde_json::from_slice(&self.payload).map_err(|_| BadSignature)?;
        if receipt.ext.key_id == *key.id() {
            Ok(receipt)
        } else {
            Err(BadSignature)
        }
    }
}
