//! How long one request takes: 16 KiB of prose, of code, and of many messages.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handshake_core::{finding::WorkBudget, secret::Secret};
use handshake_leakage::{Engine, Enrolment, default_budget};

const SIZE: usize = 16 << 10;

fn prose() -> String {
    "The committee met on Tuesday to discuss the new budget, and it was agreed that nothing would change. "
        .repeat(SIZE / 100)
}

fn code() -> String {
    "fn parse_header(input: &str) -> Result<Header, ParseError> {\n    let token = input.split(':').next();\n    \
     match token { Some(name) => Ok(Header::new(name.trim(), \"value\\n\")), None => Err(ParseError::Empty) }\n}\n"
        .repeat(SIZE / 220)
}

fn messages() -> String {
    let text = prose();
    let items: Vec<_> = text
        .as_bytes()
        .chunks(400)
        .map(|c| serde_json::json!({"role": "user", "content": String::from_utf8_lossy(c)}))
        .collect();
    serde_json::json!({"model": "m", "stream": true, "messages": items}).to_string()
}

fn bench(c: &mut Criterion) {
    let engine = Engine::builtin();
    let mut set = Enrolment::new(1);
    for seed in 0..100 {
        let value = engine.sample("github-token", seed).unwrap_or_default();
        set.add(&Secret::new(value.into_bytes()))
            .expect("a token is rare enough");
    }
    let none = Enrolment::default();
    for (name, text) in [
        ("prose", prose()),
        ("code", code()),
        ("messages", messages()),
    ] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        for (kind, enrolment) in [("rules", &none), ("rules and 100 enrolled", &set)] {
            group.bench_function(kind, |b| {
                b.iter(|| {
                    let mut budget = WorkBudget::new(default_budget(text.len()));
                    black_box(engine.scan(text.as_bytes(), enrolment, true, &mut budget))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
