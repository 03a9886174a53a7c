//! What software answers at a provider's URL, before the provider is registered or pointed there.

use std::sync::Arc;

use handshake_core::{provider::ProviderRecord, tier::ModelTier};
use handshake_llm::parts::runtime::registry;

use super::{add, governance};
use crate::{context::Context, error::Result, wire::App};

/// Refuses a server on this machine that may not stand behind the record. Whether there is an answer: a server that gives
/// none is asked again before it is used for the first time.
pub(super) async fn admitted(app: &App, record: &ProviderRecord) -> Result<bool> {
    // A relay is contacted when a person granted that, and not before.
    if record.tier == ModelTier::Cloud {
        return Ok(true);
    }
    let shared = Arc::new(record.clone());
    let told = registry::identify(app.runtime.ports(), &shared, governance(app).await?).await;
    let identity = match told {
        Ok(None) => return Ok(true),
        Ok(Some(identity)) => identity,
        Err(error) if error.code.is_denial() => return Err(error.into()),
        Err(_) => return Ok(false),
    };
    let admitted = identity.admits(record).map_err(|error| {
        let how = match (error.field, &identity.kind) {
            ("provider_kind", Some(kind)) => format!("use `--kind {kind}`"),
            _ => {
                let who = identity
                    .program
                    .as_deref()
                    .map(|it| format!("{it} listens there; "));
                let who = who.unwrap_or_default();
                format!("{who}add `--reach relay`, or use the URL of the server behind it")
            }
        };
        add::named(&record.provider_id, error.into()).next(how)
    });
    admitted.map(|()| true)
}

/// Says that nobody is there yet.
pub(super) fn nobody_there(cx: &Context, at: &impl std::fmt::Display) {
    cx.out.note(format!(
        "note: no server answers at {at} yet; it is identified before its first use"
    ));
}
