//! Opening the store of a home, and comparing it with what is noted outside.

use std::sync::Arc;

use handshake_core::{
    attest::PublicKey,
    code::ErrorCode,
    digest::Digest,
    event::{Actor, Body, EventScope},
    ids::{EventId, ExternalId},
    ports::{Clock, Entropy, EntropyExt, FlightRecorderExt, LogAnchor},
    seal::SealKeys,
};
use handshake_registry_store::{Reach, Store, StoreOptions};
use handshake_vault::{RecorderSigner, Vault};

use crate::{
    anchor::{Anchor, Behind, Found, Noted},
    clock::HomeClock,
    error::Result,
    home::Home,
};

/// What a store is opened with.
pub(crate) struct Opening {
    pub(crate) vault: Arc<Vault>,
    pub(crate) seals: Arc<SealKeys>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The clocks of the machine.
    pub(crate) machine: Arc<dyn Clock>,
    pub(crate) approval_key: PublicKey,
}

/// An open store, in the run that the home is in.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) clock: Arc<HomeClock>,
    pub(crate) anchor: Arc<Anchor>,
    pub(crate) behind: Vec<Behind>,
}

impl Opening {
    /// Opens it. A home that is behind what is noted of it begins a new run: nothing that was approved before counts.
    pub(crate) async fn open(&self, home: &mut Home) -> Result<Opened> {
        let key = self.vault.integrity_key()?;
        let vault = Arc::clone(&self.vault);
        let anchor = Anchor::new(&home.trust_dir, &home.install_id, key, vault, home.run);
        let anchor = Arc::new(anchor);
        let found = anchor.read();
        if let Found::Noted(noted) = &found {
            // A list that was put back with an older run does not bring its receipts back.
            anchor.begins_run(home.run.max(noted.run));
            anchor.knew(noted);
        }
        let clock = HomeClock::new(Arc::clone(&self.machine), Arc::clone(&anchor));
        let clock = Arc::new(clock);
        // Set back since the home was open last: what was approved before is void too.
        let set_back = clock.is_news();
        let store = self.store(home, &anchor, &clock)?;
        let head = store.log_head().await?;
        let hash = Digest::from_bytes(*head.hash.as_bytes());
        let known = self.behind(home, &found, &store).await?;
        let opened = |store, behind| Opened {
            store,
            clock: Arc::clone(&clock),
            anchor: Arc::clone(&anchor),
            behind,
        };
        let Some(known) = known else {
            if set_back {
                clock.says(&store, &*self.entropy).await?;
            }
            let behind = match found {
                Found::Noted(noted) => noted.behind,
                _ => {
                    anchor.begin(head.size, hash, Vec::new());
                    Vec::new()
                }
            };
            home.is_noted(anchor.run())?;
            return Ok(opened(store, behind));
        };
        // The run is what receipts are bound to, so the store is opened anew in it.
        drop(store);
        let run = anchor.run() + 1;
        home.is_noted(run)?;
        anchor.begins_run(run);
        let store = self.store(home, &anchor, &clock)?;
        if set_back {
            clock.says(&store, &*self.entropy).await?;
        }
        let event = EventScope::default().event(
            EventId::from_entropy(self.entropy.bytes()),
            clock.now(),
            Actor::System,
            Body::IntegrityAlarm {
                code: ErrorCode::HomeUntrusted,
            },
        );
        store.append(event).await?;
        let mut behind = known
            .as_ref()
            .map_or_else(Vec::new, |noted| noted.behind.clone());
        behind.push(Behind {
            size: known.as_ref().map_or(0, |noted| noted.size),
            hash: known.as_ref().map_or(hash, |noted| noted.hash),
            found_size: head.size,
            found_at: clock.now(),
        });
        let head = store.log_head().await?;
        let hash = Digest::from_bytes(*head.hash.as_bytes());
        anchor.begin(head.size, hash, behind.clone());
        Ok(opened(store, behind))
    }

    fn store(&self, home: &Home, anchor: &Arc<Anchor>, clock: &Arc<HomeClock>) -> Result<Store> {
        let noted: Arc<dyn LogAnchor> = Arc::clone(anchor) as _;
        let store = Store::open(
            &home.path.join("handshake.db"),
            StoreOptions {
                install_id: ExternalId::new(&home.install_id)?,
                sealer: Arc::clone(&self.vault) as _,
                recorder_signer: Arc::new(RecorderSigner::new(Arc::clone(&self.vault))),
                clock: Arc::clone(clock) as _,
                entropy: Arc::clone(&self.entropy),
                anchor: Some(noted),
                seals: Arc::clone(&self.seals),
                approval_key: Some(self.approval_key.clone()),
            },
        )?;
        Ok(store)
    }

    /// What the home is behind, as far as that is known; `None` where it is not.
    async fn behind(
        &self,
        home: &Home,
        found: &Found,
        store: &Store,
    ) -> Result<Option<Option<Box<Noted>>>> {
        let noted = match found {
            // A home of a version that noted nothing, or a new one.
            Found::Nothing if !home.anchored => return Ok(None),
            Found::Nothing | Found::Damaged => return Ok(Some(None)),
            Found::Noted(noted) => noted,
        };
        let reach = store.reaches(noted.size, noted.hash).await?;
        let (edition, sha256) = self.vault.edition()?;
        let same = edition > noted.vault_edition
            || (edition == noted.vault_edition && sha256 == noted.vault_sha256);
        if reach == Reach::There && same {
            Ok(None)
        } else {
            Ok(Some(Some(noted.clone())))
        }
    }
}
