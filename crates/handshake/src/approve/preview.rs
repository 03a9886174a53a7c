//! One waiting call, opened: what is shown of it, and what a person decides about it.

mod sign;
mod waive;

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use handshake_core::{
    code::{ErrorCode, Phase},
    consent::{
        Assurance, CloudEscalationRequest, ConsentReceipt, DeclassifiedCount, DemoBinding,
        LeaseTerms, Outline, ProjectionPlan, SignedReceipt, Waiver,
    },
    digest::KeyedHash,
    finding::{FindingLevel, LeakageFinding, WorkBudget},
    ids::ExternalId,
    ports::{
        ApprovalQueue, ConsentStore, PendingContent, PendingRecord, ReceiptQuery, SignedDecision,
        Signer, SinkFilter,
    },
    secret::Secret,
};
use handshake_leakage::{Places, default_budget};

pub use self::waive::Waivable;
use super::LeaseLimits;
use crate::{
    error::{Error, Result},
    shown::{Look, Memory, Shown},
    wire::Parts,
};

/// The life of a receipt for one call.
const ONCE: Duration = Duration::from_secs(600);

/// One waiting call and the exact bytes of it. That the bytes are those of the plan was checked when it was opened;
/// what is approved is what it holds, and nothing else.
pub struct Preview {
    parts: Arc<Parts>,
    surface: ExternalId,
    record: PendingRecord,
    content: PendingContent,
    demo: Option<DemoBinding>,
    /// What the rules find in it, with the places.
    findings: Arc<OnceLock<Places>>,
}

impl std::fmt::Debug for Preview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preview")
            .field("request_id", &self.record.request.request_id)
            .finish_non_exhaustive()
    }
}

impl Preview {
    pub(super) fn new(
        parts: Arc<Parts>,
        surface: ExternalId,
        record: PendingRecord,
        content: PendingContent,
    ) -> Self {
        Self {
            parts,
            surface,
            record,
            content,
            demo: None,
            findings: Arc::default(),
        }
    }

    /// What a person is shown: a summary that fits on one screen, and the parts of the body in the order of reading, with
    /// what is new since their last yes first. [`body`](Self::body) is the whole of it.
    ///
    /// # Errors
    /// The store's.
    pub async fn shown(&self) -> Result<Shown> {
        let known = self.known().await?;
        let ext = &self.record.plan.ext;
        let provider = &ext.destination.provider_id;
        let before = self
            .parts
            .store
            .shown_before(&ext.principal, provider)
            .await?;
        let before = before.and_then(|(at, memory)| Some((at, Memory::read(&memory)?)));
        let (assurance, no_lease) = (self.assurance(), self.no_lease());
        let (_, key) = self.parts.vault.commitment_key()?;
        let (plan, content) = (self.record.plan.clone(), self.content.clone());
        let findings = self.finder();
        let guard = self.parts.guard.clone();
        self.aside(move || {
            let waivable = findings.waivable(&plan, &key);
            let mut shown = Shown::of(&Look {
                plan: &plan,
                content: &content,
                key: &key,
                known: &known,
                before,
                findings: findings.findings(),
                assurance,
                no_lease,
                waivable: waivable.map(|(_, shown)| shown).unwrap_or_default(),
            });
            // An example may be an address with a key in it.
            for disclosed in &mut shown.summary.leaves_with {
                let example = disclosed.example.as_mut();
                if let Some(example) = example {
                    *example = guard.clean(example).into_owned();
                }
            }
            shown
        })
        .await
    }

