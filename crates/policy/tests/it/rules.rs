//! `policy.toml`: strict, bound by its digest, and only ever narrower than what was confirmed.

use handshake_core::{
    code::ErrorCode, consent::Assurance, policy::SecondHand, ports::EgressPolicy,
};
use handshake_policy::{
    egress::RulesPolicy,
    rules::{RetryRules, Rules},
};
use proptest::prelude::*;

#[test]
fn a_whole_file_is_read() {
    let rules = Rules::read(
        r#"
        locked = false
        cloud = true
        private_hosts = ["models.corp.example.net"]
        min_assurance = "A2"
        max_body_bytes = 1048576
        second_hand = "ask"
        max_context_tokens = 8192
        emulate_tools = []
        disabled_rules = ["generic-password"]
        [retry]
        max_attempts = 2
        base_ms = 100
        cap_ms = 1000
        "#,
    )
    .expect("rules");
    assert_eq!(rules.min_assurance, Assurance::A2);
    assert_eq!(rules.second_hand, SecondHand::Ask);
    assert_eq!(
        rules.retry,
        RetryRules {
            max_attempts: 2,
            base_ms: 100,
            cap_ms: 1000
        }
    );
    let posture = rules.posture();
    assert!(posture.private_hosts.contains("models.corp.example.net"));
    assert_eq!(
        (posture.max_body_bytes, posture.digest),
        (1 << 20, rules.digest())
    );
}

#[test]
fn b7_tool_emulation_is_asked_for_by_provider_or_model() {
    let rules = Rules::read("emulate_tools = [\"old-server\", \"box/tiny:1b\"]").expect("rules");
    assert_eq!(rules.emulate_tools.len(), 2);
    for bad in ["Old Server", "", "/m", "p/"] {
        let refused = Rules::read(&format!("emulate_tools = [\"{bad}\"]")).expect_err("refused");
        assert_eq!(refused.code(), ErrorCode::InvalidConfig);
        assert_eq!(
            refused.to_string(),
            "invalid policy.toml: emulate_tools: must be a list of providers or of models, written PROVIDER/MODEL"
        );
    }
    assert_eq!(Rules::read("emulate_tools = []"), Ok(Rules::default()));
}

#[test]
fn the_defaults_are_strict_where_it_matters() {
    let rules = Rules::default();
    assert_eq!(rules.min_assurance, Assurance::A1);
    assert_eq!(rules.second_hand, SecondHand::Refuse);
    assert!(
        rules.private_hosts.is_empty()
            && rules.disabled_rules.is_empty()
            && rules.emulate_tools.is_empty()
    );
}

#[test]
fn whatever_is_not_a_rule_is_refused_by_name_and_without_its_value() {
    for (text, field) in [
        ("locket = true", "locket"),
        ("locked = \"s3cret\"", "locked"),
        ("locked = 1", "locked"),
        ("cloud = \"s3cret\"", "cloud"),
        ("min_assurance = \"A4\"", "min_assurance"),
        ("min_assurance = \"s3cret\"", "min_assurance"),
        ("second_hand = \"s3cret\"", "second_hand"),
        ("max_body_bytes = -1", "max_body_bytes"),
        ("max_body_bytes = \"s3cret\"", "max_body_bytes"),
        ("private_hosts = \"s3cret\"", "private_hosts"),
        ("api_key = \"s3cret\"", "api_key"),
        ("[retry]\nmax_attempts = 0", "retry"),
        ("[retry]\nmax_attempts = 11", "retry"),
        ("[retry]\nbase_ms = 10\ncap_ms = 5", "retry"),
        ("[retry]\ncap_ms = 600001", "retry"),
        ("[retry]\nforever = true", "retry"),
        ("\"S3CRET value\" = 1", "(unknown)"),
        ("locked = true\nlocked = false", "(file)"),
        ("s3cret", "(file)"),
    ] {
        let error = Rules::read(text).expect_err(text);
        assert_eq!(error.field, field, "{text}");
        assert_eq!(error.code(), ErrorCode::InvalidConfig);
        assert!(
            !error.to_string().to_lowercase().contains("s3cret"),
            "{error}"
        );
    }
}

