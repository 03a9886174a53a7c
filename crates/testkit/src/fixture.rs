//! Small, readable values to build tests from.

mod consent;

use std::{collections::BTreeMap, sync::Arc};

use handshake_core::{
    admit::{Admitted, Emulation, Route, admit},
    base_url::BaseUrl,
    capability::{
        Capabilities, CapabilitySnapshot, Claims, Feature, Limit, Provenance, SharedSnapshot,
    },
    chat::{ChatRequest, Message, Role, Target},
    envelope::{Envelope, HeaderValue, Method, Prepared},
    ids::{
        ExternalId, MessageId, ModelId, ModelRef, Principal, PrincipalKind, ProviderId, SessionId,
        Token, TraceId,
    },
    profile::{WORK_PROFILE, WorkProfile},
    provider::{ProviderDraft, ProviderRecord},
    reply::ReplySpec,
    seal::{Proof, Seal},
    tier::{ModelTier, Reach, Residence},
    time::UtcTime,
};

pub use self::consent::{asked_by, receipt, relay, submission};

/// The time at which all fixtures happen: 2026-01-01T00:00:00Z.
#[must_use]
pub fn epoch() -> UtcTime {
    UtcTime::from_unix_millis(1_767_225_600_000)
}

/// A seal that is good for nothing, for stores that keep whatever they are given.
#[must_use]
pub fn seal() -> Seal {
    Seal {
        made_at: epoch(),
        proof: Proof::Signature([0; 64]),
    }
}

/// A person at a terminal.
#[must_use]
pub fn principal() -> Principal {
    Principal {
        kind: PrincipalKind::Terminal,
        name: ExternalId::new("tester").expect("valid"),
    }
}

/// A provider record for a URL. Loopback URLs are local and direct unless `reach` says relay.
///
/// # Panics
/// When the parts do not make a valid record.
#[must_use]
pub fn record(id: &str, kind: &str, base_url: &str, reach: Reach) -> Arc<ProviderRecord> {
    let draft = ProviderDraft {
        provider_id: ProviderId::new(id).expect("provider id"),
        provider_kind: Token::new(kind).expect("kind"),
        tier: None,
        base_url: BaseUrl::parse(base_url).expect("base url"),
        reach,
        dialect: None,
        default_model: None,
        secret_ref: None,
    };
    Arc::new(draft.into_record(epoch()).expect("record"))
}

/// Claims for everything, with a context window of 32 Ki tokens.
#[must_use]
pub fn claims_all() -> Claims {
    let plain = [
        Feature::RequiresToolIdSanitization,
        Feature::RequiresThinkingBlockScrubbing,
    ];
    Claims {
        features: Feature::ALL
            .into_iter()
            .map(|f| (f, !plain.contains(&f)))
            .collect(),
        limits: BTreeMap::from([(Limit::MaxContextWindow, 32_768)]),
    }
}

/// A snapshot of a model with the given claims.
///
/// # Panics
/// When the model's name is not valid.
#[must_use]
pub fn snapshot(record: &ProviderRecord, model: &str, claims: Claims) -> SharedSnapshot {
    SharedSnapshot::from(CapabilitySnapshot {
        provider_id: record.provider_id.clone(),
        provider_revision: record.revision,
        model_id: ModelId::new(model).expect("model id"),
        family: None,
        digest: None,
        server_version: None,
        server: None,
        answers_as: Default::default(),
        profile_version: 1,
        capabilities: Capabilities::merge(&[(Provenance::Operator, claims)]),
        residence: match record.tier {
            ModelTier::Local => Residence::Local,
            ModelTier::Cloud => Residence::Forwarded,
        },
        enabled: true,
        fetched_at: epoch(),
    })
}

/// A route to a model that can do everything.
#[must_use]
pub fn route(record: &Arc<ProviderRecord>, model: &str) -> Route {
    let snapshot = snapshot(record, model, claims_all());
    Route {
        record: Arc::clone(record),
        model: snapshot.model_id.clone(),
        snapshot,
    }
}

/// A profile whose four roles all use one model, with consent and without bounds.
///
/// # Panics
/// When id or model is not valid.
#[must_use]
pub fn profile(id: &str, model: &str) -> WorkProfile {
    let role = serde_json::json!({ "primary_model_id": model, "local_only": false });
    let profile = serde_json::json!({
        "schema": WORK_PROFILE,
        "profile_id": id,
        "name": id,
        "model_assignments": {
            "frontend": role, "orchestrator": role, "worker": role, "validator": role,
        },
        "governance": { "automation_level": "HYBRID", "allow_cloud_escalation": true },
    });
    WorkProfile::read(profile.to_string().as_bytes()).expect("a profile")
}

/// A message with a deterministic id.
#[must_use]
pub fn message(n: u8, role: Role, text: &str) -> Message {
    Message::text(MessageId::from_entropy([n; 16]), role, text, epoch())
}

/// A request with one user message.
///
/// # Panics
/// When the model's name is not valid.
#[must_use]
pub fn request(provider: &ProviderId, model: &str, text: &str) -> ChatRequest {
    let target = ModelRef {
        provider: provider.clone(),
        model: ModelId::new(model).expect("model id"),
    };
    ChatRequest::new(
        SessionId::new("session-1").expect("valid"),
        TraceId::from_entropy([1; 16]),
        principal(),
        Target::Model(target),
        vec![message(1, Role::User, text)],
    )
}

/// An admitted request with one user message to a model that can do everything.
///
/// # Panics
/// When the parts are not valid.
#[must_use]
pub fn admitted(record: &Arc<ProviderRecord>, model: &str, text: &str) -> Admitted {
    let request = request(&record.provider_id, model, text);
    admit(Arc::new(request), route(record, model), Emulation::Off).expect("admitted")
}

/// What an adapter would render: a chat completion with one user message, at `/chat` below the base URL.
///
/// # Panics
/// When the model's name is not valid.
#[must_use]
pub fn prepared(record: &ProviderRecord, model: &str, text: &str) -> Prepared {
    let body = serde_json::json!({
        "model": model,
        "messages": [{ "role": "user", "content": text }],
        "stream": true,
    });
    prepared_body(record, model, body.to_string().into_bytes())
}

/// The same with a body of one's own.
///
/// # Panics
/// When the model's name is not valid.
#[must_use]
pub fn prepared_body(record: &ProviderRecord, model: &str, body: Vec<u8>) -> Prepared {
    let model = ModelId::new(model).expect("model id");
    let mut headers = BTreeMap::from([(
        "content-type".to_owned(),
        HeaderValue::Plain("application/json".to_owned()),
    )]);
    if let Some(secret_ref) = &record.secret_ref {
        let secret = HeaderValue::Secret {
            secret_ref: secret_ref.clone(),
            prefix: "Bearer ",
        };
        headers.insert("authorization".to_owned(), secret);
    }
    let envelope = Envelope {
        method: Method::Post,
        base_url: record.base_url.clone(),
        path: format!("{}/chat", record.base_url.path().trim_end_matches('/')),
        headers,
        provider_id: record.provider_id.clone(),
        revision: record.revision,
        model_id: Some(model.clone()),
        body: body.into(),
    };
    let mut reply = ReplySpec::offline(Token::new("simulated").expect("a token"), true);
    reply.requested_model = Some(model);
    Prepared::new(envelope, reply, Vec::new())
}
