//! The one table of error codes. A code is never reused and never changes its meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of failure a code is, and so what a caller can do about it.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// May pass when tried again later.
    Transient,
    /// Will fail again until something is changed.
    Permanent,
    /// Refused by a rule or by a person.
    Policy,
    /// A peer broke its protocol.
    Protocol,
    /// The model or provider lacks, or is not known to have, a feature.
    Capability,
    /// Somebody cancelled.
    Cancelled,
}

/// Where on the call path a failure happened.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reading configuration, requests, files.
    Input,
    /// Target to route.
    Resolve,
    /// Request against capabilities.
    Admit,
    /// Request to envelope.
    Prepare,
    /// The gate.
    Gate,
    /// Dialling.
    Connect,
    /// The response head.
    Status,
    /// The response body.
    Stream,
    /// Bytes to events.
    Decode,
    /// Promises held at the end: schema, required call, budget.
    Check,
    /// Tools.
    Tool,
    /// Stores, vault, log.
    Storage,
}

macro_rules! codes {
    ($( $variant:ident = $status:literal, $word:literal, $class:ident, $title:literal, $next:literal; )*) => {
        /// A stable error code. Written `HSK-<http status>-<WORD>`.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $( #[doc = $title] $variant, )*
        }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The code as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }

            /// The HTTP status that fits.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $( Self::$variant => $status, )* }
            }

            /// The usual class.
            #[must_use]
            pub const fn class(self) -> ErrorClass {
                match self { $( Self::$variant => ErrorClass::$class, )* }
            }

            /// One sentence for a person.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )* }
            }

            /// What to do next; empty where nothing helps.
            #[must_use]
            pub const fn next_step(self) -> &'static str {
                match self { $( Self::$variant => $next, )* }
            }
        }
    };
}

