//! The failures of a call. No provider text, no payload, no URL: codes, phases and bounded words.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::{
    code::{ErrorClass, ErrorCode, Phase},
    upstream::UpstreamAnswer,
};

/// A failure of one call, at any step of it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CallError {
    /// The stable code.
    pub code: ErrorCode,
    /// The class; usually the code's own, stricter where the status says more.
    pub class: ErrorClass,
    /// Where it happened.
    pub phase: Phase,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// The field, parameter, feature or step at fault: our own words, never the provider's.
    pub subject: Option<&'static str>,
    /// The member of the caller's own request that is at fault, bounded and printable. Shown to that caller, never
    /// recorded.
    pub member: Option<Arc<str>>,
    /// The provider's own error answer, sealed, where the call asked for raw bytes.
    pub upstream: Option<Arc<UpstreamAnswer>>,
}

impl CallError {
    /// A failure with the code's own class.
    #[must_use]
    pub fn new(code: ErrorCode, phase: Phase) -> Self {
        Self {
            code,
            class: code.class(),
            phase,
            http_status: None,
            retry_after: None,
            subject: None,
            member: None,
            upstream: None,
        }
    }

    /// Names what the failure is about.
    #[must_use]
    pub fn about(mut self, subject: &'static str) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The same failure, naming a member of the caller's own request: at most 64 visible ASCII characters of it.
    #[must_use]
    pub fn member(mut self, name: &str) -> Self {
        let shown: String = name
            .chars()
            .take(64)
            .map(|c| if c.is_ascii_graphic() { c } else { '?' })
            .collect();
        self.member = Some(shown.into());
        self
    }

    /// What to do about it, in the imperative; empty where nothing helps.
    #[must_use]
    pub fn next_step(&self) -> Cow<'static, str> {
        if self.code == ErrorCode::ConsentFlood && self.subject == Some(Self::SILENCED) {
            return match self.retry_after {
                Some(wait) => format!("ask again in {} s", whole_seconds(wait)).into(),
                None => "run `handshake consent reopen` at a terminal to be asked again".into(),
            };
        }
        let locked = match self.subject {
            Some(Self::PAUSED) => "run `handshake resume` at a terminal",
            Some(Self::LOCKED_BY_PROFILE) => {
                "activate a work profile whose automation_level is not LOCKED"
            }
            Some(Self::LOCKED_BY_POLICY) => {
                "set `locked = false` in policy.toml and confirm it with `handshake init` at a terminal; run `handshake doctor` if it is not locked there"
            }
            _ => return self.code.next_step().into(),
        };
        locked.into()
    }

    /// The subject of a call while Cloud is paused.
    pub const PAUSED: &'static str = "paused";

    /// The subject of a call that the operator's rules lock.
    pub const LOCKED_BY_POLICY: &'static str = "locked by policy.toml";

    /// The subject of a call that the work profile locks.
    pub const LOCKED_BY_PROFILE: &'static str = "locked by the work profile";

    /// The subject of a call that a person denied a moment ago.
    pub const SILENCED: &'static str = "denied by a person";

    /// The same failure with the provider's own answer sealed in it.
    #[must_use]
    pub fn upstream(mut self, answer: UpstreamAnswer) -> Self {
        self.upstream = Some(Arc::new(answer));
        self
    }

    /// Sets the class.
    #[must_use]
    pub fn class(mut self, class: ErrorClass) -> Self {
        self.class = class;
        self
    }

    /// Sets the HTTP status that indicated it.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    /// Sets the wait that the provider asked for.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

/// A wait as people are told of it: never sooner than it was said.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.title())?;
        match self.subject {
            Some(subject) => write!(f, ": {subject} [{}]", self.code),
            None => write!(f, " [{}]", self.code),
        }
    }
}

impl std::error::Error for CallError {}

/// A failure before or at the response head.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct SendError {
    /// What failed.
    pub error: CallError,
    /// Whether bytes of the request may have reached the peer. Never retried towards Cloud.
    pub in_doubt: bool,
}

impl SendError {
    /// A failure before any byte of the request left.
    #[must_use]
    pub fn unsent(error: CallError) -> Self {
        Self {
            error,
            in_doubt: false,
        }
    }

    /// A failure after bytes of the request may have left.
    #[must_use]
    pub fn in_doubt(error: CallError) -> Self {
        Self {
            error,
            in_doubt: true,
        }
    }
}

/// A request that cannot be turned into an envelope.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct PrepareError(pub CallError);

impl PrepareError {
    /// The code, in phase `Prepare`, naming what it is about.
    #[must_use]
    pub fn new(code: ErrorCode, subject: &'static str) -> Self {
        Self(CallError::new(code, Phase::Prepare).about(subject))
    }
}
