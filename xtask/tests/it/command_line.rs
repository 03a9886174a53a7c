//! What is said where nothing can be checked.

use super::workspace::{Made, json};

#[test]
fn help_lists_the_commands_and_succeeds() {
    let out = Made::new().xtask(&["help"]);
    assert_eq!(out.status.code(), Some(0));
    let text = String::from_utf8(out.stdout).expect("text");
    for name in [
        "ci", "quick", "test", "layers", "tidy", "codes", "schema", "permits", "isolate", "real",
    ] {
        assert!(text.contains(&format!("  {name} ")), "{name}");
    }
}

#[test]
fn usage_errors_are_2_and_say_what_is_known() {
    for args in [
        &["nothing"][..],
        &[],
        &["layers", "--fix"],
        &["tidy", "--write"],
    ] {
        let out = Made::new().xtask(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(
            String::from_utf8_lossy(&out.stderr).contains("usage: cargo xtask"),
            "{args:?}"
        );
    }
}

#[test]
fn what_cannot_be_checked_is_2_and_never_ok() {
    // Rules are missing.
    for check in ["layers", "tidy", "permits"] {
        let out = Made::new().xtask(&[check, "--json"]);
        assert_eq!(out.status.code(), Some(2), "{check}");
        let report = json(&out);
        assert_eq!(
            (&report["ok"], &report["failures"]),
            (&false.into(), &serde_json::json!([])),
            "{check}"
        );
        assert!(
            report["error"]
                .as_str()
                .expect("said")
                .contains("xtask/rules/"),
            "{check}"
        );
    }
    // The examples that print the schemas and the codes are missing.
    for check in ["schema", "codes"] {
        let out = Made::new().xtask(&[check, "--json"]);
        assert_eq!(
            (out.status.code(), &json(&out)["ok"]),
            (Some(2), &false.into()),
            "{check}"
        );
    }
}
