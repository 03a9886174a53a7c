//! The states between the steps: each can only be made from the one before.

use std::{net::SocketAddr, sync::Arc};

use super::{EgressRequest, judged::Judged};
use crate::{
    consent::Outline,
    digest::Digest,
    finding::{Findings, ValidatorError},
    ids::ArtifactRef,
    label::Label,
    ports::Epochs,
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

/// What the validators found, kept for the next attempt of the same call.
#[derive(Clone, Debug)]
pub struct Scan {
    pub(super) envelope: Digest,
    pub(super) epochs: Vec<(Digest, u64)>,
    pub(super) findings: Result<Findings, ValidatorError>,
}

impl Scan {
    /// The findings, if there is a verdict.
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
        self.scan().and_then(Scan::findings)
    }

    pub(super) fn outline(&self) -> Option<&Outline> {
        self.seen.as_ref()?.outline.as_deref()
    }
}
