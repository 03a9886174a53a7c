//! A yes: the receipt over what was shown, and what is kept of it for the next question.

use std::{collections::BTreeSet, time::Duration};

use handshake_core::{
    attest::RECEIPT_DOMAIN,
    code::{ErrorCode, Phase},
    consent::{
        ConsentReceipt, EGRESS_EXT, LeaseTerms, Outline, ReceiptExt, ReceiptScope, SignedReceipt,
        Waiver,
    },
    ids::ReceiptId,
    ports::{ApprovalQueue, EntropyExt, SignedDecision, Signer},
    secret::Secret,
};

use super::Preview;
use crate::{
    account::account,
    approve::LeaseLimits,
    error::{Error, Result},
    shown::Memory,
};

impl Preview {
    pub(super) async fn sign(
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
        // Made before, so that little time passes between the yes and the next question.
        let memory = self.memory().await;
        parts.store.decide(SignedDecision::Receipt(signed)).await?;
        if let Some(memory) = memory {
            let ext = &plan.ext;
            let provider = &ext.destination.provider_id;
            // It only helps to read: where it is not kept, all is shown as new.
            let _shown_as_new = parts
                .store
                .keep_shown(&ext.principal, provider, memory)
                .await;
        }
        Ok(receipt)
    }

    /// What is to be kept of what was shown, for the next question.
    async fn memory(&self) -> Option<Vec<u8>> {
        let (_, key) = self.parts.vault.commitment_key().ok()?;
        let (body, findings) = (self.content.body.clone(), self.finder());
        let made = self.aside(move || {
            let memory = Memory::of(&body, &key, findings.findings())?;
            Some(memory.write())
        });
        made.await.ok()?
    }

    pub(super) fn terms(
        &self,
        limits: &LeaseLimits,
        waived: BTreeSet<Waiver>,
    ) -> Result<LeaseTerms> {
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
            waived,
        })
    }
}
