//! Somebody with SQL cuts, empties or removes the log of a home, as the same account.

use std::fs;

use handshake_testkit::canary::Canary;
use serde_json::{Value, json};

use crate::it::{
    machine::Machine,
    mission::{cloud_script, enrol_cloud, init, runtime, simulator, wait_for_pending, with_factor},
    provider::add_local,
};

/// A home in which a person approved one call, and it was sent.
fn sent(machine: &Machine) {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let key = Canary::new("sk-test-", 41);
    init(machine);
    enrol_cloud(machine, &cloud, key.text());
    let mut call = machine.start(&[
        "--json",
        "chat",
        "--model",
        "cloud/sim-large:latest",
        "what is the answer",
    ]);
    let id = wait_for_pending(machine);
    let (code, screen) = with_factor(machine, &["approve", &id]);
    assert_eq!(code, 0, "{screen}");
    assert!(call.0.wait().expect("it ends").success());
    assert_eq!(cloud.requests(), 1);
}

fn verify(machine: &Machine) -> (i32, Value) {
    let (code, lines) = machine.json(&["log", "verify"]);
    (code, lines.last().expect("a line").clone())
}

/// The database as it is now, and back.
fn copy(machine: &Machine, from: &str, to: &str) {
    fs::create_dir_all(machine.path(to)).expect("made");
    for name in ["handshake.db", "handshake.db-wal", "handshake.db-shm"] {
        let (from, to) = (machine.path(from).join(name), machine.path(to).join(name));
        let _gone = fs::remove_file(&to);
        if from.exists() {
            fs::copy(from, to).expect("copied");
        }
    }
}

/// What is noted of the home outside it is forgotten, so that what is beside the log has to tell.
fn forget(machine: &Machine) {
    fs::remove_dir_all(machine.path("config/handshake/anchors")).expect("something was noted");
}

const TRIGGERS: &str = "DROP TRIGGER events_stay; DROP TRIGGER checkpoints_stay;";

#[test]
fn rt_b12_a_log_cut_or_emptied_beside_what_was_approved_is_tampered_with() {
    let machine = Machine::new();
    sent(&machine);
    forget(&machine);
    let (code, sound) = verify(&machine);
    assert_eq!((code, &sound["verdict"]), (0, &json!("intact")), "{sound}");
    assert_eq!(sound["anchored_by"], "receipt");
    let anchored = sound["anchored_at"].as_u64().expect("a size");
    let size = sound["size"].as_u64().expect("a size");
    assert!(anchored < size, "the send came after the receipt");
    copy(&machine, "home", "sound");

    let cut = |at: u64| {
        format!("DELETE FROM events WHERE seq > {at}; DELETE FROM checkpoints WHERE size > {at};")
    };
    for (attack, first_bad, by) in [
        // All of it, as red team B12 did.
        (cut(0), 1, "receipt"),
        (cut(anchored - 1), anchored, "receipt"),
        // Up to the receipt and no further: the send itself is gone.
        (cut(anchored), anchored + 1, "use"),
        // The send is forgotten too; the receipt is not.
        (
            format!(
                "DELETE FROM blocks; DELETE FROM uses; {}",
                cut(anchored - 1)
            ),
            anchored,
            "receipt",
        ),
        // Only what was signed is taken away.
        ("DELETE FROM checkpoints;".to_owned(), 1, "use"),
    ] {
        machine.sql(&format!("{TRIGGERS} {attack}"));
        let (code, line) = verify(&machine);
        assert_eq!(
            (code, &line["verdict"]),
            (5, &json!("tampered")),
            "{attack}"
        );
        let found = &line["tampering"][0];
        assert_eq!(
            (found["first_bad_seq"].as_u64(), found["shown_by"].as_str()),
            (Some(first_bad), Some(by)),
            "{attack}: {line}"
        );
        let (code, report) = machine.json(&["doctor"]);
        assert_eq!(code, 1, "{report:?}");
        assert!(
            report[0].to_string().contains("altered after event"),
            "{report:?}"
        );
        copy(&machine, "sound", "home");
        // Looking opened what was cut, and noted that.
        forget(&machine);
    }
    assert_eq!(verify(&machine).0, 0);

    // Below a checkpoint that was left: no command opens it, and verifying says why.
    machine.sql(&format!(
        "{TRIGGERS} DELETE FROM events WHERE seq > {anchored};"
    ));
    let (code, line) = verify(&machine);
    assert_eq!((code, &line["verdict"]), (5, &json!("tampered")), "{line}");
    let (code, lines) = machine.json(&["log", "tail"]);
    assert_eq!(code, 1);
    assert_eq!(lines[0]["error"]["code"], "HSK-500-STORAGE");
    assert_eq!(lines[0]["error"]["next_step"], "run `handshake log verify`");
    copy(&machine, "sound", "home");

    // The file is gone. Neither looks at another one.
    for name in ["handshake.db", "handshake.db-wal", "handshake.db-shm"] {
        let _gone = fs::remove_file(machine.path("home").join(name));
    }
    let (code, line) = verify(&machine);
    assert_eq!(code, 5, "{line}");
    let message = line["error"]["message"].as_str().expect("text");
    assert!(message.contains("handshake.db"), "{message}");
    let (code, report) = machine.json(&["doctor"]);
    assert_eq!(code, 1, "{report:?}");
    assert!(
        !machine.path("home/handshake.db").exists(),
        "looking makes nothing"
    );
}

