//! The decision: total, pure, an ordered list of steps. The first that denies decides; the driver asks
//! again as facts come in, and `explain` asks with the peer unresolved.

use serde::Serialize;

use super::facts::{
    EgressFacts, FindingsFact, LedgerFact, PauseFact, PeerFact, Purpose, ReceiptFact, RulesFact,
    SealFact, SecretFact,
};
use crate::{
    code::ErrorCode,
    finding::FindingLevel,
    net::AddressClass,
    policy::AutomationLevel,
    tier::{self, ModelTier, Reach},
};

/// The steps, in order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The seals of the records that the call rests on: what is not sealed is not believed, the tier least of all.
    Seal,
    /// Declared Cloud and LOCKED, or nobody knows whether it is.
    DeclaredLocked,
    /// Declared Cloud and policy or profile forbids Cloud.
    DeclaredPolicy,
    /// Declared Cloud and paused by a person.
    Pause,
    /// The body's size.
    SizeCaps,
    /// The envelope's URL and manifest.
    CanonicalUrl,
    /// The secret's binding.
    SecretBinding,
    /// Contact with the origin, for payload-free calls: a look-up of its name would be contact already.
    Contact,
    /// Every address that may be dialled.
    Peer,
    /// Effective = declared.
    Tier,
    /// LOCKED and policy on the effective tier.
    EffectivePolicy,
    /// Labels.
    Labels,
    /// Findings.
    Findings,
    /// The receipt's size.
    MaxBytes,
    /// The receipt.
    Receipt,
    /// What a person said, where no receipt covers the call.
    Person,
    /// The commit of spend and intent, for Cloud.
    Ledger,
}

/// What one step said.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// It passes.
    Pass,
    /// It does not apply to this call.
    NotApplicable,
    /// It leaves the answer to a person.
    Ask,
    /// It holds the call until a person resumes.
    Hold,
    /// It denies.
    Deny(ErrorCode),
    /// A fact is missing.
    Unknown,
}

/// One step and what it said.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Step {
    /// The step.
    pub step: StepName,
    /// What it said.
    pub result: StepResult,
}

/// What the steps come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step passes: the call is committed, where it must be, and may be dialled.
    Allow,
    /// Everything up to the receipt passes, no receipt covers the call, and nobody was asked: a person may be.
    AskPerson,
    /// A step holds the call: nobody said no, and it is to be judged again when a person resumes.
    Hold(StepName),
    /// A step denies.
    Deny(StepName, ErrorCode),
    /// No step denies, and this one lacks a fact.
    NeedsFact(StepName),
}

/// A decision and its reasons.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Decision {
    /// What it comes to.
    pub outcome: Outcome,
    /// The effective tier, once the peer is known.
    pub effective: Option<ModelTier>,
    /// The steps up to the one that decided.
    pub steps: Vec<Step>,
}

impl Decision {
    /// The code of a denial.
    #[must_use]
    pub fn denied_with(&self) -> Option<ErrorCode> {
        match self.outcome {
            Outcome::Deny(_, code) => Some(code),
            _ => None,
        }
    }
}

/// One step: the facts and the effective tier in, what it says out.
type Judge = fn(&EgressFacts, Option<ModelTier>) -> StepResult;

/// The published order.
const ORDER: [(StepName, Judge); 17] = {
    use StepName as S;
    [
        (S::Seal, seal),
        (S::DeclaredLocked, declared_locked),
        (S::DeclaredPolicy, declared_policy),
        (S::Pause, pause),
        (S::SizeCaps, size_caps),
        (S::CanonicalUrl, canonical_url),
        (S::SecretBinding, secret_binding),
        (S::Contact, contact),
        (S::Peer, peer),
        (S::Tier, tier_matches),
        (S::EffectivePolicy, effective_policy),
        (S::Labels, labels),
        (S::Findings, findings),
        (S::MaxBytes, max_bytes),
        (S::Receipt, receipt),
        (S::Person, person),
        (S::Ledger, ledger),
    ]
};

/// Decides. Total: every combination of facts has exactly one outcome, and a missing fact is never a yes.
#[must_use]
pub fn decide(facts: &EgressFacts) -> Decision {
    let effective = effective(facts);
    let mut steps = Vec::with_capacity(ORDER.len());
    for (name, judge) in ORDER {
        let result = judge(facts, effective);
        steps.push(Step { step: name, result });
        let outcome = match result {
            StepResult::Pass | StepResult::NotApplicable | StepResult::Ask => continue,
            StepResult::Hold => Outcome::Hold(name),
            StepResult::Deny(code) => Outcome::Deny(name, code),
            // The one fact that a person can add.
            StepResult::Unknown if name == StepName::Person => Outcome::AskPerson,
            StepResult::Unknown => Outcome::NeedsFact(name),
        };
        return Decision {
            outcome,
            effective,
            steps,
        };
    }
    Decision {
        outcome: Outcome::Allow,
        effective,
        steps,
    }
}

