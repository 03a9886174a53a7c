//! Client tokens: shown once, stored as a hash, revoked for good.

use serde_json::json;

use crate::it::{machine::Machine, provider::add_local};

#[test]
fn s01_a_token_is_shown_once_and_stored_as_a_hash() {
    let machine = Machine::new();
    add_local(&machine, "sim", "http://127.0.0.1:9");
    let (code, lines) = machine.json(&["token", "create", "editor", "--models", "sim/a,sim/b"]);
    assert_eq!(code, 0, "{lines:?}");
    let token = lines[0]["token"].as_str().expect("a token").to_owned();
    assert!(token.starts_with("hsk_") && token.len() == 47, "{token}");
    let (_, other) = machine.json(&["token", "create", "other"]);
    assert_ne!(other[0]["token"], lines[0]["token"]);

    let output = machine.run(&["token", "list"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains(&token));
    for entry in std::fs::read_dir(machine.path("home"))
        .expect("a home")
        .flatten()
    {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        assert!(
            !bytes
                .windows(token.len())
                .any(|window| window == token.as_bytes()),
            "{entry:?}"
        );
    }
    let (_, lines) = machine.json(&["token", "list"]);
    assert_eq!(lines[0]["models"], json!(["sim/a", "sim/b"]));
    assert_eq!(
        (&lines[1]["models"], &lines[1]["revoked_at"]),
        (&json!(null), &json!(null))
    );

    assert_eq!(machine.json(&["token", "revoke", "editor"]).0, 0);
    assert!(
        machine.json(&["token", "list"]).1[0]["revoked_at"]
            .as_str()
            .is_some()
    );
    for args in [
        &["token", "create", "editor"][..],
        &["token", "create", "third", "--models", "nowhere/a"],
        &["token", "create", "third", "--models", "a"],
        &["token", "create", "third", "--profile", "p9"],
        &["token", "revoke", "nobody"],
    ] {
        let (code, lines) = machine.json(args);
        assert_ne!(code, 0, "{args:?}");
        assert!(
            lines[0]["error"]["code"]
                .as_str()
                .is_some_and(|code| code.starts_with("HSK-")),
            "{args:?}"
        );
    }
    assert_eq!(machine.json(&["token", "list"]).1.len(), 2);
}
