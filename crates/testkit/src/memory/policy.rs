//! A policy with settable rules.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use handshake_core::{
    artifact::LabelVerdict,
    consent::Assurance,
    digest::Digest,
    ids::ArtifactRef,
    label::{Label, LabelBlock},
    policy::{Posture, SecondHand},
    ports::EgressPolicy,
};

/// Rules that tests set. By default Cloud is allowed, with consent.
#[derive(Clone, Debug)]
pub struct MemoryPolicy {
    posture: Arc<Mutex<Arc<Posture>>>,
}

impl Default for MemoryPolicy {
    fn default() -> Self {
        let posture = Posture {
            locked: false,
            cloud_allowed: true,
            private_hosts: BTreeSet::new(),
            redact_clients: BTreeSet::new(),
            min_assurance: Assurance::A1,
            max_body_bytes: 16 << 20,
            second_hand: SecondHand::Refuse,
            max_context_tokens: 32_768,
            digest: Digest::of(&[b"policy"]),
        };
        Self {
            posture: Arc::new(Mutex::new(Arc::new(posture))),
        }
    }
}

impl MemoryPolicy {
    /// Changes the rules.
    pub fn set(&self, change: impl FnOnce(&mut Posture)) {
        let mut posture = self.posture.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut posture));
    }
}

impl EgressPolicy for MemoryPolicy {
    fn posture(&self) -> Arc<Posture> {
        Arc::clone(&self.posture.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn labels(&self, context: Label, items: &[(ArtifactRef, Option<Label>)]) -> LabelVerdict {
        let mut verdict = LabelVerdict {
            label: context,
            blocked: Vec::new(),
        };
        for (artifact, label) in items {
            verdict.label = verdict.label.join(label.unwrap_or(Label::UNKNOWN));
            let why = label.map_or(Some(LabelBlock::Unknown), Label::blocks);
            verdict
                .blocked
                .extend(why.map(|why| (artifact.clone(), why)));
        }
        verdict
    }
}
