//! What the gate costs before any network: the decision and the scan of a request of 16 KiB, and the resolution
//! of a role.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handshake_core::{
    chat::Target,
    envelope::{Envelope, Method, Prepared},
    ids::{ModelId, ModelRef, RoleId, Token},
    profile::{RegistryView, WorkProfile, resolve},
    reply::ReplySpec,
    tier::Reach,
};
use handshake_leakage::{Engine, Enrolment, SecretValidator, SharedEnrolment};
use handshake_testkit::{fixture, gate::World};

/// English prose of a conversation, 16 KiB as JSON.
fn body() -> Vec<u8> {
    let sentence = "The quick brown fox reviews the pull request and asks for one more test. ";
    let text = sentence.repeat(16 * 1024 / sentence.len());
    serde_json::json!({ "model": "m", "messages": [{ "role": "user", "content": text }] })
        .to_string()
        .into_bytes()
}

fn gate(c: &mut Criterion) {
    let enrolment = SharedEnrolment::new(Enrolment::new(0));
    let validator = SecretValidator::new(Engine::builtin(), enrolment);
    let world = World::with_validators(1, vec![Arc::new(validator)]);
    let record = fixture::record(
        "cloud",
        "openai_compat",
        "https://api.example.com/v1",
        Reach::Direct,
    );
    let body = body();
    let bytes = body.len() as u64;
    let prepared = Prepared::new(
        Envelope {
            method: Method::Post,
            base_url: record.base_url.clone(),
            path: "/v1/chat/completions".into(),
            headers: [].into(),
            provider_id: record.provider_id.clone(),
            revision: record.revision,
            model_id: Some(ModelId::new("m").expect("valid")),
            body: body.into(),
        },
        ReplySpec::offline(Token::new("generic").expect("valid"), true),
        Vec::new(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(world.register(&record));
    let request = world.egress(&record, prepared);
    let mut group = c.benchmark_group("gate");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("decide_and_scan_16_kib", |b| {
        b.iter(|| black_box(runtime.block_on(world.gate.explain(request.clone()))));
    });
    group.finish();
}

fn resolution(c: &mut Criterion) {
    let mut view = RegistryView::default();
    let record = fixture::record("local", "ollama", "http://127.0.0.1:11434", Reach::Direct);
    for n in 0..50 {
        let name = format!("model-{n}");
        let snapshot = fixture::snapshot(&record, &name, fixture::claims_all());
        let model = ModelRef {
            provider: record.provider_id.clone(),
            model: snapshot.model_id.clone(),
        };
        view.snapshots.insert(model, snapshot);
    }
    view.providers.insert(record.provider_id.clone(), record);
    let assignment = serde_json::json!({ "primary_model_id": "local/model-7", "local_only": true });
    let profile = serde_json::json!({
        "schema": "hsk.work_profile@0.6", "profile_id": "bench", "name": "bench",
        "model_assignments": {
            "frontend": assignment, "orchestrator": assignment, "worker": assignment, "validator": assignment,
        },
        "governance": { "automation_level": "HYBRID", "allow_cloud_escalation": false },
    });
    let profile = WorkProfile::read(profile.to_string().as_bytes()).expect("a profile");
    view.profile = Some(Arc::new(profile));
    let target = Target::Role(RoleId::new("worker").expect("valid"));
    c.bench_function("resolve_role", |b| {
        b.iter(|| black_box(resolve(&target, &view)))
    });
}

criterion_group!(benches, gate, resolution);
criterion_main!(benches);
