//! The table of error codes. A code is never reused and never changes its meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of failure, which determines what a caller can do about it.
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
    /// May succeed when tried again later.
    Transient,
    /// Will fail again until something changes.
    Permanent,
    /// Refused by a rule or by a person.
    Policy,
    /// A peer violated its protocol.
    Protocol,
    /// The model or provider lacks, or is not known to have, a feature.
    Capability,
    /// Cancelled by the caller.
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

            /// The matching HTTP status.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $( Self::$variant => $status, )* }
            }

            /// The usual class.
            #[must_use]
            pub const fn class(self) -> ErrorClass {
                match self { $( Self::$variant => ErrorClass::$class, )* }
            }

            /// What happened, for a person: lower case, without a full stop.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )* }
            }

            /// What to do about it, in the imperative; empty where nothing helps.
            #[must_use]
            pub const fn next_step(self) -> &'static str {
                match self { $( Self::$variant => $next, )* }
            }
        }
    };
}

codes! {
    InvalidBaseUrl = 400, "HSK-400-INVALID-BASE-URL", Permanent, "base_url is not canonical or not allowed", "run `handshake provider check-url URL` to see which rule it breaks";
    InvalidConfig = 400, "HSK-400-INVALID-CONFIG", Permanent, "invalid configuration", "correct the setting named in the message";
    InvalidEvent = 400, "HSK-400-INVALID-EVENT", Permanent, "unknown event type or field", "";
    InvalidRequest = 400, "HSK-400-INVALID-REQUEST", Permanent, "invalid request", "correct the field named in the message";
    ProviderRejected = 400, "HSK-400-PROVIDER-REJECTED", Permanent, "the provider rejected the request", "run `handshake explain --request FILE` to see what would be sent";
    ProviderAuth = 401, "HSK-401-PROVIDER-AUTH", Permanent, "the provider rejected the credentials", "run `handshake secret set NAME --origin URL` to store a valid key";
    BudgetExceeded = 402, "HSK-402-BUDGET-EXCEEDED", Policy, "the answer exceeded max_tokens", "raise max_tokens, or ask for a shorter answer";
    ProviderQuota = 402, "HSK-402-PROVIDER-QUOTA", Permanent, "the provider's quota is used up", "check your account with the provider";
    SsrfBlocked = 403, "HSK-403-SSRF-BLOCKED", Policy, "destination address not allowed", "run `handshake provider check-url URL --resolve` to see how its addresses are classified";
    TierMismatch = 403, "HSK-403-TIER-MISMATCH", Policy, "the declared tier differs from the tier of the call", "call a cloud model through its own provider; register a local server that forwards requests with `--reach relay`";
    GovernanceLocked = 403, "HSK-403-GOVERNANCE-LOCKED", Policy, "cloud calls are locked", "run `handshake resume` if cloud calls are paused; otherwise activate a work profile whose automation_level is not LOCKED, or unlock policy.toml and confirm it with `handshake init` at a terminal";
    CloudEscalationDenied = 403, "HSK-403-CLOUD-ESCALATION-DENIED", Policy, "this cloud call was denied by policy or by a person", "use a local model, or ask the operator";
    CloudConsentRequired = 403, "HSK-403-CLOUD-CONSENT-REQUIRED", Policy, "this cloud call needs a person's consent", "run `handshake consent list`, then `handshake consent approve ID`";
    CloudConsentMismatch = 403, "HSK-403-CLOUD-CONSENT-MISMATCH", Policy, "the consent given does not match this request", "run `handshake consent list` and decide on the current request";
    ContactNotGranted = 403, "HSK-403-CONTACT-NOT-GRANTED", Policy, "contact with this origin has not been granted", "run `handshake provider check ID --grant`";
    SecretUnbound = 403, "HSK-403-SECRET-UNBOUND", Policy, "the secret is not bound to this origin, or its value has changed", "run `handshake secret set NAME --origin URL`, or `handshake secret bind REF --origin URL` for a secret outside the vault";
    HomeUntrusted = 403, "HSK-403-HOME-UNTRUSTED", Policy, "this home, or a record in it, is not trusted", "run `handshake doctor` to see what is not trusted, and how to mend it";
    LeakageBlocked = 403, "HSK-403-LEAKAGE-BLOCKED", Policy, "the request holds something that must not leave this machine", "remove it, or use a local model";
    LeakageUndecided = 403, "HSK-403-LEAKAGE-UNDECIDED", Policy, "the leakage check did not finish, so nothing was sent", "shorten the request, or use a local model";
    ToolDenied = 403, "HSK-403-TOOL-DENIED", Policy, "the tool gate denied the call", "grant the session the capability that the tool needs";
    FactorRequired = 403, "HSK-403-FACTOR-REQUIRED", Policy, "the approval passphrase is required", "enter the approval passphrase at a terminal";
    Provider404 = 404, "HSK-404-PROVIDER", Permanent, "no such provider", "run `handshake provider list`";
    Model404 = 404, "HSK-404-MODEL", Permanent, "no such model, or the model is not enabled", "run `handshake provider models ID`, then `handshake provider enable ID MODEL`";
    Profile404 = 404, "HSK-404-PROFILE", Permanent, "no such work profile, or none is active", "name a model as PROVIDER/MODEL, or run `handshake profile list` and `handshake profile activate ID`";
    Timeout = 408, "HSK-408-TIMEOUT", Transient, "the provider did not answer in time", "try again later, or run `handshake provider check ID`";
    CapabilityConflict = 409, "HSK-409-CAPABILITY-CONFLICT", Capability, "the declared capability contradicts the server", "run `handshake provider models ID --capabilities` to compare them";
    StateHash = 409, "HSK-409-STATE-HASH", Permanent, "the stored state does not match its hash", "";
    SessionBusy = 409, "HSK-409-SESSION-BUSY", Transient, "another call is running in this session", "wait for it to finish, or cancel it";
    Revision = 409, "HSK-409-REVISION", Permanent, "the record changed in the meantime", "read it again, then repeat the change";
    ContextWindow = 413, "HSK-413-CONTEXT-WINDOW", Permanent, "the request does not fit the model's context window", "shorten the conversation, or choose a model with a larger window";
    MaxBytes = 413, "HSK-413-MAX-BYTES", Policy, "the request is larger than allowed", "shorten the request";
    StreamLimit = 413, "HSK-413-STREAM-LIMIT", Protocol, "the answer exceeded a size limit", "ask for a shorter answer";
    ToolCallParse = 422, "HSK-422-TOOL-CALL-PARSE", Protocol, "a tool call was malformed, unknown or missing", "try again, or choose another model";
    StructuredOutputInvalid = 422, "HSK-422-STRUCTURED-OUTPUT-INVALID", Protocol, "the answer does not match the schema", "try again, simplify the schema, or choose another model";
    TruncatedToolTurn = 422, "HSK-422-TRUNCATED-TOOL-TURN", Protocol, "the answer was cut off during a tool call, so none of its tool calls may run", "raise max_tokens";
    SchemaKeyword = 422, "HSK-422-SCHEMA-KEYWORD", Permanent, "the JSON schema uses an unsupported keyword", "remove the unsupported keyword from the schema";
    VaultLocked = 423, "HSK-423-VAULT-LOCKED", Policy, "the vault is locked", "restore the key file, or enter the vault passphrase at a terminal";
    RateLimit = 429, "HSK-429-RATE-LIMIT", Transient, "the provider's rate limit was reached", "wait, then try again";
    ConsentFlood = 429, "HSK-429-CONSENT-FLOOD", Policy, "no more consent requests are taken now", "run `handshake consent list` and decide the pending requests";
    Cancelled = 499, "HSK-499-CANCELLED", Cancelled, "the call was cancelled", "";
    Storage = 500, "HSK-500-STORAGE", Permanent, "local storage failed or is damaged", "run `handshake doctor`";
    StreamingUnsupported = 501, "HSK-501-STREAMING-UNSUPPORTED", Capability, "the model does not support streaming", "set stream to false";
    ToolCallingUnsupported = 501, "HSK-501-TOOL-CALLING-UNSUPPORTED", Capability, "the model does not support tools", "choose a model that supports tools: run `handshake provider models --capabilities`, or add PROVIDER/MODEL to `emulate_tools` in policy.toml";
    StructuredOutputUnsupported = 501, "HSK-501-STRUCTURED-OUTPUT-UNSUPPORTED", Capability, "the model does not support structured output", "choose another model: run `handshake provider models --capabilities`";
    MultiTurnUnsupported = 501, "HSK-501-MULTI-TURN-UNSUPPORTED", Capability, "the model does not support multi-turn conversations", "choose another model: run `handshake provider models --capabilities`";
    VisionUnsupported = 501, "HSK-501-VISION-UNSUPPORTED", Capability, "the model does not support images", "choose another model: run `handshake provider models --capabilities`";
    ThinkingUnsupported = 501, "HSK-501-THINKING-UNSUPPORTED", Capability, "the model does not support reasoning", "remove the reasoning setting from the request";
    ParameterUnsupported = 501, "HSK-501-PARAMETER-UNSUPPORTED", Capability, "the provider does not support a parameter of this request", "remove the parameter named in the message";
    CapabilityUnknown = 501, "HSK-501-CAPABILITY-UNKNOWN", Capability, "capability unknown", "run `handshake provider models ID --capabilities`, then declare it with `handshake provider enable ID MODEL --capability NAME=yes`";
    Provider = 502, "HSK-502-PROVIDER", Transient, "the provider failed", "try again later";
    Protocol = 502, "HSK-502-PROTOCOL", Protocol, "the provider's answer violates its protocol", "check the provider's kind and dialect";
    StreamTruncated = 502, "HSK-502-STREAM-TRUNCATED", Protocol, "the answer ended without a sign that it was complete", "try again";
    UnexpectedContent = 502, "HSK-502-UNEXPECTED-CONTENT", Protocol, "the answer did not come from the provider's API", "check the provider's base_url";
    NotReady = 503, "HSK-503-NOT-READY", Transient, "the provider is not ready", "run `handshake provider check ID`";
    ToolLoopBound = 507, "HSK-507-TOOL-LOOP-BOUND", Policy, "the tool loop reached its limit", "";
    SwapFailed = 503, "CX-MM-003", Permanent, "the model swap failed or timed out", "";
}

impl ErrorCode {
    /// The code with this text; aliases from older documents are accepted.
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

    /// `error: TITLE: SUBJECT [CODE]` and `help: NEXT STEP` are put together from these.
    #[test]
    fn titles_and_next_steps_are_fragments() {
        for code in ErrorCode::ALL {
            for text in [code.title(), code.next_step()] {
                assert!(!text.ends_with(['.', '!', ' ']), "{code}: {text}");
                assert!(!text.starts_with(char::is_uppercase), "{code}: {text}");
                assert_eq!(text.matches('`').count() % 2, 0, "{code}: {text}");
            }
            assert!(!code.title().is_empty(), "{code}");
        }
    }

    #[test]
    fn d5_the_next_step_without_tool_calling_is_one_that_works() {
        let step = ErrorCode::ToolCallingUnsupported.next_step();
        assert!(
            step.contains("handshake provider models --capabilities")
                && step.contains("emulate_tools"),
            "{step}"
        );
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
