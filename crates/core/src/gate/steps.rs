//! The states between the steps: each can only be made from the one before.

use std::{net::SocketAddr, sync::Arc};

use super::{EgressRequest, facts::EgressFacts};
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
    pub(super) facts: EgressFacts,
    pub(super) peers: Arc<[SocketAddr]>,
    pub(super) epochs: Option<Epochs>,
    pub(super) labels: Vec<(ArtifactRef, Option<Label>)>,
}

impl Located {
    /// The effective tier.
    #[must_use]
    pub fn effective_tier(&self) -> ModelTier {
        super::decide(&self.facts)
            .effective
            .unwrap_or(ModelTier::Cloud)
    }

    /// The size of the body: large ones are inspected off the reactor.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.facts.body_bytes
    }

    /// Takes over the findings of an earlier attempt of the same call. Ignored unless envelope, rules and
    /// enrolment are the same.
    #[must_use]
    pub fn reuse(self, earlier: Option<Scan>) -> (Self, Option<Scan>) {
        let kept = earlier.filter(|scan| {
            scan.envelope
                == self
                    .request
                    .prepared
                    .envelope
                    .envelope_sha256(&self.request.salt)
        });
        (self, kept)
    }
}

/// What the validators found, kept for the next attempt of the same call.
#[derive(Clone, Debug)]
pub struct Scan {
    pub(super) envelope: Digest,
    pub(super) epochs: Vec<(Digest, u64)>,
    pub(super) findings: Result<Findings, ValidatorError>,
}

/// The bytes were looked at.
#[derive(Debug)]
pub struct Inspected {
    pub(super) located: Located,
    pub(super) scan: Option<Scan>,
    pub(super) outline: Option<Outline>,
}

impl Inspected {
    /// The findings, to show or to reuse.
    #[must_use]
    pub fn scan(&self) -> Option<&Scan> {
        self.scan.as_ref()
    }

    /// The effective tier.
    #[must_use]
    pub fn effective_tier(&self) -> ModelTier {
        self.located.effective_tier()
    }
}

impl Scan {
    /// The findings, if there is a verdict.
    #[must_use]
    pub fn findings(&self) -> Option<&Findings> {
        self.findings.as_ref().ok()
    }
}