codes! {
    InvalidBaseUrl = 400, "HSK-400-INVALID-BASE-URL", Permanent, "The base_url is not in its canonical form or not allowed.", "handshake provider check-url URL explains the rule";
    InvalidConfig = 400, "HSK-400-INVALID-CONFIG", Permanent, "A configuration value is missing, unknown or contradictory.", "correct the named field";
    InvalidEvent = 400, "HSK-400-INVALID-EVENT", Permanent, "An event has an unknown type or field.", "";
    InvalidRequest = 400, "HSK-400-INVALID-REQUEST", Permanent, "The request is malformed or holds a field that is refused.", "correct the named field";
    ProviderRejected = 400, "HSK-400-PROVIDER-REJECTED", Permanent, "The provider rejected the request.", "handshake explain --request FILE shows the bytes";
    ProviderAuth = 401, "HSK-401-PROVIDER-AUTH", Permanent, "The provider did not accept the credentials.", "handshake secret set NAME --origin URL";
    BudgetExceeded = 402, "HSK-402-BUDGET-EXCEEDED", Policy, "The answer exceeded max_tokens.", "raise max_tokens or ask for less";
    ProviderQuota = 402, "HSK-402-PROVIDER-QUOTA", Permanent, "The provider's quota is exhausted.", "check the account at the provider";
    SsrfBlocked = 403, "HSK-403-SSRF-BLOCKED", Policy, "The destination address is not allowed.", "handshake provider check-url URL --resolve";
    TierMismatch = 403, "HSK-403-TIER-MISMATCH", Policy, "The declared tier is not the tier that the call would have.", "call a cloud model at its own provider; enrol a local server that forwards with --reach relay";
    GovernanceLocked = 403, "HSK-403-GOVERNANCE-LOCKED", Policy, "Cloud calls are locked.", "activate a work profile whose automation_level is not LOCKED";
    CloudEscalationDenied = 403, "HSK-403-CLOUD-ESCALATION-DENIED", Policy, "Policy or a person denied this cloud call.", "use a local model, or ask the operator";
    CloudConsentRequired = 403, "HSK-403-CLOUD-CONSENT-REQUIRED", Policy, "This cloud call needs the consent of a person.", "handshake consent list, then handshake consent approve ID";
    CloudConsentMismatch = 403, "HSK-403-CLOUD-CONSENT-MISMATCH", Policy, "The consent at hand is for something else.", "handshake consent approve ID for the new request";
    ContactNotGranted = 403, "HSK-403-CONTACT-NOT-GRANTED", Policy, "No person granted contact with this origin.", "handshake provider check ID --grant";
    SecretUnbound = 403, "HSK-403-SECRET-UNBOUND", Policy, "The secret is not bound to this origin, or its value changed.", "handshake secret set NAME --origin URL";
    HomeUntrusted = 403, "HSK-403-HOME-UNTRUSTED", Policy, "This home was not made or trusted by this user.", "handshake init --home DIR at a terminal";
    LeakageBlocked = 403, "HSK-403-LEAKAGE-BLOCKED", Policy, "The request holds something that must not leave the machine.", "remove it, or use a local model";
    LeakageUndecided = 403, "HSK-403-LEAKAGE-UNDECIDED", Policy, "The leakage check did not finish, so nothing was sent.", "make the request smaller, or use a local model";
    ToolDenied = 403, "HSK-403-TOOL-DENIED", Policy, "The tool gate denied the call.", "grant the capability to the session";
    FactorRequired = 403, "HSK-403-FACTOR-REQUIRED", Policy, "This needs the approval factor.", "run it at a terminal and enter the approval passphrase";
    Provider404 = 404, "HSK-404-PROVIDER", Permanent, "No such provider.", "handshake provider list";
    Model404 = 404, "HSK-404-MODEL", Permanent, "No such model, or it is not enabled.", "handshake provider models ID, then handshake provider enable ID MODEL";
    Profile404 = 404, "HSK-404-PROFILE", Permanent, "No such work profile.", "handshake profile list";
    Timeout = 408, "HSK-408-TIMEOUT", Transient, "The provider did not answer in time.", "";
    CapabilityConflict = 409, "HSK-409-CAPABILITY-CONFLICT", Capability, "The operator says yes and the server says no.", "handshake provider models ID --capabilities";
    StateHash = 409, "HSK-409-STATE-HASH", Permanent, "The persisted state is not what was hashed.", "";
    SessionBusy = 409, "HSK-409-SESSION-BUSY", Transient, "Another call of this session is executing.", "wait for it, or cancel it";
    Revision = 409, "HSK-409-REVISION", Permanent, "The record changed meanwhile.", "read it again";
    ContextWindow = 413, "HSK-413-CONTEXT-WINDOW", Permanent, "The request does not fit the model's context window.", "shorten the conversation or choose a larger model";
    MaxBytes = 413, "HSK-413-MAX-BYTES", Policy, "The request is larger than allowed.", "";
    StreamLimit = 413, "HSK-413-STREAM-LIMIT", Protocol, "The answer exceeded a size limit.", "";
    ToolCallParse = 422, "HSK-422-TOOL-CALL-PARSE", Protocol, "A tool call was malformed, unknown or missing.", "";
    StructuredOutputInvalid = 422, "HSK-422-STRUCTURED-OUTPUT-INVALID", Protocol, "The answer does not match the schema.", "";
    TruncatedToolTurn = 422, "HSK-422-TRUNCATED-TOOL-TURN", Protocol, "The answer was cut while calling tools; no call of it may run.", "raise max_tokens";
    SchemaKeyword = 422, "HSK-422-SCHEMA-KEYWORD", Permanent, "The JSON schema uses something that is not supported.", "";
    VaultLocked = 423, "HSK-423-VAULT-LOCKED", Policy, "The vault is locked.", "enter the passphrase at a terminal";
    RateLimit = 429, "HSK-429-RATE-LIMIT", Transient, "The provider asks to slow down.", "";
    ConsentFlood = 429, "HSK-429-CONSENT-FLOOD", Policy, "Too many requests for consent are waiting or were just denied.", "decide the pending ones: handshake consent list";
    Cancelled = 499, "HSK-499-CANCELLED", Cancelled, "The call was cancelled.", "";
    Storage = 500, "HSK-500-STORAGE", Permanent, "Local storage failed or is damaged.", "handshake doctor";
    StreamingUnsupported = 501, "HSK-501-STREAMING-UNSUPPORTED", Capability, "The model does not stream.", "ask with stream false";
    ToolCallingUnsupported = 501, "HSK-501-TOOL-CALLING-UNSUPPORTED", Capability, "The model does not call tools.", "choose another model, or turn tool emulation on";
    StructuredOutputUnsupported = 501, "HSK-501-STRUCTURED-OUTPUT-UNSUPPORTED", Capability, "The model does not produce structured output.", "choose another model";
    MultiTurnUnsupported = 501, "HSK-501-MULTI-TURN-UNSUPPORTED", Capability, "The model does not hold conversations.", "choose another model";
    VisionUnsupported = 501, "HSK-501-VISION-UNSUPPORTED", Capability, "The model does not take images.", "choose another model";
    ThinkingUnsupported = 501, "HSK-501-THINKING-UNSUPPORTED", Capability, "The model does not think aloud.", "leave reasoning out";
    ParameterUnsupported = 501, "HSK-501-PARAMETER-UNSUPPORTED", Capability, "The provider does not take a parameter of this request.", "leave the named parameter out";
    CapabilityUnknown = 501, "HSK-501-CAPABILITY-UNKNOWN", Capability, "Nobody knows whether the model can do this.", "handshake provider models ID --capabilities, or declare it on the provider";
    Provider = 502, "HSK-502-PROVIDER", Transient, "The provider failed.", "";
    Protocol = 502, "HSK-502-PROTOCOL", Protocol, "The provider's answer breaks its protocol.", "";
    StreamTruncated = 502, "HSK-502-STREAM-TRUNCATED", Protocol, "The answer ended without evidence that it was complete.", "";
    UnexpectedContent = 502, "HSK-502-UNEXPECTED-CONTENT", Protocol, "Something that is not the provider's API answered.", "check the base_url";
    NotReady = 503, "HSK-503-NOT-READY", Transient, "The provider is not ready.", "handshake provider check ID";
    ToolLoopBound = 507, "HSK-507-TOOL-LOOP-BOUND", Policy, "The tool loop reached its bound.", "";
    SwapFailed = 503, "CX-MM-003", Permanent, "The model swap failed or timed out.", "";
}

