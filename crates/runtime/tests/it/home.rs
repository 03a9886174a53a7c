//! A runtime on ports in memory, with a local and a cloud provider.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use handshake_core::{
    capability::Claims,
    chat::{ChatEvent, ChatRequest, TurnEvent},
    error::CallError,
    ids::{ModelRef, SessionId, Token, ToolId},
    label::{Label, Sensitivity},
    ports::{ApprovalQueue, Clock, EntropyExt, PendingRecord, SignedDecision, ToolExecutor},
    ports::{ProviderStore, Signer},
    provider::ProviderRecord,
    tier::Reach,
    tool::{
        Availability, Determinism, HTC_VERSION, Idempotency, RiskLevel, SideEffect, ToolEntry,
        ToolRegistry, ToolRequest, ToolResponse,
    },
};
use handshake_runtime::{Adapters, CallHandle, CallOptions, Config, Ports, Runtime, tools::Grants};
use handshake_testkit::{fixture, gate::World};
use serde_json::json;

use super::fake::{Factory, Fake};

/// Everything that a test needs.
pub(crate) struct Home {
    pub(crate) world: Arc<World>,
    pub(crate) fake: Fake,
    pub(crate) tools: Arc<Tools>,
    pub(crate) ports: Ports,
    pub(crate) runtime: Runtime,
    pub(crate) local: Arc<ProviderRecord>,
    pub(crate) cloud: Arc<ProviderRecord>,
}

impl Home {
    pub(crate) async fn new() -> Self {
        Self::on(World::new(1)).await
    }

    /// With models `m` on both providers that can do everything.
    pub(crate) async fn on(world: World) -> Self {
        let (world, fake, tools) = (Arc::new(world), Fake::default(), Arc::new(Tools::default()));
        let kind = Token::new("simulated").expect("a kind");
        let factory = Factory {
            fake: fake.clone(),
            kind: kind.clone(),
        };
        let memory = || Arc::new(world.memory.clone());
        let registry = registry();
        let granted = || ["note".to_owned(), "net".to_owned()].into();
        let grants = Grants {
            global: granted(),
            sessions: BTreeMap::new(),
            default_session: granted(),
        };
        let ports = Ports::new(
            &memory(),
            Arc::clone(&world.gate),
            Adapters::new(BTreeMap::from([(kind, Arc::new(factory) as _)])),
            memory(),
            memory(),
        )
        .with_tools(registry, grants, Arc::clone(&tools) as _)
        .expect("a tool gate");
        let home = Self {
            runtime: Runtime::new(ports.clone(), Config::default()),
            local: fixture::record("local", "simulated", "http://127.0.0.1:4000", Reach::Direct),
            cloud: Arc::new(fixture::relay()),
            world,
            fake,
            tools,
            ports,
        };
        for record in [&home.local, &home.cloud] {
            home.world.register(record).await;
            home.enable(record, "m", fixture::claims_all()).await;
        }
        home
    }

    /// Makes a model known.
    pub(crate) async fn enable(&self, record: &ProviderRecord, model: &str, claims: Claims) {
        let snapshot = fixture::snapshot(record, model, claims);
        let model = ModelRef {
            provider: record.provider_id.clone(),
            model: snapshot.model_id.clone(),
        };
        self.world
            .memory
            .put_snapshot(&model, (*snapshot).clone())
            .await
            .expect("stored");
    }

    pub(crate) fn ask_local(&self, text: &str) -> ChatRequest {
        fixture::request(&self.local.provider_id, "m", text)
    }

    pub(crate) fn ask_cloud(&self, text: &str) -> ChatRequest {
        fixture::request(&self.cloud.provider_id, "m", text)
    }

    /// Runs a request with default options to its end.
    pub(crate) async fn run(&self, request: ChatRequest) -> Seen {
        self.run_with(request, CallOptions::default()).await
    }

    pub(crate) async fn run_with(&self, request: ChatRequest, options: CallOptions) -> Seen {
        seen(self.runtime.chat(request, options)).await
    }

