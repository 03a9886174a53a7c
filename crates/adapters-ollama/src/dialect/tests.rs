//! Names: the daemon's own rule, its versions, its echoes.

use super::*;

#[test]
fn s35_the_local_form_is_used_from_the_version_that_has_it() {
    for (version, knows) in [
        ("0.20.5", true),
        ("0.18.0", true),
        ("v0.18.0-rc1", true),
        ("1.0.0", true),
        ("0.17.9", false),
        ("0.6.4", false),
        ("0.0.0", false),
        ("", false),
        ("unknown", false),
    ] {
        assert_eq!(knows_local_suffix(version), knows, "{version}");
    }
}

#[test]
fn an_answer_names_the_model_that_was_asked_for() {
    for (asked, answered) in [
        ("smol", "smol"),
        ("smol", "smol:latest"),
        ("smol", "smol:local"),
        ("smol:latest", "smol:latest:local"),
        ("gpt-oss:20b-cloud", "gpt-oss:20b"),
        ("gpt-oss:20b-cloud", "gpt-oss:20b:cloud"),
    ] {
        assert!(same_model(asked, answered), "{asked} {answered}");
    }
    for (asked, answered) in [
        ("smol", "smol2"),
        ("smol:1b", "smol:2b"),
        ("smol:1b", "smol"),
        ("a", ""),
    ] {
        assert!(!same_model(asked, answered), "{asked} {answered}");
    }
}
