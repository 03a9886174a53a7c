//! Questions that end without an answer, and those that take two.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use rustix::process::Signal;

use crate::it::{
    gateway::{gateway, token_with_factor},
    machine::Machine,
    mission::{
        cloud_script, enrol_cloud, init, recovery_code, runtime, simulator, wait_for_pending,
        with_factor,
    },
    terminal::Terminal,
};

const PASSPHRASE: &str = "correct horse battery staple 7";
const KEY: &str = "sk-live-4f9Qz7LwX2mN8vB1";
const MODEL: &str = "cloud/sim-large:latest";

#[test]
fn p3_a_process_that_is_ended_while_it_asks_leaves_the_terminal_as_it_was() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    let _call = machine.start(&["--json", "chat", "--model", MODEL, "what is the answer"]);
    wait_for_pending(&machine);
    let (one, factor) = ("q leave it: ", "assphrase");
    for (args, question) in [
        (["--json", "approve"], factor),
        (["home", "passphrase"], factor),
        (["watch", ""], "q leave: "),
        (["approve", ""], one),
    ] {
        for signal in [Signal::TERM, Signal::HUP, Signal::QUIT] {
            let args: Vec<&str> = args.into_iter().filter(|arg| !arg.is_empty()).collect();
            let mut terminal = Terminal::run(&machine, &args);
            terminal.see(question);
            let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
            while terminal.is_usual() {
                assert!(std::time::Instant::now() < until, "it asks");
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            terminal.signal(signal);
            let (code, screen) = terminal.end();
            assert_eq!(code, 128 + signal.as_raw(), "{args:?}: {screen}");
            assert!(terminal.is_usual(), "{args:?} {signal:?}");
        }
    }
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

#[test]
fn s13_more_new_text_than_one_reads_takes_the_passphrase_twice() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    let words = "Every line of this says something else, and nobody reads all of them. ";
    let long: String = (0..1000).map(|n| format!("{n}: {words}\n")).collect();
    let text = machine.write(
        "request.json",
        &serde_json::json!({ "model": MODEL, "messages": [{ "role": "USER", "content": long }] })
            .to_string(),
    );
    let text = text.to_str().expect("UTF-8");
    let mut call = machine.start(&["--json", "chat", "--request", text]);
    wait_for_pending(&machine);
    // Once is not enough.
    let mut terminal = Terminal::run(&machine, &["approve"]);
    terminal.see("q leave it: ");
    terminal.press("y");
    terminal.see("more than one reads at once: the passphrase is asked for twice");
    terminal.see("Approval passphrase");
    terminal.type_line("not the passphrase at all");
    terminal.see("Wrong passphrase. Try again");
    terminal.type_line(PASSPHRASE);
    terminal.see("Approval passphrase");
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
    terminal.type_line("");
    assert_eq!(terminal.end().0, 4);
    wait_for_pending(&machine);
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
    let mut terminal = Terminal::run(&machine, &["approve"]);
    terminal.see("q leave it: ");
    terminal.press("y");
    for _ in 0..2 {
        terminal.see("Approval passphrase");
        terminal.type_line(PASSPHRASE);
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(call.0.wait().expect("it ends").success());
    assert_eq!(cloud.requests(), 1);
}

/// A gateway of a home without a factor goes on as one of a home that has one, on the same port and by itself.
#[test]
fn a8_a_running_gateway_knows_the_first_passphrase_of_its_home() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let mut gateway = gateway(&[vec!["init".to_owned()]]);
    let mut terminal = Terminal::run(&gateway.machine, &["home", "passphrase"]);
    terminal.see("Choose");
    terminal.type_line(PASSPHRASE);
    terminal.see("Repeat it");
    terminal.type_line(PASSPHRASE);
    recovery_code(&mut terminal);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    enrol_cloud(&gateway.machine, &cloud, KEY);
    gateway.token = token_with_factor(&gateway.machine, "another");
    let body = serde_json::json!({ "model": MODEL, "stream": false,
        "messages": [{ "role": "user", "content": "6 x 7?" }] });
    // It is away for a moment.
    let asks = |wait: u32| {
        let mut socket = TcpStream::connect(&gateway.address).ok()?;
        let body = body.to_string();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\nprefer: wait={wait}\r\ncontent-length: {}\r\n\r\n{body}",
            gateway.address,
            gateway.token,
            body.len()
        );
        socket.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !asks(0).is_some_and(|it| it.contains("HSK-403-CLOUD-CONSENT-REQUIRED")) {
        assert!(std::time::Instant::now() < until, "{:?}", asks(0));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let answer = std::thread::scope(|scope| {
        let call = scope.spawn(|| asks(60));
        wait_for_pending(&gateway.machine);
        let (code, screen) = with_factor(&gateway.machine, &["approve"]);
        assert_eq!(code, 0, "{screen}");
        call.join().expect("it ends")
    });
    let answer = answer.expect("an answer");
    assert!(answer.contains("forty-two"), "{answer}");
    assert_eq!(cloud.requests(), 1);
    assert!(
        gateway.running.0.try_wait().expect("waits").is_none(),
        "the same process"
    );
}
