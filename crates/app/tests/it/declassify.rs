//! A finding that blocks is declassified by a person, for one text, one rule and one destination, and by nobody else.

use std::time::Duration;

use handshake_simulator::{Model, Reply, Rule, Script, Simulator};
use serde_json::{Value, json};

use crate::it::{
    gateway::{Gateway, serving_with_factor, token_with_factor},
    machine::Machine,
    mission::{enable_cloud, enrol_cloud, init, runtime, simulator, with_factor},
    terminal::Terminal,
};

const MODEL: &str = "cloud/sim-large:latest";
const BLOCKED: &str = "HSK-403-LEAKAGE-BLOCKED";
const ASKS: &str = "HSK-403-CLOUD-CONSENT-REQUIRED";
/// The cloud's own key, which is enrolled.
const KEY: &str = "sk-test-4f9Qz7LwX2mN8vB1cD5e";

/// A value that the rules take for a token.
fn token(seed: u64) -> String {
    use handshake_leakage::Engine;
    let sample = Engine::builtin().sample("github-token", seed);
    sample.expect("a sample")
}

fn text() -> String {
    format!("the manual says {} stands for any token", token(1))
}

fn home(runtime: &tokio::runtime::Runtime) -> (Machine, Simulator) {
    let script = Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::text("forty-two")));
    let cloud = simulator(runtime, script);
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    (machine, cloud)
}

/// What one message comes to through the gateway.
fn asks(gateway: &Gateway, text: &str) -> String {
    let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": text }] });
    let answer = gateway.post(&body.to_string(), "prefer: wait=0\r\n");
    let code = answer.json()["error"]["code"].clone();
    code.as_str().unwrap_or("none").to_owned()
}

fn blocked(machine: &Machine) -> Vec<Value> {
    machine.json(&["leak", "blocked"]).1
}

/// The call that somebody waits for; those of the gateway waited for nobody.
fn live(machine: &Machine) -> Value {
    let until = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let lines = machine.json(&["consent", "list"]).1;
        let mut pending = lines.into_iter().filter(|it| it["kind"] == "pending");
        if let Some(pending) = pending.find(|it| it["live"] == true) {
            return pending;
        }
        assert!(std::time::Instant::now() < until, "nothing waits");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn declassified(machine: &Machine) -> Vec<Value> {
    machine.json(&["leak", "declassified"]).1
}

/// The id of the one finding of this text that blocked.
fn id(machine: &Machine) -> String {
    let all = blocked(machine);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]["id"].as_str().expect("an id").to_owned()
}

fn alarms(machine: &Machine) -> usize {
    let events = machine.events();
    events.iter().filter(|it| *it == "integrity_alarm").count()
}

/// A running gateway looks again when its view is 50 ms old.
fn sql(machine: &Machine, text: &str) {
    machine.sql(text);
    std::thread::sleep(Duration::from_millis(100));
}

/// A gateway that blocked one call.
fn blocking(runtime: &tokio::runtime::Runtime) -> (Gateway, Simulator) {
    let (machine, cloud) = home(runtime);
    let gateway = serving_with_factor(machine);
    assert_eq!(asks(&gateway, &text()), BLOCKED);
    (gateway, cloud)
}

