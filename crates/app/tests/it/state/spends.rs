//! B5: spends, uses and revocations are not edited back.

use handshake_simulator::Simulator;
use serde_json::{Value, json};

use super::{alarms, doctor, refusal, seals::enrolled, sql};
use crate::it::{
    machine::Machine,
    mission::{runtime, with_factor},
};

const MODEL: &str = "cloud/sim-large:latest";
pub(super) const PROMPT: &str = "what is the answer";

pub(super) fn chat(machine: &Machine, prompt: &str) -> (i32, Value) {
    machine.chat(MODEL, prompt)
}

/// Sends one call after a person approved it, or more of the same.
pub(super) fn approved(machine: &Machine, lease: bool) {
    let call = machine.start(&["--json", "chat", "--model", MODEL, "--session", "s", PROMPT]);
    let id = crate::it::mission::wait_for_pending(machine);
    let mut args = vec!["approve", &id];
    if lease {
        args.push("--lease");
    }
    let (code, screen) = with_factor(machine, &args);
    assert_eq!(code, 0, "{screen}");
    let mut call = call;
    assert!(call.0.wait().expect("it ends").success());
}

pub(super) fn asked_again() -> (i32, Value) {
    (4, json!("HSK-403-CLOUD-CONSENT-REQUIRED"))
}

fn ends_so(machine: &Machine, cloud: &Simulator, posts: u64) {
    assert_eq!(chat(machine, PROMPT), asked_again());
    assert_eq!(cloud.requests(), posts, "nothing was sent");
    assert_eq!(alarms(machine), 1);
    let events = machine.events();
    assert!(events.contains(&"revoked".to_owned()), "{events:?}");
    let (_, lines) = machine.json(&["doctor"]);
    let text = lines[0].to_string();
    assert!(
        text.contains("something in this home was not as it was left: 1"),
        "{text}"
    );
    assert_eq!(machine.json(&["log", "verify"]).0, 0);
}

#[test]
fn rt_b05_a_spent_receipt_is_not_made_fresh_in_the_database() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    approved(&machine, false);
    assert_eq!(cloud.requests(), 1);
    assert_eq!(chat(&machine, PROMPT), asked_again());
    sql(
        &machine,
        "DELETE FROM uses; UPDATE receipts SET uses = 0; UPDATE requests SET waited_at = 9999999999999",
    );
    ends_so(&machine, &cloud, 1);
}

#[test]
fn rt_b05_a_lease_is_neither_revived_nor_refilled_in_the_database() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    approved(&machine, true);
    assert_eq!(chat(&machine, PROMPT), (0, Value::Null), "more of the same");
    assert_eq!(cloud.requests(), 2);
    sql(&machine, "UPDATE receipts SET uses = 0, new_bytes = 0");
    let wrong = doctor(&machine);
    assert!(
        wrong.contains("not as the log says, so they were revoked: 1"),
        "{wrong}"
    );
    ends_so(&machine, &cloud, 2);
    sql(&machine, "UPDATE receipts SET revoked_at = NULL");
    assert_eq!(chat(&machine, PROMPT), asked_again());
    assert_eq!(cloud.requests(), 2);
}

#[test]
fn rt_b05_a_pause_is_not_lifted_in_the_database() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    approved(&machine, true);
    let paused = (3, json!("HSK-403-GOVERNANCE-LOCKED"));
    assert_eq!(machine.json(&["pause"]).0, 0);
    assert_eq!(chat(&machine, PROMPT), paused);
    for edit in [
        "UPDATE epochs SET value = 'false' WHERE name = 'paused'",
        "UPDATE epochs SET value = '' WHERE name = 'paused_at'",
        "UPDATE epochs SET value = 'true' WHERE name = 'paused'",
    ] {
        sql(&machine, edit);
        assert_eq!(chat(&machine, PROMPT), paused, "{edit}");
        let wrong = doctor(&machine);
        assert!(
            wrong.contains("so cloud calls are paused") && wrong.contains("handshake resume"),
            "{wrong}"
        );
    }
    assert!(alarms(&machine) > 0);
    assert_eq!(cloud.requests(), 1, "nothing was sent");
    assert_eq!(
        refusal(&machine, &["resume"]),
        (3, json!("HSK-403-FACTOR-REQUIRED"))
    );
    let (code, screen) = with_factor(&machine, &["resume"]);
    assert_eq!(code, 0, "{screen}");
    // When the pause was is not known any more, so the lease is from before it.
    assert_eq!(chat(&machine, PROMPT), asked_again());
    assert_eq!(cloud.requests(), 1);
    assert_eq!(doctor(&machine), "");
    // Put back as it was in the pause, the rows are not what was said last.
    sql(
        &machine,
        "UPDATE epochs SET value = 'true' WHERE name = 'paused'",
    );
    assert_eq!(chat(&machine, PROMPT), paused);
}

#[test]
fn p8_changing_disabling_or_removing_a_provider_revokes_what_was_given_for_it_and_says_so() {
    type Change = fn(&Machine) -> i32;
    let changes: [Change; 3] = [
        |machine| {
            with_factor(
                machine,
                &["provider", "edit", "cloud", "--default-model", "m"],
            )
            .0
        },
        |machine| {
            machine
                .json(&["provider", "disable", "cloud", "sim-large:latest"])
                .0
        },
        |machine| machine.json(&["provider", "remove", "cloud"]).0,
    ];
    let runtime = runtime();
    for change in changes {
        let (machine, cloud) = enrolled(&runtime);
        approved(&machine, true);
        assert_eq!(chat(&machine, PROMPT), (0, Value::Null), "more of the same");
        let receipt = |machine: &Machine| {
            let (_, lines) = machine.json(&["consent", "list"]);
            let found = lines.iter().find(|line| line["kind"] == "receipt");
            found.expect("a receipt").clone()
        };
        let given = receipt(&machine);
        assert_eq!(given["void"], false, "{given}");
        let id = given["receipt"]["consent_receipt_id"].clone();
        assert_eq!(change(&machine), 0);
        let (_, events) = machine.json(&["log", "tail", "-n", "1000"]);
        let revoked: Vec<_> = events
            .iter()
            .filter(|event| event["type"] == "revoked")
            .map(|event| (&event["what"], &event["consent_receipt_id"]))
            .collect();
        assert_eq!(revoked, [(&json!("receipt"), &id)]);
        let after = receipt(&machine);
        assert_eq!(after["void"], true, "{after}");
        assert!(after["revoked_at"].is_string(), "{after}");
        // As it was before, by hand: it is not.
        sql(&machine, "UPDATE receipts SET revoked_at = NULL");
        let (code, error) = chat(&machine, PROMPT);
        assert_ne!((code, &error), (0, &Value::Null));
        assert_eq!(cloud.requests(), 2, "nothing was sent");
    }
}
