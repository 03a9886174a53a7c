//! Finding a receipt that covers a call, and spending it.

use std::collections::BTreeSet;

use super::{
    Authorization, Awaiting, Cleared, Gate, Inspected, Located, Outcome, Scan, decide::decide,
    facts::ReceiptFact, plan::destination,
};
use crate::{
    code::ErrorCode,
    consent::{AskReason, Coverage, ReceiptProblem, ReceiptScope, Wanted, judge},
    digest::KeyedHash,
    event::Actor,
    finding::{FindingClass, Findings},
    ports::{Intent, LedgerError, ReceiptQuery, Spend},
    tier::ModelTier,
};

/// How often receipts are judged anew because somebody spent in between.
const CONTENTIONS: u32 = 3;

impl Gate {
    /// `Err` when the rules changed before the commit: judge all of it again.
    pub(super) async fn authorize_cloud(
        &self,
        mut inspected: Inspected,
    ) -> Result<Authorization, Box<Inspected>> {
        let mut uncovered = BTreeSet::new();
        let mut new = None;
        // Somebody may spend between judging and committing: judge again, a bounded number of times.
        for _ in 0..CONTENTIONS {
            let fact = self
                .look_for_receipt(&inspected, &mut uncovered, &mut new)
                .await;
            inspected.located.facts.receipt = fact;
            let facts = &inspected.located.facts;
            let decision = decide(facts);
            let coverage = match (&decision.outcome, &facts.receipt) {
                (Outcome::Allow, ReceiptFact::Covered(coverage)) => coverage.clone(),
                (Outcome::AskPerson, _) => return Ok(self.ask(inspected, new, uncovered)),
                _ => {
                    let scope = &inspected.located.request.context.scope;
                    let denied = self.deny(scope, facts, decision, None, None).await;
                    return Ok(Authorization::Denied(Box::new(denied)));
                }
            };
            match self.spend(&inspected, &coverage).await {
                Ok(intent) => {
                    let Located {
                        request,
                        peers,
                        epochs,
                        ..
                    } = inspected.located;
                    let what = (request.use_id, request.attempt);
                    let grant = self.grant(
                        request.record,
                        peers,
                        ModelTier::Cloud,
                        what,
                        Some(intent),
                        epochs,
                    );
                    return Ok(Authorization::Cleared(Box::new(Cleared {
                        grant,
                        prepared: request.prepared,
                        receipt: Some(coverage.receipt_id),
                    })));
                }
                Err(LedgerError::Contended) => {}
                Err(LedgerError::Stale) => return Err(Box::new(inspected)),
                Err(LedgerError::Store(error)) => {
                    return Ok(self.deny_spend(&inspected, error.code()).await);
                }
            }
        }
        Ok(self
            .deny_spend(&inspected, ErrorCode::CloudConsentMismatch)
            .await)
    }

