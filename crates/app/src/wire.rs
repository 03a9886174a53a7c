//! The composition root: every port is chosen here and nowhere else.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use handshake_adapters_ollama::OllamaFactory;
use handshake_adapters_openai_compat::OpenAiCompatFactory;
use handshake_core::{
    code::{ErrorCode, Phase},
    gate::{Gate, GatePorts},
    ids::{ExternalId, ProviderId},
    ports::{
        AdapterFactory, Clock, EgressLedger, Entropy, LeakageValidator, PeerResolver, SecretStore,
        Signer,
    },
    tool::ToolRegistry,
};
use handshake_leakage::{Engine, Enrolment, Redactor, SecretValidator, SharedEnrolment, SinkGuard};
use handshake_policy::{egress::RulesPolicy, second_hand::SecondHandValidator};
use handshake_registry_store::{Epoch, Store, StoreOptions};
use handshake_runtime::{Adapters, Config, Ports, Runtime, tools::Grants};
use handshake_transport::{Limits, SystemResolver, Transport};
use handshake_vault::{ApprovalSigner, Places, RecorderSigner, Vault, VaultSecrets};

use crate::{
    clock::{OsEntropy, SystemClock},
    error::{AppError, Result},
    home::Home,
    policy_file,
    tools::Builtins,
};

/// Everything that a command may need.
pub(crate) struct App {
    pub(crate) home: Home,
    pub(crate) store: Store,
    pub(crate) vault: Arc<Vault>,
    pub(crate) secrets: Arc<VaultSecrets>,
    pub(crate) policy: Arc<RulesPolicy>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) enrolment: SharedEnrolment,
    pub(crate) guard: SinkGuard,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) runtime: Runtime,
}

/// What differs between commands.
pub(crate) struct Wiring {
    /// Tools that the runtime may run.
    pub(crate) tools: ToolRegistry,
    /// What sessions may do with them.
    pub(crate) grants: Grants,
    /// Our own listeners, which are never dialled.
    pub(crate) own_listeners: Vec<std::net::SocketAddr>,
    /// Who resolves names.
    pub(crate) resolver: Arc<dyn PeerResolver>,
}

impl Default for Wiring {
    fn default() -> Self {
        Self {
            tools: ToolRegistry::new(),
            grants: Grants::default(),
            own_listeners: Vec::new(),
            resolver: Arc::new(SystemResolver),
        }
    }
}

impl App {
    /// Opens the home, or makes it, and wires everything.
    pub(crate) async fn open(path: &Path, wiring: Wiring) -> Result<Self> {
        let home = Home::open_or_make(path)?;
        Self::wire(home, wiring).await
    }

