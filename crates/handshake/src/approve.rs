//! From a waiting call to a signed decision: what is rendered is what is hashed, and what is hashed is what is
//! signed.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    attest::RECEIPT_DOMAIN,
    code::{ErrorCode, Phase},
    consent::{
        Assurance, CloudEscalationRequest, ConsentReceipt, DemoBinding, EGRESS_EXT, LeaseTerms,
        Outline, ProjectionPlan, ReceiptExt, ReceiptScope, SignedReceipt,
    },
    digest::Digest,
    ids::{ExternalId, ReceiptId, RequestId},
    ports::{
        ApprovalQueue, EntropyExt, PendingContent, PendingRecord, QueueError, SignedDecision,
        Signer,
    },
    secret::Secret,
};

use crate::{
    account::account,
    error::{Error, Result},
    wire::Parts,
};

/// The life of a receipt for one call.
const ONCE: Duration = Duration::from_secs(600);

/// The person's side of consent: what waits, what would leave, yes and no.
#[derive(Clone, Debug)]
pub struct Approver {
    parts: Arc<Parts>,
    surface: ExternalId,
}

/// The limits of a lease. Nothing here can be wider than the product's own limits, which are the default: a larger
/// value counts as that limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeaseLimits {
    /// Calls in all.
    pub max_uses: u32,
    /// New bytes that one call may hold. What the person sees now is the first use, whatever its size.
    pub max_new_bytes_per_call: u64,
    /// New bytes in all.
    pub max_new_bytes_total: u64,
    /// The lease ends after so long without use.
    pub idle: Duration,
    /// The lease ends after so long in any case.
    pub life: Duration,
}

impl Default for LeaseLimits {
    fn default() -> Self {
        Self {
            max_uses: LeaseTerms::MAX_USES,
            max_new_bytes_per_call: LeaseTerms::MAX_NEW_BYTES_PER_CALL,
            max_new_bytes_total: LeaseTerms::MAX_NEW_BYTES_TOTAL,
            idle: Duration::from_secs(LeaseTerms::MAX_IDLE_SECONDS),
            life: Duration::from_secs(LeaseTerms::MAX_LIFE_SECONDS),
        }
    }
}

impl Approver {
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        let surface = ExternalId::new("embedded").expect("a word");
        Self { parts, surface }
    }

    /// Names the surface on which the person is asked, for the receipt.
    #[must_use]
    pub fn on_surface(mut self, surface: ExternalId) -> Self {
        self.surface = surface;
        self
    }

    /// What waits, without its content.
    ///
    /// # Errors
    /// The store's.
    pub async fn pending(&self) -> Result<Vec<PendingRecord>> {
        Ok(self.parts.store.pending().await?)
    }

    /// Opens one waiting call: its plan, and the exact bytes that would leave.
    ///
    /// # Errors
    /// `HSK-400-INVALID-REQUEST` when nothing of that id waits; `HSK-403-CLOUD-CONSENT-MISMATCH` when the stored
    /// bytes are not those of the plan, and then nobody can approve it.
    pub async fn open(&self, id: RequestId) -> Result<Preview> {
        let pending = self.pending().await?;
        let found = pending
            .into_iter()
            .find(|record| record.request.request_id == id);
        let Some(record) = found else {
            return Err(self.not_pending(id).await);
        };
        let content = ApprovalQueue::open(&self.parts.store, id).await?;
        let plan = &record.plan;
        if digests(&content) != (plan.payload_sha256, plan.ext.envelope_sha256) {
            return Err(Error::new(
                ErrorCode::CloudConsentMismatch,
                Phase::Gate,
                "the stored content does not match the plan, so nothing was approved",
            ));
        }
        Ok(Preview {
            parts: Arc::clone(&self.parts),
            surface: self.surface.clone(),
            record,
            content,
            demo: None,
        })
    }

    /// Why nothing of this id waits: it never did, or it was decided.
    async fn not_pending(&self, id: RequestId) -> Error {
        let why = match self.parts.store.decided(id).await {
            Ok(Some(decided)) => Error::from(QueueError::Decided(decided)).message,
            Ok(None) | Err(_) => format!("no such pending call: {id}"),
        };
        Error::usage(ErrorCode::InvalidRequest, why).next("run `handshake consent list`")
    }

    /// Withdraws a receipt. Needs no factor.
    ///
    /// # Errors
    /// The queue's.
    pub async fn revoke(&self, receipt: ReceiptId) -> Result<()> {
        let decision = SignedDecision::Revoke(receipt);
        Ok(self.parts.store.decide(decision).await?)
    }
}

/// The digests of a body and of its envelope, as the plan holds them. The plan is judged by the bytes, not the
/// other way round.
fn digests(content: &PendingContent) -> (Digest, Digest) {
    let len = u32::try_from(content.manifest.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let envelope = [
        b"hsk.envelope.v1\0",
        content.salt.as_bytes().as_slice(),
        &len,
        &content.manifest,
        &content.body,
    ];
    (
        Digest::of(&[content.salt.as_bytes(), &content.body]),
        Digest::of(&envelope),
    )
}

/// One waiting call and the exact bytes of it. That the bytes are those of the plan was checked when it was opened;
/// what is approved is what it holds, and nothing else.
pub struct Preview {
    parts: Arc<Parts>,
    surface: ExternalId,
    record: PendingRecord,
    content: PendingContent,
    demo: Option<DemoBinding>,
}

impl std::fmt::Debug for Preview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preview")
            .field("request_id", &self.record.request.request_id)
            .finish_non_exhaustive()
    }
}

