//! A home with an approval passphrase, and a simulator that plays a cloud provider.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use handshake_core::{
    base_url::BaseUrl,
    capability::{Claims, Feature, Limit},
    ids::{ModelId, ProviderId, Token},
    ports::{Clock, EntropyExt, ProviderStore, ToolExecutor},
    provider::{ProviderDraft, ProviderRecord},
    secret::SecretRef,
    tier::Reach,
    time::UtcTime,
    tool::ToolRegistry,
};
use handshake_llm::{
    Builder, Handshake, Secret,
    parts::{
        OsEntropy, SystemClock,
        runtime::{registry, tools::Grants},
    },
};
use handshake_simulator::{Model, Reply, Rule, Script, SimConfig, Simulator};
use tempfile::TempDir;

/// The approval passphrase.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";
/// The model of the cloud provider.
pub(crate) const MODEL: &str = "cloud/sim-large:latest";

pub(crate) struct World {
    pub(crate) handshake: Handshake,
    pub(crate) cloud: Simulator,
    folder: TempDir,
}

/// A builder whose home and list of trusted homes lie in this folder.
pub(crate) fn builder(folder: &TempDir) -> Builder {
    Handshake::builder()
        .home(folder.path().join("home"))
        .trust_dir(folder.path().join("config"))
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

pub(crate) async fn simulator() -> Simulator {
    let script = Script::new()
        .model(
            Model::new("sim-small:latest")
                .capabilities(&["completion"])
                .context_length(8192),
        )
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::chunks(["forty", "-two"])));
    Simulator::start(SimConfig::with_script(script))
        .await
        .expect("started")
}

impl World {
    /// With a passphrase, or as a home in which nobody can approve.
    pub(crate) async fn new(passphrase: Option<&str>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut opening = builder(&folder);
        if let Some(text) = passphrase {
            opening = opening.approval_passphrase(text);
        }
        let handshake = opening.open().await.expect("opened");
        let cloud = simulator().await;
        enrol(&handshake, &cloud, passphrase).await;
        Self {
            handshake,
            cloud,
            folder,
        }
    }

    /// With a passphrase and with these clocks.
    pub(crate) async fn at(clock: &Arc<TestClock>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
        let opening = builder(&folder).clock(clock);
        let opening = opening.approval_passphrase(PASSPHRASE);
        let handshake = opening.open().await.expect("opened");
        let cloud = simulator().await;
        enrol(&handshake, &cloud, Some(PASSPHRASE)).await;
        Self {
            handshake,
            cloud,
            folder,
        }
    }

    /// The same home, opened once more with these tools, which its model may call.
    pub(crate) async fn with_tools(
        &self,
        tools: ToolRegistry,
        grants: Grants,
        executor: Arc<dyn ToolExecutor>,
    ) -> Handshake {
        let opening = builder(&self.folder).tools(tools, grants, executor);
        let handshake = opening.open().await.expect("opened again");
        let parts = handshake.parts();
        let record = ProviderStore::list(&parts.store).await.expect("read");
        let record = record.into_iter().next().expect("a provider");
        let (model, mut claims) = model();
        claims.features.insert(Feature::SupportsToolCalling, true);
        let factor = secret(PASSPHRASE);
        let approval = parts.vault.approve(Some(&factor)).expect("the passphrase");
        parts
            .enable_model(&Arc::new(record), &model, claims, Some(&approval))
            .await
            .expect("enabled");
        handshake
    }

    /// The same home, opened once more with these clocks.
    pub(crate) async fn opened_at(&self, clock: &Arc<TestClock>) -> Handshake {
        let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
        let opening = builder(&self.folder).clock(clock);
        opening.open().await.expect("opened again")
    }

    /// Where the list of trusted homes and what is noted of them lies.
    pub(crate) fn trust_dir(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// The same home, opened once more as another process would.
    pub(crate) async fn opened_again(&self) -> Handshake {
        builder(&self.folder).open().await.expect("opened again")
    }
}

/// A relay on loopback counts as Cloud, so no test switch is needed anywhere.
pub(crate) async fn enrol(handshake: &Handshake, simulator: &Simulator, passphrase: Option<&str>) {
    let parts = handshake.parts();
    let draft = ProviderDraft {
        provider_id: ProviderId::new("cloud").expect("valid"),
        provider_kind: Token::new("openai_compat").expect("valid"),
        tier: None,
        base_url: BaseUrl::parse(&simulator.openai_url()).expect("valid"),
        reach: Reach::Relay,
        dialect: Some(Token::new("generic").expect("valid")),
        default_model: None,
        // Nothing is stored for it in a home without a passphrase.
        secret_ref: passphrase.map(|_| SecretRef::Vault("cloud-key".to_owned())),
    };
    let record = draft.into_record(parts.clock.now()).expect("valid");
    let key: [u8; 20] = OsEntropy.bytes();
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    // In a home in which nobody can approve there is nobody to seal it either.
    let Some(factor) = passphrase.map(secret) else {
        ProviderStore::put(&parts.store, record.clone(), None)
            .await
            .expect("stored");
        let (model, claims) = model();
        registry::enable(parts.runtime.ports(), &Arc::new(record), &model, claims)
            .await
            .expect("stored");
        return;
    };
    let approval = parts.vault.approve(Some(&factor)).expect("the passphrase");
    parts
        .register_providers(vec![record.clone()], Some(&approval), Vec::new())
        .await
        .expect("registered");
    parts
        .vault
        .put_secret("cloud-key", record.base_url.origin(), &secret(&key))
        .expect("stored");
    parts.enrolled_again().await.expect("enrolled");
    enable(handshake, record).await;
}

/// The cloud's model, and what a person says about it.
fn model() -> (ModelId, Claims) {
    let claims = Claims {
        features: [Feature::SupportsStreaming, Feature::SupportsMultiTurn]
            .map(|feature| (feature, true))
            .into(),
        limits: [(Limit::MaxContextWindow, 32_768)].into(),
    };
    (ModelId::new("sim-large:latest").expect("valid"), claims)
}

/// Enables the cloud's model.
pub(crate) async fn enable(handshake: &Handshake, record: ProviderRecord) {
    let (parts, (model, claims)) = (handshake.parts(), model());
    let factor = secret(PASSPHRASE);
    let approval = parts.vault.approve(Some(&factor)).expect("the passphrase");
    parts
        .enable_model(&Arc::new(record), &model, claims, Some(&approval))
        .await
        .expect("enabled");
}

/// The clocks of a machine that are set by hand: what passed by both, and the wall clock on its own.
#[derive(Default)]
pub(crate) struct TestClock {
    passed_ms: AtomicI64,
    set_ms: AtomicI64,
}

impl TestClock {
    /// Time that passes, asleep or awake.
    pub(crate) fn passes(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).expect("short");
        self.passed_ms.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the wall clock, forward or back.
    pub(crate) fn set(&self, seconds: i64) {
        self.set_ms.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UtcTime {
        let (passed, set) = (&self.passed_ms, &self.set_ms);
        let moved = passed.load(Ordering::SeqCst) + set.load(Ordering::SeqCst);
        UtcTime::from_unix_millis(SystemClock::new(0).now().unix_millis() + moved)
    }

    fn monotonic(&self) -> Duration {
        let passed = u64::try_from(self.passed_ms.load(Ordering::SeqCst)).expect("forward");
        SystemClock::new(0).monotonic() + Duration::from_millis(passed)
    }

    fn run(&self) -> u64 {
        unreachable!("the home knows")
    }
}