    /// Wires everything over an open home.
    pub(crate) async fn wire(home: Home, wiring: Wiring) -> Result<Self> {
        let vault = home.vault()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(home.run));
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let approval_key = ApprovalSigner::new(Arc::clone(&vault)).public_key();
        let store = Store::open(
            &home.path.join("handshake.db"),
            StoreOptions {
                install_id: ExternalId::new(&home.install_id)?,
                sealer: Arc::clone(&vault) as _,
                recorder_signer: Arc::new(RecorderSigner::new(Arc::clone(&vault))),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                approval_key: Some(approval_key.clone()),
            },
        )?;
        let secrets = Arc::new(VaultSecrets::new(
            Arc::clone(&vault),
            Arc::new(|name: &str| std::env::var_os(name)),
            Places {
                home: home.path.clone(),
                credentials_directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into),
            },
        ));
        let rules = policy_file::load(&home.path, &approval_key)?.in_force;
        let policy = Arc::new(RulesPolicy::new(rules.clone()));
        let engine = Engine::builtin();
        let epochs = vec![
            Epoch::Policy(rules.digest()),
            Epoch::Rules(engine.digest()),
            Epoch::ApprovalKey(Some(approval_key.id().clone())),
        ];
        store.set_epochs(epochs).await?;
        let enrolment = SharedEnrolment::new(enrol(&store, &secrets).await?);
        let guard = SinkGuard::new(Arc::new(Redactor::new(
            Arc::clone(&engine),
            enrolment.clone(),
        )));
        let (_, commitments) = vault.commitment_key()?;
        let validators: Vec<Arc<dyn LeakageValidator>> = vec![
            Arc::new(SecretValidator::new(Arc::clone(&engine), enrolment.clone())),
            Arc::new(SecondHandValidator::new(rules.second_hand)),
        ];
        let home_store = Arc::new(store.clone());
        let mut ports = GatePorts::new(
            &home_store,
            Arc::clone(&policy) as _,
            wiring.resolver,
            Arc::clone(&secrets) as _,
            Arc::clone(&clock),
            Arc::clone(&entropy),
            commitments,
        );
        ports.validators = validators;
        ports.approval_key = Some(approval_key);
        ports.own_listeners = wiring.own_listeners;
        let gate = Arc::new(Gate::new(ports));
        let adapters = adapters(Arc::clone(&secrets) as _, Arc::clone(&clock))?;
        let mut emulate_tools = std::collections::BTreeSet::new();
        for provider in &rules.emulate_tools {
            emulate_tools.insert(ProviderId::new(provider)?);
        }
        let ports = Ports::new(
            &home_store,
            gate,
            Adapters::new(adapters),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        )
        .with_tools(wiring.tools, wiring.grants, Arc::new(Builtins))?;
        let runtime = Runtime::new(
            ports,
            Config {
                retry: rules.retry.into(),
                emulate_tools,
                ..Config::default()
            },
        );
        Ok(Self {
            home,
            store,
            vault,
            secrets,
            policy,
            engine,
            enrolment,
            guard,
            clock,
            entropy,
            runtime,
        })
    }

    /// The signer of approvals. It asks for the factor each time.
    pub(crate) fn signer(&self) -> ApprovalSigner {
        ApprovalSigner::new(Arc::clone(&self.vault))
    }

    /// Enrols every secret again and raises the generation, after one was put, bound or removed. Other
    /// processes see the new generation and give no verdict until they know the secret too.
    pub(crate) async fn enrolled_again(&self) -> Result<()> {
        let next = self.enrolment.current().generation() + 1;
        self.store.set_epoch(Epoch::Enrolled(next)).await?;
        self.enrolment
            .replace(enrol(&self.store, &self.secrets).await?);
        Ok(())
    }

    /// Waits until everything that was queued for the log is durable.
    pub(crate) async fn finish(&self) -> Result<()> {
        use handshake_core::ports::FlightRecorder;
        Ok(self.store.flush().await?)
    }
}

/// The adapters that this binary ships, by kind.
pub(crate) fn adapters(
    secrets: Arc<dyn SecretStore>,
    clock: Arc<dyn Clock>,
) -> Result<BTreeMap<handshake_core::ids::Token, Arc<dyn AdapterFactory>>> {
    let transport = Transport::new(secrets, clock, Limits::default()).map_err(|_| {
        AppError::new(
            ErrorCode::Storage,
            Phase::Connect,
            "cannot set up the transport",
        )
    })?;
    let all: [Arc<dyn AdapterFactory>; 2] = [
        Arc::new(OllamaFactory::new(transport.clone())),
        Arc::new(OpenAiCompatFactory::new(transport)),
    ];
    Ok(all
        .into_iter()
        .map(|factory| (factory.kind().clone(), factory))
        .collect())
}

async fn enrol(store: &Store, secrets: &VaultSecrets) -> Result<Enrolment> {
    let any = ProviderId::new("any")?;
    let generation = store.epochs(&any).await?.enrolled;
    let mut set = Enrolment::new(generation);
    for (_, secret) in secrets.needles()? {
        // Too short or too common to be searched for; `secret set` refuses or warns about those.
        let _too_weak = set.add(&secret);
    }
    Ok(set)
}
