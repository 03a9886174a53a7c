//! What a command writes into the log.

use handshake_core::{
    event::{Actor, Body, Event, EventScope},
    ids::{EventId, ModelId, ProviderId},
    ports::{EntropyExt, FlightRecorderExt},
};

use handshake_llm::parts::account;

use crate::{error::Result, factor, wire::App};

/// Appends an event, durably.
pub(crate) async fn record(app: &App, scope: EventScope, body: Body) -> Result<()> {
    app.store.append(event(app, scope, body)).await?;
    Ok(())
}

/// An event of now. The actor is a person only where a terminal is: a script is an agent.
pub(crate) fn event(app: &App, scope: EventScope, body: Body) -> Event {
    let actor = if factor::at_terminal() {
        Actor::Human
    } else {
        Actor::Agent
    };
    scope.event(
        EventId::from_entropy(app.entropy.bytes()),
        app.clock.now(),
        actor,
        body,
    )
}

/// An event of the person at this terminal.
pub(crate) fn by_person() -> EventScope {
    EventScope {
        principal: Some(account()),
        ..EventScope::default()
    }
}

/// The same, about a provider.
pub(crate) fn about(provider: &ProviderId) -> EventScope {
    EventScope {
        provider_id: Some(provider.clone()),
        ..by_person()
    }
}

/// The same, about a model of a provider.
pub(crate) fn about_model(provider: &ProviderId, model: &ModelId) -> EventScope {
    EventScope {
        model_id: Some(model.clone()),
        ..about(provider)
    }
}