fn effective(facts: &EgressFacts) -> Option<ModelTier> {
    match &facts.peer {
        PeerFact::Unresolved => None,
        PeerFact::NoAddress | PeerFact::OwnListener => Some(ModelTier::Cloud),
        PeerFact::Classes(classes) => Some(tier::effective(classes, facts.reach, facts.residence)),
    }
}

fn locked(facts: &EgressFacts) -> bool {
    facts.posture.locked || facts.governance.automation_level == AutomationLevel::Locked
}

fn cloud_allowed(facts: &EgressFacts) -> bool {
    facts.posture.cloud_allowed && facts.governance.allow_cloud_escalation
}

fn seal(facts: &EgressFacts, _: Option<ModelTier>) -> StepResult {
    match facts.seal {
        SealFact::Sealed => StepResult::Pass,
        SealFact::Broken(_) => StepResult::Deny(ErrorCode::HomeUntrusted),
        SealFact::Outdated => StepResult::Deny(ErrorCode::Revision),
        SealFact::Unreadable => StepResult::Deny(ErrorCode::Storage),
    }
}

fn declared_locked(facts: &EgressFacts, _: Option<ModelTier>) -> StepResult {
    if facts.declared == ModelTier::Local {
        return StepResult::NotApplicable;
    }
    match facts.rules {
        RulesFact::NotRead => StepResult::Unknown,
        RulesFact::Unreadable => StepResult::Deny(ErrorCode::Storage),
        // A rule that holds here holds at least there: it says more than that something changed.
        _ if locked(facts) => StepResult::Deny(ErrorCode::GovernanceLocked),
        RulesFact::Outdated => StepResult::Deny(ErrorCode::Revision),
        RulesFact::Current => StepResult::Pass,
    }
}

fn declared_policy(facts: &EgressFacts, _: Option<ModelTier>) -> StepResult {
    match facts.declared {
        ModelTier::Local => StepResult::NotApplicable,
        _ if !cloud_allowed(facts) => StepResult::Deny(ErrorCode::CloudEscalationDenied),
        ModelTier::Cloud if facts.purpose == Purpose::Control => StepResult::Pass,
        // Before anybody is asked: a question that no yes can answer is not put.
        ModelTier::Cloud => facts
            .job
            .refusal()
            .map_or(StepResult::Pass, StepResult::Deny),
    }
}

/// By the declared tier: a look-up of the name would be contact already.
fn pause(facts: &EgressFacts, _: Option<ModelTier>) -> StepResult {
    match (facts.declared, facts.pause) {
        (ModelTier::Local, _) => StepResult::NotApplicable,
        (ModelTier::Cloud, PauseFact::NotRead) => StepResult::Unknown,
        (ModelTier::Cloud, PauseFact::Running) => StepResult::Pass,
        (ModelTier::Cloud, PauseFact::Held) => StepResult::Hold,
        (ModelTier::Cloud, PauseFact::Refused) => StepResult::Deny(ErrorCode::GovernanceLocked),
    }
}

fn size_caps(facts: &EgressFacts, _: Option<ModelTier>) -> StepResult {
    if facts.body_bytes <= facts.posture.max_body_bytes {
        StepResult::Pass
    } else {
        StepResult::Deny(ErrorCode::MaxBytes)
    }
}

fn canonical_url(facts: &EgressFacts, _: Option<ModelTier>) -> StepResult {
    if facts.envelope_ok {
        StepResult::Pass
    } else {
        StepResult::Deny(ErrorCode::InvalidBaseUrl)
    }
}

fn secret_binding(facts: &EgressFacts, _: Option<ModelTier>) -> StepResult {
    match facts.secret {
        SecretFact::NotNeeded => StepResult::NotApplicable,
        SecretFact::Bound => StepResult::Pass,
        SecretFact::Refused(why) => StepResult::Deny(why.code()),
    }
}

/// By the declared tier: the effective one is known after the look-up only, and must be the same.
fn contact(facts: &EgressFacts, _: Option<ModelTier>) -> StepResult {
    match (facts.declared, facts.purpose, facts.contact) {
        (ModelTier::Local, ..) | (_, Purpose::Content, _) => StepResult::NotApplicable,
        (ModelTier::Cloud, Purpose::Control, Some(true)) => StepResult::Pass,
        (ModelTier::Cloud, Purpose::Control, Some(false) | None) => {
            StepResult::Deny(ErrorCode::ContactNotGranted)
        }
    }
}

fn peer(facts: &EgressFacts, _: Option<ModelTier>) -> StepResult {
    match &facts.peer {
        PeerFact::Unresolved => StepResult::Unknown,
        PeerFact::NoAddress | PeerFact::OwnListener => StepResult::Deny(ErrorCode::SsrfBlocked),
        PeerFact::Classes(classes) => {
            let allowed = |class: &AddressClass| match class {
                AddressClass::Private => facts.private_host_allowed,
                other => other.is_dialable(),
            };
            if !classes.is_empty() && classes.iter().all(allowed) {
                StepResult::Pass
            } else {
                StepResult::Deny(ErrorCode::SsrfBlocked)
            }
        }
    }
}

