//! Pausing, resuming and stopping: one transaction with the events that say so.

use std::sync::Arc;

use handshake_core::{
    event::{Actor, Body, Event, EventScope, Withdrawn},
    ids::{EventId, Principal},
    ports::{EntropyExt, StoreError},
};

use crate::{consent, epochs, log, store::Store, writer::Tx};

impl Store {
    /// Pauses Cloud, on a person's word: no attempt is committed until somebody resumes, in no process of the home, and
    /// every lease that was given before is asked about again. False where it was paused already. Needs no factor.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pause_cloud(&self, by: Principal) -> Result<bool, StoreError> {
        self.change(move |tx| {
            let paused = epochs::set_paused(tx, true)?;
            if paused {
                log::append(tx, &withdrawn(tx, by, Withdrawn::Pause))?;
            }
            Ok(paused)
        })
        .await
    }

    /// The same, and every receipt is revoked: what runs under one ends. Returns how many there were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stop_cloud(&self, by: Principal) -> Result<u64, StoreError> {
        self.change(move |tx| {
            epochs::set_paused(tx, true)?;
            log::append(tx, &withdrawn(tx, by, Withdrawn::Stop))?;
            consent::revoke_where(tx, "?1 IS NULL", None, Actor::Human)
        })
        .await
    }

    /// Lets Cloud go on. `event` says that somebody may: the caller has checked the factor. False, and nothing is
    /// recorded, where it was not paused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resume_cloud(&self, event: Event) -> Result<bool, StoreError> {
        self.change(move |tx| {
            let resumed = epochs::set_paused(tx, false)?;
            if resumed {
                log::append(tx, &event)?;
            }
            Ok(resumed)
        })
        .await
    }

    /// Whether Cloud is paused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_paused(&self) -> Result<bool, StoreError> {
        let shared = Arc::clone(self.shared());
        self.read(move |conn| Ok(epochs::pause(conn, &shared.options.seals)?.said.paused))
            .await
    }
}

fn withdrawn(tx: &Tx<'_>, by: Principal, what: Withdrawn) -> Event {
    let scope = EventScope {
        principal: Some(by),
        ..EventScope::default()
    };
    let body = Body::Revoked {
        what,
        consent_receipt_id: None,
    };
    let id = EventId::from_entropy(tx.shared.options.entropy.bytes());
    scope.event(id, tx.now(), Actor::Human, body)
}
