//! The program: arguments, words and exit codes.

use std::{path::Path, process::Command};

use crate::sample::{public, sample};

fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_handshake-verify"))
        .args(args)
        .output()
        .expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        output.status.code().expect("exits"),
        text(output.stdout),
        text(output.stderr),
    )
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn p9_exit_codes_tell_the_verdicts_apart() {
    let log = sample(12);
    let directory = tempfile::tempdir().expect("a directory");
    log.export(directory.path());
    let (root, anchor, dir) = (
        public(1).to_string(),
        log.anchor(10),
        path(directory.path()),
    );

    let (code, out, _) = run(&["--root", &root, "--anchor", &anchor, dir]);
    assert_eq!(code, 0, "{out}");
    insta::assert_snapshot!("intact", out);

    let (code, out, _) = run(&["--root", &root, dir]);
    assert_eq!(code, 4, "a verdict without an anchor is not a success");
    assert!(
        out.contains("self-consistent only") && out.contains("all 12 unanchored"),
        "{out}"
    );

    let (code, out, _) = run(&["--root", &public(9).to_string(), "--anchor", &anchor, dir]);
    assert_eq!(code, 5);
    assert!(out.contains("wrong_key"), "{out}");

    let (code, out, _) = run(&[
        "--root",
        &root,
        "--anchor",
        "12:000000000000",
        "--json",
        dir,
    ]);
    assert_eq!(code, 5);
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(value["verdict"], "tampered");
    assert_eq!(value["root"], root);
    assert_eq!(
        (&value["size"], &value["anchored_at"]),
        (&12.into(), &serde_json::Value::Null)
    );
    assert_eq!(value["tampering"][0]["kind"], "rewritten");
    assert_eq!(value["tampering"][0]["shown_by"], "anchor");

    let log_file = directory.path().join("log.jsonl");
    let (code, out, _) = run(&["--root", &root, "--anchor", &anchor, path(&log_file)]);
    assert_eq!(code, 0);
    assert!(out.contains("leaves alone"), "{out}");

    std::fs::remove_file(log_file).expect("removes");
    let (code, out, err) = run(&["--root", &root, "--anchor", &anchor, dir]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("cannot read log.jsonl"), "{err}");
}

#[test]
fn p9_wrong_usage_is_2_and_says_what_is_missing() {
    let root = public(1).to_string();
    let cases: [&[&str]; 14] = [
        // A variable that is empty, and one that is not quoted: the directory is never taken as the key.
        &["--root", "", "somewhere"],
        &["--root=", "somewhere"],
        &["--root", "somewhere"],
        &["--root", &root, "--root", "", "somewhere"],
        &["--root", &root, "--approver", "", "somewhere"],
        &["--root", &root, "--anchor=", "somewhere"],
        &[],
        &["somewhere"],
        &["--root", &root],
        &["--root", "abc", "somewhere"],
        &["--root", &root, "--anchor", "7:abc", "somewhere"],
        &["--root", &root, "--frobnicate", "somewhere"],
        &["--root", &root, "one", "two"],
        &["somewhere", "--root"],
    ];
    for case in cases {
        let (code, out, err) = run(case);
        assert_eq!((code, out.as_str()), (2, ""), "{case:?}");
        assert!(err.starts_with("error: "), "{err}");
    }
    let (code, _, err) = run(&["--json"]);
    let value: serde_json::Value = serde_json::from_str(&err).expect("JSON");
    assert_eq!(
        (code, &value["error"]["code"]),
        (2, &serde_json::json!("HSK-400-INVALID-REQUEST"))
    );
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    assert!(out.contains("example:"));
}
