//! Reading, qualifying and resolving profiles.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    capability::{Capabilities, CapabilitySnapshot, Claims, Limit, Provenance},
    chat::Target,
    code::ErrorCode,
    ids::{ModelRef, ProviderId},
    policy::AutomationLevel,
    provider::{ProviderDraft, ProviderRecord},
    tier::{ModelTier, Residence},
    time::UtcTime,
};

fn local(model: &str) -> Value {
    json!({ "primary_model_id": model, "local_only": true })
}

fn open(model: &str) -> Value {
    json!({ "primary_model_id": model, "local_only": false })
}

fn document() -> Value {
    json!({
        "schema": WORK_PROFILE, "profile_id": "p1", "name": "Everyday",
        "model_assignments": {
            "frontend": local("home/small"), "orchestrator": open("cloud/big"),
            "worker": {
                "primary_model_id": "home/small", "fallback_model_id": "home/tiny", "local_only": false,
            },
            "validator": local("home/small"),
            "translator": { "inherits": "worker", "primary_model_id": "home/tiny", "fallback_model_id": "home/small" },
        },
        "governance": { "automation_level": "HYBRID", "allow_cloud_escalation": true },
    })
}

fn read(document: &Value) -> Result<WorkProfile, &'static str> {
    WorkProfile::read(&serde_json::to_vec(document).expect("serialisable"))
        .map_err(|error| error.field)
}

fn edited(edit: impl FnOnce(&mut Value)) -> Value {
    let mut document = document();
    edit(&mut document);
    document
}

fn profile(edit: impl FnOnce(&mut Value)) -> WorkProfile {
    read(&edited(edit)).expect("valid")
}

fn record(id: &str, tier: ModelTier) -> ProviderRecord {
    let base_url = match tier {
        ModelTier::Local => "http://localhost:11434".to_owned(),
        ModelTier::Cloud => format!("https://{id}.example.com"),
    };
    ProviderDraft {
        provider_id: ProviderId::new(id).expect("valid"),
        provider_kind: crate::ids::Token::new("kind").expect("valid"),
        tier: Some(tier),
        base_url: base_url.parse().expect("valid"),
        reach: crate::tier::Reach::Direct,
        dialect: None,
        default_model: None,
        secret_ref: None,
    }
    .into_record(UtcTime::from_unix_millis(0))
    .expect("valid")
}

fn model(text: &str) -> ModelRef {
    text.parse().expect(text)
}

fn snapshot(
    name: &str,
    window: Option<u64>,
    enabled: bool,
    residence: Residence,
) -> CapabilitySnapshot {
    let limits = window
        .map(|window| (Limit::MaxContextWindow, window))
        .into_iter()
        .collect();
    let claims = Claims {
        limits,
        ..Claims::default()
    };
    CapabilitySnapshot {
        provider_id: model(name).provider,
        provider_revision: 1,
        model_id: model(name).model,
        family: None,
        digest: None,
        server_version: None,
        server: None,
        answers_as: Default::default(),
        profile_version: 1,
        capabilities: Capabilities::merge(&[(Provenance::Server, claims)]),
        residence,
        enabled,
        fetched_at: UtcTime::from_unix_millis(0),
    }
}

