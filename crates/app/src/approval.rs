//! From a waiting call to a signed decision: what is rendered is what is hashed, and what is hashed is what is
//! signed.

use std::time::Duration;

use handshake_core::{
    attest::RECEIPT_DOMAIN,
    code::{ErrorCode, Phase},
    consent::{
        Assurance, ConsentReceipt, DemoBinding, EGRESS_EXT, LeaseTerms, Outline, ReceiptExt,
        ReceiptScope, SignedReceipt,
    },
    digest::{CommitmentKey, Digest},
    ids::{ExternalId, ReceiptId, RequestId},
    ports::{ApprovalQueue, EntropyExt, PendingContent, PendingRecord, SignedDecision, Signer},
    secret::Secret,
};

use crate::{
    cmd::request::person,
    error::{AppError, Result},
    wire::App,
};

/// What a person decides to allow.
#[derive(Clone, Debug)]
pub(crate) enum Allow {
    /// This one call.
    Once,
    /// More of the same, within limits.
    Lease,
}

/// A waiting call and the exact bytes of it.
pub(crate) struct Waiting {
    pub(crate) record: PendingRecord,
    pub(crate) content: PendingContent,
}

/// Finds one waiting call by its id.
pub(crate) async fn find(app: &App, id: &str) -> Result<Waiting> {
    let unknown = || {
        AppError::usage(
            ErrorCode::InvalidRequest,
            format!("no such pending call: {id}"),
        )
        .next("run `handshake consent list`")
    };
    let id: RequestId = id
        .parse()
        .map_err(|error| AppError::from(error).next("copy the id from `handshake consent list`"))?;
    let pending = app.store.pending().await?;
    let record = pending
        .into_iter()
        .find(|record| record.request.request_id == id)
        .ok_or_else(unknown)?;
    let content = ApprovalQueue::open(&app.store, id).await?;
    // The plan is judged by the bytes, not the other way round.
    let shown = Digest::of(&[content.salt.as_bytes(), &content.body]);
    let len = u32::try_from(content.manifest.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let envelope = Digest::of(&[
        b"hsk.envelope.v1\0",
        content.salt.as_bytes(),
        &len,
        &content.manifest,
        &content.body,
    ]);
    if shown != record.plan.payload_sha256 || envelope != record.plan.ext.envelope_sha256 {
        return Err(AppError::new(
            ErrorCode::CloudConsentMismatch,
            Phase::Gate,
            "the stored content does not match the plan, so nothing was approved",
        ));
    }
    Ok(Waiting { record, content })
}

/// Signs a yes and stores it.
pub(crate) async fn approve(
    app: &App,
    waiting: &Waiting,
    allow: Allow,
    signer: &dyn Signer,
    factor: Option<&Secret>,
    demo: Option<DemoBinding>,
) -> Result<ConsentReceipt> {
    let plan = &waiting.record.plan;
    let now = app.clock.now();
    let head = app.store.log_head().await?;
    let (_, commitments) = app.vault.commitment_key()?;
    let lease = match allow {
        Allow::Once => None,
        Allow::Lease => Some(lease(&waiting.content, plan, &commitments)?),
    };
    let lives = match lease {
        None => Duration::from_secs(600),
        Some(_) => Duration::from_secs(LeaseTerms::MAX_LIFE_SECONDS),
    };
    let receipt = ConsentReceipt {
        consent_receipt_id: ReceiptId::from_entropy(app.entropy.bytes()),
        projection_plan_id: plan.projection_plan_id,
        payload_sha256: plan.payload_sha256,
        approved: true,
        approved_at: now,
        user_id: person().name,
        ui_surface: Some(ExternalId::new("terminal")?),
        notes: None,
        ext: ReceiptExt {
            schema: EGRESS_EXT.to_owned(),
            envelope_sha256: plan.ext.envelope_sha256,
            destination: plan.ext.destination.clone(),
            principal: plan.ext.principal.clone(),
            request_id: waiting.record.request.request_id,
            scope: if lease.is_some() {
                ReceiptScope::SessionScoped
            } else {
                ReceiptScope::SingleCall
            },
            session_ids: [plan.ext.session_id.clone()].into(),
            max_bytes: plan.max_bytes,
            max_attempts: app.policy.rules().retry.max_attempts,
            lease,
            not_before: now,
            expires_at: now.plus(lives),
            nonce: app
                .entropy
                .bytes::<16>()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            assurance: signer.assurance(),
            recorder_checkpoint: Some(format!("{}:{}", head.size, head.hash)),
            run: app.clock.run(),
            demo,
            key_id: signer.public_key().id().clone(),
            signature: None,
        },
    };
    let payload = receipt
        .signing_payload()
        .map_err(|error| AppError::new(ErrorCode::Storage, Phase::Gate, error.to_string()))?;
    let signature = signer.sign(RECEIPT_DOMAIN, &payload, factor)?;
    app.store
        .decide(SignedDecision::Receipt(SignedReceipt {
            payload,
            signature,
        }))
        .await?;
    Ok(receipt)
}

fn lease(
    content: &PendingContent,
    plan: &handshake_core::consent::ProjectionPlan,
    commitments: &CommitmentKey,
) -> Result<LeaseTerms> {
    let unreadable = || {
        AppError::new(
            ErrorCode::CloudConsentMismatch,
            Phase::Gate,
            "this request cannot be approved as a lease because its content cannot be outlined",
        )
        .next("approve it without `--lease`")
    };
    let outline = Outline::of(&content.body, commitments).ok_or_else(unreadable)?;
    let model = plan
        .ext
        .destination
        .model_id
        .clone()
        .ok_or_else(unreadable)?;
    let first: u64 = outline.blocks.iter().map(|block| block.bytes).sum();
    Ok(LeaseTerms {
        models: [model].into(),
        system: outline.system,
        tools: outline.tools,
        fields: outline.fields,
        kinds: outline.kinds,
        // What the person sees now is the first use; the limits are for what comes after it.
        max_new_bytes_per_call: LeaseTerms::MAX_NEW_BYTES_PER_CALL
            .max(first.min(LeaseTerms::MAX_NEW_BYTES_TOTAL)),
        max_new_bytes_total: LeaseTerms::MAX_NEW_BYTES_TOTAL,
        max_uses: LeaseTerms::MAX_USES,
        idle_seconds: LeaseTerms::MAX_IDLE_SECONDS,
    })
}

/// How strong an approval with this signer is, in words.
pub(crate) fn assurance_words(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::A0 => "A0: any process could have given it",
        Assurance::A1 => "A1: passphrase",
        Assurance::A2 => "A2: physical gesture",
        Assurance::A3 => "A3: separate account",
    }
}
