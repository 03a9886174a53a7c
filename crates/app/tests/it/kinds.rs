//! First screens of questions that need more of a home than a body: another policy, a provider that changed.

use serde_json::{Value, json};

use crate::it::{
    asking::{beside, denied, enrolled, fits, screen, settled},
    gateway::serving_with_factor,
    mission::{runtime, simulator, wait_for_pending, with_factor},
};

const MODEL: &str = "cloud/sim-large:latest";

fn ask(more: &Value) -> Value {
    let mut body = json!({ "model": MODEL, "stream": false,
        "messages": [{ "role": "user", "content": "What does src/main.rs do?" }] });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn s13_what_reaches_beyond_and_another_destination_have_their_first_screens() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    machine.write("home/policy.toml", "second_hand = \"ask\"\n");
    let (code, text) = with_factor(&machine, &["init"]);
    assert_eq!(code, 0, "{text}");
    let gateway = serving_with_factor(machine);
    let machine = &gateway.machine;
    let _call = beside(&gateway, &ask(&json!({ "store": true })));
    wait_for_pending(machine);
    let text = screen(machine, &[]);
    fits(&text);
    insta::assert_snapshot!("second_hand", settled(&text, &cloud));
    let (code, text) = with_factor(machine, &["approve", "--lease"]);
    assert_eq!(code, 3, "no lease reaches beyond: {text}");
    denied(machine);

    // A lease, and then the provider leads elsewhere: what was given is void, and the question says where to.
    let mut call = beside(&gateway, &ask(&Value::Null));
    wait_for_pending(machine);
    let (code, text) = with_factor(machine, &["approve", "--lease"]);
    assert_eq!(code, 0, "{text}");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut call, &mut answer).expect("answered");
    assert!(answer.contains("forty-two"), "{answer}");
    let other = simulator(&runtime, crate::it::mission::cloud_script());
    let url = other.openai_url();
    let (code, text) = with_factor(machine, &["provider", "edit", "cloud", "--base-url", &url]);
    assert_eq!(code, 0, "{text}");
    let again = gateway.post(&ask(&Value::Null).to_string(), "prefer: wait=0\r\n");
    let said = again.json()["error"]["code"].clone();
    assert_ne!(said, Value::Null, "nothing is sent there: {}", again.body);
    assert_eq!((other.requests(), cloud.requests()), (0, 1));
}
