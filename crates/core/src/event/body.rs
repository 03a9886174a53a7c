//! The bodies of events. The list is closed; a new kind of event is a change of the published schema.

use serde::{Deserialize, Serialize};

use crate::{
    chat::{FinishReason, TokenUsage, ToolMode},
    code::{ErrorClass, ErrorCode, Phase},
    consent::{Assurance, EscalationReason, ReceiptScope},
    digest::{Digest, KeyedHash},
    finding::{FindingClass, FindingLevel},
    ids::{
        ArtifactRef, KeyId, PlanId, ProfileId, ReceiptId, RequestId, RoleId, RuleId, SwapId,
        ToolCallId, ToolName, UseId,
    },
    tier::ModelTier,
    tool::{Idempotency, SideEffect},
};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
            schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),* }
    };
}

words! {
    /// How a tool was run.
    Transport {
        /// In this process.
        Builtin,
        /// A child process.
        Subprocess,
        /// By the gateway's client.
        Client,
    }
}
words! {
    /// Why events are missing.
    LossCause {
        /// More came than the queue holds.
        Overflow,
        /// A process ended with events in its queue: those of its last 50 ms at most.
        Crash,
        /// The storage failed.
        Storage,
    }
}
words! {
    /// A provider's health.
    HealthState {
        /// The record is complete.
        Configured,
        /// The server answers.
        Reachable,
        /// The model is loaded and callable.
        Ready,
        /// It is not there.
        Unreachable,
    }
}
words! {
    /// Payload-free calls.
    ControlKind {
        /// The server's version.
        Version,
        /// Its models.
        ListModels,
        /// One model.
        ShowModel,
        /// Loaded models.
        Running,
        /// Load a model.
        Load,
        /// Unload a model.
        Unload,
        /// What software the server is.
        Identify,
    }
}
words! {
    /// How a call ended.
    CallOutcome {
        /// Complete.
        Completed,
        /// Cancelled by the caller.
        Cancelled,
        /// Failed before any byte of it left.
        Failed,
        /// Failed when bytes may have left.
        InDoubt,
        /// The process ended while it ran.
        Crashed,
    }
}
words! {
    /// The step of the gate that denied.
    EgressCode {
        /// Governance.
        Governance,
        /// Sizes.
        Size,
        /// The URL or the envelope's manifest.
        Url,
        /// The address.
        Peer,
        /// The tier.
        Tier,
        /// Labels.
        Labels,
        /// Findings.
        Findings,
        /// The secret's binding.
        Secret,
        /// Contact was never granted.
        Contact,
        /// No receipt covers it.
        Receipt,
        /// The spend was refused.
        Ledger,
        /// A record that the call rests on is not as it was sealed.
        Seal,
    }
}
words! {
    /// What was taken back.
    Withdrawn {
        /// One receipt.
        Receipt,
        /// Leave to call Cloud at all, until somebody resumes.
        Pause,
        /// The same, and every receipt with it.
        Stop,
        /// Every receipt, because the clock of the machine was set back: nobody knows how old they are.
        Clock,
    }
}
words! {
    /// What was widened.
    WidenKind {
        /// A provider.
        Provider,
        /// A relay was attested.
        Relay,
        /// A secret was bound.
        Secret,
        /// A model was enabled.
        Model,
        /// A limit was raised or a rule switched off.
        Policy,
        /// A profile that allows more was activated.
        Profile,
        /// A home was trusted, or its approval passphrase or recovery code was set or changed.
        Home,
        /// A tool was registered.
        Tool,
        /// Contact with an origin was granted.
        Contact,
        /// Cloud calls go on after a pause.
        Resume,
        /// A finding was declassified.
        Declassified,
        /// A client was given a token.
        Client,
    }
}

/// The side effect of a tool, as recorded.
pub type SideEffectWord = SideEffect;

