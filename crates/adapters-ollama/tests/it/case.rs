//! Requests under construction, and how their bytes are shown.

use std::{collections::BTreeSet, sync::Arc};

use handshake_adapters_ollama::prepare;
use handshake_core::{
    admit::{Admitted, Emulation, Route, admit},
    capability::{CapabilitySnapshot, Claims, Feature},
    chat::{ChatRequest, Message, Role, ToolCall},
    code::ErrorCode,
    envelope::Prepared,
    error::CallError,
    ids::{MessageId, ModelId, ProviderCallId, ToolCallId, ToolName},
    provider::ProviderRecord,
    tier::Reach,
    tool::{RiskLevel, ToolDefinition},
};
use handshake_testkit::fixture;
use serde_json::{Value, json};

pub(crate) fn local() -> Arc<ProviderRecord> {
    fixture::record(
        "ollama-local",
        "ollama",
        "http://127.0.0.1:11434",
        Reach::Direct,
    )
}

pub(crate) fn tool(name: &str, parameters: Value) -> ToolDefinition {
    ToolDefinition {
        tool_id: ToolName::new(name).expect("valid"),
        name: name.to_owned(),
        description: format!("Does {name}."),
        parameters,
        required_capabilities: BTreeSet::new(),
        risk_level: RiskLevel::Low,
    }
}

/// One request under construction.
pub(crate) struct Case {
    pub(crate) record: Arc<ProviderRecord>,
    pub(crate) model: &'static str,
    pub(crate) claims: Claims,
    pub(crate) version: Option<&'static str>,
    pub(crate) request: ChatRequest,
}

impl Case {
    pub(crate) fn new(text: &str) -> Self {
        let record = local();
        let mut claims = fixture::claims_all();
        claims.features.insert(Feature::SupportsThinking, false);
        Self {
            request: fixture::request(&record.provider_id, "qwen3:4b", text),
            model: "qwen3:4b",
            claims,
            version: None,
            record,
        }
    }

    pub(crate) fn model(mut self, model: &'static str) -> Self {
        self.model = model;
        self
    }

    pub(crate) fn claim(mut self, feature: Feature, value: Option<bool>) -> Self {
        match value {
            Some(value) => self.claims.features.insert(feature, value),
            None => self.claims.features.remove(&feature),
        };
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut ChatRequest)) -> Self {
        change(&mut self.request);
        self
    }

    pub(crate) fn admitted(&self) -> Admitted {
        let mut snapshot: CapabilitySnapshot =
            (*fixture::snapshot(&self.record, self.model, self.claims.clone())).clone();
        snapshot.server_version = self.version.map(str::to_owned);
        let model = ModelId::new(self.model).expect("valid");
        let route = Route {
            record: Arc::clone(&self.record),
            model,
            snapshot: snapshot.into(),
        };
        admit(Arc::new(self.request.clone()), route, Emulation::Off).expect("admitted")
    }

    pub(crate) fn prepared(&self) -> Prepared {
        let prepared = prepare(&self.record, &self.admitted()).expect("rendered");
        assert_eq!(prepared.envelope().check(), Ok(()));
        prepared
    }

    pub(crate) fn body(&self) -> Value {
        serde_json::from_slice(&self.prepared().envelope().body).expect("json")
    }

    pub(crate) fn refusal(&self) -> (ErrorCode, Option<&'static str>) {
        let error: CallError = prepare(&self.record, &self.admitted())
            .expect_err("refused")
            .0;
        (error.code, error.subject)
    }
}

/// Method, path, headers and body, as a person reads them.
pub(crate) fn shown(prepared: &Prepared) -> String {
    let envelope = prepared.envelope();
    let headers: String = envelope
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", json!(value)))
        .collect();
    let body = std::str::from_utf8(&envelope.body).expect("text");
    format!(
        "{:?} {}\n{headers}\n{body}\n",
        envelope.method, envelope.path
    )
}

pub(crate) fn calls(request: &mut ChatRequest) {
    let id = |n: u8| ToolCallId::from_entropy([n; 16]);
    let call = |n: u8, tool: &str, provider: Option<&str>, arguments: Value| {
        let call = ToolCall {
            tool_call_id: id(n),
            provider_call_id: provider.map(|id| ProviderCallId::new(id).expect("valid")),
            tool_id: ToolName::new(tool).expect("valid"),
            arguments: arguments.as_object().expect("an object").clone(),
        };
        Message::call(
            MessageId::from_entropy([n + 20; 16]),
            call,
            fixture::epoch(),
        )
    };
    let result = |n: u8, text: &str| {
        Message::result(
            MessageId::from_entropy([n + 40; 16]),
            id(n),
            text,
            fixture::epoch(),
        )
    };
    let mut answer = fixture::message(2, Role::Assistant, "Let me look.");
    answer.reasoning = Some("Two files, then.".into());
    request.messages.extend([
        answer,
        call(1, "file.read", Some("call_a1"), json!({"path": "a.txt"})),
        call(2, "file.read", None, json!({"path": "b.txt"})),
        result(1, "alpha"),
        result(2, "beta"),
        call(3, "math.add", None, json!({"b": 1, "a": {"z": 1, "y": 2}})),
        result(3, "3"),
    ]);
    request.tools = vec![
        tool(
            "file.read",
            json!({"type": "object", "properties": {"path": {"type": "string"}},
                   "required": ["path"], "additionalProperties": false}),
        ),
        tool("math.add", json!({})),
    ];
}
