//! Whether a receipt covers a call. Pure: a store gives evidence, this gives the verdict.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Asked, Assurance, Block, ConsentReceipt, Destination, LeaseTerms, Outline, ReceiptScope,
    SignedReceipt,
};
use crate::{
    attest::PublicKey,
    digest::{Digest, KeyedHash},
    ids::{Principal, ReceiptId, SessionId, UseId},
    ports::SpendReach,
    time::UtcTime,
};

/// Why a person is asked despite a lease.
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
#[serde(rename_all = "snake_case")]
pub enum AskReason {
    /// No receipt at all.
    NoReceipt,
    /// The destination or the provider revision differs.
    Destination,
    /// The lease does not cover the model.
    Model,
    /// A new kind of content.
    NewKind,
    /// Second-hand egress.
    SecondHand,
    /// The system prompt changed.
    SystemChanged,
    /// The tools changed.
    ToolsChanged,
    /// The request sets different fields.
    FieldsChanged,
    /// More new bytes than the lease allows, or no uses left.
    Limit,
    /// A finding that needs a person's attention.
    Finding,
    /// A part that cannot be inspected.
    Uninspectable,
    /// The lease expired, or was idle for too long.
    Expired,
    /// The body cannot be outlined.
    Unreadable,
    /// A person paused Cloud since the lease was given.
    AfterPause,
}

/// What a store knows about one receipt. Evidence, never a verdict.
#[derive(Clone, Debug)]
pub struct ReceiptEvidence {
    /// The receipt and its signature.
    pub signed: SignedReceipt,
    /// Uses that were begun.
    pub uses: u32,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// Bytes that were new at the time.
    pub new_bytes: u64,
    /// Of the blocks asked about, those that were sent under it before.
    pub known_blocks: BTreeSet<KeyedHash>,
    /// When it was last used.
    pub last_used: Option<UtcTime>,
    /// Whether it was revoked.
    pub revoked: bool,
    /// The use that is still open, its envelope and its attempts so far.
    pub open_use: Option<(UseId, Digest, u32)>,
}

/// What a call wants to do.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// In which consent session.
    pub session_id: &'a SessionId,
    /// Where it goes.
    pub destination: &'a Destination,
    /// The envelope.
    pub envelope_sha256: Digest,
    /// The body's size.
    pub body_bytes: u64,
    /// The body's outline.
    pub outline: Option<&'a Outline>,
    /// What was found in it.
    pub asked: &'a Asked,
    /// Whether a part cannot be inspected.
    pub uninspectable: bool,
    /// Whether it reaches beyond the destination.
    pub second_hand: bool,
    /// The logical call.
    pub use_id: UseId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The addresses that will be dialled.
    pub peers: &'a [std::net::SocketAddr],
    /// The wall clock, not earlier than it ever was.
    pub now: UtcTime,
    /// The run of this machine.
    pub run: u64,
    /// The least assurance.
    pub min_assurance: Assurance,
    /// When a person last paused Cloud.
    pub paused_at: Option<UtcTime>,
}

/// What a covering receipt allows to be spent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Coverage {
    /// The receipt.
    pub receipt_id: ReceiptId,
    /// Its scope.
    pub scope: ReceiptScope,
    /// How far the receipt reaches, for the ledger to hold when it commits.
    pub reach: SpendReach,
    /// Whether this attempt continues an open use.
    pub continues: bool,
    /// The blocks that are new under it.
    pub new_blocks: Vec<Block>,
    /// Attempts that one use may make.
    pub max_attempts: u32,
    /// How surely a person approved.
    pub assurance: Assurance,
    /// Whether the demo's own key signed.
    pub demo: bool,
}

impl Coverage {
    /// Which of two covering receipts is spent, whatever order a store hands them out in: the one whose use
    /// goes on, then the yes to this very call, then the first by id.
    #[must_use]
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        let rank = |c: &Self| {
            (
                !c.continues,
                c.scope != ReceiptScope::SingleCall,
                c.receipt_id,
            )
        };
        rank(self) < rank(other)
    }
}