/// Nobody approved anything here: only what is noted outside the home tells.
#[test]
fn rt_b06_a_log_that_is_behind_what_was_noted_outside_the_home_is_tampered_with() {
    for keep in [0, 1] {
        let machine = Machine::new();
        assert_eq!(machine.json(&["init"]).0, 0);
        add_local(&machine, "one", "http://127.0.0.1:9");
        let (code, sound) = verify(&machine);
        assert_eq!((code, &sound["anchored_by"]), (0, &json!("anchor")));
        let size = sound["size"].as_u64().expect("a size");
        assert_eq!(sound["anchored_at"].as_u64(), Some(size));
        machine.sql(&format!(
            "{TRIGGERS} DELETE FROM events WHERE seq > {keep}; DELETE FROM checkpoints;"
        ));
        let told = |line: &Value| {
            let found = line["tampering"].as_array().expect("a list").iter();
            found.clone().any(|found| found["shown_by"] == "anchor")
        };
        let (code, line) = verify(&machine);
        assert_eq!((code, told(&line)), (5, true), "{line}");
        let (code, report) = machine.json(&["doctor"]);
        assert_eq!(code, 1, "{report:?}");
        let report = report[0].to_string();
        assert!(report.contains("altered after event"), "{report}");
        let behind = format!("its log had reached event {size}");
        assert!(report.contains(&behind), "{report}");
        // Looking opened it, in a new run. What it was behind is not forgotten.
        let (code, line) = verify(&machine);
        assert_eq!((code, told(&line)), (5, true), "{line}");
    }
}

#[test]
fn rt_b12_receipts_in_an_export_anchor_it_for_whoever_knows_the_approver() {
    let machine = Machine::new();
    sent(&machine);
    let folder = machine.path("export");
    let export = folder.to_str().expect("UTF-8");
    let (code, lines) = machine.json(&["log", "export", export]);
    assert_eq!(code, 0);
    let text = |name: &str| lines[0][name].as_str().expect("text").to_owned();
    let (root, approver) = (text("root"), text("approver"));
    let with = |args: &[&str]| {
        let mut all = vec!["log", "verify", "--root", &root];
        all.extend(args);
        all.push(export);
        let (code, lines) = machine.json(&all);
        (code, lines[0].clone())
    };
    let (code, line) = with(&["--approver", &approver]);
    assert_eq!(
        (code, &line["anchored_by"]),
        (0, &json!("receipt")),
        "{line}"
    );
    assert_eq!(with(&[]).0, 4);
    // The log before the receipt, with a manifest that fits: only the receipt tells.
    let log = fs::read_to_string(folder.join("log.jsonl")).expect("reads");
    let kept: Vec<&str> = log.lines().take(2).collect();
    let last: Value = serde_json::from_str(kept[1]).expect("JSON");
    fs::write(folder.join("log.jsonl"), format!("{}\n", kept.join("\n"))).expect("writes");
    fs::write(folder.join("checkpoints.jsonl"), "").expect("writes");
    let manifest = fs::read_to_string(folder.join("manifest.json")).expect("reads");
    let whole: Value = serde_json::from_str(&manifest).expect("JSON");
    let fits = manifest
        .replace(
            &format!("\"size\":{}", whole["size"]),
            &format!("\"size\":{}", kept.len()),
        )
        .replace(
            whole["head"].as_str().expect("text"),
            last["hash"].as_str().expect("text"),
        )
        .replace(
            &format!("\"checkpoints\":{}", whole["checkpoints"]),
            "\"checkpoints\":0",
        );
    fs::write(folder.join("manifest.json"), fits).expect("writes");
    for args in [&["--approver", approver.as_str()][..], &[]] {
        let (code, line) = with(args);
        assert_eq!(code, 5, "{line}");
        assert_eq!(line["tampering"].as_array().expect("a list").len(), 1);
        assert_eq!(
            (
                &line["tampering"][0]["kind"],
                &line["tampering"][0]["shown_by"]
            ),
            (&json!("truncated"), &json!("receipt")),
            "{line}"
        );
    }
}

#[test]
fn p19_doctor_lists_gaps_and_does_not_say_that_nothing_is_there() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    add_local(&machine, "one", "http://127.0.0.1:9");
    assert_eq!(machine.json(&["log", "gaps"]), (0, Vec::new()));
    let text = machine.run(&["log", "gaps"]).stdout;
    assert!(String::from_utf8_lossy(&text).contains("No gaps"));
    // As a process that was killed with events in its queue leaves it.
    fs::write(
        machine.path("home/handshake.db.live-00000000000000000000000000000000"),
        "1",
    )
    .expect("written");
    let (code, gaps) = machine.json(&["log", "gaps"]);
    assert_eq!((code, gaps.len()), (0, 1), "{gaps:?}");
    assert_eq!(
        (&gaps[0]["cause"], &gaps[0]["count"]),
        (&json!("crash"), &Value::Null)
    );
    assert!(gaps[0]["at"].is_u64() && gaps[0]["noticed_at"].is_string());
    let text = machine.run(&["log", "gaps"]).stdout;
    assert!(String::from_utf8_lossy(&text).contains("50 ms"));

    let (code, report) = machine.json(&["doctor"]);
    assert_eq!(machine.json(&["provider", "remove", "one"]).0, 0);
    assert_eq!(code, 1, "the provider does not answer");
    let checks = report[0]["checks"].as_array().expect("checks");
    let gap = checks.iter().find(|check| check["gaps"].is_array());
    let gap = gap.expect("the gaps are listed");
    assert_eq!(
        (gap["state"].as_str(), &gap["gaps"][0]),
        (Some("remark"), &gaps[0])
    );
    assert!(
        gap["next_step"]
            .as_str()
            .expect("text")
            .contains("log gaps")
    );
    let text = machine.run(&["doctor"]).stdout;
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("gaps: 1; at most the last 50 ms"), "{text}");
    let end = text.trim_end().lines().last().expect("a line");
    assert!(
        end.starts_with("No problems found. Remarks, marked --: "),
        "{end}"
    );
}