    /// Work that grows with the body.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let failed = |_| {
            Error::new(
                ErrorCode::Storage,
                Phase::Gate,
                "the preview cannot be made",
            )
        };
        tokio::task::spawn_blocking(work).await.map_err(failed)
    }

    /// The blocks that were sent under a yes of this session.
    async fn known(&self) -> Result<BTreeSet<KeyedHash>> {
        let (_, key) = self.parts.vault.commitment_key()?;
        let body = self.content.body.clone();
        let outline = self.aside(move || Outline::of(&body, &key)).await?;
        let Some(outline) = outline else {
            return Ok(BTreeSet::new());
        };
        let ext = &self.record.plan.ext;
        let query = ReceiptQuery {
            principal: ext.principal.clone(),
            session_id: ext.session_id.clone(),
            provider_id: ext.destination.provider_id.clone(),
            origin: ext.destination.origin.clone(),
            envelope_sha256: ext.envelope_sha256,
            blocks: outline
                .blocks
                .iter()
                .map(|block| block.commitment)
                .collect(),
        };
        let key = self.parts.signer().public_key();
        let found = ConsentStore::find(&self.parts.store, &query).await?;
        // Under a yes, from the same client to the same provider: what others sent, or were sent, is new here.
        let counts = |signed: &SignedReceipt| {
            signed.open(&key).is_ok_and(|receipt| {
                receipt.approved
                    && receipt.ext.principal == query.principal
                    && receipt.ext.destination.provider_id == query.provider_id
            })
        };
        let found = found.into_iter().filter(|it| counts(&it.signed));
        Ok(found.flat_map(|it| it.known_blocks).collect())
    }

    /// Finds, once, each place of what the rules see in the body. Where that is not known, what the body says is not shown,
    /// but as it is, for whoever asks for that.
    fn finder(&self) -> Finder {
        Finder {
            parts: Arc::clone(&self.parts),
            body: self.content.body.clone(),
            declassified: self.record.plan.ext.declassified.clone(),
            found: Arc::clone(&self.findings),
        }
    }

    /// Where it would go, why a person is asked, what was found in it: everything but the content.
    #[must_use]
    pub fn plan(&self) -> &ProjectionPlan {
        &self.record.plan
    }

    /// Who asked for it, and for which model.
    #[must_use]
    pub fn request(&self) -> &CloudEscalationRequest {
        &self.record.request
    }

    /// The body that would leave, byte for byte. Show all of it.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.content.body
    }

    /// The manifest, the body and the salt of their hashes.
    #[must_use]
    pub fn content(&self) -> &PendingContent {
        &self.content
    }

    /// Whether a caller still waits for it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.record.live
    }

    /// How strong an approval would be.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        self.parts.signer().assurance()
    }

    /// Why no lease can cover this call: what it holds is asked about each time. `None` where one can. One that waives
    /// what was found ([`approve_lease_waiving`](Self::approve_lease_waiving)) may all the same.
    #[must_use]
    pub fn no_lease(&self) -> Option<&'static str> {
        let found = &self.record.plan.ext.findings;
        match found.iter().any(|it| it.level >= FindingLevel::Ask) {
            true => Some("something in it needs your attention each time"),
            false => self.no_lease_at_all(),
        }
    }

    /// Why no lease can, whatever it waives.
    fn no_lease_at_all(&self) -> Option<&'static str> {
        let ext = &self.record.plan.ext;
        if ext.uninspectable > 0 {
            Some("a part of it cannot be inspected")
        } else if !ext.second_hand.is_empty() {
            Some("it reaches beyond the destination")
        } else if self.record.plan.include_fields.is_none() {
            Some("its content cannot be outlined")
        } else if self.record.plan.max_bytes > LeaseTerms::MAX_NEW_BYTES_TOTAL {
            Some("it is larger than a lease allows in all")
        } else {
            None
        }
    }

    /// Binds the receipt to a simulator: it is good for nothing else.
    #[must_use]
    pub fn for_demo(mut self, demo: DemoBinding) -> Self {
        self.demo = Some(demo);
        self
    }

    /// Checks the approval passphrase and decides nothing: for whoever asks for it twice
    /// ([`much_new`](crate::shown::Summary::much_new)).
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` for a wrong one, which counts as one.
    pub fn check_factor(&self, factor: &Secret) -> Result<()> {
        Ok(self.parts.vault.check_factor(Some(factor))?)
    }

    /// Lets this one call go. `factor` is the approval passphrase.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` for a wrong passphrase, after which it may be tried again;
    /// `HSK-403-CLOUD-CONSENT-MISMATCH` when it does not wait any more. Nothing was approved then.
    pub async fn approve_once(&self, factor: &Secret) -> Result<ConsentReceipt> {
        self.sign(factor, None, ONCE).await
    }

    /// Lets this call go, and more of the same within limits: same model, system prompt, tools and kinds of content.
    ///
    /// # Errors
    /// As [`approve_once`](Self::approve_once), and `HSK-403-CLOUD-CONSENT-MISMATCH` where no lease can cover this very
    /// call ([`no_lease`](Self::no_lease)).
    pub async fn approve_lease(
        &self,
        factor: &Secret,
        limits: LeaseLimits,
    ) -> Result<ConsentReceipt> {
        self.can_be_leased().await?;
        self.lease(factor, limits, BTreeSet::new()).await
    }

    /// The same, and lets the values pass again that rules ask about in this very call, for the life of the lease: those
    /// that [`shown`](Self::shown) lists, and no other.
    ///
    /// # Errors
    /// As [`approve_lease`](Self::approve_lease), and where what was found can only be let pass one call at a time.
    pub async fn approve_lease_waiving(
        &self,
        factor: &Secret,
        limits: LeaseLimits,
    ) -> Result<ConsentReceipt> {
        let waived = self.can_be_waived().await?;
        self.lease(factor, limits, waived).await
    }

    async fn lease(
        &self,
        factor: &Secret,
        limits: LeaseLimits,
        waived: BTreeSet<Waiver>,
    ) -> Result<ConsentReceipt> {
        let terms = self.terms(&limits, waived)?;
        let most = Duration::from_secs(LeaseTerms::MAX_LIFE_SECONDS);
        self.sign(factor, Some(terms), limits.life.min(most)).await
    }

    /// Says no. Needs no factor. Nothing is sent.
    ///
    /// # Errors
    /// The queue's.
    pub async fn deny(&self) -> Result<()> {
        let decision = SignedDecision::Deny(self.record.request.request_id);
        Ok(self.parts.store.decide(decision).await?)
    }
}

