//! Listings of many servers.

use handshake_core::{
    capability::{Feature, Limit},
    code::ErrorCode,
    envelope::{HeaderValue, Method},
    ids::ModelId,
};

use super::*;
use crate::encode::tests::record;

fn read(record: &ProviderRecord, body: &str) -> ControlReport {
    report(record, &ControlCall::ListModels, body.as_bytes()).expect("a listing")
}

#[test]
fn a3_a_listing_is_a_get_without_payload() {
    let record = record("https://api.example.com/v1", Some("vault:key"));
    let dialect = Dialect::generic();
    let envelope = prepare(&record, dialect, &ControlCall::ListModels).expect("prepared");
    envelope.check().expect("valid");
    assert_eq!(
        (envelope.method, envelope.path.as_str()),
        (Method::Get, "/v1/models")
    );
    assert!(envelope.body.is_empty() && envelope.model_id.is_none());
    assert!(matches!(
        envelope.headers["authorization"],
        HeaderValue::Secret {
            prefix: "Bearer ",
            ..
        }
    ));
    let model = ModelId::new("m").expect("model");
    for call in [
        ControlCall::Version,
        ControlCall::Running,
        ControlCall::Load(model.clone(), None),
        ControlCall::Unload(model),
    ] {
        let error = prepare(&record, dialect, &call).expect_err("no such call");
        assert_eq!(error.0.code, ErrorCode::ParameterUnsupported);
    }
}

#[test]
fn a4_listings_of_all_shapes_and_what_they_claim() {
    let record = record("http://127.0.0.1:8080/v1", None);
    let body = r#"{"object":"list","data":[
        {"id":"mistral-medium","max_context_length":131072,"capabilities":{"function_calling":true,"vision":false,"reasoning":false,"completion_chat":true}},
        {"id":"Qwen/Qwen3-8B","max_model_len":40960},
        {"id":"/m/q.gguf","meta":{"n_ctx_train":32768,"n_ctx":4096,"size":7},"capabilities":["completion","multimodal"]},
        {"id":"a/b","context_length":1000,"top_provider":{"context_length":900,"max_completion_tokens":100},"supported_parameters":["tools"],"architecture":{"input_modalities":["text","image"]}},
        {"id":"not a model id"},
        {"nonsense":1}
    ]}"#;
    let report = read(&record, body);
    assert!(report.partial, "two entries were not understood");
    assert_eq!(report.models.len(), 4);
    let [mistral, vllm, llama, router] = &report.models[..] else {
        panic!("four")
    };
    assert!(mistral.claims.features[&Feature::SupportsToolCalling]);
    assert!(!mistral.claims.features[&Feature::SupportsVision]);
    assert_eq!(mistral.family.as_ref().map(|f| f.as_str()), Some("mistral"));
    assert_eq!(vllm.claims.limits[&Limit::MaxContextWindow], 40960);
    assert_eq!(
        llama.claims.limits[&Limit::MaxContextWindow],
        4096,
        "what is loaded, not what was trained"
    );
    assert_eq!(
        llama.claims.features.get(&Feature::SupportsToolCalling),
        None,
        "its list is too short"
    );
    assert_eq!(llama.size_bytes, Some(7));
    assert_eq!(router.claims.limits[&Limit::MaxContextWindow], 900);
    assert!(
        !router.claims.features[&Feature::SupportsStructuredOutput],
        "its list is complete"
    );
    assert!(router.claims.features[&Feature::SupportsVision]);
    assert!(!read(&record, r#"[{"id":"x"}]"#).partial);
    assert!(read(&record, r#"{"data":[{"id":"x"}],"has_more":true}"#).partial);
}

#[test]
fn a7_only_a_direct_server_on_this_machine_runs_what_it_lists() {
    let local = record("http://127.0.0.1:8080/v1", None);
    let mut relay = local.clone();
    relay.reach = Reach::Relay;
    let cloud = record("https://api.example.com/v1", None);
    let residence =
        |record: &ProviderRecord| read(record, r#"{"data":[{"id":"x"}]}"#).models[0].residence;
    assert_eq!(residence(&local), Residence::Local);
    assert_eq!(residence(&relay), Residence::Forwarded);
    assert_eq!(residence(&cloud), Residence::Forwarded);
}

#[test]
fn a4_one_model_is_shown_from_the_listing() {
    let record = record("http://127.0.0.1:8080/v1", None);
    let show = |id| ControlCall::ShowModel(ModelId::new(id).expect("model"));
    let body = br#"{"data":[{"id":"a"},{"id":"b"}]}"#;
    let shown = report(&record, &show("b"), body).expect("shown");
    assert_eq!(shown.models.len(), 1);
    assert_eq!(
        report(&record, &show("c"), body).expect_err("absent").code,
        ErrorCode::Model404
    );
    for bad in [&b"nonsense"[..], b"{}", b"1"] {
        let error = report(&record, &ControlCall::ListModels, bad).expect_err("no listing");
        assert_eq!(error.code, ErrorCode::Protocol);
    }
}