    pub(super) async fn look_for_receipt(
        &self,
        inspected: &Inspected,
        uncovered: &mut BTreeSet<AskReason>,
        new: &mut Option<(u32, u64)>,
    ) -> ReceiptFact {
        let request = &inspected.located.request;
        let envelope = &request.prepared.envelope;
        let outline = inspected.outline.as_ref();
        let destination = destination(request, ModelTier::Cloud);
        let query = ReceiptQuery {
            principal: request.context.principal.clone(),
            session_id: request.context.consent_session.clone(),
            provider_id: envelope.provider_id.clone(),
            origin: envelope.origin(),
            envelope_sha256: envelope.envelope_sha256(&request.salt),
            blocks: outline
                .iter()
                .flat_map(|o| &o.blocks)
                .map(|block| block.commitment)
                .collect(),
        };
        let Ok(evidence) = self.ports.consent.find(&query).await else {
            return ReceiptFact::Unreadable;
        };
        let findings = inspected.scan.as_ref().and_then(Scan::findings);
        let has = |class| findings.is_some_and(|f| f.items.iter().any(|item| item.class == class));
        let wanted = Wanted {
            principal: &request.context.principal,
            session_id: &request.context.consent_session,
            destination: &destination,
            envelope_sha256: query.envelope_sha256,
            body_bytes: envelope.body.len() as u64,
            outline,
            worst_finding: findings.and_then(Findings::worst),
            uninspectable: has(FindingClass::Uninspectable),
            second_hand: has(FindingClass::SecondHandEgress),
            use_id: request.use_id,
            attempt: request.attempt,
            peers: &inspected.located.peers,
            now: self.ports.clock.now(),
            run: self.ports.clock.run(),
            min_assurance: inspected.located.facts.posture.min_assurance,
        };
        uncovered.clear();
        let mut known: BTreeSet<KeyedHash> = BTreeSet::new();
        let mut covering: Option<Coverage> = None;
        let (mut forged, mut denied) = (false, false);
        for row in &evidence {
            let judged = match &self.ports.approval_key {
                Some(key) => judge(row, &wanted, key),
                // Nobody can approve anything, so nobody can have.
                None => Err(ReceiptProblem::Mismatch),
            };
            match judged {
                Err(ReceiptProblem::NotAReceipt) => {
                    forged = true;
                    continue;
                }
                Ok(coverage)
                    if covering
                        .as_ref()
                        .is_none_or(|best| coverage.is_before(best)) =>
                {
                    covering = Some(coverage);
                }
                Ok(_) | Err(ReceiptProblem::Mismatch) => {}
                Err(ReceiptProblem::Denied) => denied = true,
                Err(ReceiptProblem::Ask(reasons)) => uncovered.extend(reasons),
            }
            known.extend(&row.known_blocks);
        }
        let fresh = outline
            .iter()
            .flat_map(|o| &o.blocks)
            .filter(|b| !known.contains(&b.commitment));
        *new = Some(fresh.fold((0, 0), |(n, sum): (u32, u64), b| {
            (n + 1, sum.saturating_add(b.bytes))
        }));
        match covering {
            // A yes to this very envelope stands beside a no to it; a lease, which never saw it, does not.
            Some(coverage) if !denied || coverage.scope == ReceiptScope::SingleCall => {
                return ReceiptFact::Covered(coverage);
            }
            _ if forged => return ReceiptFact::Forged,
            _ if denied => return ReceiptFact::Denied,
            // A use goes on under the receipt that it began with or not at all: nobody is asked half-way.
            _ if request.attempt > 1 => return ReceiptFact::Void,
            _ => {}
        }
        if uncovered.is_empty() {
            uncovered.insert(AskReason::NoReceipt);
        }
        ReceiptFact::Uncovered(uncovered.clone())
    }

    pub(super) fn ask(
        &self,
        inspected: Inspected,
        new: Option<(u32, u64)>,
        uncovered: BTreeSet<AskReason>,
    ) -> Authorization {
        let (escalation, plan) = self.plan(&inspected, new.unwrap_or_default(), uncovered);
        let Located { request, facts, .. } = inspected.located;
        Authorization::AwaitingConsent(Box::new(Awaiting {
            request,
            facts,
            escalation,
            plan,
        }))
    }

    pub(super) async fn spend(
        &self,
        inspected: &Inspected,
        coverage: &Coverage,
    ) -> Result<u64, LedgerError> {
        let request = &inspected.located.request;
        let envelope = &request.prepared.envelope;
        let epochs = inspected.located.epochs.clone().ok_or(LedgerError::Stale)?;
        let what = (request.use_id, request.attempt);
        let body = self.attempt(envelope, what, ModelTier::Cloud, None);
        let intent = Intent {
            event: self.event(&request.context.scope, Actor::System, body),
            provider_id: envelope.provider_id.clone(),
            epochs,
            spend: Some(Spend {
                receipt_id: coverage.receipt_id,
                seen_uses: coverage.seen_uses,
                use_id: request.use_id,
                attempt: request.attempt,
                max_attempts: coverage.max_attempts,
                envelope_sha256: envelope.envelope_sha256(&request.salt),
                body_bytes: envelope.body.len() as u64,
                new_blocks: coverage.new_blocks.clone(),
            }),
        };
        self.ports
            .ledger
            .commit(intent)
            .await
            .map(|committed| committed.seq)
    }
}
