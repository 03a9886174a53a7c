//! What a person declassified: a finding that blocks warns, where they said so of this very text, rule and destination.
//! The text is read from the bytes at hand and the record is made anew; of the store only the seal is taken.

use std::collections::BTreeMap;

use super::{EgressRequest, Gate, Inspected};
use crate::{
    consent::Asked,
    digest::KeyedHash,
    finding::{self, FindingLevel, Findings, LeakageFinding},
    ids::RuleId,
    ports::{BlockedFinding, StoredDeclassified},
    provider::ProviderRecord,
    seal::{BadSeal, Declassified},
};

/// How many findings of one denial are kept for a person.
const KEPT_OF_ONE_CALL: usize = 8;

/// What was found, as it counts for this destination.
#[derive(Debug)]
pub(super) struct Lowered {
    /// `None` where a validator gave no verdict.
    pub(super) findings: Option<Findings>,
    /// What of it a receipt is held against.
    pub(super) asked: Asked,
    /// Whether a row says of one of them what its seal does not.
    pub(super) broken: bool,
}

impl Gate {
    /// What is declassified for a provider. A store that fails says nothing, and nothing is lowered.
    pub(super) async fn declassified_for(
        &self,
        record: &ProviderRecord,
    ) -> Vec<StoredDeclassified> {
        let of = Some((&record.provider_id, record.revision));
        let stored = self.ports.findings.declassified(of).await;
        stored.unwrap_or_default()
    }

    /// Findings as they count here.
    pub(super) fn lowered(
        &self,
        found: Option<&Findings>,
        request: &EgressRequest,
        stored: &[StoredDeclassified],
    ) -> Lowered {
        let Some(mut findings) = found.cloned() else {
            return Lowered {
                findings: None,
                asked: Asked::default(),
                broken: false,
            };
        };
        let mut broken = false;
        for finding in &mut findings.items {
            // Whatever a validator says about that.
            finding.declassified = None;
            match self.seal_of_finding(finding, request, stored) {
                Some((at, Ok(()))) => {
                    finding.level = FindingLevel::Warn;
                    finding.declassified = Some(at);
                }
                Some((_, Err(BadSeal::Unreadable | BadSeal::Outdated))) | None => {}
                Some((_, Err(_))) => broken = true,
            }
        }
        let (body, key) = (request.prepared.json(), &self.ports.commitments);
        Lowered {
            asked: Asked::of(&findings.items, body, key),
            findings: Some(findings),
            broken,
        }
    }

    /// What a seal says about a finding that blocks; `None` where nothing stands there.
    fn seal_of_finding(
        &self,
        finding: &LeakageFinding,
        request: &EgressRequest,
        stored: &[StoredDeclassified],
    ) -> Option<(crate::time::UtcTime, Result<(), BadSeal>)> {
        if !finding.blocks() || !finding.class.is_declassifiable() || stored.is_empty() {
            return None;
        }
        let keys = self.ports.seal_keys.as_deref()?;
        let leaf = finding::leaf(request.prepared.json(), finding, &self.ports.commitments)?;
        let row = stored
            .iter()
            .find(|row| row.leaf == leaf && row.rule == finding.rule)?;
        let said = Declassified::for_finding(&request.record, leaf, finding)?;
        let at = row
            .seal
            .map_or(request.record.created_at, |seal| seal.made_at);
        Some((at, keys.check(&said, row.seal.as_ref())))
    }

    /// Keeps what blocked a call, so that a person can name it. The call is blocked whatever comes of this.
    pub(super) async fn keep_blocked(&self, inspected: &Inspected) {
        let blocked = self.blocked(inspected);
        if !blocked.is_empty() {
            let _told = self.ports.findings.keep_blocked(blocked).await;
        }
    }

    fn blocked(&self, inspected: &Inspected) -> Vec<BlockedFinding> {
        let request = &inspected.located.request;
        let envelope = request.prepared.envelope();
        let body = request.prepared.json();
        let found = inspected.findings().into_iter().flat_map(|f| &f.items);
        let mut kept: BTreeMap<(Option<KeyedHash>, RuleId), BlockedFinding> = BTreeMap::new();
        for finding in found.filter(|finding| finding.blocks()) {
            let leaf = finding::leaf(body, finding, &self.ports.commitments);
            let which = (leaf, finding.rule.clone());
            if let Some(known) = kept.get_mut(&which) {
                known.count = known.count.saturating_add(1);
                continue;
            }
            if kept.len() >= KEPT_OF_ONE_CALL {
                continue;
            }
            let entry = BlockedFinding {
                trace_id: request.context.scope.trace_id,
                principal: request.context.principal.clone(),
                provider_id: envelope.provider_id.clone(),
                provider_revision: envelope.revision,
                origin: envelope.origin(),
                model_id: envelope.model_id.clone(),
                rule: finding.rule.clone(),
                class: finding.class,
                leaf,
                place: finding::place_of(finding),
                bytes: finding::text_bytes(body, finding),
                count: 1,
                at: self.ports.clock.now(),
            };
            kept.insert(which, entry);
        }
        kept.into_values().collect()
    }
}

/// How many findings a person declassified; `None` for none, as events have it.
pub(super) fn counted(findings: Option<&Findings>) -> Option<u32> {
    let all = findings.into_iter().flat_map(|f| &f.items);
    let count = all.filter(|it| it.declassified.is_some()).count();
    (count > 0).then(|| u32::try_from(count).unwrap_or(u32::MAX))
}