fn tier_matches(facts: &EgressFacts, effective: Option<ModelTier>) -> StepResult {
    // A name that resolves to this machine is no cloud origin, whatever is said about its models: only an
    // attested relay is both on loopback and Cloud.
    let rebound = facts.declared == ModelTier::Cloud
        && facts.reach == Reach::Direct
        && matches!(&facts.peer, PeerFact::Classes(classes) if classes.contains(&AddressClass::Loopback));
    match effective {
        None => StepResult::Unknown,
        Some(tier) if tier == facts.declared && !rebound => StepResult::Pass,
        Some(_) => StepResult::Deny(ErrorCode::TierMismatch),
    }
}

fn effective_policy(facts: &EgressFacts, effective: Option<ModelTier>) -> StepResult {
    match effective {
        None => StepResult::Unknown,
        Some(ModelTier::Local) => StepResult::NotApplicable,
        Some(ModelTier::Cloud) if locked(facts) => StepResult::Deny(ErrorCode::GovernanceLocked),
        Some(ModelTier::Cloud) if !cloud_allowed(facts) => {
            StepResult::Deny(ErrorCode::CloudEscalationDenied)
        }
        Some(ModelTier::Cloud) => StepResult::Pass,
    }
}

/// Steps that only Cloud content takes.
fn for_cloud_content(
    facts: &EgressFacts,
    effective: Option<ModelTier>,
    judge: impl FnOnce() -> StepResult,
) -> StepResult {
    match (effective, facts.purpose) {
        (None, _) => StepResult::Unknown,
        (Some(ModelTier::Local), _) | (_, Purpose::Control) => StepResult::NotApplicable,
        (Some(ModelTier::Cloud), Purpose::Content) => judge(),
    }
}

fn labels(facts: &EgressFacts, effective: Option<ModelTier>) -> StepResult {
    for_cloud_content(facts, effective, || match &facts.labels {
        None => StepResult::Unknown,
        Some(verdict) if verdict.passes() => StepResult::Pass,
        Some(_) => StepResult::Deny(ErrorCode::LeakageBlocked),
    })
}

fn findings(facts: &EgressFacts, effective: Option<ModelTier>) -> StepResult {
    for_cloud_content(facts, effective, || match facts.findings {
        FindingsFact::NotInspected => StepResult::Unknown,
        FindingsFact::NoValidator | FindingsFact::NoVerdict(_) => {
            StepResult::Deny(ErrorCode::LeakageUndecided)
        }
        FindingsFact::Worst(Some(FindingLevel::Block)) => {
            StepResult::Deny(ErrorCode::LeakageBlocked)
        }
        FindingsFact::Worst(_) => StepResult::Pass,
    })
}

/// The size that a receipt allows is judged with the receipt; this step is where an empty Cloud body would
/// otherwise slip through unseen.
fn max_bytes(facts: &EgressFacts, effective: Option<ModelTier>) -> StepResult {
    for_cloud_content(facts, effective, || match facts.body_bytes {
        0 => StepResult::Deny(ErrorCode::MaxBytes),
        _ => StepResult::Pass,
    })
}

fn receipt(facts: &EgressFacts, effective: Option<ModelTier>) -> StepResult {
    for_cloud_content(facts, effective, || match &facts.receipt {
        ReceiptFact::NotLooked => StepResult::Unknown,
        ReceiptFact::Covered(_) => StepResult::Pass,
        ReceiptFact::Uncovered(_) => StepResult::Ask,
        ReceiptFact::Denied => StepResult::Deny(ErrorCode::CloudEscalationDenied),
        ReceiptFact::Forged | ReceiptFact::Void => {
            StepResult::Deny(ErrorCode::CloudConsentMismatch)
        }
        ReceiptFact::Unreadable => StepResult::Deny(ErrorCode::Storage),
    })
}

/// What a person said matters where no receipt covers the call, and is never a yes by itself.
fn person(facts: &EgressFacts, effective: Option<ModelTier>) -> StepResult {
    for_cloud_content(facts, effective, || match (&facts.receipt, facts.person) {
        (ReceiptFact::Covered(_), _) => StepResult::NotApplicable,
        (_, None) => StepResult::Unknown,
        (_, Some(said)) => StepResult::Deny(said.code()),
    })
}

fn ledger(facts: &EgressFacts, effective: Option<ModelTier>) -> StepResult {
    match (effective, facts.ledger) {
        (Some(ModelTier::Local), _) => StepResult::NotApplicable,
        (None, _) | (_, None) => StepResult::Unknown,
        (_, Some(LedgerFact::Committed)) => StepResult::Pass,
        (_, Some(LedgerFact::Stale)) => StepResult::Deny(ErrorCode::Revision),
        (_, Some(LedgerFact::Contended)) => StepResult::Deny(match facts.purpose {
            Purpose::Content => ErrorCode::CloudConsentMismatch,
            // It spends no receipt that somebody else could have spent.
            Purpose::Control => ErrorCode::Revision,
        }),
        (_, Some(LedgerFact::JobSpent)) => StepResult::Deny(ErrorCode::BudgetExceeded),
        (_, Some(LedgerFact::Failed(code))) => StepResult::Deny(code),
    }
}
