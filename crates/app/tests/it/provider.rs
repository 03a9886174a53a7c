//! Providers: kept over restarts, moved between homes, listed, checked.

use std::io::{BufRead, BufReader, Write};

use handshake_simulator::{Model, Script};
use serde_json::{Value, json};

use crate::it::{
    machine::{Machine, Running},
    mission::{runtime, simulator},
};

pub fn add_local(machine: &Machine, id: &str, url: &str) {
    let (code, lines) =
        machine.json(&["provider", "add", id, "--kind", "ollama", "--base-url", url]);
    assert_eq!(code, 0, "{lines:?}");
}

/// What `provider list` shows, by id.
pub fn listed(machine: &Machine) -> Vec<Value> {
    let (code, lines) = machine.json(&["provider", "list"]);
    assert_eq!(code, 0, "{lines:?}");
    lines
}

#[test]
fn a1_providers_survive_a_restart() {
    let machine = Machine::new();
    // Every command is a process of its own: each of these is a restart.
    add_local(&machine, "b-second", "http://127.0.0.1:2");
    add_local(&machine, "a-first", "http://[::1]:1");
    let before = listed(&machine);
    let ids: Vec<&str> = before
        .iter()
        .filter_map(|record| record["provider_id"].as_str())
        .collect();
    assert_eq!(ids, ["a-first", "b-second"]);
    assert_eq!(before[0]["revision"], 1);
    assert_eq!(before[0]["tier"], "local");
    assert_eq!(before[0]["base_url"], "http://[::1]:1");
    assert_eq!(listed(&machine), before, "nothing changes by being read");

    let (code, lines) = machine.json(&[
        "provider",
        "edit",
        "a-first",
        "--base-url",
        "http://localhost:3",
    ]);
    assert_eq!(code, 0, "{lines:?}");
    let (_, shown) = machine.json(&["provider", "show", "a-first"]);
    assert_eq!(shown[0]["base_url"], "http://localhost:3");
    assert_eq!(
        shown[0]["revision"], 2,
        "another destination is another revision"
    );
    assert_eq!(shown[0]["created_at"], before[0]["created_at"]);

    let (code, _) = machine.json(&[
        "provider",
        "edit",
        "a-first",
        "--base-url",
        "http://localhost:3/",
    ]);
    assert_eq!(code, 0);
    let (_, shown) = machine.json(&["provider", "show", "a-first"]);
    assert_eq!(shown[0]["revision"], 2, "the same again is no change");

    assert_eq!(machine.json(&["provider", "remove", "a-first"]).0, 0);
    assert_eq!(listed(&machine).len(), 1);
    let (code, lines) = machine.json(&["provider", "show", "a-first"]);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (1, &json!("HSK-404-PROVIDER"))
    );

    let events = machine.events();
    let of = |name: &str| events.iter().filter(|event| *event == name).count();
    assert_eq!(
        (
            of("provider_registered"),
            of("provider_changed"),
            of("provider_removed")
        ),
        (2, 1, 1),
        "{events:?}"
    );
    assert_eq!(of("widened"), 3, "adding twice and re-pointing once");
}

#[test]
fn a1_s53_an_export_imports_into_another_home_with_nothing_that_was_granted() {
    let machine = Machine::new();
    add_local(&machine, "one", "http://127.0.0.1:1");
    add_local(&machine, "two", "http://127.0.0.1:2");
    let exported = machine.run(&["provider", "export"]);
    assert!(exported.status.success());
    let file = machine.write(
        "providers.json",
        &String::from_utf8(exported.stdout).expect("UTF-8"),
    );
    let file = file.to_str().expect("a path");
    let other = machine.path("other");
    let other = other.to_str().expect("a path");

    let (code, lines) = machine.json(&["--home", other, "provider", "import", file, "--dry-run"]);
    assert_eq!(code, 0, "{lines:?}");
    let (_, none) = machine.json(&["--home", other, "provider", "list"]);
    assert!(none.is_empty(), "a dry run registers nothing");

    let (code, lines) = machine.json(&["--home", other, "provider", "import", file]);
    assert_eq!(code, 0, "{lines:?}");
    let without_times = |records: Vec<Value>| -> Vec<Value> {
        let strip = |mut record: Value| {
            for name in ["created_at", "updated_at"] {
                record.as_object_mut().expect("a record").remove(name);
            }
            record
        };
        records.into_iter().map(strip).collect()
    };
    let (_, imported) = machine.json(&["--home", other, "provider", "list"]);
    assert_eq!(without_times(imported), without_times(listed(&machine)));

    // Again is nothing new; another value under the same id is an error, and imports nothing at all.
    let (code, lines) = machine.json(&["--home", other, "provider", "import", file]);
    assert_eq!((code, &lines[0]["action"]), (0, &json!("unchanged")));
    let mixed = machine.write(
        "mixed.json",
        r#"[{"provider_id":"three","provider_kind":"ollama","base_url":"http://127.0.0.1:3"},
            {"provider_id":"two","provider_kind":"ollama","base_url":"http://127.0.0.1:9"}]"#,
    );
    let (code, lines) = machine.json(&[
        "--home",
        other,
        "provider",
        "import",
        mixed.to_str().expect("a path"),
    ]);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (2, &json!("HSK-400-INVALID-CONFIG"))
    );
    let (_, after) = machine.json(&["--home", other, "provider", "list"]);
    assert_eq!(after.len(), 2, "nothing half-written");
}