#[test]
fn a9_a_false_alarm_is_declassified_by_a_person_and_asked_about_like_any_call() {
    let runtime = runtime();
    let (gateway, cloud) = blocking(&runtime);
    let machine = &gateway.machine;
    let told = &blocked(machine)[0];
    assert_eq!(told["rule"], "github-token");
    assert_eq!(told["place"], "/messages/0/content");
    assert_eq!(
        (&told["declassifiable"], &told["count"]),
        (&json!(true), &json!(1))
    );
    let listed = machine.run(&["leak", "blocked"]);
    let everything = format!("{told} {}", String::from_utf8_lossy(&listed.stdout));
    assert!(!everything.contains(&token(1)[..8]) && !everything.contains("manual"));
    let id = id(machine);

    // Nobody but a person with the passphrase.
    let refused = machine.json(&["leak", "declassify", &id]);
    assert_eq!(refused.0, 3);
    assert_eq!(refused.1[0]["error"]["code"], "HSK-403-FACTOR-REQUIRED");
    let mut terminal = Terminal::run(machine, &["leak", "declassify", &id]);
    terminal.see("Approval passphrase");
    terminal.type_line("not the passphrase");
    terminal.see("Wrong passphrase");
    drop(terminal);
    assert_eq!(asks(&gateway, &text()), BLOCKED);
    assert!(declassified(machine).is_empty());

    let (code, screen) = with_factor(machine, &["leak", "declassify", &id[..6]]);
    assert_eq!(code, 0, "{screen}");
    for said in [
        "github-token",
        "/messages/0/content",
        "to every model of cloud",
        "not kept",
    ] {
        assert!(screen.contains(said), "{said}: {screen}");
    }
    assert!(!screen.contains(&token(1)[..8]), "{screen}");
    assert_eq!(asks(&gateway, &text()), ASKS, "and now a person decides");
    // Each of these is another text, or another rule.
    let more = format!("{}!", text());
    let other = text().replace(&token(1), &token(2));
    let beside = format!("{}\n{KEY}", text());
    for text in [&more, &other, &beside, &token(1)] {
        assert_eq!(asks(&gateway, text), BLOCKED, "{text}");
    }
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));

    // The person sees it where they are asked, and it goes when they say yes.
    let mut call = machine.start(&[
        "--json",
        "chat",
        "--model",
        MODEL,
        "--session",
        "s",
        &text(),
    ]);
    let pending = live(machine);
    let ext = &pending["plan"]["ext"];
    assert_eq!(ext["declassified"][0]["rule"], "github-token");
    let waiting = pending["request"]["request_id"].as_str().expect("an id");
    let shown = machine.run(&["consent", "show", waiting]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("declassified by you on 20"), "{shown}");
    let (code, screen) = with_factor(machine, &["approve", waiting]);
    assert_eq!(code, 0, "{screen}");
    assert!(call.0.wait().expect("it ends").success());
    assert_eq!(cloud.requests(), 1);
    let tail = machine.json(&["log", "tail", "-n", "1000"]).1;
    let attempt = tail
        .iter()
        .find(|it| it["type"] == "call_attempt" && it["consent_receipt_id"].is_string());
    assert_eq!(attempt.expect("an attempt")["declassified"], 1);
    let widened = tail
        .iter()
        .any(|it| it["type"] == "widened" && it["what"] == "declassified");
    assert!(widened, "the log says who widened what");

    // Taking it back needs nobody, and the running gateway knows at once.
    let (code, lines) = machine.json(&["leak", "declassified", "--remove", &id]);
    assert_eq!(code, 0, "{lines:?}");
    assert_eq!(asks(&gateway, &text()), BLOCKED);
    assert_eq!(cloud.requests(), 1);
    assert_eq!(alarms(machine), 0);
}

#[test]
fn rt_b04_a_row_made_edited_or_put_back_by_hand_declassifies_nothing() {
    let runtime = runtime();
    let (gateway, cloud) = blocking(&runtime);
    let machine = &gateway.machine;
    let first = id(machine);
    let (code, screen) = with_factor(machine, &["leak", "declassify", &first]);
    assert_eq!(code, 0, "{screen}");
    assert_eq!(asks(&gateway, &text()), ASKS);
    // Another text that was declassified, and its commitment: what somebody with a shell can read.
    let second = text().replace("manual", "book");
    assert_eq!(asks(&gateway, &second), BLOCKED);
    let other = blocked(machine)
        .iter()
        .filter_map(|it| it["id"].as_str().map(str::to_owned))
        .find(|it| *it != first)
        .expect("the other");
    let (code, screen) = with_factor(machine, &["leak", "declassify", &other]);
    assert_eq!(code, 0, "{screen}");
    sql(machine, "CREATE TABLE kept AS SELECT * FROM declassified");
    // The seals of two rows are exchanged.
    sql(
        machine,
        "UPDATE declassified SET seal = (SELECT k.seal FROM kept k WHERE k.leaf <> declassified.leaf)",
    );
    assert_eq!(asks(&gateway, &text()), BLOCKED);
    assert_eq!(asks(&gateway, &second), BLOCKED);
    assert_eq!(alarms(machine), 1, "once, not with every call");
    let (_, lines) = machine.json(&["doctor"]);
    let wrong: Vec<String> = lines[0]["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter(|check| check["state"] == "wrong" && check["check"] == "seals")
        .map(|check| format!("{} {}", check["message"], check["next_step"]))
        .collect();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].contains("github-token") && wrong[0].contains("declassified for cloud"));
    assert!(wrong[0].contains("leak declassified --remove"), "{wrong:?}");
    // No seal, and one of nothing.
    for seal in ["NULL", "zeroblob(73)"] {
        sql(machine, &format!("UPDATE declassified SET seal = {seal}"));
        assert_eq!(asks(&gateway, &text()), BLOCKED);
    }
    // As they were: both count again.
    sql(
        machine,
        "INSERT OR REPLACE INTO declassified SELECT * FROM kept",
    );
    assert_eq!(asks(&gateway, &text()), ASKS);
    // Taken back, and put back by hand.
    for id in [&first, &other] {
        assert_eq!(machine.json(&["leak", "declassified", "--remove", id]).0, 0);
    }
    sql(
        machine,
        "INSERT OR REPLACE INTO declassified SELECT * FROM kept",
    );
    assert_eq!(asks(&gateway, &text()), BLOCKED);
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

