//! What a command ends in when it does not succeed: a code, a message, a next step, an exit status.

use handshake_core::{
    base_url::InvalidBaseUrl,
    code::{ErrorClass, ErrorCode, Phase},
    error::CallError,
    ids::{InvalidId, TraceId},
    ports::{QueueError, RecordError, SecretError, SignError, StoreError},
    provider::InvalidProvider,
};
use serde::Serialize;

/// A failed command. Holds our own words only: no payload, no provider text, no secret.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AppError {
    pub(crate) code: ErrorCode,
    pub(crate) class: ErrorClass,
    pub(crate) phase: Phase,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<TraceId>,
    #[serde(skip)]
    pub(crate) exit: Exit,
}

/// Exit statuses. Published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Denied = 3,
    Waiting = 4,
    Unverified = 5,
}

impl Exit {
    /// Verified, but without an anchor. Shares its number with waiting: something is still wanted from outside.
    pub(crate) const UNANCHORED: Self = Self::Waiting;
}

pub(crate) type Result<T> = std::result::Result<T, AppError>;

impl AppError {
    pub(crate) fn new(code: ErrorCode, phase: Phase, message: impl Into<String>) -> Self {
        let exit = match code {
            ErrorCode::CloudConsentRequired => Exit::Waiting,
            code if code.is_denial() => Exit::Denied,
            _ => Exit::Failed,
        };
        let next_step = Some(code.next_step())
            .filter(|step| !step.is_empty())
            .map(str::to_owned);
        let message = message.into();
        Self {
            code,
            class: code.class(),
            phase,
            message,
            next_step,
            trace_id: None,
            exit,
        }
    }

    /// Bad input: usage.
    pub(crate) fn usage(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(code, Phase::Input, message)
        }
    }

    pub(crate) fn next(mut self, step: impl Into<String>) -> Self {
        self.next_step = Some(step.into());
        self
    }

    pub(crate) fn traced(mut self, trace_id: TraceId) -> Self {
        self.trace_id = Some(trace_id);
        self
    }

    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl From<handshake_llm::Error> for AppError {
    fn from(error: handshake_llm::Error) -> Self {
        let exit = error.is_usage().then_some(Exit::Usage);
        let made = Self::new(error.code, error.phase, error.message);
        Self {
            class: error.class,
            next_step: error.next_step,
            exit: exit.unwrap_or(made.exit),
            ..made
        }
    }
}

/// The facade knows what each of them comes to.
macro_rules! as_the_facade_says {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for AppError {
            fn from(error: $error) -> Self {
                handshake_llm::Error::from(error).into()
            }
        }
    )*};
}

impl From<CallError> for AppError {
    /// At a terminal a person can be told where to look. A client of the gateway is not.
    fn from(error: CallError) -> Self {
        let found = error.code == ErrorCode::LeakageBlocked && error.subject == Some("findings");
        let made = Self::from(handshake_llm::Error::from(error));
        match found {
            true => made.next(
                "remove it, or use a local model; run `handshake leak blocked` to see what it was",
            ),
            false => made,
        }
    }
}

as_the_facade_says!(
    StoreError,
    RecordError,
    QueueError,
    SignError,
    SecretError,
    handshake_llm::parts::VaultError,
    handshake_llm::parts::OpenError,
    InvalidProvider,
    InvalidBaseUrl,
    InvalidId,
    handshake_llm::parts::InvalidRules,
);
