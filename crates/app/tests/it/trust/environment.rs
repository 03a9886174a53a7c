//! B10: the environment of a hostile repository names a home, and a list that trusts it.

use std::process::{Command, Stdio};

use handshake_simulator::{Model, Reply, Rule, Script};
use serde_json::Value;

use super::text;
use crate::it::{
    machine::Machine,
    mission::{runtime, simulator},
    provider::add_local,
};

#[test]
fn rt_b10_no_variable_makes_a_foreign_home_trusted() {
    let runtime = runtime();
    let script = Script::new()
        .model(
            Model::new("tiny:latest")
                .capabilities(&["completion"])
                .context_length(8192),
        )
        .rule(Rule::new(Reply::text("mine now")));
    let capture = simulator(&runtime, script);
    // What the repository brings: a home, the list that trusts it, its key file, where each variable leads.
    let theirs = Machine::new();
    add_local(&theirs, "here", &capture.url());
    let ask = ["chat", "--model", "here/tiny:latest", "what I think"];
    let (exit, lines) = theirs.json(&ask);
    assert_eq!(exit, 0, "with its own list it works: {lines:?}");
    let settings = theirs.path("user/.config");
    std::fs::create_dir_all(&settings).expect("made");
    std::os::unix::fs::symlink(theirs.trust_dir(), settings.join("handshake")).expect("linked");
    let (connections, bytes) = (capture.connections(), capture.bytes_received());

    let (user, config, home) = (
        theirs.path("user"),
        theirs.path("config"),
        theirs.path("home"),
    );
    let everything = [
        ("HOME", text(&user)),
        ("XDG_CONFIG_HOME", text(&config)),
        ("XDG_DATA_HOME", text(&user)),
        ("HANDSHAKE_HOME", text(&home)),
        ("USER", "somebody"),
        ("LOGNAME", "somebody"),
        ("HANDSHAKE_TRUST_DIR", text(&config)),
        ("TRUST_DIR", text(&config)),
    ];
    let mut sets = vec![everything.to_vec()];
    sets.extend(
        everything
            .iter()
            .map(|one| vec![*one, ("HANDSHAKE_HOME", text(&home))]),
    );
    for variables in sets {
        let output = Command::new(env!("CARGO_BIN_EXE_handshake"))
            .arg("--json")
            .args(ask)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(theirs.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let said: Value = serde_json::from_slice(&output.stdout).expect("one object");
        assert_eq!(
            said["error"]["code"], "HSK-403-HOME-UNTRUSTED",
            "{variables:?}: {said}"
        );
        assert_eq!(output.status.code(), Some(3));
    }
    assert_eq!(
        (capture.connections(), capture.bytes_received()),
        (connections, bytes)
    );
}