/// Why a receipt does not cover a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReceiptProblem {
    /// Its signature, key or bytes are wrong: it is not a receipt, and was tampered with.
    NotAReceipt,
    /// It belongs to another principal, covers something else, is spent or revoked, or is a denial.
    Mismatch,
    /// A person said no to this very envelope.
    Denied,
    /// It is a lease that does not reach this far.
    Ask(BTreeSet<AskReason>),
}

/// Judges one receipt.
///
/// # Errors
/// [`ReceiptProblem`] for every receipt that does not cover the call as it stands.
pub fn judge(
    evidence: &ReceiptEvidence,
    wanted: &Wanted<'_>,
    key: &PublicKey,
) -> Result<Coverage, ReceiptProblem> {
    let receipt = evidence
        .signed
        .open(key)
        .map_err(|_| ReceiptProblem::NotAReceipt)?;
    let ext = &receipt.ext;
    if evidence.revoked
        || ext.principal != *wanted.principal
        || !ext.session_ids.contains(wanted.session_id)
        || ext.run != wanted.run
        || ext.assurance < wanted.min_assurance
        || ext.schema != super::EGRESS_EXT
    {
        return Err(ReceiptProblem::Mismatch);
    }
    if let Some(demo) = &ext.demo
        && (wanted.peers.is_empty() || wanted.peers.iter().any(|peer| *peer != demo.listener))
    {
        return Err(ReceiptProblem::Mismatch);
    }
    if !receipt.approved {
        // A no ends with its time too: the same question may be asked again later.
        return Err(
            match ext.envelope_sha256 == wanted.envelope_sha256 && alive(&receipt, wanted.now) {
                true => ReceiptProblem::Denied,
                false => ReceiptProblem::Mismatch,
            },
        );
    }
    if wanted.asked.blocks {
        return Err(ReceiptProblem::Mismatch);
    }
    let continues = continues(evidence, wanted, ext.max_attempts)?;
    let new_blocks = match ext.scope {
        ReceiptScope::SingleCall => single(&receipt, evidence, wanted, continues)?,
        ReceiptScope::SessionScoped => {
            let terms = ext.lease.as_ref().ok_or(ReceiptProblem::NotAReceipt)?;
            lease(&receipt, terms, evidence, wanted, continues)?
        }
        // In the published enum; no version of this program issues them, so none is honoured.
        ReceiptScope::WpScoped | ReceiptScope::BroadcastScoped => {
            return Err(ReceiptProblem::Mismatch);
        }
    };
    Ok(Coverage {
        receipt_id: receipt.consent_receipt_id,
        scope: ext.scope,
        reach: reach(ext.lease.as_ref()),
        continues,
        new_blocks,
        max_attempts: ext.max_attempts,
        assurance: ext.assurance,
        demo: ext.demo.is_some(),
    })
}

fn continues(
    evidence: &ReceiptEvidence,
    wanted: &Wanted<'_>,
    max_attempts: u32,
) -> Result<bool, ReceiptProblem> {
    match evidence.open_use {
        Some((use_id, envelope, attempts)) if use_id == wanted.use_id => {
            let next = envelope == wanted.envelope_sha256
                && wanted.attempt == attempts + 1
                && wanted.attempt <= max_attempts;
            if next {
                Ok(true)
            } else {
                Err(ReceiptProblem::Mismatch)
            }
        }
        _ if wanted.attempt == 1 => Ok(false),
        _ => Err(ReceiptProblem::Mismatch),
    }
}

/// One call, or what the terms say, within what no terms can exceed.
fn reach(lease: Option<&LeaseTerms>) -> SpendReach {
    match lease {
        None => SpendReach {
            uses: 1,
            new_bytes: None,
        },
        Some(terms) => SpendReach {
            uses: terms.max_uses.min(LeaseTerms::MAX_USES),
            new_bytes: Some(
                terms
                    .max_new_bytes_total
                    .min(LeaseTerms::MAX_NEW_BYTES_TOTAL),
            ),
        },
    }
}

