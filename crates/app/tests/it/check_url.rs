//! `provider check-url`: verdicts without a home and without a network.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};

use crate::it::machine::Machine;

#[test]
fn a15_check_url_answers_line_by_line_and_opens_no_home() {
    let machine = Machine::new();
    let asked = [
        (
            json!({ "id": 1, "url": "https://api.openai.com/v1", "tier": "cloud" }),
            "ok",
            "cloud",
            "",
        ),
        (
            json!({ "id": 2, "url": "http://127.0.0.1:11434", "tier": "local" }),
            "ok",
            "local",
            "",
        ),
        (
            json!({ "id": "3", "url": "http://169.254.169.254/latest" }),
            "refused",
            "",
            "HSK-403-SSRF-BLOCKED",
        ),
        (
            json!({ "id": 4, "url": "https://user:pw@api.openai.com" }),
            "refused",
            "",
            "HSK-400-INVALID-BASE-URL",
        ),
        (
            json!({ "id": 5, "url": "http://2130706433:11434" }),
            "refused",
            "",
            "HSK-400-INVALID-BASE-URL",
        ),
        (
            json!({ "id": 6, "url": "http://127.0.0.1:11434", "tier": "cloud" }),
            "refused",
            "local",
            "HSK-403-TIER-MISMATCH",
        ),
        (
            json!({ "id": 7, "url": "https://api.openai.com", "tier": "local" }),
            "refused",
            "cloud",
            "HSK-403-TIER-MISMATCH",
        ),
        (
            json!({ "id": 8, "url": "https://api.openai.com", "tier": "moon" }),
            "refused",
            "",
            "HSK-400-INVALID-CONFIG",
        ),
        (json!({ "id": 9 }), "refused", "", "HSK-400-INVALID-REQUEST"),
        (
            json!({ "id": 10, "url": "https://kubernetes.default.svc" }),
            "refused",
            "",
            "HSK-403-SSRF-BLOCKED",
        ),
        (
            json!({ "id": 11, "url": "https://intranet" }),
            "refused",
            "",
            "HSK-400-INVALID-BASE-URL",
        ),
        (
            json!({ "id": 12, "url": "https://10.0.0.7/v1", "tier": "cloud" }),
            "ok",
            "cloud",
            "",
        ),
    ];
    let mut input: String = asked.iter().map(|(line, ..)| format!("{line}\n")).collect();
    input.push_str("\nnot json\n");
    let file = machine.write("urls.jsonl", &input);

    let mut command = machine.command(&["provider", "check-url", "--jsonl"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes())
        .expect("written");
    let piped = child.wait_with_output().expect("it ends");
    assert!(piped.status.success());
    let from_file = machine.run(&[
        "provider",
        "check-url",
        "--jsonl",
        file.to_str().expect("a path"),
    ]);
    assert_eq!(
        piped.stdout, from_file.stdout,
        "a file and a pipe give the same"
    );

    let text = String::from_utf8(piped.stdout).expect("UTF-8");
    let answers: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        answers.len(),
        asked.len() + 1,
        "an answer for each line that is not empty"
    );
    for ((line, verdict, tier, code), answer) in asked.iter().zip(&answers) {
        assert_eq!(answer["id"], line["id"]);
        assert_eq!(answer["verdict"], *verdict, "{line}");
        assert_eq!(
            answer["derived_tier"].as_str().unwrap_or(""),
            *tier,
            "{line}"
        );
        assert_eq!(answer["code"].as_str().unwrap_or(""), *code, "{line}");
        let private = line["id"] == 12;
        let needs = if private {
            json!(["allow_host"])
        } else {
            Value::Null
        };
        assert_eq!(answer["needs"], needs, "{line}");
    }
    assert_eq!(
        answers.last().expect("one")["code"],
        "HSK-400-INVALID-REQUEST"
    );
    assert!(
        !machine.path("home").exists() && !machine.path("config").exists(),
        "no home is opened or made"
    );
}

#[test]
fn a15_check_url_says_why_and_exits_by_the_verdict() {
    let machine = Machine::new();
    let (code, lines) = machine.json(&["provider", "check-url", "https://api.openai.com/v1"]);
    assert_eq!(
        (code, &lines[0]["verdict"], &lines[0]["derived_tier"]),
        (0, &json!("ok"), &json!("cloud"))
    );
    let (code, lines) = machine.json(&["provider", "check-url", "http://10.0.0.1"]);
    assert_eq!(
        (code, &lines[0]["code"]),
        (1, &json!("HSK-403-SSRF-BLOCKED"))
    );
    assert!(
        lines[0]["reason"]
            .as_str()
            .is_some_and(|reason| !reason.contains("10.0.0.1"))
    );
    // `--resolve` looks at addresses too; a literal needs no query.
    let (code, lines) = machine.json(&[
        "provider",
        "check-url",
        "--resolve",
        "http://127.0.0.1:11434",
    ]);
    assert_eq!((code, &lines[0]["addresses"]), (0, &json!(["loopback"])));
    // A host in a private network is no reason to refuse, and a person has to allow it.
    for resolve in [&["--resolve"][..], &[]] {
        for url in [
            "https://192.168.1.20:8443",
            "https://10.0.0.1",
            "https://100.64.0.1",
            "https://[fd12::1]",
        ] {
            let check = [&["provider", "check-url", url], resolve].concat();
            let (code, lines) = machine.json(&check);
            assert_eq!(
                (code, &lines[0]["verdict"], &lines[0]["needs"]),
                (0, &json!("ok"), &json!(["allow_host"])),
                "{url}"
            );
            let told = machine.run(&check);
            let told = String::from_utf8_lossy(&told.stderr).into_owned();
            assert!(told.contains("private_hosts"), "{told}");
        }
    }
    let (_, lines) = machine.json(&["provider", "check-url", "https://8.8.8.8"]);
    assert_eq!(lines[0]["needs"], json!(null));
    let (code, lines) = machine.json(&["provider", "check-url"]);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (2, &json!("HSK-400-INVALID-REQUEST"))
    );
}
