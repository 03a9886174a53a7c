//! Events to the log, and to the caller.

use std::sync::Arc;

use handshake_core::{
    chat::TurnEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    event::{Actor, Body, CallOutcome, EgressCode, EventScope},
    ids::{EventId, UseId},
    ports::{Clock, Entropy, EntropyExt, FlightRecorder, FlightRecorderExt},
    tier::ModelTier,
};
use tokio::sync::mpsc;

use crate::handle::Delivery;

/// Records events of one scope.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) recorder: Arc<dyn FlightRecorder>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) scope: EventScope,
}

impl Log {
    fn event(&self, actor: Actor, body: Body) -> handshake_core::event::Event {
        let id = EventId::from_entropy(self.entropy.bytes());
        self.scope.event(id, self.clock.now(), actor, body)
    }

    /// Queues an event. An overflow is a gap that the recorder counts.
    pub(crate) fn submit(&self, body: Body) {
        let _counted = self.recorder.submit(self.event(Actor::System, body));
    }

    /// Records with the durability of the tier: Cloud before going on, Local soon.
    pub(crate) async fn record(&self, tier: ModelTier, body: Body) -> Result<(), CallError> {
        match tier {
            ModelTier::Local => self.submit(body),
            ModelTier::Cloud => {
                let appended = self.recorder.append(self.event(Actor::System, body)).await;
                appended.map_err(|_| CallError::new(ErrorCode::Storage, Phase::Storage))?;
            }
        }
        Ok(())
    }

    /// Records a call that ended before its first attempt, or between two turns. Governance, and an adapter that
    /// knows a model to be elsewhere, deny as the gate would and leave the same events, in one append; what the gate
    /// denied itself it has recorded itself.
    pub(crate) async fn refused(&self, error: &CallError) {
        let code = error.code;
        let denial = match code {
            _ if error.phase == Phase::Gate => None,
            ErrorCode::GovernanceLocked | ErrorCode::CloudEscalationDenied => {
                Some(Body::GateDenied {
                    step: EgressCode::Governance,
                    code,
                    count: None,
                })
            }
            ErrorCode::TierMismatch => Some(Body::TierMismatch {
                declared: ModelTier::Local,
                effective: ModelTier::Cloud,
            }),
            _ => None,
        };
        let failed = Body::CallFailed {
            use_id: UseId::from_entropy(self.entropy.bytes()),
            outcome: match code {
                ErrorCode::Cancelled => CallOutcome::Cancelled,
                _ => CallOutcome::Failed,
            },
            code,
            class: error.class,
            phase: error.phase,
            duration_ms: 0,
        };
        let Some(denial) = denial else {
            return self.submit(failed);
        };
        let events = [
            denial,
            Body::CloudEscalationDenied {
                request_id: None,
                code,
            },
            failed,
        ];
        let events = Vec::from(events.map(|body| self.event(Actor::System, body)));
        if self.recorder.append_all(events.clone()).await.is_err() {
            // Nothing was sent, and a log that cannot be written changes no outcome. Queued events that are lost are
            // counted, and recorded as lost when the log can be written again; an append that failed is not.
            for event in events {
                let _counted = self.recorder.submit(event);
            }
        }
    }
}

/// The caller's end. A caller that is gone cancels through its handle, so a failed send is no error here.
#[derive(Clone, Debug)]
pub(crate) struct Out(pub(crate) mpsc::Sender<Result<Delivery, CallError>>);

impl Out {
    pub(crate) async fn event(&self, event: TurnEvent) {
        self.deliver(Delivery::Event(event)).await;
    }

    pub(crate) async fn deliver(&self, delivery: Delivery) {
        let _gone = self.0.send(Ok(delivery)).await;
    }

    pub(crate) async fn fail(&self, error: CallError) {
        let _gone = self.0.send(Err(error)).await;
    }
}

/// How a call ended that did not succeed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) error: CallError,
    /// Whether its outcome is in the log already.
    pub(crate) recorded: bool,
}

impl From<CallError> for Ended {
    fn from(error: CallError) -> Self {
        Self {
            error,
            recorded: false,
        }
    }
}