/// What happened. The doc of each variant names its published event id.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "field names are the published contract and say what they hold"
)]
pub enum Body {
    /// FR-EVT-CLOUD-001.
    CloudEscalationRequested {
        request_id: RequestId,
        projection_plan_id: PlanId,
        reason: EscalationReason,
        body_bytes: u64,
    },
    /// FR-EVT-CLOUD-002.
    CloudEscalationApproved {
        request_id: RequestId,
        consent_receipt_id: ReceiptId,
        scope: ReceiptScope,
        assurance: Assurance,
        demo: bool,
        key_id: KeyId,
    },
    /// FR-EVT-CLOUD-003.
    CloudEscalationDenied {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
        code: ErrorCode,
    },
    /// FR-EVT-CLOUD-004. Follows the first request byte handed to the socket.
    CloudEscalationExecuted {
        use_id: UseId,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consent_receipt_id: Option<ReceiptId>,
        body_bytes: u64,
    },
    /// FR-EVT-006.
    LlmInference {
        token_usage: TokenUsage,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        latency_ms: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompt_hash: Option<KeyedHash>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response_hash: Option<KeyedHash>,
    },
    /// FR-EVT-007.
    ToolCall {
        tool_call_id: ToolCallId,
        tool_id: ToolName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool_version_hash: Option<KeyedHash>,
        transport: Transport,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        side_effect: Option<SideEffect>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency: Option<Idempotency>,
        ok: bool,
        duration_ms: u64,
        args_hash: KeyedHash,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result_hash: Option<KeyedHash>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorCode>,
    },
    /// FR-EVT-MODEL-001.
    ModelSwapRequested {
        swap_id: SwapId,
        role: RoleId,
        state_hash: KeyedHash,
    },
    /// FR-EVT-MODEL-002. Only after the compile artefact exists.
    ModelSwapCompleted {
        swap_id: SwapId,
        duration_ms: u64,
        context_compile_ref: ArtifactRef,
    },
    /// FR-EVT-MODEL-003.
    ModelSwapFailed { swap_id: SwapId, code: ErrorCode },
    /// FR-EVT-MODEL-004.
    ModelSwapTimeout { swap_id: SwapId, timeout_ms: u64 },
    /// FR-EVT-MODEL-005.
    ModelSwapRollback { swap_id: SwapId },
    /// FR-EVT-PROFILE-001.
    WorkProfileSelected { profile_id: ProfileId },
    /// FR-EVT-PROFILE-002.
    WorkProfileChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<ProfileId>,
        to: ProfileId,
    },
    /// FR-EVT-PROFILE-003.
    WorkProfileResolved {
        profile_id: ProfileId,
        role: RoleId,
        /// Why the role's fallback was taken instead of its model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fallback_for: Option<ErrorCode>,
    },
    /// FR-EVT-PROVIDER-001.
    ProviderRegistered { revision: u64, tier: ModelTier },
    /// FR-EVT-PROVIDER-002.
    ProviderChanged { from: u64, to: u64 },
    /// FR-EVT-PROVIDER-003.
    ProviderRemoved { revision: u64 },
    /// FR-EVT-PROVIDER-004.
    ProviderHealth { state: HealthState, latency_ms: u64 },
    /// FR-EVT-PROVIDER-005.
    CallStarted {
        use_id: UseId,
        declared_tier: ModelTier,
        capabilities: Digest,
        messages: u32,
        tools: u32,
        stream: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_max_tokens: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effective_max_tokens: Option<u64>,
    },
    /// FR-EVT-PROVIDER-006. For Cloud it is committed with the spend, before any connection.
    CallAttempt {
        use_id: UseId,
        attempt: u32,
        effective_tier: ModelTier,
        body_bytes: u64,
        envelope_hash: KeyedHash,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        control: Option<ControlKind>,
        /// The receipt that it spends. Written by the ledger that takes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consent_receipt_id: Option<ReceiptId>,
        /// Findings in it that a person declassified; none where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        declassified: Option<u32>,
        /// Values in it that its lease waives; none where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waived: Option<u32>,
    },
    /// FR-EVT-PROVIDER-007.
    CallRetry {
        use_id: UseId,
        attempt: u32,
        wait_ms: u64,
        code: ErrorCode,
    },
    /// FR-EVT-PROVIDER-008.
    CallTimeout {
        use_id: UseId,
        attempt: u32,
        phase: Phase,
    },
    /// FR-EVT-PROVIDER-009.
    CallFailed {
        use_id: UseId,
        outcome: CallOutcome,
        code: ErrorCode,
        class: ErrorClass,
        phase: Phase,
        duration_ms: u64,
    },
    /// FR-EVT-PROVIDER-010.
    CallCompleted {
        use_id: UseId,
        finish_reason: FinishReason,
        tool_mode: ToolMode,
        duration_ms: u64,
        response_bytes: u64,
        usage: TokenUsage,
    },
    /// FR-EVT-EGRESS-001.
    GateDenied {
        step: EgressCode,
        code: ErrorCode,
        /// How many of the same, where they were counted in place of being recorded one by one; one where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
    },
    /// FR-EVT-EGRESS-002.
    LeakageBlocked {
        code: ErrorCode,
        findings: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<FindingClass>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<FindingLevel>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<RuleId>,
    },
    /// FR-EVT-EGRESS-003.
    TierMismatch {
        declared: ModelTier,
        effective: ModelTier,
    },
    /// FR-EVT-EGRESS-004.
    DestinationRefused { code: ErrorCode },
    /// FR-EVT-EGRESS-005.
    SecretUsed { use_id: UseId },
    /// FR-EVT-EGRESS-006.
    IntegrityAlarm { code: ErrorCode },
    /// FR-EVT-EGRESS-007.
    Widened {
        what: WidenKind,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<KeyedHash>,
        after: KeyedHash,
    },
    /// FR-EVT-EGRESS-008.
    EventsLost {
        /// How many; absent if unknown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
        cause: LossCause,
    },
    /// FR-EVT-EGRESS-009.
    Revoked {
        what: Withdrawn,
        /// The receipt, where it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consent_receipt_id: Option<ReceiptId>,
    },
    /// FR-EVT-EGRESS-010. Before a call that was redacted is sent, whether or not somebody was asked about it.
    ContentRedacted {
        use_id: UseId,
        /// Different values that were replaced.
        values: u32,
        /// Places where one was.
        places: u32,
        /// The first of their classes.
        class: FindingClass,
    },
}

