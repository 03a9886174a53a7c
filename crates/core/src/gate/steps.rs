//! The states between the steps: each can only be made from the one before.

use std::{net::SocketAddr, sync::Arc};

use super::{EgressRequest, declassified::Lowered, judged::Judged};
use crate::{
    consent::{Asked, Outline},
    digest::Digest,
    finding::{Findings, ValidatorError},
    ids::ArtifactRef,
    label::Label,
    ports::{Epochs, StoredDeclassified},
    tier::ModelTier,
};

/// The peers are known, and nothing denied so far.
#[derive(Debug)]
pub struct Located {
    pub(super) request: EgressRequest,
    pub(super) judged: Judged,
    pub(super) peers: Arc<[SocketAddr]>,
    pub(super) epochs: Option<Epochs>,
    pub(super) labels: Vec<(ArtifactRef, Option<Label>)>,
    /// What rows say that a person declassified for this provider.
    pub(super) declassified: Vec<StoredDeclassified>,
}

impl Located {
    /// The effective tier.
    #[must_use]
    pub fn effective_tier(&self) -> ModelTier {
        self.judged.effective()
    }

    /// The size of the body: large ones are inspected off the reactor.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.judged.facts().body_bytes
    }
}

/// What the validators found, kept for the next attempt of the same call. What a person declassified is looked up with
/// each attempt.
#[derive(Clone, Debug)]
pub struct Scan {
    pub(super) envelope: Digest,
    pub(super) epochs: Vec<(Digest, u64)>,
    pub(super) findings: Result<Findings, ValidatorError>,
    /// A validator that gave no verdict, beside others that blocked.
    pub(super) failed: Option<ValidatorError>,
}

impl Scan {
    /// The findings, if there is a verdict, as the validators gave them.
    #[must_use]
    pub fn findings(&self) -> Option<&Findings> {
        self.findings.as_ref().ok()
    }

    /// Whether it says what a new scan would: the same bytes, rules and enrolment.
    pub(super) fn is_of(&self, envelope: &Digest, epochs: &[(Digest, u64)]) -> bool {
        self.envelope == *envelope && self.epochs == epochs
    }
}

/// What was seen in a Cloud call's bytes.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) scan: Scan,
    pub(super) lowered: Lowered,
    pub(super) outline: Option<Arc<Outline>>,
}

/// The bytes were looked at.
#[derive(Debug)]
pub struct Inspected {
    pub(super) located: Located,
    /// `None` for Local.
    pub(super) seen: Option<Seen>,
}

impl Inspected {
    /// The findings, to show or to reuse.
    #[must_use]
    pub fn scan(&self) -> Option<&Scan> {
        self.seen.as_ref().map(|seen| &seen.scan)
    }

    /// The effective tier.
    #[must_use]
    pub fn effective_tier(&self) -> ModelTier {
        self.located.effective_tier()
    }

    pub(super) fn findings(&self) -> Option<&Findings> {
        self.seen.as_ref()?.lowered.findings.as_ref()
    }

    /// What receipts are held against. Nothing was looked at for Local, which needs none.
    pub(super) fn asked(&self) -> Asked {
        let asked = self.seen.as_ref().map(|seen| seen.lowered.asked.clone());
        asked.unwrap_or_default()
    }

    pub(super) fn outline(&self) -> Option<&Outline> {
        self.seen.as_ref()?.outline.as_deref()
    }
}
