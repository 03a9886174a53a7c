//! The stage: a temporary home, a local model, a "cloud" model, and the bookkeeping of checks.

use std::sync::Arc;

use handshake_core::{
    base_url::BaseUrl,
    capability::{Claims, Feature, Limit},
    chat::{ChatRequest, Message, Role, Target},
    ids::{ModelId, ModelRef, ProviderId, SessionId, Token, TraceId},
    policy::Governance,
    ports::{EntropyExt, ProviderStore},
    provider::{ProviderDraft, ProviderRecord},
    secret::{Secret, SecretRef},
    tier::{ModelTier, Reach},
};
use handshake_llm::parts::{
    Home, KdfParams, Making, OsEntropy, account, builtins,
    runtime::{registry, tools::Grants},
};
use handshake_simulator::{Model, Reply, Rule, Script, SimConfig, Simulator};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    error::{AppError, Result},
    out::Out,
    wire::{App, Wiring},
};

/// Where a real Ollama usually listens.
const USUAL: &str = "http://127.0.0.1:11434";

/// Everything that the acts use.
pub(crate) struct Stage {
    pub(crate) out: Out,
    pub(crate) app: App,
    pub(crate) cloud: Simulator,
    /// The simulator that stands in for a model server that a fresh machine does not have.
    local_simulator: Option<Simulator>,
    pub(crate) local_model: ModelRef,
    pub(crate) cloud_model: ModelRef,
    /// The cloud provider's key: enrolled, so it must not appear in any request's content.
    pub(crate) secret: String,
    /// The passphrase of the demo's own approval key.
    pub(crate) passphrase: Secret,
    /// Whether a person at the terminal is asked.
    pub(crate) ask: bool,
    pub(crate) checks: u32,
    pub(crate) failed: u32,
    folder: TempDir,
}

fn failed(part: &str) -> AppError {
    AppError::new(
        handshake_core::code::ErrorCode::Storage,
        handshake_core::code::Phase::Input,
        format!("cannot set up {part} for the demo"),
    )
}

/// Random text of the form that provider keys have.
fn made_up(prefix: &str, bytes: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let drawn: [u8; 64] = OsEntropy.bytes();
    let letters = drawn
        .iter()
        .take(bytes)
        .map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()]));
    prefix.chars().chain(letters).collect()
}

impl Stage {
    /// Sets everything up.
    pub(crate) async fn set(out: Out, local_url: Option<BaseUrl>) -> Result<Self> {
        let folder = TempDir::new().map_err(|_| failed("a temporary folder"))?;
        let passphrase_text = made_up("", 40);
        let passphrase = Secret::new(passphrase_text.into_bytes());
        let home = Home::make(
            &folder.path().join("home"),
            &folder.path().join("config"),
            // The passphrase is 40 random letters: a costly derivation would protect nothing.
            &Making {
                approval: Some(&passphrase),
                recovery: false,
                in_place_of: None,
                kdf: KdfParams::new(1024, 1, 1)?,
            },
        )?;
        let registry = builtins();
        let wiring = Wiring {
            tools: registry,
            grants: Grants::default(),
            ..Wiring::default()
        };
        let app = App::wire(home, wiring).await?;
        let cloud = Simulator::start(SimConfig::with_script(cloud_script())).await;
        let cloud = cloud.map_err(|_| failed("the cloud simulator"))?;
        let secret = made_up("sk-demo-", 40);
        let cloud_model = enrol_cloud(&app, &cloud, &secret, &passphrase).await?;
        let (local_simulator, local_model) = local(out, &app, local_url).await?;
        Ok(Self {
            out,
            app,
            cloud,
            local_simulator,
            local_model,
            cloud_model,
            secret,
            passphrase,
            ask: false,
            checks: 0,
            failed: 0,
            folder,
        })
    }

    /// Whether the local model is the simulator's.
    pub(crate) fn local_is_simulated(&self) -> bool {
        self.local_simulator.is_some()
    }

    /// Falls back to the simulator as the local model.
    pub(crate) async fn simulate_local(&mut self) -> Result<()> {
        let (simulator, model) = start_local(&self.app).await?;
        self.local_simulator = Some(simulator);
        self.local_model = model;
        Ok(())
    }

    /// Says and counts one check.
    pub(crate) fn check(&mut self, holds: bool, claim: &str) {
        self.checks += 1;
        self.failed += u32::from(!holds);
        self.out
            .object(&json!({ "type": "check", "claim": claim, "ok": holds }));
        self.out.mark(holds, claim);
    }

    /// A place for files.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A request in a session.
    pub(crate) fn request(
        &self,
        session: &str,
        model: &ModelRef,
        text: &str,
    ) -> Result<ChatRequest> {
        let id = handshake_core::ids::MessageId::from_entropy(OsEntropy.bytes());
        Ok(ChatRequest::new(
            SessionId::new(session)?,
            TraceId::from_entropy(OsEntropy.bytes()),
            account(),
            Target::Model(model.clone()),
            vec![Message::text(id, Role::User, text, self.app.clock.now())],
        ))
    }

    /// Takes everything down.
    pub(crate) async fn strike(self) {
        self.cloud.shutdown().await;
        if let Some(simulator) = self.local_simulator {
            simulator.shutdown().await;
        }
    }
}