    /// The published ids of the events so far.
    pub(crate) fn ids(&self) -> Vec<&'static str> {
        self.world.memory.event_ids()
    }

    /// Those of one family.
    pub(crate) fn ids_of(&self, family: &str) -> Vec<&'static str> {
        self.ids()
            .into_iter()
            .filter(|id| id.starts_with(family))
            .collect()
    }

    /// Waits until something waits for a person.
    pub(crate) async fn pending(&self) -> PendingRecord {
        loop {
            let pending = self.world.memory.pending().await.expect("pending");
            if let Some(first) = pending.into_iter().next() {
                return first;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A person says yes to what waits.
    pub(crate) async fn approve(&self) {
        let pending = self.pending().await;
        let memory = &self.world.memory;
        let key = self.world.signer.public_key().id().clone();
        let request = pending.request.request_id;
        let receipt = fixture::receipt(
            &pending.plan,
            request,
            memory.bytes(),
            memory.now(),
            memory.run(),
            key,
        );
        let decision = SignedDecision::Receipt(self.world.sign(&receipt));
        memory.decide(decision).await.expect("decided");
    }

    /// A person says no to what waits.
    pub(crate) async fn deny(&self) {
        let id = self.pending().await.request.request_id;
        self.world
            .memory
            .decide(SignedDecision::Deny(id))
            .await
            .expect("decided");
    }

    /// Runs a request while a person says yes.
    pub(crate) async fn run_approved(&self, request: ChatRequest) -> Seen {
        tokio::join!(self.run(request), self.approve()).0
    }
}

/// What a caller saw of one request.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) events: Vec<TurnEvent>,
    pub(crate) end: Result<(), CallError>,
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        let text = |event: &TurnEvent| match event {
            TurnEvent::Chat(ChatEvent::TextDelta { text }) => Some(text.clone()),
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }

    pub(crate) fn chat(&self) -> impl Iterator<Item = &ChatEvent> {
        self.events.iter().filter_map(|event| match event {
            TurnEvent::Chat(event) => Some(event),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn failed_with(&self, code: handshake_core::code::ErrorCode) -> &CallError {
        let error = self.end.as_ref().expect_err("it failed");
        assert_eq!(error.code, code, "{error}");
        error
    }

    #[track_caller]
    pub(crate) fn succeeded(&self) {
        assert_eq!(self.end, Ok(()));
    }
}

/// Reads to the end, and checks that there is exactly one.
pub(crate) async fn seen(mut handle: CallHandle) -> Seen {
    let mut events = Vec::new();
    let mut end = None;
    while let Some(item) = handle.next().await {
        assert!(end.is_none(), "something came after the terminal: {item:?}");
        match item {
            Err(error) => end = Some(Err(error)),
            Ok(event) => {
                if let TurnEvent::Chat(ChatEvent::Finished { .. }) = event {
                    end = Some(Ok(()));
                }
                events.push(event);
            }
        }
    }
    Seen {
        events,
        end: end.expect("a terminal"),
    }
}

pub(crate) fn entry(id: &str, label: Option<Label>) -> ToolEntry {
    ToolEntry {
        tool_id: ToolId::new(id).expect("a tool id"),
        tool_version: "1.0.0".to_owned(),
        name: id.to_owned(),
        description: "A tool of a test.".to_owned(),
        side_effect: SideEffect::Read,
        idempotency: Idempotency::Idempotent,
        determinism: Determinism::Deterministic,
        availability: Availability::OfflineOk,
        input_schema: json!({
            "type": "object",
            "properties": { "name": { "type": "string", "maxLength": 100_000 } },
            "required": ["name"],
            "additionalProperties": false,
        }),
        output_schema: None,
        output_label: label,
        required_capabilities: ["note:read".to_owned()].into(),
        risk_level: RiskLevel::Low,
        examples: Vec::new(),
        deferred: false,
        deprecated_since: None,
        replaced_by: None,
    }
}

fn registry() -> ToolRegistry {
    let high = Label {
        sensitivity: Sensitivity::High,
        exportable: true,
    };
    let mut registry = ToolRegistry::new();
    let mut net = entry("net.fetch", Some(Label::INLINE));
    net.availability = Availability::RequiresNetwork;
    net.risk_level = RiskLevel::High;
    net.required_capabilities = ["net".to_owned()].into();
    let mut checked = entry("note.checked", Some(Label::INLINE));
    checked.output_schema = Some(json!({ "type": "object" }));
    let mut ungranted = entry("note.ungranted", Some(Label::INLINE));
    ungranted.required_capabilities = ["shell".to_owned()].into();
    let mut keyed = entry("note.keyed", Some(Label::INLINE));
    keyed.idempotency = Idempotency::IdempotentWithKey;
    let entries = [
        entry("note.read", Some(Label::INLINE)),
        entry("note.unlabelled", None),
        entry("note.high", Some(high)),
        net,
        checked,
        ungranted,
        keyed,
    ];
    for entry in entries {
        registry.register(entry).expect("registered");
    }
    registry
}

/// Runs tools: answers with the argument, or with what its name says.
#[derive(Default)]
pub(crate) struct Tools {
    ran: AtomicUsize,
    keys: std::sync::Mutex<Vec<Option<String>>>,
}

impl Tools {
    /// How many ran.
    pub(crate) fn ran(&self) -> usize {
        self.ran.load(Ordering::SeqCst)
    }

    /// The idempotency keys they ran under.
    pub(crate) fn keys(&self) -> Vec<Option<String>> {
        self.keys.lock().expect("not poisoned").clone()
    }
}

#[async_trait]
impl ToolExecutor for Tools {
    async fn execute(&self, _: &ToolEntry, request: ToolRequest) -> ToolResponse {
        self.ran.fetch_add(1, Ordering::SeqCst);
        self.keys
            .lock()
            .expect("not poisoned")
            .push(request.idempotency_key.clone());
        let name = request
            .args
            .get("name")
            .and_then(|name| name.as_str())
            .unwrap_or_default();
        let result = match name {
            "hang" => std::future::pending().await,
            "panic" => panic!("a bug in a tool"),
            "large" => json!("x".repeat(40 * 1024)),
            other => json!(format!("the note {other}")),
        };
        ToolResponse {
            schema_version: HTC_VERSION.to_owned(),
            tool_call_id: request.tool_call_id,
            ok: true,
            result: Some(result),
            error: None,
            duration_ms: 0,
            resources: BTreeMap::new(),
        }
    }
}

/// A session of its own.
pub(crate) fn in_session(mut request: ChatRequest, name: &str) -> ChatRequest {
    request.session_id = SessionId::new(name).expect("a session");
    request
}

/// Offers registered tools.
pub(crate) fn offering(home: &Home, mut request: ChatRequest, tools: &[&str]) -> ChatRequest {
    let ids: Vec<_> = tools
        .iter()
        .map(|id| ToolId::new(id).expect("a tool id"))
        .collect();
    request.tools = home.ports.tools.definitions(&ids).expect("registered");
    request
}