impl Body {
    /// The published event id.
    #[must_use]
    pub fn family_id(&self) -> &'static str {
        match self {
            Self::CloudEscalationRequested { .. } => "FR-EVT-CLOUD-001",
            Self::CloudEscalationApproved { .. } => "FR-EVT-CLOUD-002",
            Self::CloudEscalationDenied { .. } => "FR-EVT-CLOUD-003",
            Self::CloudEscalationExecuted { .. } => "FR-EVT-CLOUD-004",
            Self::LlmInference { .. } => "FR-EVT-006",
            Self::ToolCall { .. } => "FR-EVT-007",
            Self::ModelSwapRequested { .. } => "FR-EVT-MODEL-001",
            Self::ModelSwapCompleted { .. } => "FR-EVT-MODEL-002",
            Self::ModelSwapFailed { .. } => "FR-EVT-MODEL-003",
            Self::ModelSwapTimeout { .. } => "FR-EVT-MODEL-004",
            Self::ModelSwapRollback { .. } => "FR-EVT-MODEL-005",
            Self::WorkProfileSelected { .. } => "FR-EVT-PROFILE-001",
            Self::WorkProfileChanged { .. } => "FR-EVT-PROFILE-002",
            Self::WorkProfileResolved { .. } => "FR-EVT-PROFILE-003",
            Self::ProviderRegistered { .. } => "FR-EVT-PROVIDER-001",
            Self::ProviderChanged { .. } => "FR-EVT-PROVIDER-002",
            Self::ProviderRemoved { .. } => "FR-EVT-PROVIDER-003",
            Self::ProviderHealth { .. } => "FR-EVT-PROVIDER-004",
            Self::CallStarted { .. } => "FR-EVT-PROVIDER-005",
            Self::CallAttempt { .. } => "FR-EVT-PROVIDER-006",
            Self::CallRetry { .. } => "FR-EVT-PROVIDER-007",
            Self::CallTimeout { .. } => "FR-EVT-PROVIDER-008",
            Self::CallFailed { .. } => "FR-EVT-PROVIDER-009",
            Self::CallCompleted { .. } => "FR-EVT-PROVIDER-010",
            Self::GateDenied { .. } => "FR-EVT-EGRESS-001",
            Self::LeakageBlocked { .. } => "FR-EVT-EGRESS-002",
            Self::TierMismatch { .. } => "FR-EVT-EGRESS-003",
            Self::DestinationRefused { .. } => "FR-EVT-EGRESS-004",
            Self::SecretUsed { .. } => "FR-EVT-EGRESS-005",
            Self::IntegrityAlarm { .. } => "FR-EVT-EGRESS-006",
            Self::Widened { .. } => "FR-EVT-EGRESS-007",
            Self::EventsLost { .. } => "FR-EVT-EGRESS-008",
            Self::Revoked { .. } => "FR-EVT-EGRESS-009",
            Self::ContentRedacted { .. } => "FR-EVT-EGRESS-010",
        }
    }
}
