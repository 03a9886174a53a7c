//! What goes wrong here: a code, a phase, a sentence, and what to do about it.

use std::fmt;

use handshake_core::{
    base_url::InvalidBaseUrl,
    code::{ErrorClass, ErrorCode, Phase},
    error::CallError,
    ids::InvalidId,
    ports::{QueueError, RecordError, SecretError, SignError, StoreError},
    provider::InvalidProvider,
};
use handshake_policy::rules::InvalidRules;
use handshake_registry_store::OpenError;
use handshake_vault::VaultError;

/// A failure, in our own words: no payload, no text of a provider, no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Error {
    /// The published code.
    pub code: ErrorCode,
    /// Whether trying again helps, and who can mend it.
    pub class: ErrorClass,
    /// How far it came.
    pub phase: Phase,
    /// What happened.
    pub message: String,
    /// What to do.
    pub next_step: Option<String>,
    usage: bool,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(code: ErrorCode, phase: Phase, message: impl Into<String>) -> Self {
        let next_step = Some(code.next_step())
            .filter(|step| !step.is_empty())
            .map(str::to_owned);
        Self {
            code,
            class: code.class(),
            phase,
            message: message.into(),
            next_step,
            usage: false,
        }
    }

    pub(crate) fn usage(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            usage: true,
            ..Self::new(code, Phase::Input, message)
        }
    }

    pub(crate) fn next(mut self, step: impl Into<String>) -> Self {
        self.next_step = Some(step.into());
        self
    }

    /// Whether what was passed in is at fault: nothing was tried.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        self.usage
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for Error {}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        let message = match error.subject {
            Some(subject) => format!("{}: {subject}", error.code.title()),
            None => error.code.title().to_owned(),
        };
        Self {
            class: error.class,
            next_step: Some(error.next_step().into_owned()).filter(|step| !step.is_empty()),
            ..Self::new(error.code, error.phase, message)
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::new(error.code(), Phase::Storage, error.to_string())
    }
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Self {
        Self::new(ErrorCode::Storage, Phase::Storage, error.to_string())
    }
}

impl From<QueueError> for Error {
    fn from(error: QueueError) -> Self {
        let code = match &error {
            QueueError::Flood | QueueError::Silenced { .. } => ErrorCode::ConsentFlood,
            QueueError::Unknown => ErrorCode::InvalidRequest,
            QueueError::Mismatch | QueueError::Decided(_) => ErrorCode::CloudConsentMismatch,
            QueueError::Store(store) => store.code(),
        };
        let made = Self::new(code, Phase::Gate, error.to_string());
        match error {
            QueueError::Decided(_) => made.next("run `handshake consent list` to see what waits"),
            _ => made,
        }
    }
}

impl From<SignError> for Error {
    fn from(error: SignError) -> Self {
        let made = Self::new(error.code(), Phase::Gate, error.to_string());
        match error {
            SignError::LockedOut { .. } => made.next(WAIT),
            _ => made,
        }
    }
}

/// What a person does whose passphrase is not tried any more: its error says how long.
const WAIT: &str = "wait until then, and run the command again";

impl From<SecretError> for Error {
    fn from(error: SecretError) -> Self {
        Self::new(error.code(), Phase::Gate, error.to_string())
    }
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        let made = Self::new(error.code(), Phase::Storage, error.to_string());
        match error {
            VaultError::LockedOut { .. } => made.next(WAIT),
            _ => made,
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        let made = Self::new(error.code(), Phase::Storage, error.to_string());
        match error {
            OpenError::Log => made.next("run `handshake log verify`"),
            _ => made,
        }
    }
}

impl From<InvalidProvider> for Error {
    fn from(error: InvalidProvider) -> Self {
        Self::usage(error.code, error.to_string())
    }
}

impl From<InvalidBaseUrl> for Error {
    fn from(error: InvalidBaseUrl) -> Self {
        let code = if error.ssrf {
            ErrorCode::SsrfBlocked
        } else {
            ErrorCode::InvalidBaseUrl
        };
        Self::usage(code, error.to_string())
    }
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        Self::usage(ErrorCode::InvalidRequest, error.to_string())
    }
}

impl From<InvalidRules> for Error {
    fn from(error: InvalidRules) -> Self {
        Self::usage(error.code(), error.to_string())
    }
}