fn alive(receipt: &ConsentReceipt, now: UtcTime) -> bool {
    receipt.ext.not_before <= now && now < receipt.ext.expires_at
}

fn single(
    receipt: &ConsentReceipt,
    evidence: &ReceiptEvidence,
    wanted: &Wanted<'_>,
    continues: bool,
) -> Result<Vec<Block>, ReceiptProblem> {
    let ext = &receipt.ext;
    let covers = ext.envelope_sha256 == wanted.envelope_sha256
        && ext.destination == *wanted.destination
        && ext.max_bytes == wanted.body_bytes
        && alive(receipt, wanted.now)
        && (evidence.uses == 0 || continues);
    if !covers {
        return Err(ReceiptProblem::Mismatch);
    }
    Ok(wanted
        .outline
        .map(|outline| outline.blocks.clone())
        .unwrap_or_default())
}

fn lease(
    receipt: &ConsentReceipt,
    terms: &LeaseTerms,
    evidence: &ReceiptEvidence,
    wanted: &Wanted<'_>,
    continues: bool,
) -> Result<Vec<Block>, ReceiptProblem> {
    let mut ask = BTreeSet::new();
    let (granted, asked) = (&receipt.ext.destination, wanted.destination);
    let same_place = Destination {
        model_id: None,
        ..granted.clone()
    } == Destination {
        model_id: None,
        ..asked.clone()
    };
    if !same_place {
        ask.insert(AskReason::Destination);
    }
    if !asked
        .model_id
        .as_ref()
        .is_some_and(|model| terms.models.contains(model))
    {
        ask.insert(AskReason::Model);
    }
    let last = evidence
        .last_used
        .map_or(receipt.approved_at, |used| used.max(receipt.approved_at));
    let idle = Duration::from_secs(terms.idle_seconds.min(LeaseTerms::MAX_IDLE_SECONDS));
    let life = Duration::from_secs(LeaseTerms::MAX_LIFE_SECONDS);
    if !alive(receipt, wanted.now)
        // The clock was set back since: nobody knows how old it is.
        || wanted.now < last
        || wanted.now.since(last) > idle
        || wanted.now.since(receipt.approved_at) >= life
    {
        ask.insert(AskReason::Expired);
    }
    if wanted
        .paused_at
        .is_some_and(|paused| receipt.approved_at <= paused)
    {
        ask.insert(AskReason::AfterPause);
    }
    if !wanted.asked.is_waived_by(&terms.waived) {
        ask.insert(AskReason::Finding);
    }
    if wanted.uninspectable {
        ask.insert(AskReason::Uninspectable);
    }
    if wanted.second_hand {
        ask.insert(AskReason::SecondHand);
    }
    let Some(outline) = wanted.outline else {
        ask.insert(AskReason::Unreadable);
        return Err(ReceiptProblem::Ask(ask));
    };
    ask.extend(outline.against(terms).reasons);
    let new: Vec<Block> = outline
        .blocks
        .iter()
        .filter(|block| !evidence.known_blocks.contains(&block.commitment))
        .copied()
        .collect();
    let new_bytes: u64 = new.iter().map(|block| block.bytes).sum();
    let total = evidence
        .new_bytes
        .saturating_add(if continues { 0 } else { new_bytes });
    if new_bytes
        > terms
            .max_new_bytes_per_call
            .min(LeaseTerms::MAX_NEW_BYTES_PER_CALL)
        || total
            > terms
                .max_new_bytes_total
                .min(LeaseTerms::MAX_NEW_BYTES_TOTAL)
        || (!continues && evidence.uses >= terms.max_uses.min(LeaseTerms::MAX_USES))
    {
        ask.insert(AskReason::Limit);
    }
    if ask.is_empty() {
        Ok(new)
    } else {
        Err(ReceiptProblem::Ask(ask))
    }
}
