//! Redact and continue: what may not leave does not, the call goes on, and a person sees both.

use bytes::Bytes;
use handshake_core::{
    chat::{ChatEvent, ChatRequest, Message, Role, Shape, Verbatim},
    code::ErrorCode,
    event::Body,
    finding::FindingClass,
    ids::{ExternalId, MessageId, Principal, PrincipalKind, SessionId},
    ports::{EntropyExt, ProviderStore, SessionStore},
};
use handshake_llm::{
    Handshake, LeaseLimits, TurnEvent,
    parts::{
        OsEntropy, Rules,
        runtime::{CallOptions, History, Redact},
    },
};
use handshake_simulator::{Model, Reply, Rule, Script};
use serde_json::json;

use super::world::{MODEL, PASSPHRASE, World, secret};

/// A value that nothing but its enrolment would find.
pub(crate) const CANARY: &str = "vK7-mQ2x.Lp9Rw4Tz8Yb3Nc6Hd";
/// Of the form of a published kind of key, made up.
const TOKEN: &str = "ghp_L2m6qX8vB4nR1tY7wZ3cD9fG5hJ0kP1a2B3c";

/// What a person says to a question.
#[derive(Clone, Copy)]
pub(crate) enum Yes {
    Once,
    Lease,
}

/// What came of a call.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(crate) text: String,
    pub(crate) thought: String,
    pub(crate) asked: u32,
    pub(crate) told: Vec<(u32, u32)>,
    pub(crate) redactions: Vec<String>,
    pub(crate) stand_ins: u32,
    pub(crate) error: Option<ErrorCode>,
}

pub(crate) fn local_sink() -> CallOptions {
    with(Redact::LocalSink)
}

fn with(redact: Redact) -> CallOptions {
    CallOptions {
        redact,
        ..CallOptions::default()
    }
}

/// Makes a call and answers what is asked.
pub(crate) async fn call(
    handshake: &Handshake,
    request: ChatRequest,
    options: CallOptions,
    yes: Yes,
) -> Came {
    let mut handle = handshake.runtime().chat(request, options);
    let mut came = Came::default();
    let mut shown = Vec::new();
    while let Some(event) = handle.next().await {
        match event {
            Ok(TurnEvent::AwaitingConsent { request_id, .. }) => {
                came.asked += 1;
                let approver = handshake.approver();
                shown.push(tokio::spawn(async move {
                    let preview = approver.open(request_id).await.expect("opened");
                    let shown = preview.shown().await.expect("shown");
                    let factor = secret(PASSPHRASE);
                    match yes {
                        Yes::Once => preview.approve_once(&factor).await,
                        Yes::Lease => preview.approve_lease(&factor, LeaseLimits::default()).await,
                    }
                    .expect("approved");
                    shown
                }));
            }
            Ok(TurnEvent::Redacted { values, places }) => came.told.push((values, places)),
            Ok(TurnEvent::Chat(ChatEvent::TextDelta { text })) => came.text.push_str(&text),
            Ok(TurnEvent::Chat(ChatEvent::ReasoningDelta { text })) => came.thought.push_str(&text),
            Ok(_) => {}
            Err(error) => came.error = Some(error.code),
        }
    }
    for shown in shown {
        let shown = shown.await.expect("shown");
        came.redactions.extend(shown.summary.redactions);
        came.stand_ins += shown.parts.iter().map(|part| part.stand_ins).sum::<u32>();
    }
    came
}

/// A world whose cloud says what it was told, and a home with the canary enrolled.
pub(crate) async fn echoing() -> World {
    let world = World::new(Some(PASSPHRASE)).await;
    let model = Model::new("sim-large:latest").context_length(32_768);
    let script = Script::new().model(model);
    world.cloud.set_script(script).expect("a script");
    let parts = world.handshake.parts();
    let providers = ProviderStore::list(&parts.store).await.expect("read");
    let origin = providers[0].base_url.origin();
    parts
        .vault
        .put_secret("canary", origin, &secret(CANARY))
        .expect("stored");
    parts.enrolled_again().await.expect("enrolled");
    world
}

/// A question in a session.
pub(crate) fn ask(handshake: &Handshake, session: &str, text: &str) -> ChatRequest {
    let mut request = handshake.ask(MODEL, text.to_owned()).expect("a request");
    request.session_id = SessionId::new(session).expect("an id");
    request
}

/// The bodies of the calls that reached the cloud.
pub(crate) fn bodies(world: &World) -> Vec<String> {
    let received = world.cloud.received().into_iter();
    received
        .filter(|request| request.method == "POST")
        .map(|request| String::from_utf8(request.body.to_vec()).expect("text"))
        .collect()
}

