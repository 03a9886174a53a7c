//! Names: the daemon's own rule, its versions, its echoes.

use super::*;

#[test]
fn s36_names_that_the_daemon_forwards_are_recognised_as_it_does() {
    for cloud in [
        "gpt-oss:20b:cloud",
        "gpt-oss:20b-cloud",
        "gpt-oss:120B-CLOUD",
        "x:cloud",
        "x:Cloud",
        "x: cloud ",
        " x:cloud",
        "x: 20b-cloud ",
        "x:-cloud",
        "localhost:11434/library/foo:cloud",
        "foo:local:cloud",
        "foo:cloud:local",
        "foo:1b-cloud:local",
    ] {
        assert!(is_cloud_name(cloud), "{cloud:?}");
    }
    for local in [
        "qwen3:8b",
        "qwen3:8b:local",
        "llama3.2",
        "my-cloud-model",
        "my-cloud",
        "foo:bar-cloud/baz",
        "foo:cloudy",
        "foo:cloud-1",
        "foo:xcloud",
        "cloud",
        "cloud:8b",
        "",
        "x:ü-cloüd",
    ] {
        assert!(!is_cloud_name(local), "{local:?}");
    }
}

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
