//! The closed set of recorded events: ids, enums, counts, durations, sizes, keyed hashes. No free text.

use serde::{Deserialize, Serialize};

mod body;
mod read;

pub use self::{
    body::{
        Body, CallOutcome, ControlKind, EgressCode, HealthState, LossCause, SideEffectWord,
        Transport, WidenKind, Withdrawn,
    },
    read::InvalidEvent,
};
use crate::{
    digest::{NotCanonical, canonical_json_into},
    ids::{EventId, ExternalId, ModelId, Principal, ProviderId, SessionId, TraceId},
    time::UtcTime,
};

/// Who acted.
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
pub enum Actor {
    /// A person.
    Human,
    /// A model or a client.
    Agent,
    /// This program.
    System,
}

/// One event. Its sequence number is given by the log when it is appended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Event {
    /// Its id.
    pub event_id: EventId,
    /// When.
    pub timestamp: UtcTime,
    /// Who acted.
    pub actor: Actor,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<ExternalId>,
    /// The work package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wp_id: Option<ExternalId>,
    /// The micro task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mt_id: Option<ExternalId>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<ModelId>,
    /// The provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<ProviderId>,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// An event in the log: with its sequence number.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct RecordedEvent {
    /// Its place in the log, from 0.
    pub seq: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

impl Event {
    /// Appends the canonical JSON of this event at a place of the log: the bytes of a [`RecordedEvent`].
    ///
    /// # Errors
    /// [`NotCanonical`] for a number beyond 2^53; `out` is then as it was.
    pub fn write_recorded(&self, seq: u64, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
        #[derive(Serialize)]
        struct Recorded<'a> {
            seq: u64,
            #[serde(flatten)]
            event: &'a Event,
        }
        canonical_json_into(&Recorded { seq, event: self }, out)
    }
}

/// The ids that all events of one call share.
#[derive(Clone, Debug, Default)]
pub struct EventScope {
    /// On whose behalf.
    pub principal: Option<Principal>,
    /// The session.
    pub session_id: Option<SessionId>,
    /// The trace.
    pub trace_id: Option<TraceId>,
    /// The job.
    pub job_id: Option<ExternalId>,
    /// The work package.
    pub wp_id: Option<ExternalId>,
    /// The micro task.
    pub mt_id: Option<ExternalId>,
    /// The model.
    pub model_id: Option<ModelId>,
    /// The provider.
    pub provider_id: Option<ProviderId>,
}

impl EventScope {
    /// Makes an event of this scope.
    #[must_use]
    pub fn event(&self, event_id: EventId, timestamp: UtcTime, actor: Actor, body: Body) -> Event {
        Event {
            event_id,
            timestamp,
            actor,
            principal: self.principal.clone(),
            session_id: self.session_id.clone(),
            trace_id: self.trace_id,
            job_id: self.job_id.clone(),
            wp_id: self.wp_id.clone(),
            mt_id: self.mt_id.clone(),
            model_id: self.model_id.clone(),
            provider_id: self.provider_id.clone(),
            body,
        }
    }
}
