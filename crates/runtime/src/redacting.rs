//! Redact and continue: whose calls are redacted, and where values come back.

use std::sync::{Arc, Mutex, PoisonError};

use handshake_core::{
    chat::{ChatEvent, ChatRequest, TurnEvent},
    event::Body,
    finding::FindingClass,
    gate::{EgressRequest, Redacted, Scan},
    ids::PrincipalKind,
    redact::{Applied, Restorer, StandIns},
    tool::ToolEntry,
};
use serde_json::{Map, Value};

use crate::{
    config::{CallOptions, Redact},
    ports::Ports,
};

/// Bytes of values that the arguments of one call of a tool get back; the tool gate takes no more anyway.
const ARGUMENTS: usize = handshake_core::tool::INLINE_CAP;

/// What a model is told of a call whose arguments hold values that it was not shown, whatever came of it: a part of
/// the value, its length, or whether it is what the model guesses would be a way to buy it piece by piece.
pub(crate) const WITHHELD: &str = r#"{"note":"called with values that are redacted here; what came of it stays on that machine"}"#;

/// What is kept of the redaction of one request, all its turns long.
#[derive(Clone, Debug)]
pub(crate) struct Redacting {
    stand_ins: Arc<StandIns>,
    /// What puts values into the answers; `None` for a caller that gets none.
    restorer: Option<Arc<Mutex<Restorer>>>,
    /// Values come back into what stays here.
    local: bool,
}

impl Redacting {
    /// `None` where the call is not redacted.
    pub(crate) fn of(ports: &Ports, request: &ChatRequest, options: &CallOptions) -> Option<Self> {
        let principal = &request.principal;
        // What a client says of itself is no person's word.
        let redact = match (principal.kind, ports.gate.redacts_for(principal)) {
            (PrincipalKind::Client, true) => Redact::Outbound,
            (PrincipalKind::Client, false) => Redact::Off,
            _ => options.redact,
        };
        if redact == Redact::Off {
            return None;
        }
        let session = options.consent_session.as_ref();
        let session = session.unwrap_or(&request.session_id).clone();
        let key = ports.gate.commitments().clone();
        let stand_ins = Arc::new(StandIns::new(key, principal, session));
        let restorer = (redact == Redact::LocalSink).then(|| {
            let json = request.structured_output_schema.is_some();
            Arc::new(Mutex::new(Restorer::new(Arc::clone(&stand_ins), json)))
        });
        Some(Self {
            stand_ins,
            restorer,
            local: principal.kind != PrincipalKind::Client,
        })
    }

    /// The call as it is to be judged, and what is known of it already.
    pub(crate) fn redacted(
        redacting: Option<&Self>,
        ports: &Ports,
        request: EgressRequest,
    ) -> (EgressRequest, Option<Scan>) {
        match redacting {
            None => (request, None),
            Some(redacting) => {
                let Redacted { request, scan } = ports.gate.redact(request, &redacting.stand_ins);
                (request, scan)
            }
        }
    }

    /// The events of an answer with values in place of their stand-ins, where the reader is on this machine. What is
    /// stored and checked has the stand-ins: it is what the model said.
    pub(crate) fn restored(redacting: Option<&Self>, events: Vec<ChatEvent>) -> Vec<ChatEvent> {
        match redacting.and_then(|redacting| redacting.restorer.as_ref()) {
            Some(restorer) => restorer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .events(events),
            None => events,
        }
    }

    /// What was held back of an answer that breaks off.
    pub(crate) fn rest(redacting: Option<&Self>) -> Vec<ChatEvent> {
        match redacting.and_then(|redacting| redacting.restorer.as_ref()) {
            Some(restorer) => restorer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .rest(),
            None => Vec::new(),
        }
    }

    /// What the caller is told, where values come back to it. Whoever gets none is not told either.
    pub(crate) fn told(&self, applied: &[Applied]) -> Option<TurnEvent> {
        let (values, places) = counts(applied);
        self.restorer.as_ref()?;
        Some(TurnEvent::Redacted { values, places })
    }

    /// The arguments that a tool is run with: with values where they stay on this machine, as the model gave them
    /// otherwise. Names of members are never restored. What comes of a call whose arguments were restored is not for the
    /// model: see [`WITHHELD`].
    pub(crate) fn arguments(
        redacting: Option<&Self>,
        entry: Option<&ToolEntry>,
        given: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut arguments = given.clone();
        let local = entry.is_some_and(ToolEntry::stays_local);
        if let Some(redacting) = redacting.filter(|redacting| redacting.local && local) {
            let mut room = ARGUMENTS;
            for value in arguments.values_mut() {
                redacting.restore(value, &mut room);
            }
        }
        arguments
    }

    fn restore(&self, value: &mut Value, room: &mut usize) {
        match value {
            Value::String(text) => {
                let restored = self.stand_ins.restored(text, room);
                if let std::borrow::Cow::Owned(restored) = restored {
                    *text = restored;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.restore(item, room)),
            Value::Object(members) => members
                .values_mut()
                .for_each(|member| self.restore(member, room)),
            _ => {}
        }
    }
}

/// What the log says of a call that was redacted.
pub(crate) fn recorded(request: &EgressRequest) -> Option<Body> {
    let applied = &request.context.redactions;
    let class: FindingClass = applied.iter().map(|applied| applied.class).min()?;
    let (values, places) = counts(applied);
    Some(Body::ContentRedacted {
        use_id: request.use_id,
        values,
        places,
        class,
    })
}

fn counts(applied: &[Applied]) -> (u32, u32) {
    let values = u32::try_from(applied.len()).unwrap_or(u32::MAX);
    let places = applied
        .iter()
        .fold(0u32, |all, applied| all.saturating_add(applied.count));
    (values, places)
}