type Listing = (&'static str, Option<u64>, bool, Residence);

const LISTED: &[Listing] = &[
    ("home/small", Some(8), false, Residence::Local),
    ("home/tiny", Some(4), false, Residence::Local),
    ("home/vast:cloud", Some(900), true, Residence::Forwarded),
    ("cloud/big", Some(100), true, Residence::Unknown),
    ("cloud/bigger", Some(200), true, Residence::Unknown),
    ("cloud/newest", Some(999), false, Residence::Unknown),
    ("cloud/vendor/model:free", None, true, Residence::Unknown),
    ("other/big", Some(100), true, Residence::Unknown),
];

fn view_of(
    records: &[ProviderRecord],
    listed: &[Listing],
    profile: Option<WorkProfile>,
) -> RegistryView {
    let mut view = RegistryView {
        profile: profile.map(Arc::new),
        ..RegistryView::default()
    };
    for record in records {
        view.providers
            .insert(record.provider_id.clone(), Arc::new(record.clone()));
    }
    for (name, window, enabled, residence) in listed {
        view.snapshots.insert(
            model(name),
            snapshot(name, *window, *enabled, *residence).into(),
        );
    }
    view
}

fn records() -> Vec<ProviderRecord> {
    vec![
        record("home", ModelTier::Local),
        record("cloud", ModelTier::Cloud),
        record("other", ModelTier::Cloud),
    ]
}

fn view(profile: Option<WorkProfile>) -> RegistryView {
    view_of(&records(), LISTED, profile)
}

fn role(text: &str) -> Target {
    Target::Role(RoleId::new(text).expect(text))
}

fn outcome(target: &Target, view: &RegistryView) -> Result<String, ErrorCode> {
    resolve(target, view)
        .map(|found| found.model.to_string())
        .map_err(|error| error.code)
}

#[test]
fn a10_profiles_are_read_strictly_and_the_field_at_fault_is_named() {
    assert!(read(&document()).is_ok());
    let ma = "model_assignments";
    let cases: Vec<(Value, &str)> = vec![
        (json!([]), "profile"),
        (edited(|d| d["extra"] = json!(1)), "profile"),
        (
            edited(|d| d["schema"] = json!("hsk.work_profile@0.7")),
            "schema",
        ),
        (
            edited(|d| {
                d.as_object_mut().expect("object").remove("schema");
            }),
            "schema",
        ),
        (edited(|d| d["profile_id"] = json!("-x")), "profile_id"),
        (edited(|d| d["name"] = json!("  ")), "name"),
        (edited(|d| d["name"] = json!("a\u{1b}[2J")), "name"),
        (edited(|d| d["name"] = json!("cafe\u{301}")), "name"),
        (
            edited(|d| d["description"] = json!("x".repeat(2049))),
            "description",
        ),
        (
            edited(|d| {
                d[ma].as_object_mut().expect("object").remove("validator");
            }),
            ma,
        ),
        (edited(|d| d[ma]["worker"]["api_key"] = json!("sk-x")), ma),
        (
            edited(|d| {
                d[ma]["worker"]
                    .as_object_mut()
                    .expect("object")
                    .remove("local_only");
            }),
            ma,
        ),
        (edited(|d| d[ma]["extra"] = local("home/small")), ma),
        (
            edited(|d| d[ma]["extra"] = json!({ "inherits": "translator" })),
            ma,
        ),
        (
            edited(|d| d[ma]["Extra"] = json!({ "inherits": "worker" })),
            ma,
        ),
        (
            edited(|d| d[ma]["worker"]["fallback_model_id"] = json!("home/small")),
            "fallback_model_id",
        ),
        (
            edited(|d| d[ma]["worker"]["allowed_models"] = json!(["home/tiny"])),
            "allowed_models",
        ),
        (
            edited(|d| d[ma]["translator"]["allowed_models"] = json!(["home/small"])),
            "allowed_models",
        ),
        (
            edited(|d| d["governance"]["automation_level"] = json!("YOLO")),
            "governance",
        ),
        (
            edited(|d| {
                d.as_object_mut().expect("object").remove("governance");
            }),
            "governance",
        ),
        (
            edited(|d| d["routing"] = json!({ "selection_policy": "cheapest" })),
            "routing",
        ),
        (
            edited(|d| {
                d["routing"] =
                    json!({ "selection_policy": "largest_available", "candidate_models": [] })
            }),
            "routing",
        ),
        (
            edited(|d| d["overrides"] = json!({ "filetype_rules": { "rs": "nobody" } })),
            "overrides",
        ),
        (
            edited(|d| d["overrides"] = json!({ "filetype_rules": { "r s": "worker" } })),
            "overrides",
        ),
    ];
    for (n, (document, field)) in cases.iter().enumerate() {
        assert_eq!(read(document).expect_err("refused"), *field, "case {n}");
    }
    let twice = br#"{"schema":"hsk.work_profile@0.6","schema":"hsk.work_profile@0.6"}"#;
    assert_eq!(
        WorkProfile::read(twice).expect_err("duplicate").field,
        "profile"
    );
}

#[test]
fn a10_a_profile_is_written_as_it_is_read_and_has_one_digest() {
    let profile = profile(|d| {
        d["routing"] =
            json!({ "selection_policy": "largest_available", "candidate_models": ["cloud/big"] });
        d["overrides"] = json!({ "filetype_rules": { "rs": "translator" }, "task_type_rules": { "review": "validator" } });
    });
    let written = serde_json::to_value(&profile).expect("serialisable");
    assert_eq!(read(&written), Ok(profile.clone()));
    assert_eq!(
        serde_json::from_value::<WorkProfile>(written).expect("readable"),
        profile
    );
    assert!(profile.digest().is_ok());
    let rs: WorkKey = "rs".parse().expect("valid");
    assert_eq!(
        profile.role_for_file(&rs).map(RoleId::as_str),
        Some("translator")
    );
    assert_eq!(profile.role_for_task(&rs), None);
}

#[test]
fn s34_an_older_profile_takes_the_strictest_value_of_what_it_lacks() {
    let old = json!({
        "schema": "hsk.work_profile@0.5", "profile_id": "old", "name": "Old",
        "model_assignments": {
            "frontend": { "primary_model_id": "home/small", "fallback_model_id": "home/tiny" },
            "orchestrator": { "primary_model_id": "home/small" },
            "worker": { "primary_model_id": "cloud/big", "local_only": false },
            "validator": { "primary_model_id": "home/small" },
            "extra": { "inherits": "worker" },
        },
    });
    let read = read(&old).expect("readable");
    assert_eq!(read.schema, ProfileSchema::V0_6);
    assert_eq!(read.governance.automation_level, AutomationLevel::Locked);
    assert!(!read.governance.allow_cloud_escalation);
    assert_eq!(read.governance.max_cloud_escalations_per_job, Some(0));
    let frontend = &read.model_assignments.frontend;
    assert!(frontend.local_only);
    assert_eq!(frontend.allowed_models.as_ref().map(BTreeSet::len), Some(2));
    assert!(
        !read.model_assignments.worker.local_only,
        "what it says stands"
    );
    let error = resolve(&role("extra"), &view(Some(read))).expect_err("locked");
    assert_eq!(error.code, ErrorCode::GovernanceLocked);
}

#[test]
fn a10_older_words_for_the_automation_level_are_read() {
    for (word, level) in [
        ("ASSISTED", AutomationLevel::Hybrid),
        ("SUPERVISED", AutomationLevel::Hybrid),
        ("FULL_HUMAN", AutomationLevel::FullHuman),
        ("LOCKED", AutomationLevel::Locked),
    ] {
        let profile = profile(|d| d["governance"]["automation_level"] = json!(word));
        assert_eq!(profile.governance.automation_level, level);
    }
}

#[test]
fn a10_roles_and_models_resolve() {
    let view = view(Some(profile(|_| {})));
    assert_eq!(outcome(&role("frontend"), &view), Ok("home/small".into()));
    assert_eq!(
        outcome(&role("orchestrator"), &view),
        Ok("cloud/big".into())
    );
    assert_eq!(outcome(&role("translator"), &view), Ok("home/tiny".into()));
    assert_eq!(
        outcome(&role("nobody"), &view),
        Err(ErrorCode::InvalidRequest)
    );
    assert_eq!(
        outcome(&Target::Model(model("other/anything")), &view),
        Ok("other/anything".into())
    );
    let error = resolve(&Target::Model(model("gone/m")), &view).expect_err("not registered");
    assert_eq!(
        (error.code, error.subject.as_str()),
        (ErrorCode::Provider404, "gone")
    );
    let worker = resolve(&role("worker"), &view).expect("resolves");
    assert_eq!(worker.fallback, Some(model("home/tiny")));
    assert!(
        worker
            .route()
            .is_some_and(|route| route.model_ref() == model("home/small"))
    );
}

/// The limit on the context is the role's, inherited or its own; a model that is named has none.
#[test]
fn a10_a_role_carries_its_limit_on_the_context() {
    let with = |edit: fn(&mut Value)| view(Some(profile(edit)));
    let of = |target: &Target, view: &RegistryView| {
        resolve(target, view).expect("resolves").context_limit
    };
    let bounded = with(|d| {
        d["model_assignments"]["worker"]["compute"] = json!({ "max_context_tokens": 1500 });
    });
    assert_eq!(of(&role("worker"), &bounded), Some(1500));
    assert_eq!(of(&role("translator"), &bounded), Some(1500), "inherited");
    assert_eq!(of(&role("frontend"), &bounded), None);
    assert_eq!(of(&Target::Model(model("home/small")), &bounded), None);
    let own = with(|d| {
        d["model_assignments"]["worker"]["compute"] = json!({ "max_context_tokens": 1500 });
        d["model_assignments"]["translator"]["compute"] = json!({ "max_context_tokens": 900 });
    });
    assert_eq!(of(&role("translator"), &own), Some(900));
}

#[test]
fn a10_a_role_needs_a_profile() {
    assert_eq!(
        outcome(&role("worker"), &view(None)),
        Err(ErrorCode::Profile404)
    );
    let named = resolve(&Target::Model(model("cloud/big")), &view(None)).expect("resolves");
    assert_eq!(named.governance, Governance::NO_PROFILE);
}

#[test]
fn a8_governance_forbids_cloud_and_leaves_local_alone() {
    let cases = [
        (
            json!({ "automation_level": "LOCKED", "allow_cloud_escalation": true }),
            ErrorCode::GovernanceLocked,
        ),
        (
            json!({ "automation_level": "LOCKED", "allow_cloud_escalation": false }),
            ErrorCode::GovernanceLocked,
        ),
        (
            json!({ "automation_level": "AUTONOMOUS", "allow_cloud_escalation": false }),
            ErrorCode::CloudEscalationDenied,
        ),
    ];
    for (governance, code) in cases {
        let view = view(Some(profile(|d| d["governance"] = governance)));
        assert_eq!(outcome(&role("orchestrator"), &view), Err(code));
        assert_eq!(
            outcome(&Target::Model(model("cloud/big")), &view),
            Err(code)
        );
        assert_eq!(
            outcome(&Target::Model(model("home/vast:cloud")), &view),
            Err(code),
            "forwarded is cloud"
        );
        assert_eq!(outcome(&role("frontend"), &view), Ok("home/small".into()));
    }
}

#[test]
fn a10_local_only_and_allowed_models_are_hard() {
    let worker = |assignment: Value| {
        outcome(
            &role("worker"),
            &view(Some(profile(|d| {
                d["model_assignments"]["worker"] = assignment
            }))),
        )
    };
    assert_eq!(worker(local("cloud/big")), Err(ErrorCode::InvalidConfig));
    assert_eq!(
        worker(local("home/vast:cloud")),
        Err(ErrorCode::InvalidConfig),
        "a forwarded model is not local"
    );
    assert_eq!(worker(local("home/small")), Ok("home/small".into()));
    let extension = |own: Value, base: Value| {
        let profile = profile(|d| {
            d["model_assignments"]["worker"] = base;
            d["model_assignments"]["extra"] = own;
        });
        outcome(&role("extra"), &view(Some(profile)))
    };
    let freed =
        json!({ "inherits": "worker", "primary_model_id": "cloud/big", "local_only": false });
    assert_eq!(
        extension(freed, local("home/small")),
        Err(ErrorCode::InvalidConfig),
        "an extension only narrows"
    );
    let bound = json!({ "inherits": "worker", "local_only": true });
    assert_eq!(
        extension(bound, open("cloud/big")),
        Err(ErrorCode::InvalidConfig)
    );
}

#[test]
fn a10_s31_a_fallback_never_leaves_the_roles_bounds_or_the_machine() {
    let fallback = |primary: &str, fallback: &str, edit: fn(&mut Value)| {
        let mut assignment = open(primary);
        assignment["fallback_model_id"] = json!(fallback);
        edit(&mut assignment);
        let view = view(Some(profile(|d| {
            d["model_assignments"]["orchestrator"] = assignment
        })));
        let found = resolve(&role("orchestrator"), &view).expect("resolves");
        let unfit = found.because.iter().find_map(|reason| match reason {
            Reason::FallbackLeftOut { because, .. } => Some(*because),
            _ => None,
        });
        (found.fallback.map(|model| model.to_string()), unfit)
    };
    let same: fn(&mut Value) = |_| {};
    assert_eq!(
        fallback("home/small", "home/tiny", same),
        (Some("home/tiny".into()), None)
    );
    assert_eq!(
        fallback("home/small", "cloud/big", same),
        (None, Some(Unfit::CrossesToCloud))
    );
    assert_eq!(
        fallback("home/small", "home/vast:cloud", same),
        (None, Some(Unfit::CrossesToCloud))
    );
    assert_eq!(
        fallback("cloud/big", "cloud/bigger", same),
        (Some("cloud/bigger".into()), None)
    );
    assert_eq!(
        fallback("cloud/big", "home/small", same),
        (Some("home/small".into()), None)
    );
    assert_eq!(
        fallback("cloud/big", "cloud/newest", same),
        (None, Some(Unfit::NotEnabled))
    );
    assert_eq!(
        fallback("cloud/big", "gone/m", same),
        (None, Some(Unfit::NoProvider))
    );
    let allowed: fn(&mut Value) = |a| a["allowed_models"] = json!(["cloud/big"]);
    assert_eq!(
        fallback("cloud/big", "home/small", allowed),
        (None, Some(Unfit::NotAllowed))
    );
    let only: fn(&mut Value) = |a| a["local_only"] = json!(true);
    assert_eq!(
        fallback("home/small", "cloud/big", only),
        (None, Some(Unfit::LocalOnly))
    );
}

#[test]
fn a10_the_largest_candidate_is_chosen_within_the_bounds() {
    let largest = |candidates: Option<Value>, assignment: Value| {
        let profile = profile(|d| {
            d["routing"] = json!({ "selection_policy": "largest_available" });
            if let Some(candidates) = candidates {
                d["routing"]["candidate_models"] = candidates;
            }
            d["model_assignments"]["orchestrator"] = assignment;
        });
        outcome(&role("orchestrator"), &view(Some(profile)))
    };
    let all = || {
        Some(json!(
            LISTED.iter().map(|listed| listed.0).collect::<Vec<_>>()
        ))
    };
    assert_eq!(
        largest(all(), open("cloud/big")),
        Ok("home/vast:cloud".into())
    );
    assert_eq!(
        largest(all(), open("home/small")),
        Ok("home/small".into()),
        "a local role stays local"
    );
    assert_eq!(largest(all(), local("home/tiny")), Ok("home/small".into()));
    let some = |names: &[&str]| Some(json!(names));
    assert_eq!(
        largest(some(&["other/big", "cloud/big"]), open("cloud/big")),
        Ok("cloud/big".into()),
        "first by name"
    );
    assert_eq!(
        largest(some(&["cloud/newest", "cloud/big"]), open("cloud/big")),
        Ok("cloud/big".into())
    );
    assert_eq!(
        largest(some(&["cloud/unlisted"]), open("cloud/big")),
        Err(ErrorCode::Model404)
    );
    assert_eq!(
        largest(some(&["cloud/big"]), local("home/small")),
        Err(ErrorCode::Model404)
    );
    let mut bounded = open("cloud/big");
    bounded["allowed_models"] = json!(["cloud/big", "cloud/bigger"]);
    assert_eq!(
        largest(None, bounded.clone()),
        Ok("cloud/bigger".into()),
        "what the role allows by name"
    );
    assert_eq!(
        largest(some(&["home/vast:cloud", "cloud/big"]), bounded),
        Ok("cloud/big".into())
    );
    let mut pair = open("home/tiny");
    pair["fallback_model_id"] = json!("home/small");
    assert_eq!(
        largest(None, pair),
        Ok("home/small".into()),
        "primary and fallback"
    );
}

#[test]
fn a10_an_unqualified_name_means_exactly_one_model_or_nothing() {
    let applied = |name: &str| {
        let profile = profile(|d| d["model_assignments"]["worker"] = open(name));
        match apply(&profile, &view(None)) {
            Ok(applied) => Ok(applied
                .model_assignments
                .worker
                .primary_model_id
                .to_string()),
            Err(error) => {
                assert_eq!(
                    (error.code, error.subject.as_str()),
                    (ErrorCode::InvalidConfig, name)
                );
                Err(error
                    .candidates
                    .iter()
                    .map(ModelRef::to_string)
                    .collect::<Vec<_>>())
            }
        }
    };
    assert_eq!(applied("small"), Ok("home/small".into()));
    assert_eq!(
        applied("cloud/anything"),
        Ok("cloud/anything".into()),
        "qualified stays"
    );
    assert_eq!(
        applied("vendor/model:free"),
        Ok("cloud/vendor/model:free".into())
    );
    assert_eq!(
        applied("big"),
        Err(vec!["cloud/big".into(), "other/big".into()])
    );
    assert_eq!(applied("newest"), Err(vec![]), "not enabled");
    assert_eq!(applied("gone/model"), Err(vec![]));
}

#[test]
fn a10_every_name_of_a_profile_is_qualified() {
    let profile = profile(|d| {
        d["model_assignments"]["worker"] = json!({
            "primary_model_id": "small", "fallback_model_id": "tiny", "local_only": true,
            "allowed_models": ["small", "tiny"],
        });
        d["model_assignments"]["translator"] = json!({ "inherits": "worker", "primary_model_id": "tiny",
            "fallback_model_id": "small", "allowed_models": ["tiny", "small"] });
        d["routing"] = json!({ "selection_policy": "explicit", "candidate_models": ["bigger"] });
    });
    assert_eq!(
        outcome(&role("worker"), &view(Some(profile.clone()))),
        Err(ErrorCode::InvalidConfig),
        "not applied"
    );
    let applied = apply(&profile, &view(None)).expect("unambiguous");
    let text = serde_json::to_string(&applied).expect("serialisable");
    for bare in ["\"small\"", "\"tiny\"", "\"bigger\""] {
        assert!(!text.contains(bare), "{bare}");
    }
    assert_eq!(
        apply(&applied, &view(None)),
        Ok(applied.clone()),
        "applying again changes nothing"
    );
    assert_eq!(
        outcome(&role("translator"), &view(Some(applied))),
        Ok("home/tiny".into())
    );
}

#[test]
fn a10_the_reasons_can_be_read() {
    let view = view(Some(profile(|_| {})));
    let found = resolve(&role("translator"), &view).expect("resolves");
    let text: Vec<String> = found.because.iter().map(Reason::to_string).collect();
    assert_eq!(
        text,
        [
            "profile p1 assigns home/tiny to translator",
            "translator inherits worker",
            "home/small is the fallback",
            "the model is local",
        ]
    );
    let json = serde_json::to_value(&found.because[0]).expect("serialisable");
    assert_eq!(json["reason"], "assigned_by_profile");
}

#[test]
fn activating_a_profile_that_allows_more_is_widening() {
    let base = profile(|_| {});
    let widens = |edit: fn(&mut Value)| base.is_widened_by(&profile(edit));
    let narrower: &[fn(&mut Value)] = &[
        |_| {},
        |d| d["profile_id"] = json!("p2"),
        |d| d["governance"]["automation_level"] = json!("LOCKED"),
        |d| d["governance"]["allow_cloud_escalation"] = json!(false),
        |d| d["governance"]["max_cloud_escalations_per_job"] = json!(3),
        |d| d["model_assignments"]["orchestrator"] = local("home/small"),
        |d| d["model_assignments"]["orchestrator"]["allowed_models"] = json!(["cloud/big"]),
        |d| d["model_assignments"]["extra"] = json!({ "inherits": "frontend" }),
    ];
    for (n, edit) in narrower.iter().enumerate() {
        assert!(!widens(*edit), "case {n}");
    }
    let wider: &[fn(&mut Value)] = &[
        |d| d["governance"]["automation_level"] = json!("AUTONOMOUS"),
        |d| d["model_assignments"]["frontend"] = open("home/small"),
        |d| d["model_assignments"]["orchestrator"] = open("other/big"),
        |d| d["model_assignments"]["orchestrator"]["fallback_model_id"] = json!("other/big"),
        |d| d["model_assignments"]["extra"] = json!({ "inherits": "orchestrator" }),
        |d| d["routing"] = json!({ "selection_policy": "largest_available" }),
    ];
    for (n, edit) in wider.iter().enumerate() {
        assert!(widens(*edit), "case {n}");
    }
    let bounded = profile(|d| d["governance"]["max_cloud_escalations_per_job"] = json!(3));
    assert!(bounded.is_widened_by(&base), "a bound is taken away");
    assert!(WorkProfile::activation_widens(None, &base));
    assert!(!WorkProfile::activation_widens(Some(&base), &base));
    let at_home = profile(|d| {
        d["governance"]["automation_level"] = json!("FULL_HUMAN");
        for role in BaseRole::ALL {
            d["model_assignments"][role.as_str()] = local("home/small");
        }
        d["model_assignments"]["translator"] = json!({ "inherits": "worker" });
    });
    assert!(
        !WorkProfile::activation_widens(None, &at_home),
        "it only narrows"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a10_the_answer_does_not_depend_on_the_order_of_insertion(
        shuffled_records in Just(records()).prop_shuffle(),
        listed in Just(LISTED.to_vec()).prop_shuffle(),
        candidates in proptest::sample::subsequence(LISTED.iter().map(|l| l.0).collect::<Vec<_>>(), 1..6).prop_shuffle(),
        target in proptest::sample::select(vec!["frontend", "orchestrator", "worker", "validator", "translator"]),
    ) {
        let answer = |candidates: &[&str], records: &[ProviderRecord], listed: &[Listing]| {
            let profile = profile(|d| {
                d["routing"] = json!({ "selection_policy": "largest_available", "candidate_models": candidates });
            });
            resolve(&role(target), &view_of(records, listed, Some(profile)))
                .map(|found| (found.model, found.fallback, found.because, found.local_only))
        };
        let mut sorted = candidates.clone();
        sorted.sort_unstable();
        let shuffled = answer(&candidates, &shuffled_records, &listed);
        prop_assert_eq!(&shuffled, &answer(&sorted, &records(), LISTED));
        if let Ok((model, fallback, _, local_only)) = shuffled {
            // The hard bounds hold whatever was chosen.
            let cloud = |model: &ModelRef| model.provider.as_str() != "home" || model.model.as_str().ends_with(":cloud");
            prop_assert!(!(local_only && cloud(&model)));
            prop_assert!(!fallback.is_some_and(|fallback| !cloud(&model) && cloud(&fallback)));
        }
    }
}