#[test]
fn a9_what_is_declassified_ends_with_the_provider_as_it_stood() {
    let runtime = runtime();
    let (machine, cloud) = home(&runtime);
    assert_eq!(machine.chat(MODEL, &text()), (3, json!(BLOCKED)));
    let (code, screen) = with_factor(&machine, &["leak", "declassify", &id(&machine)]);
    assert_eq!(code, 0, "{screen}");
    assert_eq!(machine.chat(MODEL, &text()), (4, json!(ASKS)));
    machine.sql("CREATE TABLE kept AS SELECT * FROM declassified");
    let url = format!("{}/", cloud.openai_url().trim_end_matches('/'));
    for args in [
        [
            "provider",
            "edit",
            "cloud",
            "--reach",
            "relay",
            "--base-url",
            &url.replace("/v1", "/v1/x"),
        ],
        [
            "provider",
            "edit",
            "cloud",
            "--reach",
            "relay",
            "--base-url",
            cloud.openai_url().as_str(),
        ],
    ] {
        let (code, screen) = with_factor(&machine, &args);
        assert_eq!(code, 0, "{screen}");
    }
    enable_cloud(&machine, &[]);
    assert!(declassified(&machine).is_empty());
    assert_eq!(
        machine.chat(MODEL, "hello"),
        (4, json!(ASKS)),
        "it is asked again"
    );
    assert_eq!(machine.chat(MODEL, &text()), (3, json!(BLOCKED)));
    machine
        .sql("INSERT INTO declassified SELECT * FROM kept; UPDATE declassified SET revision = 3");
    assert_eq!(machine.chat(MODEL, &text()), (3, json!(BLOCKED)));
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

#[test]
fn a9_s50_an_enrolled_secret_cannot_be_declassified_and_a_client_learns_nothing() {
    let runtime = runtime();
    let (machine, cloud) = home(&runtime);
    let gateway = serving_with_factor(machine);
    let machine = &gateway.machine;
    let body = json!({
        "model": MODEL, "messages": [{ "role": "user", "content": format!("my key is {KEY}") }],
    });
    let answer = gateway.post(&body.to_string(), "prefer: wait=0\r\n");
    assert_eq!(answer.json()["error"]["code"], BLOCKED);
    let told = format!("{} {}", answer.head, answer.body);
    let all = blocked(machine);
    for one in &all {
        let id = one["id"].as_str().expect("an id");
        assert_eq!(one["declassifiable"], json!(false), "{one}");
        let (code, lines) = machine.json(&["leak", "declassify", id]);
        assert_eq!(code, 3);
        assert_eq!(lines[0]["error"]["code"], BLOCKED);
        let message = lines[0]["error"]["message"].as_str().expect("a message");
        assert!(
            message.contains("cannot be declassified: it is an enrolled secret"),
            "{message}"
        );
        assert!(!told.contains(id), "{told}");
    }
    assert!(!all.is_empty());
    for word in ["enrolled", "/messages", "leak blocked", "declassif"] {
        assert!(!told.contains(word), "{word}: {told}");
    }
    // A client's token opens none of it, and the handle that it has opens nothing by itself.
    let other = token_with_factor(machine, "other");
    let auth = format!("authorization: Bearer {other}\r\n");
    for path in [
        "/handshake/v1/leak/blocked",
        "/handshake/v1/blocked",
        "/v1/blocked",
    ] {
        let answer = gateway.request("GET", path, &auth, "");
        assert!(
            matches!(answer.status, 401 | 403 | 404),
            "{path}: {}",
            answer.status
        );
    }
    // It is the call's id, and names the finding to a person.
    let trace = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("x-handshake-trace: "))
        .expect("a trace");
    let (code, lines) = machine.json(&["leak", "declassify", trace.trim()]);
    assert_eq!((code, &lines[0]["error"]["code"]), (3, &json!(BLOCKED)));
    // At a terminal a person is told where to look.
    let (_, lines) = machine.json(&["chat", "--model", MODEL, "--session", "s", KEY]);
    let last = lines.last().expect("a line");
    let step = last["error"]["next_step"].as_str().expect("a step");
    assert!(step.contains("handshake leak blocked"), "{step}");
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}
