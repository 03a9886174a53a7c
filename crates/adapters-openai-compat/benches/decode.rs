//! Decoding a stream of 64 chunks, and rendering a request.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handshake_adapters_openai_compat::{decoder, prepare};
use handshake_core::{
    ids::Token,
    reply::{ReplySpec, ResponseHead},
    tier::Reach,
};
use handshake_testkit::fixture;

fn body() -> String {
    let head = r#""id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp""#;
    let mut body: String = (0..64)
        .map(|n| format!("data: {{{head},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"word{n} \"}},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null}}\n\n"))
        .collect();
    body.push_str(&format!("data: {{{head},\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n"));
    body.push_str(&format!("data: {{{head},\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":64,\"total_tokens\":73}}}}\n\ndata: [DONE]\n\n"));
    body
}

fn bench(c: &mut Criterion) {
    let body = body();
    let spec = ReplySpec::offline(Token::new("openai").expect("token"), true);
    let head = ResponseHead {
        status: 200,
        content_type: Some("text/event-stream".to_owned()),
        retry_after: None,
    };
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("stream_64_chunks", |b| {
        b.iter(|| {
            let mut decoder = decoder(&spec, &head);
            let mut events = Vec::with_capacity(80);
            for piece in body.as_bytes().chunks(1400) {
                decoder.push(piece, &mut events).expect("decodes");
            }
            assert!(events.len() > 64);
            events
        });
    });
    group.finish();
}

fn render(c: &mut Criterion) {
    let record = fixture::record(
        "cloud",
        "openai_compat",
        "https://api.example.com/v1",
        Reach::Direct,
    );
    let text = "The quick brown fox reviews the pull request. ".repeat(16 * 1024 / 46);
    let admitted = fixture::admitted(&record, "some-model", &text);
    c.bench_function("prepare_16_kib", |b| {
        b.iter(|| prepare(&record, &admitted).expect("it can be rendered"));
    });
}

criterion_group!(benches, bench, render);
criterion_main!(benches);
