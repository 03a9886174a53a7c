//! The driver: fills facts from ports, asks [`decide`] after each, and acts on its word.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use super::{
    Authorization, Awaiting, Cleared, ClearedControl, ControlRequest, Decision, Denied,
    EgressRequest, Gate, Inspected, Located, Outcome, Scan, StepName,
    clearance::Grant,
    decide::decide,
    facts::{EgressFacts, FindingsFact, PeerFact, Purpose, ReceiptFact, RulesFact, SecretFact},
    plan::destination,
};
use crate::{
    artifact::{LabelWalk, WalkBudget},
    attest::PublicKey,
    code::ErrorCode,
    consent::{AskReason, Coverage, Outline, ReceiptProblem, ReceiptScope, Wanted, judge},
    digest::{Digest, KeyedHash},
    envelope::{Envelope, EnvelopeView},
    event::{Actor, Body, ControlKind, EventScope},
    finding::{FindingClass, FindingLevel, Findings, ValidatorError, WorkBudget},
    ids::{ArtifactRef, UseId},
    label::Label,
    net::AddressClass,
    policy::Governance,
    ports::{Epochs, Intent, LedgerError, ReceiptQuery, SecretUse, Spend},
    provider::ProviderRecord,
    tier::{ModelTier, Residence},
};

/// How long a clearance may wait before it is sent.
const VALID_FOR: Duration = Duration::from_secs(5);
/// How often a call is judged anew because the rules changed before its commit.
const RESTARTS: u32 = 3;
/// How often receipts are judged anew because somebody spent in between.
const CONTENTIONS: u32 = 3;

/// What one call is about, for both kinds of call.
pub(super) struct Subject<'a> {
    pub(super) purpose: Purpose,
    pub(super) envelope: &'a Envelope,
    pub(super) record: &'a ProviderRecord,
    pub(super) governance: Governance,
    pub(super) residence: Residence,
}

impl Gate {
    /// Chains the three steps, for callers with small bodies.
    pub async fn clear(&self, request: EgressRequest) -> Authorization {
        match self.locate(request).await {
            Ok(located) => self.authorize(self.inspect(located, None)).await,
            Err(denied) => Authorization::Denied(denied),
        }
    }

    /// Judges everything that needs no network, then finds the peers and judges them.
    ///
    /// # Errors
    /// [`Denied`], with its events recorded. No name is looked up after a denial.
    pub async fn locate(&self, request: EgressRequest) -> Result<Located, Box<Denied>> {
        let subject = Subject {
            purpose: Purpose::Content,
            envelope: &request.prepared.envelope,
            record: &request.record,
            governance: request.context.governance,
            residence: request.context.residence,
        };
        let scope = &request.context.scope;
        let (facts, peers, epochs) = self.find_peers(&subject, scope).await?;
        let mut labels = Vec::new();
        if decide(&facts).effective == Some(ModelTier::Cloud) {
            labels = self.labels_of(&request.context.artifacts).await;
        }
        Ok(Located {
            request,
            facts,
            peers,
            epochs,
            labels,
        })
    }

    /// Looks at the exact bytes. Pure computation; run it off the reactor for large bodies. Local calls are
    /// not looked at. `earlier` is the scan of an earlier attempt.
    #[must_use]
    pub fn inspect(&self, located: Located, earlier: Option<Scan>) -> Inspected {
        let (mut located, earlier) = located.reuse(earlier);
        if located.effective_tier() == ModelTier::Local {
            return Inspected {
                located,
                scan: None,
                outline: None,
            };
        }
        let envelope = Arc::clone(&located.request.prepared.envelope);
        let context = located.request.context.context_label;
        located.facts.labels = Some(self.ports.policy.labels(context, &located.labels));
        let scan = match earlier {
            Some(scan) if scan.epochs == self.validator_epochs() => scan,
            _ => self.scan(&envelope, envelope.envelope_sha256(&located.request.salt)),
        };
        // Another process enrolled a secret that our validators do not know yet: theirs is no verdict.
        let newest = scan
            .epochs
            .iter()
            .map(|(_, enrolment)| *enrolment)
            .max()
            .unwrap_or(0);
        let behind = located
            .epochs
            .as_ref()
            .is_some_and(|epochs| epochs.enrolled > newest);
        located.facts.findings = match &scan.findings {
            _ if self.ports.validators.is_empty() => FindingsFact::NoValidator,
            _ if behind => FindingsFact::NoVerdict(ValidatorError::Failed),
            Ok(findings) => FindingsFact::Worst(findings.worst()),
            Err(error) => FindingsFact::NoVerdict(*error),
        };
        let outline = Outline::of(&envelope.body, &self.ports.commitments);
        Inspected {
            located,
            scan: Some(scan),
            outline,
        }
    }

