//! `log`: segments, pruning, and what is said about them.

use std::fs;

use serde_json::{Value, json};

use crate::it::{machine::Machine, provider::add_local};

#[test]
fn p9_segments_are_sealed_listed_verified_and_pruned() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    assert_eq!(machine.json(&["log", "segments"]), (0, Vec::new()));
    add_local(&machine, "one", "http://127.0.0.1:9");
    let before = machine.events();
    let (code, lines) = machine.json(&["log", "seal"]);
    assert_eq!((code, &lines[0]), (0, &json!({ "sealed": 1 })));
    add_local(&machine, "two", "http://127.0.0.1:9");
    assert_eq!(machine.json(&["log", "seal"]).1[0]["sealed"], 1);
    assert_eq!(machine.events()[..before.len()], before);

    let (code, segments) = machine.json(&["log", "segments"]);
    assert_eq!((code, segments.len()), (0, 2));
    assert_eq!(segments[0]["first"], 1);
    assert_eq!(segments[0]["state"], "sealed");
    let (code, lines) = machine.json(&["log", "verify"]);
    assert_eq!((code, lines.len()), (0, 1), "{lines:?}");
    assert_eq!(lines[0]["verdict"], "intact");
    assert_eq!(lines[0]["anchored_by"], "anchor", "noted outside the home");
    assert_eq!(lines[0]["faulty_segments"], json!([]));
    assert_eq!(lines[0]["losses"], json!([]));

    // A damaged segment is named, and other commands work.
    let file = segments[0]["file"].as_str().expect("a name");
    let path = machine.path("home").join("log").join(file);
    let sound = fs::read(&path).expect("reads");
    let mut altered = sound.clone();
    altered[sound.len() / 2] ^= 1;
    fs::write(&path, altered).expect("writes");
    let (code, lines) = machine.json(&["log", "verify"]);
    assert_eq!(code, 5, "{lines:?}");
    assert_eq!(lines[0]["verdict"], "tampered");
    assert_eq!(lines[0]["faulty_segments"][0]["file"], file);
    assert_eq!(lines[0]["faulty_segments"][0]["state"], "damaged");
    let (code, lines) = machine.json(&["log", "segments"]);
    assert_eq!((code, &lines[0]["state"]), (5, &json!("damaged")));
    assert_eq!(machine.json(&["provider", "list"]).0, 0);
    let (code, report) = machine.json(&["doctor"]);
    assert_ne!(code, 0);
    assert!(report[0].to_string().contains(file), "{report:?}");
    fs::write(&path, sound).expect("writes");
    assert_eq!(machine.json(&["log", "verify"]).0, 0);

    // Nothing is removed without a yes.
    let (code, lines) = machine.json(&["log", "prune", "--keep", "1"]);
    assert_eq!((code, path.exists()), (2, true), "{lines:?}");
    for bad in ["", "-1", "1m", "many"] {
        assert_eq!(machine.json(&["log", "prune", "--yes", "--keep", bad]).0, 2);
    }
    let (_, lines) = machine.json(&["log", "prune", "--keep", "90d", "--yes"]);
    assert_eq!(lines[0]["pruned"], false);
    // All that came after the first segment.
    let after = machine.events().len() as u64 - segments[0]["last"].as_u64().expect("a number");
    let keep = after.to_string();
    let (code, lines) = machine.json(&["log", "prune", "--keep", &keep, "--yes"]);
    assert_eq!((code, &lines[0]["pruned"]), (0, &json!(true)));
    let last = &segments[0]["last"];
    assert_eq!(&lines[0]["seam"]["size"], last);
    assert!(!path.exists());
    let (code, lines) = machine.json(&["log", "verify"]);
    assert_eq!((code, &lines[0]["pruned"]), (0, last));
    let text = machine.run(&["log", "verify"]);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(
        text.contains(&format!("pruned up to event {last}, signed")),
        "{text}"
    );
}

/// What `log verify` says, and its exit code, with these arguments.
fn verify(machine: &Machine, args: &[&str]) -> (i32, Value) {
    let mut all = vec!["log", "verify"];
    all.extend(args);
    let (code, lines) = machine.json(&all);
    assert_eq!(lines.len(), 1, "{lines:?}");
    (code, lines[0].clone())
}

#[test]
fn n1_a_root_is_always_read_and_compared() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    add_local(&machine, "one", "http://127.0.0.1:9");
    let export = machine.path("export");
    let export = export.to_str().expect("UTF-8");
    let (code, lines) = machine.json(&["log", "export", export]);
    assert_eq!(code, 0);
    let text = |name: &str| lines[0][name].as_str().expect("text").to_owned();
    let (root, approver, anchor) = (text("root"), text("approver"), text("anchor"));

    // Rubbish, nothing, and an unquoted variable that is empty: usage, with an export and without.
    for args in [
        &["--root", "garbage"][..],
        &["--root", ""],
        &["--root="],
        &["--root", export],
        &["--root", "", export],
        &["--root", &root, "--root", "", export],
        &["--root", "garbage", export],
        &["--root", &root, "--approver", "", export],
        &["--anchor", "", "--root", &root, export],
        &["--root", &root.to_uppercase(), export],
        // What would be ignored is refused.
        &["--approver", &approver],
        // An export cannot vouch for itself.
        &[export],
    ] {
        let (code, line) = verify(&machine, args);
        assert_eq!(
            (code, &line["error"]["code"]),
            (2, &json!("HSK-400-INVALID-REQUEST")),
            "{args:?}"
        );
    }
    // A good key of nobody: compared, with an export and without.
    for args in [&["--root", &approver][..], &["--root", &approver, export]] {
        let (code, line) = verify(&machine, args);
        assert_eq!(
            (code, &line["tampering"][0]["kind"]),
            (5, &json!("wrong_key")),
            "{args:?}"
        );
    }
    let (code, line) = verify(&machine, &["--root", &root]);
    assert_eq!((code, line["root"].as_str()), (0, Some(&*root)));
    let (code, line) = verify(&machine, &["--root", &root, "--anchor", &anchor]);
    assert_eq!(
        (code, &line["anchored_by"], &line["anchored_at"]),
        (0, &json!("anchor"), &line["size"])
    );
}

