//! The rule pack is what its rules say.

use std::collections::BTreeSet;

use handshake_core::{
    finding::{FindingLevel, WorkBudget},
    ids::RuleId,
    secret::Secret,
};
use handshake_leakage::{Engine, Enrolment, PackError, Verdict};

/// Rules whose synthetic values are documented examples or checksummed by hand.
const SEEDS: u64 = 8;

#[test]
fn a9_every_rule_finds_its_own_samples() {
    let engine = Engine::builtin();
    let mut missed = Vec::new();
    for rule in engine.rules() {
        let mut hits = 0;
        for seed in 0..SEEDS {
            let sample = engine.sample(rule.id.as_str(), seed).expect("a rule");
            let text = format!("see:\n{sample}\nand go on");
            let found = engine.scan_text(&text).expect("within budget");
            hits += u64::from(found.iter().any(|f| f.rule == rule.id));
        }
        // A synthetic value may now and then look like a placeholder or a word.
        if hits + 1 < SEEDS {
            missed.push(format!("{} {hits}/{SEEDS}", rule.id));
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn there_are_enough_rules_and_each_has_its_own_id() {
    let rules = Engine::builtin().rules();
    assert!(rules.len() >= 150, "{}", rules.len());
    let ids: BTreeSet<_> = rules.iter().map(|r| &r.id).collect();
    assert_eq!(ids.len(), rules.len());
    assert!(
        rules
            .iter()
            .filter(|r| r.level == FindingLevel::Block)
            .count()
            >= 120
    );
}

#[test]
fn documented_example_values_are_excused() {
    let engine = Engine::builtin();
    for text in [
        ["aws_access_key: AKIAIOSFODNN7", "EXAMPLE"].concat(),
        [
            "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCY",
            "EXAMPLEKEY",
        ]
        .concat(),
        format!("ghp_{}", "x".repeat(36)),
        "sk-ant-api03-your_key_here".to_owned(),
        "OPENAI_API_KEY=sk-...".to_owned(),
        "password = os.environ[\"DB_PASSWORD\"]".to_owned(),
        "postgres://${USER}:${PASSWORD}@db/main".to_owned(),
    ] {
        let found = engine.scan_text(&text).expect("within budget");
        assert_ne!(Verdict::of(&found), Verdict::Block, "{text}: {found:?}");
    }
}

#[test]
fn a_mark_beside_a_real_token_does_not_excuse_it() {
    let engine = Engine::builtin();
    let token = engine.sample("stripe-key", 3).expect("a rule");
    for text in [
        format!("{token}EXAMPLE"),
        format!("{token}xxxx"),
        format!("example {token} dummy"),
    ] {
        assert_eq!(
            Verdict::of(&engine.scan_text(&text).expect("within budget")),
            Verdict::Block
        );
    }
}

#[test]
fn explain_describes_a_rule_and_an_unknown_rule_is_unknown() {
    let engine = Engine::builtin();
    let rule = engine.explain("github-token").expect("a rule");
    assert_eq!(rule.service, "GitHub");
    assert!(rule.anchors.contains(&"ghp_".to_owned()));
    assert!(engine.explain("no-such-rule").is_none());
    assert!(engine.sample("no-such-rule", 0).is_none());
}

#[test]
fn a_broken_pack_names_its_rule() {
    let rule = |id: &str, anchor: &str, pattern: &str| {
        format!(
            "[[rule]]\nid='{id}'\nservice='x'\nanchors=['{anchor}']\npattern='{pattern}'\nsample='x'\n"
        )
    };
    let load = |text: String| Engine::from_toml(&[&text]).err();
    assert_eq!(
        load(rule("ab", "x", "x")),
        Some(PackError::Anchor("ab".into()))
    );
    assert_eq!(
        load(rule("ab", "xyz", "(")),
        Some(PackError::Pattern("ab".into()))
    );
    assert_eq!(
        load(rule("A b", "xyz", "x")),
        Some(PackError::Id("A b".into()))
    );
    let twice = rule("ab", "xyz", "x") + &rule("ab", "xyz", "x");
    assert_eq!(load(twice), Some(PackError::Duplicate("ab".into())));
    assert!(matches!(
        load("[[rule]]\nid=3".into()),
        Some(PackError::Syntax(_))
    ));
    // A pattern that would become a machine of many megabytes.
    assert!(load(rule("ab", "xyz", "(a{1000}){1000}")).is_some());
}

#[test]
fn the_digest_follows_the_rules() {
    let rule = "[[rule]]\nid='ab'\nservice='x'\nanchors=['xyz']\npattern='xyz'\nsample='xyz'\n";
    let one = Engine::from_toml(&[rule]).expect("a pack");
    let other =
        Engine::from_toml(&[&rule.replace("'xyz'\nsample", "'xyz1'\nsample")]).expect("a pack");
    assert_ne!(one.digest(), other.digest());
    assert_eq!(Engine::builtin().digest(), Engine::builtin().digest());
}

fn ids(names: &[&str]) -> BTreeSet<RuleId> {
    let id = |name: &&str| RuleId::new(*name).expect("an id");
    names.iter().map(id).collect()
}

#[test]
fn n3_a_rule_that_is_off_finds_nothing_and_the_others_stand() {
    let all = Engine::builtin();
    let token = all.sample("github-token", 1).expect("a rule");
    let other = all.sample("gitlab-token", 1).expect("a rule");
    let verdict = |engine: &Engine, text: &str| {
        let found = engine.scan_text(text).expect("within budget");
        Verdict::of(&found)
    };
    let text = format!("see {token}");
    assert_eq!(verdict(&all, &text), Verdict::Block);
    let some = Engine::builtin_without(&ids(&["github-token"])).expect("known");
    assert_eq!(verdict(&some, &text), Verdict::Clean);
    assert_eq!(verdict(&some, &format!("see {other}")), Verdict::Block);
    assert!(some.explain("github-token").is_none() && some.explain("gitlab-token").is_some());
    assert_eq!(some.rules().len() + 1, all.rules().len());
    assert_eq!(some.off(), &ids(&["github-token"]));
}

#[test]
fn n3_what_is_off_is_part_of_the_ruleset() {
    let without = |names| {
        Engine::builtin_without(&ids(names))
            .expect("known")
            .digest()
    };
    let all = Engine::builtin().digest();
    assert_eq!(without(&[]), all);
    let one = without(&["github-token"]);
    let both = without(&["github-token", "gitlab-token"]);
    assert!(one != all && both != all && both != one);
    assert_eq!(both, without(&["gitlab-token", "github-token"]));
}

#[test]
fn n3_what_is_no_rule_is_named_and_what_is_code_is_never_off() {
    for name in ["github-tokens", "enrolled", "token-ids"] {
        let refused = Engine::builtin_without(&ids(&["github-token", name]));
        assert_eq!(
            refused.err(),
            Some(PackError::Unknown(name.to_owned())),
            "{name}"
        );
    }
    let every: BTreeSet<_> = Engine::builtin()
        .rules()
        .into_iter()
        .map(|r| r.id)
        .collect();
    let none = Engine::builtin_without(&every).expect("known");
    assert!(none.rules().is_empty());
    let mut enrolled = Enrolment::new(1);
    let secret = "kx4-Pw9-72hQ-vvT0-19ab";
    enrolled
        .add(&Secret::new(secret.as_bytes().to_vec()))
        .expect("strong");
    let mut budget = WorkBudget::new(1 << 20);
    let found = none
        .scan(
            format!("see {secret}").as_bytes(),
            &enrolled,
            true,
            &mut budget,
        )
        .expect("within budget");
    assert_eq!(Verdict::of(&found), Verdict::Block);
}