#[test]
fn a1_ten_thousand_rows_are_imported_or_none() {
    let machine = Machine::new();
    let row = |n: usize| {
        json!({ "provider_id": format!("p{n}"), "provider_kind": "ollama",
            "base_url": format!("http://127.0.0.1:{}", 10_000 + n) })
    };
    let mut rows: Vec<Value> = (0..10_000).map(row).collect();
    rows[9_998]["base_url"] = json!("http://169.254.169.254");
    let import = |rows: &[Value]| {
        let file = machine.write("many.json", &json!(rows).to_string());
        machine.json(&["provider", "import", file.to_str().expect("a path")])
    };
    let (code, lines) = import(&rows);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (2, &json!("HSK-403-SSRF-BLOCKED"))
    );
    let message = lines[0]["error"]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("row 9999: provider p9998: "),
        "{message}"
    );
    assert!(listed(&machine).is_empty());
    rows[9_998] = row(9_998);
    let (code, lines) = import(&rows);
    assert_eq!((code, lines.len()), (0, 10_000));
    assert_eq!(listed(&machine).len(), 10_000);
    // One that is there with other values keeps the others out.
    rows[0]["base_url"] = json!("http://127.0.0.1:9");
    rows.push(row(10_000));
    let (code, lines) = import(&rows);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (2, &json!("HSK-400-INVALID-CONFIG"))
    );
    assert_eq!(listed(&machine).len(), 10_000);
}

#[test]
fn a1_a_command_that_reads_writes_nothing() {
    let machine = Machine::new();
    add_local(&machine, "one", "http://127.0.0.1:1");
    let files = || {
        let entries = std::fs::read_dir(machine.path("home")).expect("reads");
        let files = entries.map(|entry| entry.expect("an entry").path());
        files
            .filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "db-shm"))
            .map(|path| (path.clone(), std::fs::read(path).expect("reads")))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(listed(&machine).len(), 1);
    let before = files();
    assert_eq!(listed(&machine).len(), 1);
    for command in [
        &["provider", "show", "one"],
        &["provider", "export", "--json"],
    ] {
        assert!(machine.run(command).status.success());
    }
    assert!(files() == before, "a file of the home changed");
}

#[test]
fn a3_configured_reachable_and_ready_are_different_answers() {
    let runtime = runtime();
    let server = simulator(&runtime, Script::new().model(Model::new("tiny:latest")));
    let machine = Machine::new();
    add_local(&machine, "there", &server.url());
    add_local(&machine, "gone", "http://127.0.0.1:9");
    let asked = server.received();
    assert!(
        asked
            .iter()
            .all(|request| request.method == "GET" && request.body.is_empty()),
        "adding asks a server on this machine what it is, and nothing else: {asked:?}"
    );

    let (code, lines) = machine.json(&["provider", "check", "there"]);
    assert_eq!(code, 0, "{lines:?}");
    assert!(
        ["reachable", "ready"].contains(&lines[0]["state"].as_str().expect("a state")),
        "{lines:?}"
    );
    assert_eq!(lines[0]["models"], 1);
    assert!(
        server
            .received()
            .iter()
            .all(|request| !request.path.contains("chat")),
        "never a completion"
    );

    let (code, lines) = machine.json(&["provider", "check", "gone"]);
    assert_eq!((code, &lines[0]["state"]), (1, &json!("unreachable")));
    let (code, lines) = machine.json(&["provider", "check"]);
    assert_eq!((code, lines.len()), (1, 2));
}