#[test]
fn p11_the_home_and_an_export_come_to_the_same_exit_codes() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    add_local(&machine, "one", "http://127.0.0.1:9");
    let folder = machine.path("export");
    let export = folder.to_str().expect("UTF-8");
    let (_, lines) = machine.json(&["log", "export", export]);
    let text = |name: &str| lines[0][name].as_str().expect("text").to_owned();
    let (root, anchor) = (text("root"), text("anchor"));
    // An export has nothing that was noted outside the home, and here the home has none either.
    fs::remove_dir_all(machine.path("config/handshake/anchors")).expect("something was noted");
    let same = |args: &[&str], code: i32, verdict: &str| {
        let with = |more: &[&'static str]| {
            let mut all = vec!["--root", &root];
            all.extend(args);
            all.extend(more);
            verify(&machine, &all)
        };
        let of_export = {
            let mut all = vec!["--root", &root];
            all.extend(args);
            all.push(export);
            verify(&machine, &all)
        };
        for (found, line) in [with(&[]), of_export] {
            assert_eq!(
                (found, line["verdict"].as_str()),
                (code, Some(verdict)),
                "{line}"
            );
            for member in ["root", "size", "anchored_at"] {
                assert!(line.get(member).is_some(), "{member} in {line}");
            }
        }
    };
    same(&[], 4, "self_consistent_only");
    same(&["--anchor", &anchor], 0, "intact");
    let size = anchor.split(':').next().expect("a size");
    same(
        &["--anchor", &format!("{size}:000000000000")],
        5,
        "tampered",
    );
    // Nothing there to judge is a failure, and no verdict.
    let (code, line) = verify(&machine, &["--root", &root, "/nowhere/at/all"]);
    assert_eq!(
        (code, &line["error"]["code"]),
        (1, &json!("HSK-500-STORAGE"))
    );
    fs::remove_file(folder.join("checkpoints.jsonl")).expect("removes");
    let (code, line) = verify(&machine, &["--root", &root, export]);
    assert_eq!(code, 1, "{line}");
}

#[test]
fn p11_verifying_makes_no_home() {
    let machine = Machine::new();
    let (code, line) = verify(&machine, &[]);
    assert_eq!(
        (code, &line["error"]["code"]),
        (1, &json!("HSK-400-INVALID-CONFIG"))
    );
    assert!(!machine.path("home").exists());
}

#[test]
fn p11_every_broken_log_comes_to_its_exit_code() {
    let machine = Machine::new();
    for log in handshake_testkit::broken_logs::all() {
        let folder = machine.path(log.name);
        fs::create_dir(&folder).expect("made");
        log.write(&folder).expect("written");
        let export = match log.files.len() {
            1 => folder.join("log.jsonl"),
            _ => folder,
        };
        let mut args = log.arguments();
        args.push(export.to_str().expect("UTF-8").to_owned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, line) = verify(&machine, &args);
        assert_eq!(
            (code, line["verdict"].as_str()),
            (log.answer.exit_code(), log.answer.verdict()),
            "{}: {line}",
            log.name
        );
    }
}

/// What is given to others tells neither how long a prompt was, nor when it was asked, nor its hash.
#[test]
fn s61_a_shared_log_is_rounded_and_the_log_itself_verifies() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    add_local(&machine, "one", "http://127.0.0.1:9");
    machine.json(&["chat", "--model", "one/m", "a prompt of some length"]);
    let to = machine.path("shared.jsonl");
    let to = to.to_str().expect("UTF-8");
    let (code, lines) = machine.json(&["log", "share", to]);
    assert_eq!(code, 0, "{lines:?}");
    let text = fs::read_to_string(to).expect("written");
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["events"], json!(events.len()));
    let exact = machine.json(&["log", "tail", "-n", "1000"]).1;
    assert!(events.len() >= 3 && exact.len() >= events.len());
    for (shared, exact) in events.iter().zip(&exact) {
        assert_eq!(shared["type"], exact["type"]);
        let time = shared["timestamp"].as_str().expect("a time");
        assert_eq!(time.len(), "2026-11-29T18:17:18Z".len(), "{time}");
        assert!(shared["event_id"].is_u64(), "{shared}");
    }
    assert!(!text.contains("prompt of"));
    let hash = |word: &str| word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(
        !text.split(|c: char| !c.is_ascii_alphanumeric()).any(hash),
        "{text}"
    );
    // It is not written over, and what verifies is exact.
    assert_ne!(machine.json(&["log", "share", to]).0, 0);
    let (code, lines) = machine.json(&["log", "verify"]);
    assert_eq!((code, &lines[0]["verdict"]), (0, &json!("intact")));
}
