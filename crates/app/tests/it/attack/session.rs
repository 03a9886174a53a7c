//! A long session of an agent, as a person lives through it.

use serde_json::{Value, json};

use super::{Field, SYSTEM, body::Attempt, sender::Sender};
use crate::it::mission::{wait_for_pending, with_factor};

const TURNS: usize = 200;
/// So many questions a person is asked at most.
const QUESTIONS: usize = 4;

fn tools() -> Value {
    json!([{ "type": "function", "function": { "name": "read_file", "description": "Reads a file of the project.",
        "parameters": { "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] } } }])
}

/// What a tool gave: a few lines of a program, different each time.
fn source(turn: usize) -> String {
    (0..20 + turn % 60)
        .map(|line| format!("    let step_{turn}_{line} = next(step_{line}, {turn});\n"))
        .collect()
}

/// Its instructions, with the accounting before them that some agents write: another one in every request.
fn system(turn: usize) -> String {
    let check = 0x5eed * (turn + 1) % 0xf_ffff;
    format!(
        "x-agent-billing-header: cc_version=2.1.330.{turn:03x}; cc_entrypoint=cli; cch={check:05x};\n{SYSTEM}"
    )
}

#[test]
fn a8_a_session_of_two_hundred_turns_asks_four_times_at_most() {
    let field = Field::new();
    let mut messages = vec![
        json!({ "role": "system", "content": system(0) }),
        json!({ "role": "user", "content": "Find out why the tests fail." }),
    ];
    let mut questions = 0;
    let mut sender = Sender::new(&field.gateway.address);
    for turn in 0..TURNS {
        messages[0]["content"] = json!(system(turn));
        let body = json!({ "model": "cloud/sim-large:latest", "stream": false, "max_tokens": 1024, "tools": tools(), "messages": messages });
        let attempt = Attempt::plain(&field.secrets.editor, body.to_string());
        let mut answer = sender.send(&attempt, "0");
        while answer.as_deref() == Some("HSK-403-CLOUD-CONSENT-REQUIRED") {
            questions += 1;
            assert!(questions <= QUESTIONS, "asked again in turn {turn}");
            let id = wait_for_pending(field.machine());
            let (code, screen) = with_factor(field.machine(), &["approve", "--lease", &id]);
            assert_eq!(code, 0, "{screen}");
            answer = sender.send(&attempt, "0");
        }
        assert_eq!(answer.as_deref(), Some("200"), "turn {turn}");
        // What an agent adds: its call, what the tool gave, and now and then a word of the person.
        let id = format!("call_{turn}");
        messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [
            { "id": id, "type": "function", "function": { "name": "read_file", "arguments": json!({ "path": format!("src/part_{turn}.rs") }).to_string() } }] }));
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": source(turn) }));
        if turn % 25 == 24 {
            messages.push(json!({ "role": "user", "content": format!("Go on with part {turn}.") }));
        }
    }
    println!("{TURNS} turns, {questions} questions");
    assert_eq!(field.cloud.requests(), u64::try_from(TURNS).expect("small"));
}
