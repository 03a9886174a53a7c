//! Rendering the projection plan from the envelope and the facts.

use std::collections::BTreeMap;

use super::{EgressRequest, Gate, facts::ReceiptFact, spend::Fresh, steps::Inspected};
use crate::{
    consent::{
        CloudEscalationRequest, DeclassifiedCount, Destination, EGRESS_EXT, FindingCount, Outline,
        PlanExt, ProjectionPlan,
    },
    envelope::HeaderValue,
    finding::{FindingClass, Findings},
    ids::{ModelRef, PlanId, RequestId},
    ports::EntropyExt,
    tier::ModelTier,
};

/// Where a request goes, as receipts name it.
pub(super) fn destination(request: &EgressRequest, tier: ModelTier) -> Destination {
    let envelope = request.prepared.envelope();
    Destination {
        provider_id: envelope.provider_id.clone(),
        revision: envelope.revision,
        tier,
        reach: request.record.reach,
        origin: envelope.origin(),
        path: envelope.path.clone(),
        model_id: envelope.model_id.clone(),
    }
}

impl Gate {
    pub(super) fn plan(
        &self,
        inspected: &Inspected,
        fresh: Fresh,
    ) -> Option<(CloudEscalationRequest, ProjectionPlan)> {
        let request = &inspected.located.request;
        let (prepared, envelope) = (&request.prepared, request.prepared.envelope());
        let model = envelope.model_id.clone()?;
        let scope = &request.context.scope;
        let salt = request.salt(&self.ports.commitments);
        let findings = inspected.findings();
        let outline = inspected.outline();
        let asked_because = match &inspected.located.judged.facts().receipt {
            ReceiptFact::Uncovered(reasons) => reasons.iter().copied().collect(),
            _ => Vec::new(),
        };
        let plan_id = PlanId::from_entropy(self.ports.entropy.bytes());
        let plan = ProjectionPlan {
            projection_plan_id: plan_id,
            include_artifact_refs: request.context.artifacts.clone(),
            include_fields: outline.map(|o| o.fields.iter().cloned().collect()),
            redactions_applied: request
                .context
                .redactions
                .iter()
                .map(ToString::to_string)
                .collect(),
            max_bytes: envelope.body.len() as u64,
            payload_sha256: prepared.payload_sha256(&salt),
            created_at: self.ports.clock.now(),
            job_id: scope.job_id.clone(),
            wp_id: scope.wp_id.clone(),
            mt_id: scope.mt_id.clone(),
            ext: PlanExt {
                schema: EGRESS_EXT.to_owned(),
                destination: destination(request, inspected.effective_tier()),
                envelope_sha256: prepared.envelope_sha256(&salt),
                principal: request.context.principal.clone(),
                session_id: request.context.consent_session.clone(),
                blocks: outline.map_or(0, |o| u32::try_from(o.blocks.len()).unwrap_or(u32::MAX)),
                new_blocks: fresh.blocks,
                new_bytes: fresh.bytes,
                provenance: outline.map(|o| o.provenance.clone()).unwrap_or_default(),
                client_metadata: client_metadata(request),
                findings: counts(findings),
                declassified: declassified(findings),
                uninspectable: count_of(findings, FindingClass::Uninspectable),
                second_hand: second_hand(findings),
                kinds: outline
                    .map(|o: &Outline| o.kinds.clone())
                    .unwrap_or_default(),
                asked_because,
            },
        };
        let escalation = CloudEscalationRequest {
            request_id: RequestId::from_entropy(self.ports.entropy.bytes()),
            wp_id: scope.wp_id.clone(),
            mt_id: scope.mt_id.clone(),
            session_id: request.context.consent_session.clone(),
            reason: request.context.reason,
            local_attempts: request.context.local_attempts,
            requested_model_id: ModelRef {
                provider: envelope.provider_id.clone(),
                model,
            },
            projection_plan_id: plan_id,
            consent_receipt_id: None,
        };
        Some((escalation, plan))
    }
}

fn client_metadata(request: &EgressRequest) -> Vec<String> {
    const OURS: &[&str] = &["accept", "accept-encoding", "content-type", "user-agent"];
    let plain = |(name, value): (&String, &HeaderValue)| match value {
        HeaderValue::Plain(_) if !OURS.contains(&name.as_str()) => Some(name.clone()),
        _ => None,
    };
    request
        .prepared
        .envelope()
        .headers
        .iter()
        .filter_map(plain)
        .collect()
}

fn counts(findings: Option<&Findings>) -> Vec<FindingCount> {
    let mut counts = BTreeMap::new();
    for finding in findings.iter().flat_map(|f| &f.items) {
        *counts.entry((finding.class, finding.level)).or_insert(0u32) += 1;
    }
    counts
        .into_iter()
        .map(|((class, level), count)| FindingCount {
            class,
            level,
            count,
        })
        .collect()
}

fn declassified(findings: Option<&Findings>) -> Vec<DeclassifiedCount> {
    let mut counts = BTreeMap::new();
    for finding in findings.iter().flat_map(|f| &f.items) {
        if let Some(at) = finding.declassified {
            let which = (finding.rule.clone(), finding.class, at);
            *counts.entry(which).or_insert(0u32) += 1;
        }
    }
    let count = |((rule, class, at), count)| DeclassifiedCount {
        rule,
        class,
        at,
        count,
    };
    counts.into_iter().map(count).collect()
}

fn count_of(findings: Option<&Findings>, class: FindingClass) -> u32 {
    counts(findings)
        .iter()
        .filter(|c| c.class == class)
        .map(|c| c.count)
        .sum()
}

fn second_hand(findings: Option<&Findings>) -> Vec<String> {
    findings
        .iter()
        .flat_map(|f| &f.items)
        .filter(|finding| finding.class == FindingClass::SecondHandEgress)
        .filter_map(|finding| finding.pointer.clone())
        .collect()
}
