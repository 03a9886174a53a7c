//! Finding a receipt that covers a call, and spending it.

use std::collections::BTreeSet;

use super::{
    Authorization, Awaiting, Gate, Inspected, Outcome, StepName,
    facts::{LedgerFact, ReceiptFact},
    judged::Refusal,
    plan::destination,
};
use crate::{
    consent::{AskReason, Coverage, Outline, ReceiptProblem, ReceiptScope, Wanted, judge},
    digest::KeyedHash,
    finding::FindingClass,
    ports::ReceiptQuery,
    tier::ModelTier,
};

/// How often receipts are judged because somebody spent in between what was left of one.
const TRIES: u32 = 8;

/// A call whose rules changed before its commit: what it was judged by then, and the denial that it comes to where
/// it is not judged again.
pub(super) struct Stale {
    pub(super) inspected: Inspected,
    pub(super) refusal: Refusal,
}

/// What looking through the receipts gave.
pub(super) struct Looked {
    pub(super) fact: ReceiptFact,
    pub(super) fresh: Fresh,
}

/// What a call holds that was not sent under any receipt at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fresh {
    pub(super) blocks: u32,
    pub(super) bytes: u64,
}

impl Fresh {
    fn of(outline: Option<&Outline>, known: &BTreeSet<KeyedHash>) -> Self {
        let blocks = outline.into_iter().flat_map(|outline| &outline.blocks);
        blocks
            .filter(|block| !known.contains(&block.commitment))
            .fold(Self::default(), |sum, block| Self {
                blocks: sum.blocks + 1,
                bytes: sum.bytes.saturating_add(block.bytes),
            })
    }
}

impl Gate {
    /// Takes an inspected call to its end: for Cloud, finds a receipt and commits. `Err` when the rules changed
    /// before the commit.
    pub(super) async fn judge_receipts(
        &self,
        mut inspected: Inspected,
    ) -> Result<Authorization, Box<Stale>> {
        let mut tries = TRIES;
        let mut fresh = Fresh::default();
        let mut intent = None;
        loop {
            let judged = &mut inspected.located.judged;
            let Some(refusal) = judged.refusal() else {
                return Ok(self.clear_content(inspected, intent));
            };
            match (judged.outcome(), judged.facts().ledger) {
                (Outcome::NeedsFact(StepName::Receipt), _) => {
                    let looked = self.look_for_receipt(&inspected).await;
                    fresh = looked.fresh;
                    let judged = &mut inspected.located.judged;
                    judged.learn(|facts| facts.receipt = looked.fact);
                }
                (Outcome::AskPerson, _) => return Ok(self.ask(inspected, fresh).await),
                (Outcome::NeedsFact(StepName::Ledger), _) => {
                    let committed = self.spend(&inspected).await;
                    let fact = match &committed {
                        Ok(_) => LedgerFact::Committed,
                        Err(error) => error.into(),
                    };
                    intent = committed.ok();
                    let judged = &mut inspected.located.judged;
                    judged.learn(|facts| facts.ledger = Some(fact));
                }
                (_, Some(LedgerFact::Stale)) => {
                    return Err(Box::new(Stale { inspected, refusal }));
                }
                // Somebody spent between judging and committing: judge again, a bounded number of times.
                (_, Some(LedgerFact::Contended)) if tries > 1 => {
                    tries -= 1;
                    judged.learn(|facts| {
                        facts.receipt = ReceiptFact::NotLooked;
                        facts.ledger = None;
                    });
                }
                _ => return Ok(self.refuse(&inspected, refusal).await),
            }
        }
    }

    pub(super) async fn look_for_receipt(&self, inspected: &Inspected) -> Looked {
        let request = &inspected.located.request;
        let envelope = request.prepared.envelope();
        let outline = inspected.outline();
        let destination = destination(request, ModelTier::Cloud);
        let salt = request.salt(&self.ports.commitments);
        let query = ReceiptQuery {
            principal: request.context.principal.clone(),
            session_id: request.context.consent_session.clone(),
            provider_id: envelope.provider_id.clone(),
            origin: envelope.origin(),
            envelope_sha256: request.prepared.envelope_sha256(&salt),
            blocks: outline
                .iter()
                .flat_map(|o| &o.blocks)
                .map(|block| block.commitment)
                .collect(),
        };
        let Ok(evidence) = self.ports.consent.find(&query).await else {
            return Looked {
                fact: ReceiptFact::Unreadable,
                fresh: Fresh::default(),
            };
        };
        let (findings, asked) = (inspected.findings(), inspected.asked());
        let has = |class| findings.is_some_and(|f| f.items.iter().any(|item| item.class == class));
        let wanted = Wanted {
            principal: &request.context.principal,
            session_id: &request.context.consent_session,
            destination: &destination,
            envelope_sha256: query.envelope_sha256,
            body_bytes: envelope.body.len() as u64,
            outline,
            asked: &asked,
            uninspectable: has(FindingClass::Uninspectable),
            second_hand: has(FindingClass::SecondHandEgress),
            use_id: request.use_id,
            attempt: request.attempt,
            peers: &inspected.located.peers,
            now: self.ports.clock.now(),
            run: self.ports.clock.run(),
            paused_at: inspected
                .located
                .epochs
                .as_ref()
                .and_then(|now| now.paused_at),
            min_assurance: inspected.located.judged.facts().posture.min_assurance,
        };
        let mut known: BTreeSet<KeyedHash> = BTreeSet::new();
        let mut uncovered = BTreeSet::new();
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
        let fact = match covering {
            // A yes to this very envelope stands beside a no to it; a lease, which never saw it, does not.
            Some(coverage) if !denied || coverage.scope == ReceiptScope::SingleCall => {
                ReceiptFact::Covered(coverage)
            }
            _ if forged => ReceiptFact::Forged,
            _ if denied => ReceiptFact::Denied,
            // A use goes on under the receipt that it began with or not at all: nobody is asked half-way.
            _ if request.attempt > 1 => ReceiptFact::Void,
            _ if uncovered.is_empty() => ReceiptFact::Uncovered([AskReason::NoReceipt].into()),
            _ => ReceiptFact::Uncovered(uncovered),
        };
        Looked {
            fact,
            fresh: Fresh::of(outline, &known),
        }
    }

    async fn ask(&self, mut inspected: Inspected, fresh: Fresh) -> Authorization {
        let Some((escalation, plan)) = self.plan(&inspected, fresh) else {
            // The envelope of a call with content names a model; one that does not breaks its rules.
            let judged = &mut inspected.located.judged;
            judged.learn(|facts| facts.envelope_ok = false);
            let refusal = judged.refusal().unwrap_or(Refusal::ENVELOPE);
            return self.refuse(&inspected, refusal).await;
        };
        let located = inspected.located;
        let salt = located.request.salt(&self.ports.commitments);
        Authorization::AwaitingConsent(Box::new(Awaiting {
            request: located.request,
            judged: located.judged,
            salt,
            escalation,
            plan,
        }))
    }
}
