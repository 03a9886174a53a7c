//! A gateway on ports in memory, with the real gate, transport and adapters.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use handshake_adapters_ollama::OllamaFactory;
use handshake_adapters_openai_compat::OpenAiCompatFactory;
use handshake_core::{
    capability::CapabilitySnapshot,
    client::ClientToken,
    digest::Digest,
    ids::{ExternalId, ModelRef},
    ports::{
        AdapterFactory, ApprovalQueue, Clock, EntropyExt, PendingRecord, ProfileStore,
        ProviderStore, RegistryFeed, SignedDecision, Signer, SinkFilter, StoreError,
    },
    profile::{RegistryView, WorkProfile},
    provider::ProviderRecord,
    tier::Reach,
    time::UtcTime,
};
use handshake_gateway::{Gateway, GatewayPorts, Limits, Listener};
use handshake_runtime::{Adapters, Config, Ports, Runtime};
use handshake_testkit::{fixture, gate::World};
use handshake_transport::Transport;
use tokio::{sync::oneshot, task::JoinHandle};

use super::client::{Answer, Client, head, request};

/// The token of the client `editor`.
pub const TOKEN: &str = "hsk_editor";
/// What the matcher takes out of answers.
pub const SECRET: &str = "correct-horse-battery";

/// The home, with its gateway running.
pub struct Home {
    pub world: Arc<World>,
    pub address: SocketAddr,
    pub gateway: Gateway,
    feed: Arc<Feed>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Home {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other limits.
    pub async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        Self::wired(change, |_| {}).await
    }

    /// With other limits, and on other ports than those in memory.
    pub async fn wired(change: impl FnOnce(&mut Limits), rewire: impl FnOnce(&mut Ports)) -> Self {
        let world = Arc::new(World::new(3));
        let memory = || Arc::new(world.memory.clone());
        let clock: Arc<dyn Clock> = Arc::new(Ticking(Instant::now()));
        let transport = Transport::new(memory(), memory(), handshake_transport::Limits::default());
        let transport = transport.expect("a transport");
        let factories: [Arc<dyn AdapterFactory>; 2] = [
            Arc::new(OllamaFactory::new(transport.clone())),
            Arc::new(OpenAiCompatFactory::new(transport)),
        ];
        let adapters = factories.map(|factory| (factory.kind().clone(), factory));
        let feed = Arc::new(Feed::default());
        let gate = Arc::clone(&world.gate);
        let adapters = Adapters::new(BTreeMap::from(adapters));
        let mut ports = Ports::new(&memory(), gate, adapters, clock, memory());
        // The tokens and models of these tests, and nothing of the memory's own.
        ports.feed = Arc::clone(&feed) as _;
        rewire(&mut ports);
        let mut limits = Limits::default();
        change(&mut limits);
        let listener = Listener::bind(([127, 0, 0, 1], 0).into())
            .await
            .expect("a port");
        let address = listener.address();
        let gateway = Gateway::builder(GatewayPorts {
            runtime: Runtime::new(ports, Config::default()),
            filter: Arc::new(Filter),
        })
        .listening_on(address)
        .limits(limits)
        .build();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(gateway.clone().serve(listener, async {
            let _told = stopped.await;
        }));
        let home = Self {
            world,
            address,
            gateway,
            feed,
            stop: Some(stop),
            served,
        };
        home.token("editor", TOKEN, |_| {});
        home
    }

    /// Registers a provider with the model `m` that can do everything.
    pub async fn provider(&self, id: &str, kind: &str, url: &str, reach: Reach) {
        let record = fixture::record(id, kind, url, reach);
        self.world.register(&record).await;
        self.model(&record, "m").await;
    }

    /// A local one of the client's own shape.
    pub async fn local(&self, url: &str) {
        self.provider("local", "openai_compat", url, Reach::Direct)
            .await;
    }

    /// Makes a model known.
    pub async fn model(&self, record: &Arc<ProviderRecord>, name: &str) {
        let snapshot = fixture::snapshot(record, name, fixture::claims_all());
        let model = ModelRef {
            provider: record.provider_id.clone(),
            model: snapshot.model_id.clone(),
        };
        let stored = self
            .world
            .memory
            .put_snapshot(&model, (*snapshot).clone())
            .await;
        stored.expect("stored");
        self.change(|view| {
            view.providers
                .insert(record.provider_id.clone(), Arc::clone(record));
            view.snapshots.insert(model, snapshot);
        });
    }

