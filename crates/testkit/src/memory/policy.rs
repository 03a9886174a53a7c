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
    posture: Arc<Mutex<Posture>>,
}

impl Default for MemoryPolicy {
    fn default() -> Self {
        let posture = Posture {
            locked: false,
            cloud_allowed: true,
            private_hosts: BTreeSet::new(),
            min_assurance: Assurance::A1,
            max_body_bytes: 16 << 20,
            second_hand: SecondHand::Refuse,
            digest: Digest::of(&[b"policy"]),
        };
        Self {
            posture: Arc::new(Mutex::new(posture)),
        }
    }
}

impl MemoryPolicy {
    /// Changes the rules.
    pub fn set(&self, change: impl FnOnce(&mut Posture)) {
        change(&mut self.posture.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl EgressPolicy for MemoryPolicy {
    fn posture(&self) -> Posture {
        self.posture
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
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
