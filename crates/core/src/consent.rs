//! Consent: what a person is shown, what they sign, and what it covers.

mod cover;
mod outline;
mod plan;
mod receipt;
mod waiver;

pub use self::{
    cover::{AskReason, Coverage, ReceiptEvidence, ReceiptProblem, Wanted, judge},
    outline::{Block, ContentKind, Frame, Outline, OutlineDiff, Placed, accounting, without_hints},
    plan::{
        CloudEscalationRequest, DeclassifiedCount, Destination, EscalationReason, FindingCount,
        PlanExt, ProjectionPlan,
    },
    receipt::{
        Assurance, ConsentReceipt, DemoBinding, LeaseTerms, ReceiptExt, ReceiptScope, SignedReceipt,
    },
    waiver::{Asked, Waiver},
};

/// The schema id of our additions to published consent types.
pub const EGRESS_EXT: &str = "hsk.egress_ext@0.1";
