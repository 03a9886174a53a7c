//! `log`: segments, pruning, and what is said about them.

use std::fs;

use serde_json::json;

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
    assert_eq!(lines[0]["status"], "tampered");
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
