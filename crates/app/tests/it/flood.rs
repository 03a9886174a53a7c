//! What one client can do to the gateway of the built binary, at the bounds that it ships with.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::it::{
    gateway::{Gateway, add, gateway, models, script},
    mission::{runtime, simulator},
};

const ASK: &str =
    r#"{"model":"ollama/small","stream":false,"messages":[{"role":"user","content":"hi"}]}"#;
const MIB: u64 = 1 << 20;

/// The most memory that the process ever held, and what it holds now.
fn memory(gateway: &Gateway) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.running.0.id()));
    let status = status.expect("alive");
    let of = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        number.expect("a number") * 1024
    };
    (of("VmHWM:"), of("VmRSS:"))
}

fn connect(gateway: &Gateway) -> TcpStream {
    let socket = TcpStream::connect(&gateway.address).expect("connected");
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("set");
    socket
}

/// The head of a request whose body has this length.
fn head(gateway: &Gateway, token: &str, length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n",
        gateway.address
    )
}

fn healthy(gateway: &Gateway) -> Duration {
    let began = Instant::now();
    let answer = gateway.post(ASK, "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    began.elapsed()
}

#[test]
fn rt_b14_sixteen_megabytes_of_values_cost_their_own_size() {
    let runtime = runtime();
    let local = simulator(&runtime, script());
    let gateway = gateway(&[add("ollama", "ollama", &local.url()), models("ollama")]);
    healthy(&gateway);
    let (_, before) = memory(&gateway);
    let asked = local.requests();
    let with = |more: String| ASK.replacen('{', &format!(r#"{{"x":{more},"#), 1);
    let flat = with(format!("[{}0]", "0,".repeat(8 << 20 >> 1)));
    let arrays = with(format!("[{}[]]", "[0],".repeat(4 << 20 >> 1)));
    let objects = with(format!("[{}{{}}]", r#"{"a":0},"#.repeat(2 << 20 >> 1)));
    let nested = with(format!("{}{}", "[".repeat(4 << 20), "]".repeat(4 << 20)));
    let names = {
        let names: Vec<String> = (0..700_000).map(|n| format!(r#""n{n:06}":0"#)).collect();
        with(format!("{{{}}}", names.join(",")))
    };
    let largest = [&flat, &arrays, &objects, &nested, &names]
        .map(|body| body.len() as u64)
        .into_iter()
        .max()
        .expect("five");
    for body in [&flat, &arrays, &objects, &nested, &names] {
        assert!(body.len() > 7 << 20 && body.len() < 16 << 20);
        let answer = gateway.post(body, "");
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    let (peak, _) = memory(&gateway);
    let grown = peak.saturating_sub(before);
    // The body itself, what it was read into while it grew, and the nodes that were looked at before the bound.
    assert!(
        grown < 2 * largest + 32 * MIB,
        "one body at a time: {} MiB",
        grown / MIB
    );
    // Eight at once, and somebody who only wants an answer.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(gateway.post(&flat, "").status, 400));
        }
        for _ in 0..5 {
            let took = healthy(&gateway);
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
    });
    let (peak, _) = memory(&gateway);
    let grown = peak.saturating_sub(before);
    assert!(
        grown < 8 * 2 * largest + 32 * MIB,
        "eight at once: {} MiB",
        grown / MIB
    );
    assert_eq!(
        local.requests(),
        asked + 5,
        "no byte of them reached the model server"
    );
}

#[test]
fn rt_b14_five_hundred_slow_clients_keep_nobody_out() {
    let runtime = runtime();
    let local = simulator(&runtime, script());
    let gateway = gateway(&[add("ollama", "ollama", &local.url()), models("ollama")]);
    healthy(&gateway);
    let (_, before) = memory(&gateway);
    let began = Instant::now();
    let mut slow: Vec<TcpStream> = (0..500).map(|_| connect(&gateway)).collect();
    let text = head(&gateway, &gateway.token, 1000);
    // A third says nothing, a third stops in the middle of the head, a third in the middle of the body.
    for (n, socket) in slow.iter_mut().enumerate() {
        match n % 3 {
            0 => {}
            1 => socket.write_all(&text.as_bytes()[..60]).expect("sent"),
            _ => {
                socket.write_all(text.as_bytes()).expect("sent");
                socket.write_all(b"{").expect("sent");
            }
        }
    }
    let (drips, done) = (std::sync::Mutex::new(&mut slow), AtomicBool::new(false));
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Every tenth drips: a byte now and then is no progress.
            let mut at = 60;
            while !done.load(Ordering::SeqCst) {
                let mut sockets = drips.lock().expect("mine");
                for (n, socket) in sockets.iter_mut().enumerate().step_by(10) {
                    let byte = if n % 3 == 1 {
                        text.as_bytes()[at.min(90)]
                    } else {
                        b' '
                    };
                    let _cut = socket.write_all(&[byte]);
                }
                at += 1;
                drop(sockets);
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        while began.elapsed() < Duration::from_secs(6) {
            slowest = slowest.max(healthy(&gateway));
            std::thread::sleep(Duration::from_millis(100));
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    // Heads have five seconds, and a body may stand still for as long.
    let mut cut = 0;
    for (n, socket) in slow.iter_mut().enumerate() {
        if n % 10 == 0 {
            continue;
        }
        let mut said = Vec::new();
        let _reset = socket.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        assert!(!said.contains(" 200 "), "{said}");
        cut += 1;
    }
    assert_eq!(cut, 450, "every one of them was closed");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let (peak, _) = memory(&gateway);
    let grown = peak.saturating_sub(before);
    assert!(grown < 64 * MIB, "{} MiB", grown / MIB);
    healthy(&gateway);
}

#[test]
fn rt_b14_before_a_token_was_seen_no_body_is_read() {
    let gateway = gateway(&[]);
    for (path, token) in [
        ("/v1/chat/completions", "hsk_nobody"),
        ("/v1/chat/completions", ""),
        ("/nothing/of/that/name", "hsk_nobody"),
    ] {
        let mut socket = connect(&gateway);
        let text = head(&gateway, token, 16 << 20).replace("/v1/chat/completions", path);
        let began = Instant::now();
        socket.write_all(text.as_bytes()).expect("sent");
        // Not a byte of the body is sent, and none is waited for.
        let mut said = [0; 12];
        socket.read_exact(&mut said).expect("answered");
        assert!(began.elapsed() < Duration::from_secs(2), "{path}");
        let said = String::from_utf8_lossy(&said);
        assert!(
            said.ends_with("401") || said.ends_with("404"),
            "{path}: {said}"
        );
    }
}