fn record(
    app: &App,
    id: &str,
    kind: &str,
    url: &str,
    reach: Reach,
    dialect: Option<&str>,
    secret: Option<&str>,
) -> Result<ProviderRecord> {
    let draft = ProviderDraft {
        provider_id: ProviderId::new(id)?,
        provider_kind: Token::new(kind)?,
        tier: None,
        base_url: BaseUrl::parse(url)?,
        reach,
        dialect: dialect.map(Token::new).transpose()?,
        default_model: None,
        secret_ref: secret.map(|name| SecretRef::Vault(name.to_owned())),
    };
    Ok(draft.into_record(app.clock.now())?)
}

/// The "cloud": a relay on loopback counts as Cloud, so no test switch is needed anywhere.
async fn enrol_cloud(
    app: &App,
    simulator: &Simulator,
    secret: &str,
    passphrase: &Secret,
) -> Result<ModelRef> {
    let url = simulator.openai_url();
    let record = record(
        app,
        "cloud",
        "openai_compat",
        &url,
        Reach::Relay,
        Some("generic"),
        Some("cloud-key"),
    )?;
    let origin = record.base_url.origin();
    let approval = app.vault.approve(Some(passphrase))?;
    app.register_providers(vec![record.clone()], Some(&approval), Vec::new())
        .await?;
    app.vault.put_secret(
        "cloud-key",
        origin,
        &Secret::new(secret.as_bytes().to_vec()),
    )?;
    app.enrolled_again().await?;
    let model = ModelId::new("sim-large:latest")?;
    let yes = [
        Feature::SupportsStreaming,
        Feature::SupportsToolCalling,
        Feature::SupportsMultiTurn,
    ];
    let declared = Claims {
        features: yes.into_iter().map(|feature| (feature, true)).collect(),
        limits: [(Limit::MaxContextWindow, 32_768)].into(),
    };
    let enabled = Arc::new(record.clone());
    app.enable_model(&enabled, &model, declared, Some(&approval))
        .await?;
    Ok(ModelRef {
        provider: record.provider_id,
        model,
    })
}

/// A real Ollama where there is one with a model that calls tools; the simulator otherwise.
async fn local(
    out: Out,
    app: &App,
    wanted: Option<BaseUrl>,
) -> Result<(Option<Simulator>, ModelRef)> {
    let named = wanted.is_some();
    let url = wanted.map_or_else(|| BaseUrl::parse(USUAL), Ok)?;
    if let Some(model) = real(app, &url).await? {
        out.line(format!(
            "\nThe local model is {} on the Ollama server at {url}.",
            model.model
        ));
        return Ok((None, model));
    }
    if named {
        return Err(AppError::usage(
            handshake_core::code::ErrorCode::NotReady,
            "no Ollama server with a model that supports tools at --local-url",
        )
        .next("run `ollama pull qwen3:4b`, or leave `--local-url` out"));
    }
    let (simulator, model) = start_local(app).await?;
    out.line("\nThere is no Ollama server with a model that supports tools at its usual address, so a simulator");
    out.line("plays the local model server too, and says so in every answer.");
    Ok((Some(simulator), model))
}

async fn real(app: &App, url: &BaseUrl) -> Result<Option<ModelRef>> {
    let record = record(
        app,
        "ollama",
        "ollama",
        &url.to_string(),
        Reach::Direct,
        None,
        None,
    )?;
    if record.tier != ModelTier::Local {
        return Err(AppError::usage(
            handshake_core::code::ErrorCode::TierMismatch,
            "--local-url must be an Ollama server on this machine",
        ));
    }
    app.store.put(record.clone(), None).await?;
    let record = Arc::new(record);
    let listing = registry::refresh(app.runtime.ports(), &record, Governance::NO_PROFILE).await;
    let able = listing.ok().and_then(|listing| {
        listing.models.into_iter().find(|snapshot| {
            use handshake_core::{capability::Support, tier::Residence};
            snapshot.residence == Residence::Local
                && snapshot.capabilities.supports(Feature::SupportsToolCalling) == Support::Yes
        })
    });
    match able {
        Some(snapshot) => Ok(Some(ModelRef {
            provider: record.provider_id.clone(),
            model: snapshot.model_id,
        })),
        None => {
            app.store.remove(&record.provider_id).await?;
            Ok(None)
        }
    }
}

async fn start_local(app: &App) -> Result<(Simulator, ModelRef)> {
    let simulator = Simulator::start(SimConfig::with_script(local_script())).await;
    let simulator = simulator.map_err(|_| failed("the local simulator"))?;
    let record = record(
        app,
        "local",
        "ollama",
        &simulator.url(),
        Reach::Direct,
        None,
        None,
    )?;
    app.store.put(record.clone(), None).await?;
    registry::refresh(
        app.runtime.ports(),
        &Arc::new(record.clone()),
        Governance::NO_PROFILE,
    )
    .await?;
    Ok((
        simulator,
        ModelRef {
            provider: record.provider_id,
            model: ModelId::new("sim-small:latest")?,
        },
    ))
}

fn local_script() -> Script {
    let calls = Reply::tool_call("math__add", json!({ "a": 19, "b": 23 }));
    Script::new()
        .model(
            Model::new("sim-small:latest")
                .capabilities(&["completion", "tools"])
                .context_length(32_768),
        )
        .rule(
            Rule::new(Reply::chunks([
                "The tool says: ",
                "19 and 23 ",
                "make 42. ",
                "(A simulator wrote this.)",
            ]))
            .after_tool(true),
        )
        .rule(Rule::new(calls).has_tools(true))
}

fn cloud_script() -> Script {
    Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::chunks([
            "Double-checked: ",
            "19 + 23 = 42. ",
            "(A simulator wrote this, playing a cloud model.)",
        ])))
}
