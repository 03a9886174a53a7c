//! The facts that a decision rests on. The driver fills them in; an absent fact is never a yes.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    artifact::LabelVerdict,
    code::ErrorCode,
    consent::{AskReason, Coverage},
    finding::{FindingLevel, ValidatorError},
    net::AddressClass,
    policy::{Governance, Posture},
    ports::{LedgerError, SecretError},
    seal::SealKind,
    tier::{ModelTier, Reach, Residence},
};

/// What a call is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// It carries content.
    Content,
    /// It carries no content: needs contact, not consent.
    Control,
}

/// What is known about the addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerFact {
    /// Nobody asked yet (and `explain` never does).
    Unresolved,
    /// The host has no address.
    NoAddress,
    /// One of the addresses is our own listener.
    OwnListener,
    /// The classes of every address.
    Classes(Vec<AddressClass>),
}

/// What is known about the rules and versions of the home that a Cloud verdict rests on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RulesFact {
    /// Nobody asked: Local needs none of them.
    NotRead,
    /// The ledger could not say, so nobody knows whether everything is locked.
    Unreadable,
    /// Another process changed the policy, the approval key or this provider since they were read here.
    Outdated,
    /// They are what this process judges by.
    Current,
}

/// What is known about a pause.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PauseFact {
    /// Nobody asked: Local goes on in a pause.
    NotRead,
    /// There is none.
    Running,
    /// A person paused Cloud, and the caller waits for them to resume.
    Held,
    /// A person paused Cloud, and nobody waits.
    Refused,
}

/// What is known about the bound on the cloud calls of the call's job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobFact {
    /// No profile bounds it.
    Unbounded,
    /// Some are left, or the call is one that was counted.
    Within,
    /// None is left.
    Spent,
    /// The store could not say, or nobody asked.
    Unreadable,
}

impl JobFact {
    /// Why no more calls are made, if none are.
    pub(super) fn refusal(self) -> Option<ErrorCode> {
        match self {
            Self::Unbounded | Self::Within => None,
            Self::Spent => Some(ErrorCode::BudgetExceeded),
            Self::Unreadable => Some(ErrorCode::Storage),
        }
    }
}

/// Whether the state that a call rests on is as it was sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SealFact {
    /// It is.
    Sealed,
    /// One record is not, and which kind of record that is.
    Broken(SealKind),
    /// A record was changed since it was read for this call.
    Outdated,
    /// The store could not say.
    Unreadable,
}

/// What is known about the secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecretFact {
    /// The call needs none.
    NotNeeded,
    /// It is bound to this origin.
    Bound,
    /// It is not usable.
    Refused(SecretError),
}

/// What the validators said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FindingsFact {
    /// They did not look yet.
    NotInspected,
    /// There is no validator at all.
    NoValidator,
    /// One of them gave no verdict.
    NoVerdict(ValidatorError),
    /// The worst level, if anything was found.
    Worst(Option<FindingLevel>),
}

/// What is known about receipts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReceiptFact {
    /// Nobody looked yet.
    NotLooked,
    /// The store failed.
    Unreadable,
    /// None covers the call; why not, as far as one came close.
    Uncovered(BTreeSet<AskReason>),
    /// A person said no to this very envelope.
    Denied,
    /// A row that is no receipt was found, and nothing else covers the call.
    Forged,
    /// A receipt covered an earlier attempt of this call, and none covers this one.
    Void,
    /// One covers it.
    Covered(Coverage),
}

/// What a person, or the queue that asks them, said about a call that no receipt covers. None of it is a yes:
/// a yes is a signed receipt, and shows as [`ReceiptFact::Covered`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PersonFact {
    /// Nobody answered in time, or nobody waits for an answer any more.
    NoAnswer,
    /// They said no.
    No,
    /// They said yes, and what they gave is spent or for something else by now.
    Spent,
    /// The queue takes no more questions.
    Flood,
    /// They said no a moment ago, and are not asked again so soon.
    Silenced,
    /// The queue failed, and how.
    QueueFailed(ErrorCode),
}

