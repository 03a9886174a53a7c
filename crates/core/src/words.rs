//! The published names of enums without data, for people and for programs.

use crate::{
    capability::{Feature, Limit},
    chat::FinishReason,
    consent::{AskReason, ContentKind, ReceiptScope},
    envelope::Method,
    event::HealthState,
    finding::{FindingClass, FindingLevel},
    gate::StepName,
    net::AddressClass,
    policy::AutomationLevel,
    tier::{ModelTier, Reach, Residence},
};

macro_rules! words {
    ($($name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {
        $(impl $name {
            /// The published name: the one that it is serialised as.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        })+

        #[cfg(test)]
        fn all() -> Vec<(serde_json::Value, &'static str)> {
            vec![$($((serde_json::json!($name::$variant), $name::$variant.as_str())),+),+]
        }
    };
}

words! {
    ModelTier { Local = "local", Cloud = "cloud" }
    Reach { Direct = "direct", Relay = "relay" }
    Residence { Local = "local", Forwarded = "forwarded", Unknown = "unknown" }
    FinishReason {
        Stop = "STOP",
        ToolUse = "TOOL_USE",
        Length = "LENGTH",
        ContentFilter = "CONTENT_FILTER",
        Error = "ERROR",
    }
    Feature {
        SupportsStreaming = "supports_streaming",
        SupportsToolCalling = "supports_tool_calling",
        SupportsStructuredOutput = "supports_structured_output",
        SupportsMultiTurn = "supports_multi_turn",
        SupportsVision = "supports_vision",
        SupportsThinking = "supports_thinking",
        RequiresToolIdSanitization = "requires_tool_id_sanitization",
        RequiresThinkingBlockScrubbing = "requires_thinking_block_scrubbing",
        NativeStreamEndpoint = "native_stream_endpoint",
    }
    Limit { MaxContextWindow = "max_context_window", MaxOutputTokens = "max_output_tokens" }
    AddressClass {
        Loopback = "loopback",
        Private = "private",
        Metadata = "metadata",
        Reserved = "reserved",
        Multicast = "multicast",
        Global = "global",
    }
    ReceiptScope {
        SingleCall = "SINGLE_CALL",
        SessionScoped = "SESSION_SCOPED",
        WpScoped = "WP_SCOPED",
        BroadcastScoped = "BROADCAST_SCOPED",
    }
    Method { Get = "GET", Post = "POST" }
    AutomationLevel {
        FullHuman = "FULL_HUMAN",
        Hybrid = "HYBRID",
        Autonomous = "AUTONOMOUS",
        Locked = "LOCKED",
    }
    FindingClass {
        Enrolled = "enrolled",
        Canary = "canary",
        Secret = "secret",
        PrivateKey = "private_key",
        GenericSecret = "generic_secret",
        Personal = "personal",
        SecondHandEgress = "second_hand_egress",
        Hidden = "hidden",
        Uninspectable = "uninspectable",
        StoredContent = "stored_content",
    }
    FindingLevel { Warn = "warn", Ask = "ask", Block = "block" }
    AskReason {
        NoReceipt = "no_receipt",
        Destination = "destination",
        Model = "model",
        NewKind = "new_kind",
        SecondHand = "second_hand",
        SystemChanged = "system_changed",
        ToolsChanged = "tools_changed",
        FieldsChanged = "fields_changed",
        Limit = "limit",
        Finding = "finding",
        Uninspectable = "uninspectable",
        Expired = "expired",
        Unreadable = "unreadable",
        AfterPause = "after_pause",
    }
    ContentKind {
        Text = "text",
        Image = "image",
        Document = "document",
        Audio = "audio",
        Url = "url",
        ToolCall = "tool_call",
        ToolResult = "tool_result",
        Other = "other",
    }
    StepName {
        Seal = "seal",
        DeclaredLocked = "declared_locked",
        DeclaredPolicy = "declared_policy",
        Pause = "pause",
        SizeCaps = "size_caps",
        CanonicalUrl = "canonical_url",
        SecretBinding = "secret_binding",
        Contact = "contact",
        Peer = "peer",
        Tier = "tier",
        EffectivePolicy = "effective_policy",
        Labels = "labels",
        Findings = "findings",
        MaxBytes = "max_bytes",
        Receipt = "receipt",
        Person = "person",
        Ledger = "ledger",
    }
    HealthState {
        Configured = "configured",
        Reachable = "reachable",
        Ready = "ready",
        Unreachable = "unreachable",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_is_the_name_that_is_serialised() {
        let all = super::all();
        // The match in `as_str` is exhaustive, so no variant is left out.
        assert!(all.len() > 70, "{}", all.len());
        for (serialised, word) in all {
            assert_eq!(serialised, word);
        }
    }
}