    /// Finds a receipt, commits the spend, and clears. Never waits for a person. Starts again at `locate` when
    /// the rules changed between judging and committing.
    pub async fn authorize(&self, mut inspected: Inspected) -> Authorization {
        for _ in 0..RESTARTS {
            let facts = &inspected.located.facts;
            let decision = decide(facts);
            let stale = match decision.outcome {
                Outcome::Allow => return self.clear_local(inspected).await,
                Outcome::NeedsFact(StepName::Receipt) => {
                    match self.authorize_cloud(inspected).await {
                        Ok(authorization) => return authorization,
                        Err(stale) => stale,
                    }
                }
                _ => {
                    let findings = inspected.scan.as_ref().and_then(Scan::findings).cloned();
                    let scope = &inspected.located.request.context.scope;
                    let denied = self.deny(scope, facts, decision, findings, None).await;
                    return Authorization::Denied(Box::new(denied));
                }
            };
            let Inspected { located, scan, .. } = *stale;
            inspected = match self.locate(located.request).await {
                Ok(located) => self.inspect(located, scan),
                Err(denied) => return Authorization::Denied(denied),
            };
        }
        self.deny_spend(&inspected, ErrorCode::Revision).await
    }

    /// Clears a payload-free call.
    ///
    /// # Errors
    /// [`Denied`], with its events recorded.
    pub async fn clear_control(
        &self,
        request: ControlRequest,
    ) -> Result<ClearedControl, Box<Denied>> {
        let subject = Subject {
            purpose: Purpose::Control,
            envelope: &request.envelope,
            record: &request.record,
            governance: request.governance,
            residence: Residence::Local,
        };
        let mut last = None;
        for _ in 0..RESTARTS {
            let (facts, peers, epochs) = self.find_peers(&subject, &request.scope).await?;
            let decision = decide(&facts);
            let Decision {
                outcome: Outcome::Allow,
                effective: Some(effective),
                ..
            } = decision
            else {
                return Err(Box::new(
                    self.deny(&request.scope, &facts, decision, None, None)
                        .await,
                ));
            };
            let what = (request.use_id, 1);
            let kind = Some(request.call.kind());
            let body = self.attempt(&request.envelope, what, effective, kind);
            match self
                .commit(&request.scope, body, &request.record, epochs.as_ref())
                .await
            {
                Ok(intent) => {
                    let grant = self.grant(request.record, peers, effective, what, intent, epochs);
                    let envelope = Arc::new(request.envelope);
                    return Ok(ClearedControl {
                        grant,
                        envelope,
                        call: request.call,
                    });
                }
                Err(LedgerError::Store(error)) => {
                    return Err(self.deny_late(&request.scope, &facts, error.code()).await);
                }
                Err(LedgerError::Stale | LedgerError::Contended) => last = Some(facts),
            }
        }
        let facts = match last {
            Some(facts) => facts,
            None => self.early_facts(&subject).await.0,
        };
        Err(self
            .deny_late(&request.scope, &facts, ErrorCode::Revision)
            .await)
    }

    async fn find_peers(
        &self,
        subject: &Subject<'_>,
        scope: &EventScope,
    ) -> Result<(EgressFacts, Arc<[SocketAddr]>, Option<Epochs>), Box<Denied>> {
        let (envelope, record) = (subject.envelope, subject.record);
        let host = envelope.base_url.host();
        let (mut facts, epochs) = self.early_facts(subject).await;
        if subject.purpose == Purpose::Control && record.tier == ModelTier::Cloud {
            let granted = self
                .ports
                .contacts
                .granted(&record.provider_id, record.revision)
                .await;
            facts.contact = granted.ok();
            // Contact is what a lookup of the name would already be.
            if facts.contact != Some(true) {
                let decision = decide(&EgressFacts {
                    peer: PeerFact::Classes(vec![AddressClass::Global]),
                    ..facts.clone()
                });
                return Err(Box::new(
                    self.deny(scope, &facts, decision, None, None).await,
                ));
            }
        }
        let early = decide(&facts);
        if early.outcome != Outcome::NeedsFact(StepName::Peer) {
            return Err(Box::new(self.deny(scope, &facts, early, None, None).await));
        }
        let resolved = self
            .ports
            .peers
            .resolve(host, envelope.base_url.port())
            .await;
        let peers: Arc<[SocketAddr]> = resolved.unwrap_or_default().into();
        facts.peer = if peers.is_empty() {
            PeerFact::NoAddress
        } else if peers.iter().any(|peer| self.is_own(*peer)) {
            PeerFact::OwnListener
        } else {
            PeerFact::Classes(
                peers
                    .iter()
                    .map(|peer| AddressClass::of(peer.ip()))
                    .collect(),
            )
        };
        let decision = decide(&facts);
        match decision.outcome {
            Outcome::Deny(..) => Err(Box::new(
                self.deny(scope, &facts, decision, None, None).await,
            )),
            _ => Ok((facts, peers, epochs)),
        }
    }