#[test]
fn a4_a_listing_outlives_its_server_and_says_how_old_it_is() {
    let runtime = runtime();
    let script = || Script::new().model(Model::new("tiny:latest").context_length(4096));
    let server = simulator(&runtime, script());
    let machine = Machine::new();
    add_local(&machine, "sim", &server.url());
    let (code, lines) = machine.json(&["provider", "models", "sim", "--capabilities"]);
    assert_eq!(code, 0, "{lines:?}");
    assert_eq!(lines[0]["model_id"], "tiny:latest");
    assert_eq!(
        (&lines[0]["source"], &lines[0]["partial"]),
        (&json!("server"), &json!(false))
    );
    let capabilities = lines[0]["capabilities"].as_object().expect("capabilities");
    assert_eq!(capabilities.len(), 11, "b1: the eleven answers");
    assert_eq!(capabilities["max_context_window"]["value"], 4096);

    runtime.block_on(server.shutdown());
    let (code, lines) = machine.json(&["provider", "models", "sim"]);
    assert_eq!(code, 1, "the server was asked and did not answer");
    assert_eq!(
        (&lines[0]["source"], &lines[0]["partial"]),
        (&json!("stored"), &json!(true))
    );
    assert_eq!(lines[0]["model_id"], "tiny:latest");
    assert!(lines[0]["age_ms"].as_u64().is_some());
    assert!(lines[0]["code"].as_str().expect("why").starts_with("HSK-"));
}

#[test]
fn b1_an_operator_says_what_a_local_server_does_not_and_only_about_models_that_are_there() {
    let runtime = runtime();
    let server = simulator(&runtime, Script::new().model(Model::new("tiny:latest")));
    let machine = Machine::new();
    add_local(&machine, "sim", &server.url());
    let enable = [
        "provider",
        "enable",
        "sim",
        "tiny:latest",
        "--max-output",
        "77",
    ];
    let (code, lines) = machine.json(&enable);
    assert_eq!(code, 0, "{lines:?}");
    let (_, lines) = machine.json(&["provider", "models", "sim", "--capabilities"]);
    assert_eq!(
        lines[0]["capabilities"]["max_output_tokens"],
        json!({ "value": 77, "from": "operator" })
    );
    let (code, lines) = machine.json(&["provider", "enable", "sim", "other:latest"]);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (1, &json!("HSK-404-MODEL"))
    );
}

#[test]
fn a5_the_simulator_says_where_it_listens_on_both_wires() {
    let machine = Machine::new();
    let mut running = machine.start(&["--json", "simulate"]);
    let said = first_line(&mut running);
    let port = said["port"].as_u64().expect("a port");
    assert_eq!(said["ollama"], format!("http://127.0.0.1:{port}"));
    assert_eq!(said["openai"], format!("http://127.0.0.1:{port}/v1"));
    let url = said["openai"].as_str().expect("a URL").to_owned();
    let args = [
        "provider",
        "add",
        "sim",
        "--kind",
        "openai_compat",
        "--dialect",
        "generic",
        "--base-url",
        &url,
    ];
    let (code, lines) = machine.json(&args);
    assert_eq!(code, 0, "{lines:?}");
    let (code, lines) = machine.json(&["provider", "check", "sim"]);
    assert_eq!(code, 0, "{lines:?}");

    // A port that is taken, and scripts that are none.
    let (code, lines) = machine.json(&["simulate", "--port", &port.to_string()]);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (1, &json!("HSK-400-INVALID-CONFIG"))
    );
    for (text, says) in [
        ("{", "line 1"),
        (
            r#"{"models":[{"name":"a"},{"name":"a"}]}"#,
            "duplicate model: \"a\"",
        ),
    ] {
        let file = machine.write("script.json", text);
        let (code, lines) = machine.json(&["simulate", "--script", file.to_str().expect("a path")]);
        assert_eq!(code, 2, "{lines:?}");
        let message = lines[0]["error"]["message"].as_str().expect("a message");
        assert!(message.contains(says), "{message}");
    }
}

fn first_line(running: &mut Running) -> Value {
    let mut line = String::new();
    let stdout = running.0.stdout.take().expect("piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it says where");
    serde_json::from_str(&line).expect("JSON")
}