impl Preview {
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

    /// Binds the receipt to a simulator: it is good for nothing else.
    #[must_use]
    pub fn for_demo(mut self, demo: DemoBinding) -> Self {
        self.demo = Some(demo);
        self
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
    /// As [`approve_once`](Self::approve_once), and `HSK-403-CLOUD-CONSENT-MISMATCH` for a body that cannot be
    /// outlined.
    pub async fn approve_lease(
        &self,
        factor: &Secret,
        limits: LeaseLimits,
    ) -> Result<ConsentReceipt> {
        let terms = self.terms(&limits)?;
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

    async fn sign(
        &self,
        factor: &Secret,
        lease: Option<LeaseTerms>,
        lives: Duration,
    ) -> Result<ConsentReceipt> {
        let (parts, plan) = (&self.parts, &self.record.plan);
        let signer = parts.signer();
        // First: a clock that was set back begins another run, and what it says then is of that one.
        let run = parts.clock.run();
        let now = parts.clock.now();
        let head = parts.store.log_head().await?;
        let receipt = ConsentReceipt {
            consent_receipt_id: ReceiptId::from_entropy(parts.entropy.bytes()),
            projection_plan_id: plan.projection_plan_id,
            payload_sha256: plan.payload_sha256,
            approved: true,
            approved_at: now,
            user_id: account().name,
            ui_surface: Some(self.surface.clone()),
            notes: None,
            ext: ReceiptExt {
                schema: EGRESS_EXT.to_owned(),
                envelope_sha256: plan.ext.envelope_sha256,
                destination: plan.ext.destination.clone(),
                principal: plan.ext.principal.clone(),
                request_id: self.record.request.request_id,
                scope: if lease.is_some() {
                    ReceiptScope::SessionScoped
                } else {
                    ReceiptScope::SingleCall
                },
                session_ids: [plan.ext.session_id.clone()].into(),
                max_bytes: plan.max_bytes,
                max_attempts: parts.policy.rules().retry.max_attempts,
                lease,
                not_before: now,
                expires_at: now.plus(lives),
                nonce: parts
                    .entropy
                    .bytes::<16>()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect(),
                assurance: signer.assurance(),
                recorder_checkpoint: Some(format!("{}:{}", head.size, head.hash)),
                run,
                demo: self.demo.clone(),
                key_id: signer.public_key().id().clone(),
                signature: None,
            },
        };
        let payload = receipt
            .signing_payload()
            .map_err(|error| Error::new(ErrorCode::Storage, Phase::Gate, error.to_string()))?;
        let signature = signer.sign(RECEIPT_DOMAIN, &payload, Some(factor))?;
        let signed = SignedReceipt { payload, signature };
        parts.store.decide(SignedDecision::Receipt(signed)).await?;
        Ok(receipt)
    }

    fn terms(&self, limits: &LeaseLimits) -> Result<LeaseTerms> {
        let unreadable = || {
            Error::new(
                ErrorCode::CloudConsentMismatch,
                Phase::Gate,
                "this request cannot be approved as a lease because its content cannot be outlined",
            )
            .next("approve this call only, without a lease")
        };
        let (_, commitments) = self.parts.vault.commitment_key()?;
        let outline = Outline::of(&self.content.body, &commitments).ok_or_else(unreadable)?;
        let model = self.record.plan.ext.destination.model_id.clone();
        let first: u64 = outline.blocks.iter().map(|block| block.bytes).sum();
        let total = limits
            .max_new_bytes_total
            .min(LeaseTerms::MAX_NEW_BYTES_TOTAL);
        Ok(LeaseTerms {
            models: [model.ok_or_else(unreadable)?].into(),
            system: outline.system,
            tools: outline.tools,
            fields: outline.fields,
            kinds: outline.kinds,
            // What the person sees now is the first use; the limits are for what comes after it.
            max_new_bytes_per_call: limits
                .max_new_bytes_per_call
                .min(LeaseTerms::MAX_NEW_BYTES_PER_CALL)
                .max(first.min(total)),
            max_new_bytes_total: total,
            max_uses: limits.max_uses.min(LeaseTerms::MAX_USES),
            idle_seconds: limits.idle.as_secs().min(LeaseTerms::MAX_IDLE_SECONDS),
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use handshake_core::{envelope::Salt, ports::PendingContent};

    use super::digests;

    #[test]
    fn a8_every_byte_that_would_leave_and_its_salt_are_in_the_digests() {
        let content = |manifest: &'static str, body: &'static str, salt: u8| PendingContent {
            manifest: Bytes::from_static(manifest.as_bytes()),
            body: Bytes::from_static(body.as_bytes()),
            salt: Salt::new([salt; 32]),
        };
        let shown = digests(&content("{\"a\":1}", "hello", 1));
        assert_eq!(shown, digests(&content("{\"a\":1}", "hello", 1)));
        for (other, both) in [
            (content("{\"a\":1}", "hallo", 1), true),
            (content("{\"a\":1}", "hello", 2), true),
            (content("{\"a\":2}", "hello", 1), false),
            // What moves from one part into the other is not the same envelope.
            (content("{\"a\":1}h", "ello", 1), true),
        ] {
            let other = digests(&other);
            assert_eq!(shown.0 != other.0, both);
            assert_ne!(shown.1, other.1);
        }
    }
}