    /// Whether an address is one of our own listeners, in whatever form it is written.
    fn is_own(&self, peer: SocketAddr) -> bool {
        let here = peer.ip().to_canonical();
        self.ports.own_listeners.iter().any(|own| {
            let ip = own.ip().to_canonical();
            own.port() == peer.port()
                && (ip == here
                    || (ip.is_unspecified() && AddressClass::of(here) == AddressClass::Loopback))
        })
    }

    /// The facts that need no network.
    pub(super) async fn early_facts(&self, subject: &Subject<'_>) -> (EgressFacts, Option<Epochs>) {
        let Subject {
            purpose,
            envelope,
            record,
            governance,
            residence,
        } = *subject;
        // Epochs are read before anything is judged by them; whatever changes later shows at the commit.
        let epochs = match record.tier {
            ModelTier::Local => None,
            ModelTier::Cloud => Some(self.ports.ledger.epochs(&record.provider_id).await),
        };
        let mut posture = self.ports.policy.posture();
        let key = self.ports.approval_key.as_ref().map(PublicKey::id);
        let rules = match &epochs {
            None => RulesFact::NotRead,
            Some(Err(_)) => RulesFact::Unreadable,
            Some(Ok(now))
                if now.policy != posture.digest
                    || now.approval_key.as_ref() != key
                    || now.provider_revision != record.revision =>
            {
                RulesFact::Outdated
            }
            Some(Ok(_)) => RulesFact::Current,
        };
        let epochs = epochs.and_then(Result::ok);
        posture.locked |= epochs.as_ref().is_some_and(|epochs| epochs.locked);
        let secret = match envelope.secret_ref() {
            None => SecretFact::NotNeeded,
            Some(secret_ref) => {
                let wanted = SecretUse {
                    secret_ref: secret_ref.clone(),
                    origin: envelope.origin(),
                };
                match self.ports.secrets.check(&wanted) {
                    Ok(()) => SecretFact::Bound,
                    Err(error) => SecretFact::Refused(error),
                }
            }
        };
        let facts = EgressFacts {
            purpose,
            rules,
            declared: record.tier,
            reach: record.reach,
            private_host_allowed: posture
                .private_hosts
                .contains(&envelope.base_url.host().to_string()),
            posture,
            governance,
            body_bytes: envelope.body.len() as u64,
            envelope_ok: envelope.check().is_ok()
                && envelope.base_url == record.base_url
                && envelope.provider_id == record.provider_id
                && envelope.revision == record.revision
                && (purpose == Purpose::Control || envelope.model_id.is_some()),
            peer: PeerFact::Unresolved,
            residence,
            labels: None,
            findings: FindingsFact::NotInspected,
            secret,
            contact: None,
            receipt: ReceiptFact::NotLooked,
        };
        (facts, epochs)
    }

    /// Resolves what a call refers to, member by member.
    pub(super) async fn labels_of(
        &self,
        artifacts: &[ArtifactRef],
    ) -> Vec<(ArtifactRef, Option<Label>)> {
        let mut walk = LabelWalk::new(artifacts.to_vec(), WalkBudget::default());
        while let Some(artifact) = walk.next() {
            // A store that fails has not resolved anything: the walk reports it as unknown.
            let meta = self.ports.artifacts.meta(&artifact).await.unwrap_or(None);
            walk.resolved(artifact, meta);
        }
        walk.finish()
    }

    fn validator_epochs(&self) -> Vec<(Digest, u64)> {
        self.ports
            .validators
            .iter()
            .map(|validator| validator.epoch())
            .collect()
    }

