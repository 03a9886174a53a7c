//! Bounds of the runtime, and the options of one call.

use std::{collections::BTreeSet, time::Duration};

use handshake_core::{
    admit::Emulation,
    consent::EscalationReason,
    ids::{ExternalId, ModelRef, ProviderId, SessionId},
};
use handshake_policy::retry::SharedRetry;

/// Bounds of the runtime.
#[derive(Clone, Debug)]
pub struct Config {
    /// Retries. What is set there counts from the next failure on.
    pub retry: SharedRetry,
    /// Tool calls of one turn.
    pub max_calls_per_turn: usize,
    /// Calls to the model of one request.
    pub max_turns: u32,
    /// The longest that one tool may run.
    pub tool_timeout: Duration,
    /// Bodies above this are inspected off the reactor.
    pub inspect_inline_bytes: u64,
    /// What is known about a local model is read again when it is older.
    pub residence_max_age: Duration,
    /// Where tools are emulated for models that have no tool calling.
    pub emulate_tools: EmulateTools,
    /// Whether answers that begin like a refusal are marked as suspected ones.
    pub suspect_refusals: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retry: SharedRetry::default(),
            max_calls_per_turn: 8,
            max_turns: 16,
            tool_timeout: Duration::from_secs(60),
            inspect_inline_bytes: 64 * 1024,
            residence_max_age: Duration::from_secs(60),
            emulate_tools: EmulateTools::default(),
            suspect_refusals: false,
        }
    }
}

/// Providers and models whose tools may be emulated.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EmulateTools {
    /// Providers, with all of their models.
    pub providers: BTreeSet<ProviderId>,
    /// Single models.
    pub models: BTreeSet<ModelRef>,
}

impl EmulateTools {
    pub(crate) fn of(&self, model: &ModelRef) -> Emulation {
        if self.providers.contains(&model.provider) || self.models.contains(model) {
            Emulation::On
        } else {
            Emulation::Off
        }
    }
}

/// Where the conversation is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum History {
    /// In the session store: stored messages come first, and this exchange is stored too.
    Stored,
    /// By the caller, who sends all of it each time.
    #[default]
    Carried,
}

/// Who runs tools.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ToolUse {
    /// The runtime, through the tool gate and the registry.
    Registry,
    /// The caller: calls are handed out and the request ends.
    #[default]
    Caller,
}

/// What to do when a person must be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConsentMode {
    /// Wait so long.
    Wait(Duration),
    /// Answer `HSK-403-CLOUD-CONSENT-REQUIRED` at once; the request stays in the queue.
    AnswerAtOnce,
}

/// What happens to a Cloud call in which something is found that may not leave. A gateway's client has no say in it:
/// for its calls the operator's rules decide, and nothing comes back to it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Redact {
    /// It is refused, or a person is asked about it.
    #[default]
    Off,
    /// Stand-ins are put in its place, and the call goes on. They stay in the answer.
    Outbound,
    /// The same, and the answer has the values again: for a caller that is a sink on this machine, such as the terminal
    /// of the person who asks.
    LocalSink,
}

/// The options of one call.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// Where the conversation is kept.
    pub history: History,
    /// Who runs tools.
    pub tools: ToolUse,
    /// What to do when a person must be asked.
    pub consent: ConsentMode,
    /// The session under which consent is asked for; the request's own where absent.
    pub consent_session: Option<SessionId>,
    /// What happens to what may not leave.
    pub redact: Redact,
    /// Attempts of one call, where the caller wants another number than the policy's; never more than that.
    pub max_attempts: Option<u32>,
    /// Why Cloud is asked for.
    pub reason: EscalationReason,
    /// The job.
    pub job_id: Option<ExternalId>,
    /// The work package.
    pub wp_id: Option<ExternalId>,
    /// The micro task.
    pub mt_id: Option<ExternalId>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            history: History::default(),
            tools: ToolUse::default(),
            consent: ConsentMode::Wait(Duration::from_secs(540)),
            consent_session: None,
            redact: Redact::default(),
            max_attempts: None,
            reason: EscalationReason::default(),
            job_id: None,
            wp_id: None,
            mt_id: None,
        }
    }
}
