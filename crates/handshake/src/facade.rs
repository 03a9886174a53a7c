//! The handle that a program holds.

use std::sync::Arc;

use handshake_core::{
    base_url::BaseUrl,
    chat::{ChatRequest, Message, Role, Target},
    code::{ErrorCode, Phase},
    event::{Actor, Body, EventScope, WidenKind},
    ids::{EventId, MessageId, ModelRef, ProviderId, SessionId, Token, TraceId},
    ports::{EntropyExt, FlightRecorderExt, ProviderStore, RegistryFeed},
    provider::{ProviderDraft, ProviderRecord},
    seal::Needs,
    secret::Secret,
    tier::{ModelTier, Reach},
};
use handshake_runtime::{CallHandle, CallOptions, Runtime, registry};

use crate::{
    account::account,
    approve::Approver,
    builder::Builder,
    error::{Error, Result},
    home::Home,
    wire::{Parts, Wiring},
};

/// A governed model runtime over one home. Cheap to clone; all clones are the same one.
#[derive(Clone, Debug)]
pub struct Handshake {
    parts: Arc<Parts>,
}

impl Handshake {
    /// Starts opening a home.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Wires everything over an open home. `vault` is the vault's passphrase where its key file is not here.
    ///
    /// # Errors
    /// What the vault, the rules and the store say.
    pub async fn wire(home: Home, wiring: Wiring, vault: Option<&Secret>) -> Result<Self> {
        let parts = Arc::new(Parts::wire(home, wiring, vault).await?);
        Ok(Self { parts })
    }

    /// Registers a model server on this machine and reads what its models can do. One that is registered the same
    /// way already is only read again. `kind` is `ollama` or `openai_compat`. A local server needs nobody's word, but for one
    /// case: at the address of a relay it would turn that relay into a local server, and `factor`, the approval
    /// passphrase, is asked for.
    ///
    /// # Errors
    /// `HSK-403-TIER-MISMATCH` for a URL that is not on this machine, `HSK-403-FACTOR-REQUIRED`,
    /// `HSK-400-INVALID-CONFIG` for an unknown kind or an id that is something else already, and what the server
    /// answers.
    pub async fn add_local_provider(
        &self,
        id: &str,
        kind: &str,
        base_url: &str,
        factor: Option<&Secret>,
    ) -> Result<()> {
        let parts = &self.parts;
        let draft = ProviderDraft {
            provider_id: ProviderId::new(id)?,
            provider_kind: Token::new(kind)?,
            tier: None,
            base_url: BaseUrl::parse(base_url)?,
            reach: Reach::Direct,
            dialect: None,
            default_model: None,
            secret_ref: None,
        };
        let record = draft.into_record(parts.clock.now())?;
        if record.tier != ModelTier::Local {
            let message = format!("provider {id}: not a server on this machine");
            return Err(Error::usage(ErrorCode::TierMismatch, message)
                .next("run `handshake provider add` for a cloud provider"));
        }
        let Some(factory) = parts.runtime.ports().adapters.get(&record.provider_kind) else {
            let message = format!("provider {id}: no adapter for this kind of provider");
            return Err(Error::usage(ErrorCode::InvalidConfig, message));
        };
        factory.validate(&record)?;
        let known = ProviderStore::list(&parts.store).await?;
        let record = match known
            .into_iter()
            .find(|r| r.provider_id == record.provider_id)
        {
            Some(there) if there.draft() == record.draft() => there,
            Some(_) => {
                let message = format!("provider already registered: {id}");
                return Err(Error::usage(ErrorCode::InvalidConfig, message));
            }
            None => self.register(record, factor).await?,
        };
        let governance = parts.store.current()?.governance();
        registry::refresh(parts.runtime.ports(), &Arc::new(record), governance).await?;
        Ok(())
    }

    async fn register(
        &self,
        record: ProviderRecord,
        factor: Option<&Secret>,
    ) -> Result<ProviderRecord> {
        let parts = &self.parts;
        let mut actor = Actor::Agent;
        let mut approval = None;
        if parts.needed_for(&record, None)? == Needs::Signature {
            let required = || {
                let message = "the approval passphrase is required to register this provider, because a relay is registered at its address";
                Error::new(ErrorCode::FactorRequired, Phase::Gate, message)
            };
            let factor = factor.ok_or_else(required)?;
            approval = Some(parts.vault.approve(Some(factor))?);
            actor = Actor::Human;
        }
        let scope = || EventScope {
            principal: Some(account()),
            provider_id: Some(record.provider_id.clone()),
            ..EventScope::default()
        };
        let event = |body| {
            let id = EventId::from_entropy(parts.entropy.bytes());
            scope().event(id, parts.clock.now(), actor, body)
        };
        let widened = parts.widened(WidenKind::Provider, None, &record.draft())?;
        parts.store.append(event(widened)).await?;
        let registered = event(Body::ProviderRegistered {
            revision: record.revision,
            tier: record.tier,
        });
        parts
            .register_providers(vec![record.clone()], approval.as_ref(), vec![registered])
            .await?;
        Ok(record)
    }

    /// A request with one message, to a model given as `PROVIDER/MODEL`.
    ///
    /// # Errors
    /// `HSK-400-INVALID-REQUEST` for a name that is none.
    pub fn ask(&self, model: &str, prompt: impl Into<Arc<str>>) -> Result<ChatRequest> {
        let target: ModelRef = model.parse()?;
        let entropy = &self.parts.entropy;
        let trace_id = TraceId::from_entropy(entropy.bytes());
        let message = MessageId::from_entropy(entropy.bytes());
        let now = self.parts.clock.now();
        Ok(ChatRequest::new(
            SessionId::new(format!("once-{trace_id}"))?,
            trace_id,
            account(),
            Target::Model(target),
            vec![Message::text(message, Role::User, prompt, now)],
        ))
    }

    /// Starts a governed call. It goes on while its handle is polled, and ends when the handle is dropped.
    ///
    /// After [`TurnEvent::AwaitingConsent`](crate::TurnEvent::AwaitingConsent), ask the person in a task of its own
    /// and keep polling: a call that is not polled does not wait, and a request that nobody waits for is withdrawn
    /// after 60 seconds.
    #[must_use]
    pub fn chat(&self, request: ChatRequest) -> CallHandle {
        self.parts.runtime.chat(request, CallOptions::default())
    }

    /// The person's side: what waits, what would leave, yes and no.
    #[must_use]
    pub fn approver(&self) -> Approver {
        Approver::new(Arc::clone(&self.parts))
    }

    /// The runtime, for sessions, swaps and options of a call.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.parts.runtime
    }

    /// Everything behind this handle.
    #[must_use]
    pub fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }

    /// Waits until everything that was queued for the log is durable. Call it before the program ends.
    ///
    /// # Errors
    /// `HSK-500-STORAGE`.
    pub async fn finish(&self) -> Result<()> {
        self.parts.finish().await
    }
}
