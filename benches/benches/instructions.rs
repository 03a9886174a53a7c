//! Small pieces to run under callgrind: `instructions PIECE TIMES`, `instructions list`. What a piece needs is made
//! before the first run of it, so that the difference between few and many runs is the piece alone.
//!
//! The call runs on testkit's ports in memory with the scripted adapter of the runtime's own tests: the walk from
//! resolve to check without a socket, a database or another thread. `cargo xtask bench` measures those.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program"
)]

// What the runtime's tests need beyond this is not used here.
#[allow(dead_code, reason = "shared with the runtime's tests")]
#[path = "../../crates/runtime/tests/it/fake.rs"]
mod fake;
#[allow(dead_code, reason = "shared with the runtime's tests")]
#[path = "../../crates/runtime/tests/it/home.rs"]
mod home;

use std::{collections::BTreeSet, future::Future, hint::black_box, process::ExitCode, sync::Arc};

use handshake_adapters_openai_compat::{decoder, prepare};
use handshake_core::{
    artifact::LabelVerdict,
    consent::Assurance,
    digest::Digest,
    gate::{EgressFacts, FindingsFact, PeerFact, Purpose, RulesFact, SealFact, SecretFact, decide},
    ids::Token,
    net::AddressClass,
    policy::{Governance, Posture, SecondHand},
    reply::{ReplySpec, ResponseHead},
    tier::{ModelTier, Reach, Residence},
};
use handshake_leakage::{Engine, Enrolment, SecretValidator, SharedEnrolment};
use handshake_runtime::{CallOptions, History};
use handshake_testkit::{fixture, gate::World};

use crate::home::Home;

/// A name, and what runs it that often.
type Piece = (&'static str, fn(usize));

const PIECES: &[Piece] = &[
    ("decide, local content", decide_local),
    (
        "explain 16 KiB to a cloud provider: decide and scan",
        explain,
    ),
    ("prepare 1 KiB", |times| rendered(1, times)),
    ("prepare 16 KiB", |times| rendered(16, times)),
    ("decode 64 chunks", decoded),
    ("a local call in process, plain", |times| called(times, 1)),
    ("a local call in process, 64 chunks", |times| {
        called(times, 64)
    }),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    match args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        // `cargo bench` runs everything once: it still works.
        [] => PIECES.iter().for_each(|(_, run)| run(1)),
        ["list"] => PIECES.iter().for_each(|(name, _)| println!("{name}")),
        [piece, times] => {
            let found = PIECES.iter().find(|(name, _)| name == piece);
            let (Some((_, run)), Ok(times)) = (found, times.parse()) else {
                return usage();
            };
            run(times);
        }
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: instructions list | PIECE TIMES");
    ExitCode::from(2)
}

fn alone<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}

fn decide_local(times: usize) {
    let posture = Posture {
        locked: false,
        cloud_allowed: true,
        private_hosts: BTreeSet::new(),
        redact_clients: BTreeSet::new(),
        min_assurance: Assurance::A1,
        max_body_bytes: 1 << 20,
        second_hand: SecondHand::Refuse,
        max_context_tokens: 32_768,
        digest: Digest::of(&[b"rules"]),
    };
    let mut facts = EgressFacts::new(
        Purpose::Content,
        ModelTier::Local,
        Reach::Direct,
        Arc::new(posture),
        Governance::NO_PROFILE,
    );
    facts.seal = SealFact::Sealed;
    facts.rules = RulesFact::Current;
    facts.body_bytes = 500;
    facts.envelope_ok = true;
    facts.peer = PeerFact::Classes(vec![AddressClass::Loopback]);
    facts.residence = Residence::Local;
    facts.labels = Some(LabelVerdict::inline());
    facts.findings = FindingsFact::Worst(None);
    facts.secret = SecretFact::NotNeeded;
    for _ in 0..times {
        black_box(decide(black_box(&facts)));
    }
}

fn prose(bytes: usize) -> String {
    let sentence = "The quick brown fox reviews the pull request and asks for one more test. ";
    sentence.repeat(bytes / sentence.len())
}

fn explain(times: usize) {
    let enrolment = SharedEnrolment::new(Enrolment::new(0));
    let validator = SecretValidator::new(Engine::builtin(), enrolment);
    let world = World::with_validators(1, vec![Arc::new(validator)]);
    let record = fixture::record(
        "cloud",
        "openai_compat",
        "https://api.example.com/v1",
        Reach::Direct,
    );
    alone(async {
        world.register(&record).await;
        for _ in 0..times {
            let prepared = fixture::prepared(&record, "m", &prose(16 << 10));
            black_box(world.gate.explain(world.egress(&record, prepared)).await);
        }
    });
}

fn rendered(kib: usize, times: usize) {
    let record = fixture::record(
        "local",
        "openai_compat",
        "http://127.0.0.1:4000/v1",
        Reach::Direct,
    );
    let admitted = fixture::admitted(&record, "m", &prose(kib << 10));
    for _ in 0..times {
        black_box(prepare(&record, &admitted).expect("it can be rendered"));
    }
}

/// As an OpenAI server writes them.
fn stream(chunks: usize) -> String {
    let head = r#""id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp""#;
    let chunk = |delta: &str, reason: &str| {
        format!(
            "data: {{{head},\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let mut text: String = (0..chunks)
        .map(|n| chunk(&format!(r#"{{"content":"word{n} "}}"#), "null"))
        .collect();
    text.push_str(&chunk("{}", r#""stop""#));
    text.push_str(&format!(
        "data: {{{head},\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":64,\"total_tokens\":73}}}}\n\n"
    ));
    text.push_str("data: [DONE]\n\n");
    text
}

fn decoded(times: usize) {
    let body = stream(64);
    let spec = ReplySpec::offline(Token::new("openai").expect("a token"), true);
    let head = ResponseHead {
        status: 200,
        content_type: Some("text/event-stream".to_owned()),
        retry_after: None,
    };
    for _ in 0..times {
        let mut decoder = decoder(&spec, &head);
        let mut events = Vec::with_capacity(80);
        for piece in body.as_bytes().chunks(1400) {
            decoder.push(piece, &mut events).expect("decodes");
        }
        assert!(events.len() > 64);
        black_box(events);
    }
}

fn called(times: usize, chunks: usize) {
    use handshake_core::chat::FinishReason;
    alone(async {
        let home = Home::new().await;
        for _ in 0..times {
            let mut steps = vec![fake::started()];
            steps.extend((0..chunks).map(|_| fake::text("word ")));
            steps.extend([fake::usage(3), fake::finished(FinishReason::Stop)]);
            home.fake.will([fake::Answer::Stream(steps)]);
            let options = CallOptions {
                history: History::Carried,
                ..CallOptions::default()
            };
            home.run_with(home.ask_local("hi"), options)
                .await
                .succeeded();
        }
    });
}
