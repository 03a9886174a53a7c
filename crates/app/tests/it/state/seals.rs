//! B4: what is edited in the database is not believed.

use handshake_simulator::{Model, Reply, Rule, Script, Simulator};
use serde_json::json;

use super::{alarms, doctor, refusal, sql};
use crate::it::{
    gateway::{Gateway, serving_with_factor},
    machine::Machine,
    mission::{enrol_cloud, init, runtime, simulator, with_factor},
};

/// What a person allowed: a relay, its key, and one model.
pub(super) fn enrolled(runtime: &tokio::runtime::Runtime) -> (Machine, Simulator) {
    let script = Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::text("forty-two")));
    let cloud = simulator(runtime, script);
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, "sk-test-4f9Qz7LwX2mN8vB1cD5e");
    (machine, cloud)
}

fn asks(gateway: &Gateway, text: &str) -> (u16, String) {
    let body = json!({
        "model": "cloud/sim-large:latest", "messages": [{ "role": "user", "content": text }],
    });
    let answer = gateway.post(&body.to_string(), "prefer: wait=0\r\n");
    let code = answer.json()["error"]["code"].to_string();
    (answer.status, code)
}

#[test]
fn rt_b04_a_relay_turned_local_under_a_running_gateway_is_refused() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    let gateway = serving_with_factor(machine);
    let (status, code) = asks(&gateway, "hello");
    assert_eq!(
        (status, code.as_str()),
        (400, "\"HSK-403-CLOUD-CONSENT-REQUIRED\"")
    );
    sql(
        &gateway.machine,
        r#"UPDATE providers SET record = replace(replace(record, '"reach":"relay"', '"reach":"direct"'),
           '"tier":"cloud"', '"tier":"local"') WHERE provider_id = 'cloud'"#,
    );
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    for text in ["hello", secret, "hello"] {
        let (status, code) = asks(&gateway, text);
        assert_eq!((status, code.as_str()), (400, "\"HSK-403-HOME-UNTRUSTED\""));
    }
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
    assert_eq!(alarms(&gateway.machine), 1, "once, not with every call");
    let wrong = doctor(&gateway.machine);
    assert!(
        wrong.contains("the local provider cloud at http://127.0.0.1")
            && wrong.contains("changed after it was sealed, so it is not used")
            && wrong.contains("handshake init"),
        "{wrong}"
    );
    // What the program does without the factor does not launder it.
    let edit = ["provider", "edit", "cloud", "--default-model", "m"];
    let needed = (3, json!("HSK-403-FACTOR-REQUIRED"));
    assert_eq!(refusal(&gateway.machine, &edit), needed);
    let url = cloud.openai_url();
    let add = [
        "provider",
        "add",
        "here",
        "--kind",
        "openai_compat",
        "--base-url",
        &url,
    ];
    assert_eq!(refusal(&gateway.machine, &add), needed);
    assert_eq!(
        gateway.machine.json(&["provider", "remove", "cloud"]).0,
        0,
        "narrowing needs nobody"
    );
    assert_eq!(
        refusal(&gateway.machine, &add),
        needed,
        "and that a relay stands there is not forgotten with it"
    );
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

#[test]
fn rt_b04_a_model_a_grant_or_a_profile_made_by_hand_allows_nothing() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    let chat = |machine: &Machine| machine.chat("cloud/other", "hello");
    sql(
        &machine,
        "INSERT INTO snapshots (provider_id, model_id, enabled, snapshot, seal, enabled_seal)
         SELECT provider_id, 'other', 1, replace(snapshot, 'sim-large:latest', 'other'), seal, enabled_seal
         FROM snapshots",
    );
    assert_eq!(chat(&machine), (3, json!("HSK-403-HOME-UNTRUSTED")));
    sql(
        &machine,
        "INSERT INTO contacts (provider_id, revision, granted_at) VALUES ('cloud', 1, 1)",
    );
    let (code, lines) = machine.json(&["provider", "check", "cloud"]);
    assert_eq!(
        (code, &lines[0]["code"]),
        (3, &json!("HSK-403-HOME-UNTRUSTED"))
    );
    sql(
        &machine,
        "INSERT INTO profiles VALUES ('free', 'nonsense');
         INSERT INTO active_profile (only, profile_id) VALUES (1, 'free')",
    );
    assert_eq!(
        machine.chat("cloud/sim-large:latest", "hello"),
        (3, json!("HSK-403-GOVERNANCE-LOCKED")),
        "nobody knows what the profile would say"
    );
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
    assert!(alarms(&machine) >= 3);
    let wrong = doctor(&machine);
    for says in [
        "the cloud model cloud/other",
        "contact with http",
        "the active work profile, missing",
    ] {
        assert!(wrong.contains(says), "{says}: {wrong}");
    }
}

#[test]
fn rt_b04_a_home_from_before_there_were_seals_is_sealed_by_its_owner() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    for column in [
        "providers SET seal",
        "snapshots SET enabled_seal",
        "snapshots SET seal",
    ] {
        sql(&machine, &format!("UPDATE {column} = NULL"));
    }
    // As an attack it brings nothing back.
    assert_eq!(
        machine.chat("cloud/sim-large:latest", "hello"),
        (3, json!("HSK-403-HOME-UNTRUSTED"))
    );
    assert_eq!(
        machine.json(&["init"]).1[0]["unsealed"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    let (code, screen) = with_factor(&machine, &["init"]);
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("the cloud provider cloud (a relay) at")
            && screen.contains("the cloud model cloud/sim-large:latest, enabled"),
        "{screen}"
    );
    assert_eq!(
        machine.chat("cloud/sim-large:latest", "hello"),
        (4, json!("HSK-403-CLOUD-CONSENT-REQUIRED"))
    );
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}
