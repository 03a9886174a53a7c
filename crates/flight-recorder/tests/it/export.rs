//! The format of an export, and files that are not one.

use std::fs;

use handshake_flight_recorder::{
    ExportError, ExportWriter, Leaf, Status, TamperKind, Trust, VerifyError, append, verify_export,
    verify_leaves,
};

use crate::sample::sample;

#[test]
fn p9_the_format_is_pinned() {
    let log = sample(10);
    let directory = tempfile::tempdir().expect("a directory");
    log.export(directory.path());
    let first_line = |file: &str| {
        let text = fs::read_to_string(directory.path().join(file)).expect("reads");
        text.lines().next().expect("a line").to_owned()
    };
    let lines: Vec<String> = [
        "log.jsonl",
        "checkpoints.jsonl",
        "handovers.jsonl",
        "manifest.json",
    ]
    .map(first_line)
    .into();
    insta::assert_snapshot!("export", lines.join("\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(directory.path().join("log.jsonl"))
            .expect("meta")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn p9_a_payload_keeps_its_exact_bytes() {
    let log = sample(0);
    // Not canonical JSON: this crate does not care, it keeps what was hashed.
    for payload in [
        r#"{ "b":1, "a":1.50e3 }"#,
        r#"{"é":"\u00e9 \\ \" } ]"}"#,
        r#"{"event":{"seq":1}}"#,
        "{}",
    ] {
        let (leaf, _) = append(&log.heads[0], payload.as_bytes().to_vec()).expect("appends");
        assert_eq!(Leaf::from_line(&leaf.to_line()), Ok(leaf.clone()));
        let value: serde_json::Value =
            serde_json::from_slice(&leaf.to_line()).expect("readable with any JSON tool");
        assert_eq!(value["seq"], 1);
    }
}

#[test]
fn p9_other_spellings_of_a_line_are_malformed() {
    let line = String::from_utf8(sample(1).leaves[0].to_line()).expect("text");
    assert!(Leaf::from_line(line.as_bytes()).is_ok());
    let others = [
        line.replace(r#"{"seq":1"#, r#"{"seq":01"#),
        line.replace(r#"{"seq":1"#, r#"{"seq":1.0"#),
        line.replace(r#"{"seq":1"#, r#"{"seq":0"#),
        line.replace(r#"{"seq":1"#, r#"{"seq":+1"#),
        line.replace(r#"{"seq":1"#, r#"{"seq":99999999999999999999"#),
        line.replace(r#","prev""#, r#", "prev""#),
        line.replace(r#"{"seq""#, r#"{ "seq""#),
        format!("{line} "),
        format!("{line}\r"),
        format!("{}x", &line[..line.len() - 1]),
        line.replace(
            r#","type":"call_completed""#,
            r#","type":"call_completed","#,
        ),
    ];
    for other in others {
        assert!(Leaf::from_line(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn p9_leaves_alone_can_be_checked_against_an_anchor() {
    let log = sample(9);
    let directory = tempfile::tempdir().expect("a directory");
    log.export(directory.path());
    let bytes = fs::read(directory.path().join("log.jsonl")).expect("reads");
    let verdict = verify_leaves(&bytes[..], log.trust(&[log.anchor(9)])).expect("a verdict");
    assert_eq!(
        (verdict.status, verdict.anchored_size, verdict.log_id),
        (Status::Intact, Some(9), None)
    );
    let verdict = verify_leaves(&bytes[..], Trust::default()).expect("a verdict");
    assert_eq!(verdict.status, Status::SelfConsistentOnly);
    // Without the first line there is nothing to bind the beginning to.
    let rest = &bytes[bytes.iter().position(|b| *b == b'\n').expect("a line") + 1..];
    let verdict = verify_leaves(rest, Trust::default()).expect("a verdict");
    assert_eq!(verdict.tampering[0].kind, TamperKind::Removed);
    let verdict = verify_leaves(&b""[..], Trust::default()).expect("a verdict");
    assert_eq!(
        (verdict.status, verdict.head),
        (Status::SelfConsistentOnly, None)
    );
}

#[test]
fn p9_a_missing_or_strange_file_is_an_error_and_never_a_verdict() {
    let log = sample(5);
    for file in [
        "log.jsonl",
        "checkpoints.jsonl",
        "handovers.jsonl",
        "manifest.json",
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        log.export(directory.path());
        fs::remove_file(directory.path().join(file)).expect("removes");
        let error =
            verify_export(directory.path(), log.trust(&[log.anchor(5)])).expect_err("no verdict");
        assert_eq!(error.to_string(), format!("cannot read {file}"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/dev/zero", directory.path().join(file)).expect("links");
            let error = verify_export(directory.path(), log.trust(&[])).expect_err("no verdict");
            assert!(matches!(error, VerifyError::Unreadable { .. }));
        }
    }
}

#[test]
fn p9_a_newer_format_is_not_judged() {
    let log = sample(5);
    let directory = tempfile::tempdir().expect("a directory");
    log.export(directory.path());
    let path = directory.path().join("manifest.json");
    let text = fs::read_to_string(&path).expect("reads");
    fs::write(&path, text.replace("@0.1", "@0.9")).expect("writes");
    let error = verify_export(directory.path(), log.trust(&[])).expect_err("no verdict");
    assert!(matches!(error, VerifyError::UnknownFormat));
    // A version that is known, on the wrong form: damage.
    for known in ["@0.2", "@0.3"] {
        fs::write(&path, text.replace("@0.1", known)).expect("writes");
        let verdict = verify_export(directory.path(), log.trust(&[])).expect("a verdict");
        assert_eq!(verdict.status, Status::Tampered, "{known}");
    }
}

#[test]
fn p9_an_export_never_overwrites() {
    let log = sample(1);
    let directory = tempfile::tempdir().expect("a directory");
    log.export(directory.path());
    let error = ExportWriter::create(directory.path(), &log.log_id).expect_err("refused");
    assert!(matches!(error, ExportError::NotEmpty));
}
