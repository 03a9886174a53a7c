//! Bad input: each gets its code, names the field and not the value, and leaves nothing half-written.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::it::{
    machine::Machine,
    provider::{add_local, listed},
};

fn refused(machine: &Machine, args: &[&str]) -> (i32, Value) {
    let (code, lines) = machine.json(args);
    assert_eq!(lines.len(), 1, "{args:?}: one object: {lines:?}");
    let error = lines[0]["error"].clone();
    assert!(
        error["code"]
            .as_str()
            .is_some_and(|code| code.starts_with("HSK-")),
        "{args:?}: {error}"
    );
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{error}"
    );
    (code, error)
}

#[test]
fn a1_a_bad_provider_file_is_refused_by_field_and_registers_nothing() {
    let machine = Machine::new();
    add_local(&machine, "kept", "http://127.0.0.1:1");
    let before = listed(&machine);
    let good = r#"{"provider_id":"good","provider_kind":"ollama","base_url":"http://127.0.0.1:2"}"#;
    let with = |field: &str| {
        format!(
            r#"{{"provider_id":"x","provider_kind":"ollama","base_url":"http://127.0.0.1:3",{field}}}"#
        )
    };
    let url =
        |url: &str| format!(r#"{{"provider_id":"x","provider_kind":"ollama","base_url":"{url}"}}"#);
    let cases = [
        ("{".to_owned(), "HSK-400-INVALID-CONFIG", "invalid JSON"),
        (
            with(r#""colour":"sk-live-0123456789""#),
            "HSK-400-INVALID-CONFIG",
            "colour",
        ),
        (
            with(r#""api_key":"sk-live-0123456789""#),
            "HSK-400-INVALID-CONFIG",
            "api_key",
        ),
        (
            with(r#""tier":"sk-live-0123456789""#),
            "HSK-400-INVALID-CONFIG",
            "tier",
        ),
        (
            with(r#""secret_ref":"sk-live-0123456789""#),
            "HSK-400-INVALID-CONFIG",
            "secret_ref",
        ),
        (with(r#""tier":"cloud""#), "HSK-403-TIER-MISMATCH", "tier"),
        (
            with(r#""reach":"relay","tier":"local""#),
            "HSK-403-TIER-MISMATCH",
            "tier",
        ),
        (
            url("https://API.example.org"),
            "HSK-400-INVALID-BASE-URL",
            "base_url",
        ),
        (
            url("https://sk-live-0123456789@api.example.org"),
            "HSK-400-INVALID-BASE-URL",
            "base_url",
        ),
        (
            url("https://metadata.google.internal"),
            "HSK-403-SSRF-BLOCKED",
            "base_url",
        ),
        (
            good.replace("ollama", "no_such_kind"),
            "HSK-400-INVALID-CONFIG",
            "provider_kind",
        ),
        (
            good.replace("}", r#","dialect":"openai"}"#),
            "HSK-400-INVALID-CONFIG",
            "dialect",
        ),
    ];
    for (bad, code, says) in cases {
        // A good one stands before it: nothing of the file counts.
        let text = if bad == "{" {
            bad.clone()
        } else {
            format!("[{good},{}]", bad.replace("\"good\"", "\"bad\""))
        };
        let file = machine.write("bad.json", &text);
        let (exit, error) = refused(
            &machine,
            &["provider", "import", file.to_str().expect("a path")],
        );
        assert_eq!(error["code"], code, "{bad}: {error}");
        assert_eq!(exit, 2, "{bad}");
        assert!(
            error["message"].as_str().expect("a message").contains(says),
            "{bad}: {error}"
        );
        assert!(!error.to_string().contains("0123456789"), "{error}");
        assert_eq!(listed(&machine), before, "{bad}");
    }
}

#[test]
fn a1_a_word_that_is_one_of_a_few_is_listed_and_what_was_written_is_not_repeated() {
    let machine = Machine::new();
    for (args, option, words) in [
        (
            &[
                "add",
                "x",
                "--kind",
                "k",
                "--base-url",
                "u",
                "--tier",
                "s3cret",
            ][..],
            "--tier",
            "local, cloud",
        ),
        (
            &["edit", "x", "--reach", "s3cret"],
            "--reach",
            "direct, relay",
        ),
        (
            &["edit", "x", "--clear", "s3cret"],
            "--clear",
            "dialect, default_model, secret_ref",
        ),
        (
            &["check-url", "https://example.org", "--tier", "s3cret"],
            "--tier",
            "local, cloud",
        ),
    ] {
        let args = [&["provider"], args].concat();
        let (exit, error) = refused(&machine, &args);
        let message = error["message"].as_str().expect("a message");
        assert_eq!(
            (exit, &error["code"]),
            (2, &json!("HSK-400-INVALID-CONFIG"))
        );
        assert!(
            message.contains(option) && message.contains(words),
            "{message}"
        );
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    // A slip of the fingers is answered with what was meant.
    let output = machine.run(&["provider", "edit", "x", "--tier", "clud"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("a similar value exists: 'cloud'"), "{text}");
    let output = machine.run(&["completions", "bash"]);
    let script = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(script.contains("local cloud") && script.contains("direct relay"));
    assert!(
        !machine.path("home").exists(),
        "nothing was made for any of it"
    );
}

#[test]
fn a1_bad_words_on_the_command_line_are_refused_by_option() {
    let machine = Machine::new();
    let add = |more: &[&str]| {
        let mut args = vec!["provider", "add"];
        args.extend(more);
        refused(&machine, &args).1["code"].clone()
    };
    assert_eq!(
        add(&[
            "x",
            "--kind",
            "ollama",
            "--base-url",
            "http://127.0.0.1:1",
            "--tier",
            "moon"
        ]),
        "HSK-400-INVALID-CONFIG"
    );
    assert_eq!(
        add(&[
            "x",
            "--kind",
            "ollama",
            "--base-url",
            "http://127.0.0.1:1",
            "--tier",
            "cloud"
        ]),
        "HSK-403-TIER-MISMATCH"
    );
    assert_eq!(
        add(&[
            "x",
            "--kind",
            "ollama",
            "--base-url",
            "http://127.0.0.1:080"
        ]),
        "HSK-400-INVALID-BASE-URL"
    );
    assert_eq!(
        add(&["x", "--kind", "nothing", "--base-url", "http://127.0.0.1:1"]),
        "HSK-400-INVALID-CONFIG"
    );
    assert_eq!(
        add(&["X", "--kind", "ollama", "--base-url", "http://127.0.0.1:1"]),
        "HSK-400-INVALID-CONFIG"
    );
    assert!(listed(&machine).is_empty());
}

fn profile(id: &str, level: &str, model: &str) -> String {
    let role = json!({ "primary_model_id": model, "local_only": true });
    json!({
        "schema": "hsk.work_profile@0.6", "profile_id": id, "name": "Test",
        "model_assignments": { "frontend": role, "orchestrator": role, "worker": role, "validator": role },
        "governance": { "automation_level": level, "allow_cloud_escalation": false },
    })
    .to_string()
}

#[test]
fn a10_profiles_are_applied_whole_or_not_at_all() {
    let machine = Machine::new();
    add_local(&machine, "sim", "http://127.0.0.1:9");
    let apply = |text: &str| {
        let file = machine.write("profile.json", text);
        machine.json(&["profile", "apply", file.to_str().expect("a path")])
    };
    let (code, lines) = apply(&profile("p1", "CAREFREE", "sim/m"));
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (2, &json!("HSK-400-INVALID-CONFIG"))
    );
    assert!(
        lines[0]["error"]["message"]
            .as_str()
            .expect("a message")
            .contains("governance")
    );
    assert!(
        lines[0]["error"]["next_step"]
            .as_str()
            .expect("a step")
            .contains("FULL_HUMAN")
    );
    let (code, lines) = apply(&profile("p1", "LOCKED", "nowhere/m"));
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (2, &json!("HSK-404-PROVIDER"))
    );
    assert!(
        lines[0]["error"]["message"]
            .as_str()
            .expect("a message")
            .contains("nowhere")
    );
    let (code, lines) =
        apply(&profile("p1", "LOCKED", "sim/m").replace("\"name\"", "\"nickname\""));
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (2, &json!("HSK-400-INVALID-CONFIG"))
    );
    assert!(
        machine.json(&["profile", "list"]).1.is_empty(),
        "nothing half-written"
    );

    let (code, lines) = apply(&profile("p1", "LOCKED", "sim/m"));
    assert_eq!(code, 0, "{lines:?}");
    let (code, lines) = apply(&profile("p1", "FULL_HUMAN", "sim/m"));
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (2, &json!("HSK-400-INVALID-CONFIG")),
        "immutable"
    );
    let (code, lines) = machine.json(&["profile", "explain", "--role", "worker"]);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (1, &json!("HSK-404-PROFILE")),
        "{lines:?}"
    );
    assert_eq!(
        machine.json(&["profile", "activate", "p1"]).0,
        0,
        "narrowing needs nobody"
    );
    let explain = ["profile", "explain", "--role", "worker"];
    let (code, lines) = machine.json(&explain);
    assert_eq!((code, &lines[0]["model"]), (0, &json!("sim/m")));
    assert!(!lines[0]["because"].as_array().expect("reasons").is_empty());
    assert_eq!(
        machine.json(&explain).1,
        lines,
        "the same answer after a restart"
    );
    let (_, error) = refused(&machine, &["profile", "explain", "--role", "janitor"]);
    assert!(
        error["next_step"]
            .as_str()
            .expect("a step")
            .contains("worker")
    );
    let (_, error) = refused(&machine, &["profile", "activate", "p9"]);
    assert_eq!(error["code"], "HSK-404-PROFILE");
    let events = machine.events();
    assert!(
        events.contains(&"work_profile_selected".to_owned()),
        "{events:?}"
    );
    assert!(
        events.contains(&"work_profile_resolved".to_owned()),
        "{events:?}"
    );
}

#[test]
fn s05_damaged_and_foreign_homes_are_refused_with_a_code() {
    // A home from elsewhere: the same files under another path, or another account's list.
    let machine = Machine::new();
    add_local(&machine, "sim", "http://127.0.0.1:9");
    let elsewhere = machine.path("elsewhere");
    copy(&machine.path("home"), &elsewhere);
    let (exit, error) = refused(
        &machine,
        &[
            "--home",
            elsewhere.to_str().expect("a path"),
            "provider",
            "list",
        ],
    );
    assert_eq!(
        (exit, &error["code"]),
        (3, &json!("HSK-403-HOME-UNTRUSTED"))
    );
    let (exit, error) = refused(
        &machine,
        &["--home", elsewhere.to_str().expect("a path"), "init"],
    );
    assert_eq!(
        (exit, &error["code"]),
        (3, &json!("HSK-403-HOME-UNTRUSTED")),
        "nobody trusts it without a terminal"
    );

    // Others may read it.
    fs::set_permissions(machine.path("home"), fs::Permissions::from_mode(0o755)).expect("mode");
    let (_, error) = refused(&machine, &["provider", "list"]);
    assert_eq!(error["code"], "HSK-403-HOME-UNTRUSTED");
    fs::set_permissions(machine.path("home"), fs::Permissions::from_mode(0o700)).expect("mode");
    assert_eq!(listed(&machine).len(), 1);

    // A vault and a database with bytes that were turned.
    let (home, whole) = (machine.path("home"), machine.path("whole"));
    copy(&home, &whole);
    for name in ["vault.hskv", "handshake.db"] {
        let path = home.join(name);
        let mut turned = fs::read(&path).expect("a file");
        let middle = turned.len() / 2;
        turned[middle..]
            .iter_mut()
            .take(4096)
            .for_each(|byte| *byte ^= 0x55);
        turned.iter_mut().take(32).for_each(|byte| *byte ^= 0x55);
        fs::write(&path, &turned).expect("written");
        // What was not yet copied from the write-ahead log into the database would stand over it.
        for beside in ["handshake.db-wal", "handshake.db-shm"] {
            let _absent = fs::remove_file(home.join(beside));
        }
        let (exit, error) = refused(&machine, &["provider", "list"]);
        assert_eq!(
            (exit, &error["code"]),
            (1, &json!("HSK-500-STORAGE")),
            "{name}"
        );
        assert_eq!(
            fs::read(&path).expect("a file"),
            turned,
            "{name} is left as it was found"
        );
        let (code, lines) = machine.json(&["doctor"]);
        assert_eq!((code, &lines[0]["ok"]), (1, &json!(false)), "{name}");
        fs::remove_dir_all(&home).expect("removed");
        copy(&whole, &home);
        assert_eq!(listed(&machine).len(), 1, "{name}");
    }
}

#[test]
fn s08_a_policy_that_nobody_confirmed_is_named_and_does_not_count() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    machine.write(
        "home/policy.toml",
        "max_body_bytes = 99999999\nmin_assurance = \"A0\"\n",
    );
    let (code, lines) = machine.json(&["init"]);
    assert_eq!((code, &lines[0]["policy"]), (0, &json!("unconfirmed")));
    assert_eq!(
        lines[0]["unconfirmed"].as_array().map(Vec::len),
        Some(2),
        "{lines:?}"
    );
    machine.write("home/policy.toml", "api_key = \"sk-live-0123456789\"\n");
    let (exit, error) = refused(&machine, &["provider", "list"]);
    assert_eq!(
        (exit, &error["code"]),
        (2, &json!("HSK-400-INVALID-CONFIG"))
    );
    assert!(
        error["message"]
            .as_str()
            .expect("a message")
            .contains("api_key")
    );
    assert!(!error.to_string().contains("0123456789"));
    machine.write("home/policy.toml", "locked = true\n");
    let (code, lines) = machine.json(&["init"]);
    assert_eq!(
        (code, &lines[0]["policy"]),
        (0, &json!("confirmed")),
        "narrowing needs nobody"
    );
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).expect("a folder");
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).expect("mode");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