    /// Runs every validator; all of them, so that what is reported does not depend on their order.
    fn scan(&self, envelope: &Envelope, envelope_sha256: Digest) -> Scan {
        // Read before anybody looks: a secret enrolled meanwhile makes the scan old, never new.
        let epochs = self.validator_epochs();
        let view = EnvelopeView::new(envelope);
        let mut budget = WorkBudget::new(self.ports.work_budget);
        let mut all = Findings::none(Digest::of(&[]), 0);
        let mut failed = None;
        for validator in &self.ports.validators {
            // A panic of a validator is a missing verdict. Its state is not used again within this scan.
            let looked = catch_unwind(AssertUnwindSafe(|| validator.inspect(&view, &mut budget)));
            match looked {
                Ok(Ok(findings)) => all.items.extend(findings.items),
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(_) => failed = failed.or(Some(ValidatorError::Failed)),
            }
        }
        let blocked = all.worst() == Some(FindingLevel::Block);
        Scan {
            envelope: envelope_sha256,
            epochs,
            // A certain leak is reported as such even when another validator gave no verdict.
            findings: match failed {
                Some(error) if !blocked => Err(error),
                _ => Ok(all),
            },
        }
    }

    /// `Err` when the rules changed before the commit: judge all of it again.
    async fn authorize_cloud(
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

    fn ask(
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

    async fn spend(&self, inspected: &Inspected, coverage: &Coverage) -> Result<u64, LedgerError> {
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

    async fn clear_local(&self, inspected: Inspected) -> Authorization {
        let Located {
            request,
            facts,
            peers,
            epochs,
            ..
        } = inspected.located;
        let what = (request.use_id, request.attempt);
        let body = self.attempt(&request.prepared.envelope, what, ModelTier::Local, None);
        // Only a call that the decision itself found to be Local gets here; Cloud always needs a receipt.
        if decide(&facts).effective != Some(ModelTier::Local) {
            let scope = &request.context.scope;
            return Authorization::Denied(
                self.deny_late(scope, &facts, ErrorCode::TierMismatch).await,
            );
        }
        // An overflow is a gap that the recorder itself counts: Local events are queued.
        let _counted =
            self.ports
                .recorder
                .submit(self.event(&request.context.scope, Actor::System, body));
        let grant = self.grant(request.record, peers, ModelTier::Local, what, None, epochs);
        Authorization::Cleared(Box::new(Cleared {
            grant,
            prepared: request.prepared,
            receipt: None,
        }))
    }

    fn attempt(
        &self,
        envelope: &Envelope,
        (use_id, attempt): (UseId, u32),
        effective_tier: ModelTier,
        control: Option<ControlKind>,
    ) -> Body {
        let manifest = envelope.manifest();
        Body::CallAttempt {
            use_id,
            attempt,
            effective_tier,
            body_bytes: envelope.body.len() as u64,
            envelope_hash: self
                .ports
                .commitments
                .commit("hsk.event.envelope.v1", &[&manifest, &envelope.body]),
            control,
        }
    }

    /// Commits the event of a payload-free call, which spends nothing.
    async fn commit(
        &self,
        scope: &EventScope,
        body: Body,
        record: &ProviderRecord,
        epochs: Option<&Epochs>,
    ) -> Result<Option<u64>, LedgerError> {
        let event = self.event(scope, Actor::System, body);
        if record.tier == ModelTier::Local {
            // Overflow is a counted gap, as for every Local event.
            let _counted = self.ports.recorder.submit(event);
            return Ok(None);
        }
        let epochs = epochs.cloned().ok_or(LedgerError::Stale)?;
        let provider_id = record.provider_id.clone();
        let intent = Intent {
            event,
            provider_id,
            epochs,
            spend: None,
        };
        self.ports
            .ledger
            .commit(intent)
            .await
            .map(|committed| Some(committed.seq))
    }

    fn grant(
        &self,
        record: Arc<ProviderRecord>,
        peers: Arc<[SocketAddr]>,
        effective: ModelTier,
        (use_id, attempt): (UseId, u32),
        intent: Option<u64>,
        epochs: Option<Epochs>,
    ) -> Grant {
        let valid_until = self.ports.clock.monotonic() + VALID_FOR;
        Grant {
            record,
            peers,
            effective,
            use_id,
            attempt,
            intent,
            epochs,
            valid_until,
        }
    }

    async fn deny_spend(&self, inspected: &Inspected, code: ErrorCode) -> Authorization {
        let scope = &inspected.located.request.context.scope;
        Authorization::Denied(self.deny_late(scope, &inspected.located.facts, code).await)
    }

    /// Denies after the decision itself said yes: the commit refused.
    async fn deny_late(
        &self,
        scope: &EventScope,
        facts: &EgressFacts,
        code: ErrorCode,
    ) -> Box<Denied> {
        let mut decision = decide(facts);
        decision.outcome = Outcome::Deny(StepName::Receipt, code);
        Box::new(self.deny(scope, facts, decision, None, None).await)
    }
}