    /// Adds a client.
    pub fn token(&self, name: &str, token: &str, change: impl FnOnce(&mut ClientToken)) {
        let mut entry = ClientToken {
            name: ExternalId::new(name).expect("a name"),
            models: None,
            profile: None,
            created_at: fixture::epoch(),
            revoked_at: None,
        };
        change(&mut entry);
        let digest = Digest::of(&[token.as_bytes()]);
        self.change(|view| {
            view.tokens.insert(digest, Arc::new(entry));
        });
    }

    /// Makes a work profile the active one.
    pub async fn use_profile(&self, profile: WorkProfile) {
        let memory = &self.world.memory;
        ProfileStore::put(memory, profile.clone())
            .await
            .expect("stored");
        let id = profile.profile_id.clone();
        ProfileStore::activate(memory, &id).await.expect("active");
        self.change(|view| view.profile = Some(Arc::new(profile)));
    }

    /// What is known about a model.
    pub fn feed_snapshot(&self, model: &str) -> Option<CapabilitySnapshot> {
        let view = self.feed.current().expect("a view");
        let model: ModelRef = model.parse().expect("a model");
        view.snapshots.get(&model).map(|known| (**known).clone())
    }

    pub fn change(&self, change: impl FnOnce(&mut RegistryView)) {
        let mut current = self.feed.0.write().expect("not poisoned");
        let mut view = (**current).clone();
        change(&mut view);
        *current = Arc::new(view);
    }

    /// `POST /v1/chat/completions` as the client `editor`.
    pub async fn post(&self, headers: &str, body: &str) -> Answer {
        self.request("POST", "/v1/chat/completions", headers, body)
            .await
    }

    pub async fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let headers = format!("authorization: Bearer {TOKEN}\r\n{headers}");
        request(self.address, method, path, &headers, body).await
    }

    /// The same, still open.
    pub async fn open(&self, headers: &str, body: &str) -> Client {
        let mut client = Client::connect(self.address).await;
        let headers = format!("authorization: Bearer {TOKEN}\r\n{headers}");
        let path = "/v1/chat/completions";
        client
            .say(head(self.address, "POST", path, &headers, body.len()))
            .await;
        client.say(body).await;
        client
    }

    pub async fn pending(&self) -> PendingRecord {
        loop {
            let pending = self.world.memory.pending().await.expect("pending");
            if let Some(first) = pending.into_iter().next() {
                return first;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A person says yes to what waits.
    pub async fn approve(&self) {
        let pending = self.pending().await;
        let memory = &self.world.memory;
        let receipt = fixture::receipt(
            &pending.plan,
            pending.request.request_id,
            memory.bytes(),
            memory.now(),
            memory.run(),
            self.world.signer.public_key().id().clone(),
        );
        let decision = SignedDecision::Receipt(self.world.sign(&receipt));
        memory.decide(decision).await.expect("decided");
    }

    /// Tells the gateway to stop, and waits until it did.
    pub async fn stop(mut self) {
        let stop = self.stop.take().expect("running");
        stop.send(()).expect("running");
        (&mut self.served).await.expect("stopped");
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.served.abort();
    }
}

/// A chat request to the model `m`.
pub fn ask(provider: &str, stream: bool, more: &str) -> String {
    format!(
        r#"{{"model":"{provider}/m","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]{more}}}"#
    )
}

/// The registry of a test.
#[derive(Default)]
struct Feed(RwLock<Arc<RegistryView>>);

impl RegistryFeed for Feed {
    fn current(&self) -> Result<Arc<RegistryView>, StoreError> {
        Ok(Arc::clone(&self.0.read().expect("not poisoned")))
    }
}

/// The matcher of a test: it knows one secret.
struct Filter;

impl SinkFilter for Filter {
    fn clean<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        text.replace(SECRET, "[REDACTED]").into()
    }

    fn answer<'a>(&self, bytes: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        let text = String::from_utf8_lossy(bytes);
        match text.contains(SECRET) {
            true => text.replace(SECRET, "[REDACTED]").into_bytes().into(),
            false => bytes.into(),
        }
    }
}

/// Time that passes, from the time of all fixtures on.
struct Ticking(Instant);

impl Clock for Ticking {
    fn now(&self) -> UtcTime {
        fixture::epoch().plus(self.0.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn run(&self) -> u64 {
        1
    }
}