impl ErrorCode {
    /// The code with this text, an alias of older documents included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "CX-MM-CONSENT-MISSING" => Some(Self::CloudConsentRequired),
            "CX-MM-001" => Some(Self::NotReady),
            _ => Self::ALL.iter().copied().find(|code| code.as_str() == text),
        }
    }

    /// Whether a code means that a rule or a person said no (exit code 3).
    #[must_use]
    pub fn is_denial(self) -> bool {
        self.class() == ErrorClass::Policy
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("unknown error code"))
    }
}

impl schemars::JsonSchema for ErrorCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ErrorCode".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let all: Vec<&str> = Self::ALL.iter().map(|code| code.as_str()).collect();
        schemars::json_schema!({ "type": "string", "enum": all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b12_codes_are_unique_and_name_their_status() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
            if let Some(rest) = code.as_str().strip_prefix("HSK-") {
                assert_eq!(rest[..3].parse(), Ok(code.http_status()), "{code}");
            }
        }
    }

    #[test]
    fn older_aliases_are_read() {
        assert_eq!(
            ErrorCode::parse("CX-MM-CONSENT-MISSING"),
            Some(ErrorCode::CloudConsentRequired)
        );
        assert_eq!(ErrorCode::parse("CX-MM-001"), Some(ErrorCode::NotReady));
        assert_eq!(ErrorCode::parse("HSK-403-NOPE"), None);
    }
}
