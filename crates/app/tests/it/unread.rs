//! B8: a client that takes nothing of its answer loses it like any other when a person takes their consent back.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use handshake_simulator::{Model, Reply, Rule, Script};
use serde_json::json;

use crate::it::{
    gateway::serving_with_factor,
    machine::Machine,
    mission::{enrol_cloud, init, runtime, simulator, wait_for_pending, with_factor},
};

/// How soon a stream ends whose consent was taken back.
const SOON: Duration = Duration::from_secs(1);

/// More than what the buffers of both sockets hold.
fn long() -> Script {
    let piece = "again and again ".repeat(512);
    Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::chunks(vec![piece; 3000])))
}

#[test]
fn rt_b08_a_client_that_reads_nothing_loses_its_stream_within_a_second() {
    let runtime = runtime();
    let cloud = simulator(&runtime, long());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, "sk-live-4f9Qz7LwX2mN8vB1");
    let gateway = serving_with_factor(machine);
    let machine = &gateway.machine;
    let body = json!({
        "model": "cloud/sim-large:latest", "stream": true,
        "messages": [{ "role": "user", "content": "6 x 7?" }],
    })
    .to_string();
    let mut socket = TcpStream::connect(&gateway.address).expect("connected");
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        gateway.address,
        gateway.token,
        body.len()
    );
    socket.write_all(request.as_bytes()).expect("sent");
    let id = wait_for_pending(machine);
    let (code, screen) = with_factor(machine, &["approve", &id, "--lease"]);
    assert_eq!(code, 0, "{screen}");
    // It began, and everything on the way is full.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((cloud.requests(), cloud.open_connections()), (1, 1));
    let receipts = machine.json(&["consent", "list"]).1;
    let receipt = receipts[0]["receipt"]["consent_receipt_id"].clone();
    let receipt = receipt.as_str().expect("an id");
    assert_eq!(machine.json(&["consent", "revoke", receipt]).0, 0);
    let revoked = Instant::now();
    let idle = runtime.block_on(async { tokio::time::timeout(SOON, cloud.wait_idle()).await });
    idle.expect("the provider sees the end of the connection");
    assert!(revoked.elapsed() < SOON);
    // Told when it reads after all, and not that the answer is complete.
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    let mut answer = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let told = |answer: &[u8]| {
        let text = String::from_utf8_lossy(&answer[answer.len().saturating_sub(2000)..]);
        text.contains("consent revoked")
    };
    while !told(&answer) {
        let read = socket.read(&mut buffer).expect("more of it");
        assert_ne!(read, 0, "it says why");
        answer.extend_from_slice(&buffer[..read]);
    }
    assert!(!String::from_utf8_lossy(&answer).contains("[DONE]"));
    let events = machine.json(&["log", "tail", "-n", "100"]).1;
    let failed = events.iter().find(|event| event["type"] == "call_failed");
    let failed = failed.expect("the outcome stands in the log");
    assert_eq!(
        (&failed["outcome"], &failed["code"]),
        (
            &json!("cancelled"),
            &json!("HSK-403-CLOUD-CONSENT-REQUIRED")
        )
    );
}