/// Looks through the body, at most once for a preview.
struct Finder {
    parts: Arc<Parts>,
    body: bytes::Bytes,
    declassified: Vec<DeclassifiedCount>,
    found: Arc<OnceLock<Places>>,
}

impl Finder {
    fn findings(&self) -> &Places {
        self.found.get_or_init(|| {
            let mut budget = WorkBudget::new(default_budget(self.body.len()));
            let (engine, enrolment) = (self.parts.policy.engine(), self.parts.enrolment.current());
            let found = engine.scan_places(&self.body, &enrolment, true, &mut budget);
            // Nothing is known of what could not be looked through.
            let mut found = found.unwrap_or_default();
            self.mark_declassified(&mut found.findings);
            found
        })
    }

    /// What the gate lists of it, which is not each place: what it says of the call is said of these.
    fn listed(&self) -> Vec<LeakageFinding> {
        let mut budget = WorkBudget::new(default_budget(self.body.len()));
        let (engine, enrolment) = (self.parts.policy.engine(), self.parts.enrolment.current());
        let found = engine.scan(&self.body, &enrolment, true, &mut budget);
        let mut found = found.unwrap_or_default();
        self.mark_declassified(&mut found);
        found
    }

    /// What blocks waits for nobody: where it waits all the same, the gate found it declassified and the plan says so.
    fn mark_declassified(&self, found: &mut [LeakageFinding]) {
        for finding in found.iter_mut().filter(|finding| finding.blocks()) {
            let mut said = self.declassified.iter();
            let said = said.find(|it| it.rule == finding.rule && it.class == finding.class);
            if let Some(said) = said {
                finding.level = FindingLevel::Warn;
                finding.declassified = Some(said.at);
            }
        }
    }
}