#[test]
fn each_widening_is_one() {
    type Edit = fn(&mut Rules);
    let confirmed = Rules {
        cloud: false,
        locked: true,
        ..Rules::default()
    };
    let wider: [Edit; 10] = [
        |r| r.locked = false,
        |r| r.cloud = true,
        |r| r.private_hosts = ["h.example.org".to_owned()].into(),
        |r| r.min_assurance = Assurance::A0,
        |r| r.max_body_bytes += 1,
        |r| r.second_hand = SecondHand::Ask,
        |r| r.max_context_tokens += 1,
        |r| r.retry.max_attempts += 1,
        |r| r.disabled_rules = ["x".to_owned()].into(),
        |r| r.redact_clients = ["c".to_owned()].into(),
    ];
    for (n, edit) in wider.into_iter().enumerate() {
        let mut rules = confirmed.clone();
        edit(&mut rules);
        assert!(rules.widens(&confirmed), "case {n}");
        assert_eq!(rules.narrowed_to(&confirmed), confirmed, "case {n}");
        assert!(
            !confirmed.widens(&rules),
            "case {n}: narrowing needs no factor"
        );
    }
}

#[test]
fn b7_b10_how_answers_are_read_is_no_widening() {
    let confirmed = Rules::default();
    let rules = Rules {
        suspect_refusals: true,
        emulate_tools: ["p".to_owned()].into(),
        ..confirmed.clone()
    };
    assert!(!rules.widens(&confirmed));
    assert_eq!(rules.narrowed_to(&confirmed), rules);
}

#[test]
fn rules_in_force_can_be_replaced() {
    let policy = RulesPolicy::new(Rules::default());
    assert!(!policy.posture().locked);
    policy.set(Rules {
        locked: true,
        ..Rules::default()
    });
    assert!(policy.posture().locked);
    assert_eq!(policy.posture().digest, policy.rules().digest());
}

fn rules() -> impl Strategy<Value = Rules> {
    let names = || proptest::collection::btree_set("[a-c]", 0..3);
    let assurance = proptest::sample::select(vec![
        Assurance::A0,
        Assurance::A1,
        Assurance::A2,
        Assurance::A3,
    ]);
    let second = proptest::sample::select(vec![SecondHand::Refuse, SecondHand::Ask]);
    (
        (
            any::<bool>(),
            any::<bool>(),
            names(),
            assurance,
            0u64..4,
            second,
        ),
        (0u64..4, 1u32..4, 0u64..4, names(), names(), names()),
    )
        .prop_map(|(a, b)| Rules {
            locked: a.0,
            cloud: a.1,
            private_hosts: a.2,
            min_assurance: a.3,
            max_body_bytes: a.4,
            second_hand: a.5,
            max_context_tokens: b.0,
            retry: RetryRules {
                max_attempts: b.1,
                base_ms: b.2,
                cap_ms: 10,
            },
            emulate_tools: b.3,
            suspect_refusals: a.0,
            disabled_rules: b.4,
            redact_clients: b.5,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Narrowing gives something that neither side would call wider, whatever the order, and stops there.
    #[test]
    fn narrowing_is_a_meet(a in rules(), b in rules()) {
        // No part of it.
        let b = Rules {
            emulate_tools: a.emulate_tools.clone(),
            suspect_refusals: a.suspect_refusals,
            ..b
        };
        let met = a.narrowed_to(&b);
        prop_assert!(!met.widens(&a) && !met.widens(&b));
        prop_assert_eq!(&met, &b.narrowed_to(&a));
        prop_assert_eq!(&met, &met.narrowed_to(&b));
        prop_assert!(!a.widens(&a));
    }

    /// What is written is what is read, and has the same digest.
    #[test]
    fn rules_round_trip(rules in rules()) {
        let text = toml::to_string(&rules).expect("TOML");
        let read = Rules::read(&text).expect("rules");
        prop_assert_eq!(read.digest(), rules.digest());
        prop_assert_eq!(read, rules);
    }

    /// Two sets of rules have one digest exactly when they are the same.
    #[test]
    fn a_digest_names_one_set_of_rules(a in rules(), b in rules()) {
        prop_assert_eq!(a == b, a.digest() == b.digest());
    }
}
