//! A made-up workspace on disk, with the committed rules cut down to it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

const LAYERS: &str = r#"
prefix = "handshake-"
unprefixed = []
[edges]
core = []
policy = ["core"]
[dev]
folders = ["tests"]
none = []
[[ban]]
id = "sockets"
paths = ["std::net"]
except = []
scope = ["crates"]
reason = "no sockets"
[names]
words = ["acme"]
scope = ["crates/core/src"]
"#;

const PERMITS: &str = r#"
[[permit]]
id = "gate"
kind = "path"
what = ["Gate::new"]
why = "one place"
"#;

/// Two members, `policy` on `core`.
pub(crate) struct Made(TempDir);

impl Made {
    pub(crate) fn new() -> Self {
        let made = Self(tempfile::tempdir().expect("a folder"));
        made.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n",
        );
        made.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"handshake-core\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"handshake-policy\"\nversion = \"0.1.0\"\ndependencies = [\n \"handshake-core\",\n]\n");
        made.member("core", "");
        made.member(
            "policy",
            "[dependencies]\nhandshake-core = { path = \"../core\" }\n",
        );
        made.write(
            "crates/policy/src/lib.rs",
            "//! A member.\npub use handshake_core as core;\n",
        );
        made
    }

    fn with_rules(self) -> Self {
        self.write("xtask/rules/layers.toml", LAYERS);
        self.write("xtask/rules/permits.toml", PERMITS);
        self
    }

    fn member(&self, short: &str, rest: &str) {
        let manifest = format!(
            "[package]\nname = \"handshake-{short}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}"
        );
        self.write(&format!("crates/{short}/Cargo.toml"), &manifest);
        self.write(&format!("crates/{short}/src/lib.rs"), "//! A member.\n");
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.0.path().join(path)).ok()
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the program in a folder of the workspace that is not its root.
    pub(crate) fn xtask(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(args)
            .current_dir(self.path().join("crates/core"))
            .env("CARGO_TARGET_DIR", self.path().join("target"))
            .env("CARGO_NET_OFFLINE", "true")
            .output()
            .expect("runs")
    }
}

/// Stdout as the one object that it has to be.
pub(crate) fn json(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stdout)))
}

fn rules(report: &Value) -> Vec<(&str, &str)> {
    let failures = report["failures"].as_array().expect("a list");
    failures
        .iter()
        .map(|f| {
            (
                f["rule"].as_str().expect("text"),
                f["file"].as_str().expect("text"),
            )
        })
        .collect()
}

#[test]
fn c1_layers_passes_on_the_listed_edges_and_names_each_violation() {
    let made = Made::new().with_rules();
    let out = made.xtask(&["layers", "--json"]);
    assert_eq!(
        json(&out),
        serde_json::json!({"check": "layers", "ok": true, "failures": []})
    );
    assert_eq!(out.status.code(), Some(0));

    made.write("crates/policy/src/lib.rs", "//! A member.\n");
    let out = made.xtask(&["layers", "--json"]);
    assert_eq!(
        rules(&json(&out)),
        [("layers.edge-unused", "crates/policy/Cargo.toml")],
        "d10: listed and linked, and named nowhere"
    );

    made.write(
        "crates/policy/tests/it.rs",
        "//! Tests.\nuse handshake_core as _;\n",
    );
    made.write(
        "crates/core/src/lib.rs",
        "//! A member.\nuse std::net::TcpStream;\nconst ACME: u8 = 1;\n",
    );
    made.write(
        "crates/policy/Cargo.toml",
        "[package]\nname = \"handshake-policy\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dev-dependencies]\n\
         handshake-core = { path = \"../core\", version = \"0.1.0\" }\n",
    );
    let out = made.xtask(&["layers", "--json"]);
    assert_eq!(out.status.code(), Some(1));
    let report = json(&out);
    assert_eq!(
        rules(&report),
        [
            ("layers.sockets", "crates/core/src/lib.rs"),
            ("layers.provider-name", "crates/core/src/lib.rs"),
            ("layers.edge-unused", "crates/policy/Cargo.toml"),
            ("layers.dev-version", "crates/policy/Cargo.toml"),
        ]
    );
    let version = &report["failures"][3];
    assert_eq!(version["line"], 6);
    assert_eq!(
        version["mend"],
        "write `handshake-core = { path = \"../core\" }`"
    );
}

#[test]
fn permits_passes_and_fails() {
    let made = Made::new().with_rules();
    assert_eq!(made.xtask(&["permits"]).status.code(), Some(0));
    made.write(
        "crates/policy/src/lib.rs",
        "//! A member.\nfn f() { Gate::new(); }\n",
    );
    let out = made.xtask(&["permits"]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8(out.stdout).expect("text");
    assert!(
        text.starts_with("crates/policy/src/lib.rs:2: [permits.gate]"),
        "{text}"
    );
    assert!(text.ends_with("permits: 1 finding\n"), "{text}");
}

#[test]
fn schema_writes_what_the_example_prints_and_then_passes() {
    let made = Made::new();
    let print =
        |json: &str| format!("//! Prints.\nfn main() {{ println!(\"{{}}\", r#\"{json}\"#); }}\n");
    made.write(
        "crates/core/examples/schemas.rs",
        &print(r#"{"b":{"z":1,"a":2}}"#),
    );
    made.write("schemas/old.json", "{}\n");
    let out = made.xtask(&["schema", "--json"]);
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(
        rules(&json(&out)),
        [
            ("schema.missing", "schemas/b.json"),
            ("schema.stale", "schemas/old.json")
        ]
    );

    let out = made.xtask(&["schema", "--write", "--json"]);
    assert_eq!(
        (out.status.code(), &json(&out)["ok"]),
        (Some(0), &true.into())
    );
    assert_eq!(
        made.read("schemas/b.json").as_deref(),
        Some("{\n  \"a\": 2,\n  \"z\": 1\n}\n")
    );
    assert_eq!(made.read("schemas/old.json"), None);
    assert_eq!(made.xtask(&["schema"]).status.code(), Some(0));
}

#[test]
fn quick_stops_at_the_first_failing_step_names_it_and_keeps_stdout_for_the_answer() {
    let made = Made::new().with_rules();
    made.write("crates/core/src/lib.rs", "//! A member.\nfn   f( ) { }\n");
    let out = made.xtask(&["quick", "--json"]);
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(rules(&json(&out)), [("step.fmt", "Cargo.toml")]);
    assert_eq!(json(&out)["failures"][0]["mend"], "cargo fmt --all");
    let progress = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(progress.contains("fmt        FAILED"), "{progress}");
    assert!(progress.contains("layers     not run"), "{progress}");
}

#[test]
fn isolate_names_the_crate_that_lives_on_the_features_of_another() {
    let made = Made::new();
    let features = "[features]\ndefault = [\"x\"]\nx = []\n";
    made.member("core", features);
    assert_eq!(made.xtask(&["isolate"]).status.code(), Some(0));
    made.write(
        "crates/core/src/lib.rs",
        "//! A member.\n#[cfg(not(feature = \"x\"))]\nfn f() -> u8 {}\n",
    );
    let out = made.xtask(&["isolate", "--json"]);
    assert_eq!(out.status.code(), Some(1));
    let report = json(&out);
    // `policy` takes `core` with its default features, so it compiles.
    assert_eq!(
        rules(&report),
        [("isolate.check", "crates/core/Cargo.toml")]
    );
    assert!(
        report["failures"][0]["message"]
            .as_str()
            .expect("text")
            .contains("--no-default-features")
    );
}