pub(crate) fn stand_in(body: &str) -> &str {
    let from = body.find("[REDACTED:secret:").expect("a stand-in");
    let len = body[from..].find(']').expect("its end") + 1;
    &body[from..from + len]
}

async fn log(handshake: &Handshake) -> Vec<Body> {
    handshake.finish().await.expect("written");
    let events = handshake.parts().store.log_tail(300).await.expect("read");
    events.into_iter().map(|it| it.event.body).collect()
}

fn redacted(bodies: &[Body]) -> Vec<(u32, u32, FindingClass)> {
    let of = |body: &Body| match body {
        Body::ContentRedacted {
            values,
            places,
            class,
            ..
        } => Some((*values, *places, *class)),
        _ => None,
    };
    bodies.iter().filter_map(of).collect()
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in data.chunks(3) {
        let mut block = [0u8; 4];
        block[1..1 + chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(block);
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n) & 63) as usize];
            out.push(if n <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

fn rot13(c: char) -> char {
    let turn = |base: u8| char::from((c as u8 - base + 13) % 26 + base);
    match c {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        _ => c,
    }
}

fn encodings() -> Vec<(&'static str, String)> {
    let each = |one: fn(u8) -> String| CANARY.bytes().map(one).collect::<String>();
    vec![
        ("plain", CANARY.to_owned()),
        ("base64", base64(CANARY.as_bytes())),
        ("twice", base64(base64(CANARY.as_bytes()).as_bytes())),
        ("hex", each(|b| format!("{b:02x}"))),
        ("percent", each(|b| format!("%{b:02X}"))),
        ("entities", each(|b| format!("&#{b};"))),
        ("escapes", each(|b| format!("\\u{b:04x}"))),
        ("reversed", CANARY.chars().rev().collect()),
        ("rot13", CANARY.chars().map(rot13).collect()),
        ("spaced", each(|b| format!("{} ", char::from(b)))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_a_canary_stays_here_in_each_encoding_and_comes_back_to_the_terminal() {
    let world = echoing().await;
    let handshake = &world.handshake;
    for (n, (name, text)) in encodings().into_iter().enumerate() {
        let request = ask(handshake, "terminal", &format!("see: {text}"));
        let came = call(handshake, request, local_sink(), Yes::Once).await;
        assert_eq!((came.error, came.asked), (None, 1), "{name}");
        let sent = bodies(&world);
        assert_eq!(sent.len(), n + 1, "{name}");
        let body = &sent[n];
        assert!(!body.contains(CANARY) && !body.contains(&text), "{name}");
        assert!(body.contains(stand_in(body)), "{name}");
        let written = json!(text).to_string();
        assert!(!body.contains(written.trim_matches('"')), "{name}");
        // The cloud said what it was told; what is read here is what was written here.
        assert!(came.text.contains(&text), "{name}: {}", came.text);
        assert!(!came.text.contains("[REDACTED"), "{name}");
        assert_eq!(came.told, [(1, 1)], "{name}");
        assert_eq!(came.stand_ins, 1, "{name}");
        let listed = format!("{} enrolled 1", stand_in(body));
        assert_eq!(came.redactions, [listed], "{name}");
    }
    let log = log(handshake).await;
    let each = (1, 1, FindingClass::Enrolled);
    assert_eq!(redacted(&log), vec![each; encodings().len()]);
    let written = serde_json::to_string(&log).expect("JSON");
    assert!(!written.contains("REDACTED:") && !written.contains("vK7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_without_a_word_of_a_person_it_blocks_as_ever() {
    let world = echoing().await;
    let request = ask(&world.handshake, "terminal", &format!("see: {CANARY}"));
    let came = call(&world.handshake, request, CallOptions::default(), Yes::Once).await;
    assert_eq!(
        (came.error, came.asked),
        (Some(ErrorCode::LeakageBlocked), 0)
    );
    assert_eq!(world.cloud.bytes_received(), 0);
    // What has no place of its own blocks with it.
    let mut request = ask(
        &world.handshake,
        "terminal",
        &format!("see: {}", &CANARY[..16]),
    );
    let more = Message::text(
        MessageId::from_entropy(OsEntropy.bytes()),
        Role::User,
        &CANARY[16..],
        world.handshake.parts().clock.now(),
    );
    request.messages.push(more);
    let came = call(&world.handshake, request, local_sink(), Yes::Once).await;
    assert_eq!(
        (came.error, came.asked),
        (Some(ErrorCode::LeakageBlocked), 0)
    );
    assert_eq!(world.cloud.bytes_received(), 0);
    assert_eq!(redacted(&log(&world.handshake).await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_a_lease_under_redaction_asks_once_in_five_turns() {
    let world = echoing().await;
    let handshake = &world.handshake;
    let now = handshake.parts().clock.now();
    let message = |role, text: &str| {
        let id = MessageId::from_entropy(OsEntropy.bytes());
        Message::text(id, role, text.to_owned(), now)
    };
    let (mut history, mut asked) = (Vec::new(), 0);
    for turn in 0..5 {
        let text = format!("turn {turn}: the key is {CANARY}, and {TOKEN} too.");
        history.push(message(Role::User, &text));
        let mut request = ask(handshake, "long", "x");
        request.messages = history.clone();
        let came = call(handshake, request, local_sink(), Yes::Lease).await;
        assert_eq!(came.error, None, "{turn}");
        assert!(came.text.contains(&text), "{turn}: {}", came.text);
        asked += came.asked;
        history.push(message(Role::Assistant, &came.text));
    }
    assert_eq!(asked, 1);
    let sent = bodies(&world);
    assert_eq!(sent.len(), 5);
    let first = stand_in(&sent[0]).to_owned();
    for (turn, body) in sent.iter().enumerate() {
        assert!(!body.contains(CANARY) && !body.contains(TOKEN));
        // The same value, the same stand-in: in each message so far and in what the model said of it.
        assert_eq!(body.matches(&first).count(), 2 * turn + 1, "{turn}");
    }
    // Each of them is on record, though four were not asked about.
    let log = redacted(&log(handshake).await);
    let places: Vec<u32> = log.iter().map(|(_, places, _)| *places).collect();
    assert_eq!(places, [2, 6, 10, 14, 18]);
    // Another session, another stand-in.
    let request = ask(handshake, "other", &format!("see: {CANARY}"));
    call(handshake, request, local_sink(), Yes::Once).await;
    assert!(!bodies(&world)[5].contains(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_a_stand_in_that_comes_in_pieces_comes_back_whole() {
    let world = echoing().await;
    let handshake = &world.handshake;
    let request = || ask(handshake, "pieces", &format!("see: {CANARY}"));
    call(handshake, request(), local_sink(), Yes::Lease).await;
    let known = stand_in(&bodies(&world)[0]).to_owned();
    let chunks: Vec<String> = format!("so {known}; [REDACTED:secret:0123456789ab] [REDACTED:")
        .chars()
        .map(String::from)
        .collect();
    let script = Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::chunks(chunks).reasoning(known.clone())));
    world.cloud.set_script(script).expect("a script");
    let came = call(handshake, request(), local_sink(), Yes::Once).await;
    assert_eq!((came.error, came.asked), (None, 0));
    // One that was made up is what it is.
    let text = format!("so {CANARY}; [REDACTED:secret:0123456789ab] [REDACTED:");
    assert_eq!((came.text, came.thought), (text, CANARY.to_owned()));
    // Whoever is no sink of this machine gets none of them.
    let came = call(handshake, request(), with(Redact::Outbound), Yes::Once).await;
    assert!(came.text.contains(&known) && !came.text.contains(CANARY));
    assert!(came.told.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn s58_a_stand_in_that_stands_in_a_question_stays_one() {
    let world = echoing().await;
    let handshake = &world.handshake;
    let request = ask(handshake, "one", &format!("see: {CANARY}"));
    call(handshake, request, local_sink(), Yes::Once).await;
    let known = stand_in(&bodies(&world)[0]).to_owned();
    // The value is not in this request, so there is nothing to put back: in its own session and in another one.
    for session in ["one", "two"] {
        let request = ask(handshake, session, &format!("what is {known}?"));
        let came = call(handshake, request, local_sink(), Yes::Once).await;
        assert_eq!(came.error, None);
        assert!(came.text.contains(&known) && !came.text.contains(CANARY));
    }
    // Another session that holds the same value has a stand-in of its own.
    let request = ask(handshake, "two", &format!("{CANARY} is {known}?"));
    let came = call(handshake, request, local_sink(), Yes::Once).await;
    assert!(
        came.text.contains(&format!("{CANARY} is {known}?")),
        "{}",
        came.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_a_kept_session_goes_on_in_another_process_with_the_same_stand_ins() {
    let world = echoing().await;
    let stored = || CallOptions {
        history: History::Stored,
        ..local_sink()
    };
    let request = ask(&world.handshake, "kept", &format!("see: {CANARY}"));
    let came = call(&world.handshake, request, stored(), Yes::Lease).await;
    assert!(came.text.contains(CANARY), "{}", came.text);
    let known = stand_in(&bodies(&world)[0]).to_owned();
    let kept = |handshake: &Handshake| {
        let store = handshake.parts().store.clone();
        let session = SessionId::new("kept").expect("an id");
        async move { store.load(&session).await.expect("read").messages }
    };
    // What the model said is kept as it said it.
    let messages = kept(&world.handshake).await;
    assert!(messages[1].content.contains(&known) && !messages[1].content.contains(CANARY));
    // What was kept in memory is gone; the value is found again in the session.
    let again = world.opened_again().await;
    let request = ask(&again, "kept", &format!("what was {known}?"));
    let came = call(&again, request, stored(), Yes::Once).await;
    assert_eq!(came.error, None);
    assert!(
        came.text.contains(&format!("what was {CANARY}?")),
        "{}",
        came.text
    );
    let sent = bodies(&world);
    assert_eq!(sent[1].matches(&known).count(), 3);
    assert!(!sent[1].contains(CANARY));
}

async fn confirm(handshake: &Handshake, rules: &Rules) {
    let parts = handshake.parts();
    let text = format!(
        "redact_clients = {}\n",
        json!(rules.redact_clients.iter().collect::<Vec<_>>())
    );
    std::fs::write(parts.home.path.join("policy.toml"), text).expect("written");
    let factor = secret(PASSPHRASE);
    let approval = parts.vault.approve(Some(&factor)).expect("the passphrase");
    let written = parts.policy.written().expect("reads").written;
    parts
        .confirm_policy(&written, &approval)
        .await
        .expect("confirmed");
}

fn of_client(handshake: &Handshake, name: &str, text: &str) -> ChatRequest {
    let mut request = ask(handshake, "client:editor", text);
    request.principal = Principal {
        kind: PrincipalKind::Client,
        name: ExternalId::new(name).expect("an id"),
    };
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn s49_a_client_is_redacted_where_a_person_said_so_and_never_told_what_is_enrolled() {
    let world = echoing().await;
    let handshake = &world.handshake;
    let text = format!("use {TOKEN} there");
    // Neither a flag of its own nor a file that nobody confirmed does it.
    let path = handshake.parts().home.path.join("policy.toml");
    std::fs::write(&path, "redact_clients = [\"editor\"]\n").expect("written");
    for redact in [Redact::Off, Redact::Outbound, Redact::LocalSink] {
        let request = of_client(handshake, "editor", &text);
        let came = call(handshake, request, with(redact), Yes::Once).await;
        assert_eq!(came.error, Some(ErrorCode::LeakageBlocked));
    }
    assert_eq!(world.cloud.bytes_received(), 0);
    let rules = Rules {
        redact_clients: ["editor".to_owned()].into(),
        ..Rules::default()
    };
    confirm(handshake, &rules).await;
    let request = of_client(handshake, "editor", &text);
    let came = call(handshake, request, local_sink(), Yes::Once).await;
    assert_eq!((came.error, came.asked), (None, 1));
    // Stand-ins stay in what a client reads, whatever it says that it is.
    let sent = bodies(&world);
    assert!(came.text.contains(stand_in(&sent[0])), "{}", came.text);
    assert!(!came.text.contains(TOKEN) && !sent[0].contains(TOKEN));
    assert!(came.told.is_empty());
    let before = world.cloud.bytes_received();
    // A guess that is enrolled is denied, as it is without redaction, whatever stands beside it.
    for text in [
        CANARY.to_owned(),
        format!("{CANARY} {TOKEN}"),
        base64(CANARY.as_bytes()),
    ] {
        let request = of_client(handshake, "editor", &text);
        let came = call(handshake, request, local_sink(), Yes::Once).await;
        assert_eq!(
            (came.error, came.asked),
            (Some(ErrorCode::LeakageBlocked), 0)
        );
    }
    // So is another client.
    let request = of_client(handshake, "other", &text);
    let came = call(handshake, request, local_sink(), Yes::Once).await;
    assert_eq!(came.error, Some(ErrorCode::LeakageBlocked));
    assert_eq!(world.cloud.bytes_received(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_a_client_s_own_body_changes_in_the_value_alone() {
    let world = echoing().await;
    let handshake = &world.handshake;
    let rules = Rules {
        redact_clients: ["editor".to_owned()].into(),
        ..Rules::default()
    };
    confirm(handshake, &rules).await;
    let body = format!(
        "{{ \"messages\" : [ {{\"content\":\"caf\\u00e9 \\\"{TOKEN}\\\" \\ud83d\\ude00\",\"role\":\"user\"}} ],\n\t\"x_other\": 1.0e2,\"model\":\"sim-large:latest\" , \"stream\":true}}"
    );
    let mut request = of_client(handshake, "editor", "");
    request.messages.clear();
    let verbatim = Verbatim::read(Shape::ChatCompletions, Bytes::from(body.clone()));
    request.verbatim = Some(verbatim.expect("a body"));
    let came = call(handshake, request, CallOptions::default(), Yes::Once).await;
    assert_eq!(came.error, None);
    let sent = bodies(&world);
    assert_eq!(sent[0], body.replace(TOKEN, stand_in(&sent[0])));
}
