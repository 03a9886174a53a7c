//! The adapter in a home with its real gate, before the simulated daemon.

use std::{sync::Arc, time::Duration};

use handshake_adapters_ollama::OllamaFactory;
use handshake_core::{
    admit::{Emulation, Route, admit},
    capability::{Capabilities, CapabilitySnapshot, Claims, Feature, Limit, Provenance},
    chat::ChatRequest,
    control::{ControlCall, ControlReport},
    error::SendError,
    ids::ModelId,
    ports::{Adapter, AdapterFactory},
    provider::ProviderRecord,
    tier::Reach,
};
use handshake_simulator::{Reply, Rule, Script, SimConfig, Simulator};
use handshake_testkit::{fixture, gate::World};
use handshake_transport::{Limits, Transport};

use crate::wire::words;

/// A home whose only provider is the simulator.
pub(crate) struct Home {
    pub(crate) world: World,
    pub(crate) simulator: Simulator,
    pub(crate) record: Arc<ProviderRecord>,
    pub(crate) adapter: Adapter,
}

impl Home {
    pub(crate) async fn new(script: Script) -> Self {
        Self::reaching(script, Reach::Direct).await
    }

    pub(crate) async fn reaching(script: Script, reach: Reach) -> Self {
        let simulator = Simulator::start(SimConfig::with_script(script))
            .await
            .expect("a simulator");
        let record = fixture::record("sim", "ollama", &simulator.url(), reach);
        let world = World::new(3);
        world.register(&record).await;
        let limits = Limits {
            idle_timeout: Duration::from_millis(500),
            ..Limits::default()
        };
        let memory = || Arc::new(world.memory.clone());
        let transport = Transport::new(memory(), memory(), limits).expect("a transport");
        let adapter = OllamaFactory::new(transport)
            .build(Arc::clone(&record))
            .expect("built");
        Self {
            world,
            simulator,
            record,
            adapter,
        }
    }

    pub(crate) fn request(&self, text: &str) -> ChatRequest {
        fixture::request(&self.record.provider_id, "sim-small:latest", text)
    }

    pub(crate) fn route(&self, model: &str) -> Route {
        let claims = Claims {
            features: [
                (Feature::SupportsStreaming, true),
                (Feature::SupportsMultiTurn, true),
                (Feature::SupportsToolCalling, true),
                (Feature::SupportsStructuredOutput, true),
            ]
            .into(),
            limits: [(Limit::MaxContextWindow, 8192)].into(),
        };
        let snapshot = CapabilitySnapshot {
            server_version: Some("0.20.5".to_owned()),
            capabilities: Capabilities::merge(&[(Provenance::Server, claims)]),
            ..(*fixture::snapshot(&self.record, model, Claims::default())).clone()
        };
        Route {
            record: Arc::clone(&self.record),
            model: ModelId::new(model).expect("valid"),
            snapshot: snapshot.into(),
        }
    }

    /// Admit, prepare, clear, send.
    pub(crate) async fn send(&self, request: ChatRequest) -> Result<Vec<String>, SendError> {
        let route = self.route("sim-small:latest");
        let admitted = admit(Arc::new(request), route, Emulation::Off).expect("admitted");
        let prepared = self.adapter.client.prepare(&admitted).expect("prepared");
        let cleared = self
            .world
            .clear(self.world.egress(&self.record, prepared))
            .await;
        let answer = self.adapter.client.send(cleared).await?;
        let mut line = Vec::new();
        for event in handshake_testkit::suite::adapter::drained(answer.stream).await {
            match event {
                Ok(event) => line.extend(words(&[event])),
                Err(error) => line.push(error.to_string()),
            }
        }
        Ok(line)
    }

    pub(crate) async fn control(&self, call: ControlCall) -> Result<ControlReport, SendError> {
        let envelope = self.adapter.control.prepare(&call).expect("prepared");
        let cleared = self.world.clear_control(&self.record, call, envelope).await;
        self.adapter.control.send(cleared).await
    }
}

/// A script with one reply.
pub(crate) fn rule(reply: impl Into<Reply>) -> Script {
    Script::new().rule(Rule::new(reply))
}