impl PersonFact {
    /// The code to report.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::NoAnswer => ErrorCode::CloudConsentRequired,
            Self::No => ErrorCode::CloudEscalationDenied,
            Self::Spent => ErrorCode::CloudConsentMismatch,
            Self::Flood | Self::Silenced => ErrorCode::ConsentFlood,
            Self::QueueFailed(code) => code,
        }
    }
}

/// What the ledger answered when the attempt was to be committed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LedgerFact {
    /// The attempt's event, and what it spends, are committed.
    Committed,
    /// The rules changed since they were judged by.
    Stale,
    /// Somebody else spent meanwhile.
    Contended,
    /// The job made as many cloud calls meanwhile as it may.
    JobSpent,
    /// The store failed, and how.
    Failed(ErrorCode),
}

impl From<&LedgerError> for LedgerFact {
    fn from(error: &LedgerError) -> Self {
        match error {
            LedgerError::Stale => Self::Stale,
            LedgerError::Contended => Self::Contended,
            LedgerError::JobSpent => Self::JobSpent,
            LedgerError::Store(error) => Self::Failed(error.code()),
        }
    }
}

/// The facts. A new one is unknown where nobody says it, and an unknown fact is never a yes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EgressFacts {
    /// What the call is for.
    pub purpose: Purpose,
    /// The seals of the records that it rests on.
    pub seal: SealFact,
    /// The rules and versions of the home.
    pub rules: RulesFact,
    /// Whether Cloud is paused.
    pub pause: PauseFact,
    /// The declared tier.
    pub declared: ModelTier,
    /// The declared reach.
    pub reach: Reach,
    /// The operator's rules.
    pub posture: Arc<Posture>,
    /// The pinned profile's rules.
    pub governance: Governance,
    /// The bound on its job's cloud calls.
    pub job: JobFact,
    /// The size of the body.
    pub body_bytes: u64,
    /// Whether the envelope keeps its own rules and is for the record's base URL and revision.
    pub envelope_ok: bool,
    /// Whether the host is one that a person allowed although it is private.
    pub private_host_allowed: bool,
    /// The addresses.
    pub peer: PeerFact,
    /// Where the model runs.
    pub residence: Residence,
    /// The labels; `None` when nobody looked yet.
    pub labels: Option<LabelVerdict>,
    /// The findings.
    pub findings: FindingsFact,
    /// The secret.
    pub secret: SecretFact,
    /// Whether contact was granted; `None` when nobody looked or the store failed, which is no grant.
    pub contact: Option<bool>,
    /// The receipts.
    pub receipt: ReceiptFact,
    /// What a person said; `None` while nobody was asked.
    pub person: Option<PersonFact>,
    /// What the ledger answered; `None` while it was not asked. Local calls need no answer of it.
    pub ledger: Option<LedgerFact>,
}

impl EgressFacts {
    /// A call about which nothing else is known: nobody read the rules, looked at the bytes, found an address or a
    /// receipt, and the envelope was not checked.
    #[must_use]
    pub fn new(
        purpose: Purpose,
        declared: ModelTier,
        reach: Reach,
        posture: Arc<Posture>,
        governance: Governance,
    ) -> Self {
        Self {
            purpose,
            // What nobody looked at is not believed.
            seal: SealFact::Broken(SealKind::Provider),
            rules: RulesFact::NotRead,
            pause: PauseFact::NotRead,
            declared,
            reach,
            posture,
            job: match governance.max_cloud_escalations_per_job {
                None => JobFact::Unbounded,
                Some(_) => JobFact::Unreadable,
            },
            governance,
            body_bytes: u64::MAX,
            envelope_ok: false,
            private_host_allowed: false,
            peer: PeerFact::Unresolved,
            residence: Residence::Unknown,
            labels: None,
            findings: FindingsFact::NotInspected,
            secret: SecretFact::Refused(SecretError::Missing),
            contact: None,
            receipt: ReceiptFact::NotLooked,
            person: None,
            ledger: None,
        }
    }
}