#[test]
fn a2_a_secret_comes_in_on_standard_input_and_never_out_again() {
    let machine = Machine::new();
    let value = "sk-local-7Qw9zTbN4xVmK2LpR8sY";
    let set = |args: &[&str], input: &str| {
        let mut command = machine.command(args);
        command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut child = command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(input.as_bytes())
            .expect("written");
        child.wait_with_output().expect("it ends")
    };
    let base = [
        "--json",
        "secret",
        "set",
        "local",
        "--origin",
        "http://127.0.0.1:8080",
    ];
    let output = set(&base, &format!("{value}\n"));
    assert!(output.status.success(), "{output:?}");
    let mut said = vec![output];
    let (_, lines) = machine.json(&["secret", "list"]);
    assert_eq!(lines[0]["secret_ref"], "vault:local");
    assert_eq!(lines[0]["origin"], "http://127.0.0.1:8080");
    assert_eq!(lines[0]["keys_readable_by_account"], true, "s48");
    said.push(machine.run(&["secret", "list"]));
    said.push(machine.run(&["doctor"]));
    said.push(set(
        &["secret", "rotate", "local"],
        "sk-local-another-3Fv8kQz1\n",
    ));
    // On the command line it is refused, and not repeated.
    let output = machine.run(&[
        "secret",
        "set",
        "local",
        value,
        "--origin",
        "http://127.0.0.1:8080",
    ]);
    assert_eq!(output.status.code(), Some(2));
    said.push(output);
    for (input, expected) in [("", 2), ("two\nlines-of-it\n", 2), ("short\n", 1)] {
        let output = set(&base, input);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{input:?}: {output:?}"
        );
        said.push(output);
    }
    for output in said {
        let text = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&text).contains(value));
        assert!(!String::from_utf8_lossy(&text).contains("3Fv8kQz1"));
    }
    // Nor does it lie in any file of the home as it is.
    for entry in std::fs::read_dir(machine.path("home"))
        .expect("a home")
        .flatten()
    {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        assert!(
            !bytes
                .windows(value.len())
                .any(|window| window == value.as_bytes()),
            "{entry:?}"
        );
    }
    assert_eq!(machine.json(&["secret", "remove", "local"]).0, 0);
    assert!(machine.json(&["secret", "list"]).1.is_empty());
}

/// The steps of a call can be seen, one JSON object a line, on standard error; nobody sees them who does not ask.
#[test]
fn the_steps_of_a_call_are_written_where_somebody_asks_for_them() {
    let machine = Machine::new();
    let runtime = runtime();
    let server = simulator(&runtime, Script::new().model(Model::new("small:1b")));
    add_local(&machine, "box", &server.url());
    let ask = ["chat", "--model", "box/small:1b", "a question of mine"];
    let quiet = machine.run(&ask);
    assert!(quiet.status.success(), "{quiet:?}");
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "");

    let told = machine.run(&[&["--log-format", "json"], &ask[..]].concat());
    assert!(told.status.success(), "{told:?}");
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    let spans: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect();
    let of = |name: &str| spans.iter().find(|line| line["span"]["name"] == *name);
    for step in [
        "resolve",
        "prepare",
        "locate",
        "inspect",
        "authorize",
        "send",
        "stream",
    ] {
        let span = of(step).unwrap_or_else(|| panic!("{step} is missing: {text}"));
        assert!(span["span"]["took_us"].is_u64(), "{span}");
    }
    assert!(of("send").is_some_and(|span| span["span"]["use_id"].is_string()));
    assert!(!text.contains("a question of mine"), "no payload: {text}");
}

/// What its server is known not to have is no model for a role; who does not answer is said to be unchecked.
#[test]
fn a10_a_profile_that_names_a_model_of_nobody_is_refused_at_apply() {
    let runtime = runtime();
    let server = simulator(
        &runtime,
        Script::new().model(Model::new("sim-small:latest")),
    );
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    let add = |id: &str, url: &str| {
        let added = machine.json(&["provider", "add", id, "--kind", "ollama", "--base-url", url]);
        assert_eq!(added.0, 0, "{added:?}");
    };
    add("box", &server.url());
    let apply = |id: &str, model: &str| {
        let role = json!({ "primary_model_id": model, "local_only": true });
        let profile = json!({
            "schema": "hsk.work_profile@0.6", "profile_id": id, "name": id,
            "model_assignments": {
                "frontend": role, "orchestrator": role, "worker": role, "validator": role,
            },
            "governance": { "automation_level": "HYBRID", "allow_cloud_escalation": false },
        });
        let file = machine.write("profile.json", &profile.to_string());
        machine.json(&["profile", "apply", file.to_str().expect("a path")])
    };
    let (code, lines) = apply("a", "box/no-such:latest");
    let error = &lines.last().expect("a line")["error"];
    assert_eq!(
        (code, &error["code"]),
        (2, &json!("HSK-400-INVALID-CONFIG")),
        "{lines:?}"
    );
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|said| said.contains("box/no-such:latest"))
    );
    assert_eq!(
        machine.json(&["profile", "list"]).1,
        Vec::<Value>::new(),
        "nothing is stored"
    );
    assert_eq!(apply("a", "box/sim-small:latest").0, 0);
    // Nobody there: stored, and said.
    add("gone", "http://127.0.0.1:9");
    assert_eq!(apply("b", "gone/m").0, 0);
}
