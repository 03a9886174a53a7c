//! Promises of an adapter: [`AdapterFactory`], [`LlmClient`] and
//! [`ProviderControl`](handshake_core::ports::ProviderControl). Each takes a record of the factory's kind whose
//! base URL leads to a server on this machine, `handshake-simulator` for example, that has a model of the given
//! name. Sending goes through the real gate.

use std::sync::Arc;

use futures_util::StreamExt;
use handshake_core::{
    admit::{Admitted, Emulation, Route, admit},
    capability::{Claims, Feature, Limit},
    chat::{ChatEvent, ChatRequest, Fold, Role},
    code::ErrorCode,
    control::ControlCall,
    envelope::Prepared,
    error::{CallError, SendError},
    ids::ProviderId,
    ports::{Adapter, AdapterFactory, ChatStream, LlmClient},
    provider::ProviderRecord,
    reply::ResponseHead,
};

use crate::{
    fixture,
    gate::{World, cleared},
};

fn built(factory: &dyn AdapterFactory, record: &Arc<ProviderRecord>) -> Adapter {
    factory
        .validate(record)
        .expect("the record is valid for this kind");
    factory.build(Arc::clone(record)).expect("an adapter")
}

fn client(factory: &dyn AdapterFactory, record: &Arc<ProviderRecord>) -> Arc<dyn LlmClient> {
    built(factory, record).client
}

fn asked(
    record: &Arc<ProviderRecord>,
    model: &str,
    edit: impl FnOnce(&mut ChatRequest),
) -> Admitted {
    let mut request = fixture::request(&record.provider_id, model, "Say hello.");
    edit(&mut request);
    // What every model of every server can do, and nothing else.
    let plain = [Feature::SupportsStreaming, Feature::SupportsMultiTurn];
    let claims = Claims {
        features: plain.map(|feature| (feature, true)).into(),
        limits: [(Limit::MaxContextWindow, 4096)].into(),
    };
    let snapshot = fixture::snapshot(record, model, claims);
    let route = Route {
        record: Arc::clone(record),
        model: snapshot.model_id.clone(),
        snapshot,
    };
    admit(Arc::new(request), route, Emulation::Off).expect("admitted")
}

fn prepared(client: &dyn LlmClient, admitted: &Admitted) -> Prepared {
    client.prepare(admitted).expect("prepared")
}

async fn send(
    client: &dyn LlmClient,
    record: &Arc<ProviderRecord>,
    prepared: Prepared,
) -> Result<ChatStream, SendError> {
    let answer = client.send(cleared(record, prepared).await).await?;
    Ok(answer.stream)
}

/// Everything that an answer says, event by event, and that it says nothing after its end.
///
/// # Panics
/// When the stream does not end, or is not fused.
pub async fn drained(mut stream: ChatStream) -> Vec<Result<ChatEvent, CallError>> {
    let mut items = Vec::new();
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) => items.extend(batch.events.into_iter().map(Ok)),
            Err(error) => items.push(Err(error)),
        }
        assert!(items.len() < 100_000, "the stream does not end");
    }
    for _ in 0..3 {
        assert!(stream.next().await.is_none(), "the stream is not fused");
    }
    items
}

/// An adapter serves its own kind and says whom it is for.
///
/// # Panics
/// When it does not.
pub fn it_is_for_its_record(factory: &dyn AdapterFactory, record: &Arc<ProviderRecord>) {
    assert_eq!(
        *factory.kind(),
        record.provider_kind,
        "the record is of another kind"
    );
    assert_eq!(*client(factory, record).provider(), record.provider_id);
}

/// Rendering is pure: the same request gives the same envelope and the same reply, from any adapter of the
/// same revision, as often as one asks.
///
/// # Panics
/// When clock, randomness or state is in it.
pub fn a13_prepare_is_pure(
    factory: &dyn AdapterFactory,
    record: &Arc<ProviderRecord>,
    model: &str,
) {
    let plain = asked(record, model, |_| {});
    let history = asked(record, model, |request| {
        request.messages = vec![
            fixture::message(1, Role::User, "one"),
            fixture::message(2, Role::Assistant, "two"),
            fixture::message(3, Role::User, "three \u{1F600} \"quoted\"\n"),
        ];
        request.params.max_tokens = Some(64);
    });
    let seeded = asked(record, model, |request| request.params.seed = Some(7));
    let (one, other) = (client(factory, record), client(factory, record));
    for admitted in [&plain, &history] {
        let first = prepared(&*one, admitted);
        for again in [prepared(&*one, admitted), prepared(&*other, admitted)] {
            assert_eq!(
                first.envelope(),
                again.envelope(),
                "other bytes for the same request"
            );
            assert_eq!(first.reply, again.reply);
            assert_eq!(first.adjusted, again.adjusted);
        }
    }
    // A parameter that the provider does not take is refused by name, each time.
    match one.prepare(&seeded) {
        Ok(first) => assert_eq!(first.envelope(), prepared(&*other, &seeded).envelope()),
        Err(refused) => {
            assert_eq!(refused.0.subject, Some("seed"), "refused without its name");
            assert_eq!(
                other
                    .prepare(&seeded)
                    .expect_err("refused once, taken once"),
                refused
            );
        }
    }
    let different =
        prepared(&*one, &plain).envelope().body != prepared(&*one, &history).envelope().body;
    assert!(different, "two requests have one body");
}

/// An envelope keeps the rules of envelopes, goes to the record's own base URL and carries its own ids.
///
/// # Panics
/// When the gate would refuse it, or an absent parameter is sent.
pub fn a13_an_envelope_is_of_its_record(
    factory: &dyn AdapterFactory,
    record: &Arc<ProviderRecord>,
    model: &str,
) {
    let admitted = asked(record, model, |_| {});
    let prepared = prepared(&*client(factory, record), &admitted);
    let envelope = prepared.envelope();
    envelope.check().expect("the envelope keeps its rules");
    assert_eq!(envelope.base_url, record.base_url);
    assert_eq!(
        (&envelope.provider_id, envelope.revision),
        (&record.provider_id, record.revision)
    );
    assert_eq!(envelope.model_id, Some(admitted.route().model.clone()));
    assert_eq!(
        envelope.secret_ref(),
        record.secret_ref.as_ref(),
        "the record's secret, or none"
    );
    let body = String::from_utf8_lossy(&envelope.body).into_owned();
    assert!(
        body.contains("Say hello."),
        "the message is not in the body"
    );
    for absent in ["temperature", "top_p", "\"stop\"", "seed"] {
        assert!(!body.contains(absent), "{absent} was not asked for");
    }
}

/// One answer: it starts once, first, and finishes once, last.
///
/// # Panics
/// When it does not.
pub async fn b5_an_answer_has_one_end(
    factory: &dyn AdapterFactory,
    record: &Arc<ProviderRecord>,
    model: &str,
) {
    let client = client(factory, record);
    let admitted = asked(record, model, |_| {});
    let stream = send(&*client, record, prepared(&*client, &admitted))
        .await
        .expect("a head");
    let items = drained(stream).await;
    let events: Vec<ChatEvent> = items
        .into_iter()
        .map(|item| item.expect("an event"))
        .collect();
    assert!(
        matches!(events.first(), Some(ChatEvent::Started)),
        "it begins with its start"
    );
    assert!(
        matches!(events.last(), Some(ChatEvent::Finished { .. })),
        "it ends with its finish"
    );
    let count = |is: fn(&&ChatEvent) -> bool| events.iter().filter(is).count();
    let starts = count(|event| matches!(event, ChatEvent::Started));
    let ends = count(|event| matches!(event, ChatEvent::Finished { .. }));
    assert_eq!((starts, ends), (1, 1));
}

/// Streamed or not, the same answer.
///
/// # Panics
/// When the folds differ.
pub async fn b5_a_whole_answer_is_the_fold_of_its_stream(
    factory: &dyn AdapterFactory,
    record: &Arc<ProviderRecord>,
    model: &str,
) {
    let client = client(factory, record);
    let mut answers = Vec::new();
    for stream in [true, false] {
        let admitted = asked(record, model, |request| request.stream = stream);
        let sent = send(&*client, record, prepared(&*client, &admitted))
            .await
            .expect("a head");
        let mut fold = Fold::new();
        for item in drained(sent).await {
            fold.push(item.expect("an event")).expect("in order");
        }
        let answer = fold.finish().expect("a whole answer");
        answers.push((answer.message, answer.tool_calls, answer.finish_reason));
    }
    assert!(!answers[0].0.is_empty(), "an empty answer");
    assert_eq!(answers[0], answers[1]);
}

/// An answer that is cut is an error, once, last, and no success. The record's server cuts every answer
/// within its body.
///
/// # Panics
/// When a cut answer finishes.
pub async fn b5_a_cut_answer_is_an_error(
    factory: &dyn AdapterFactory,
    record: &Arc<ProviderRecord>,
    model: &str,
) {
    let client = client(factory, record);
    for stream in [true, false] {
        let admitted = asked(record, model, |request| request.stream = stream);
        let error = match send(&*client, record, prepared(&*client, &admitted)).await {
            Err(error) => error.error,
            Ok(answer) => {
                let mut items = drained(answer).await;
                let last = items.pop().expect("an end");
                assert!(
                    items.iter().all(|item| {
                        matches!(item, Ok(event) if !matches!(event, ChatEvent::Finished { .. }))
                    }),
                    "something before the end is an end"
                );
                last.expect_err("a cut answer is a success")
            }
        };
        assert_eq!(error.code, ErrorCode::StreamTruncated, "stream: {stream}");
    }
}

/// A clearance of another provider or revision is refused, and no byte leaves.
///
/// # Panics
/// When it is sent.
pub async fn s20_a_clearance_of_somebody_else_is_refused(
    factory: &dyn AdapterFactory,
    record: &Arc<ProviderRecord>,
    model: &str,
) {
    let theirs = |edit: fn(&mut ProviderRecord)| {
        let mut other = (**record).clone();
        edit(&mut other);
        Arc::new(other)
    };
    let others = [
        theirs(|other| other.provider_id = ProviderId::new("somebody-else").expect("an id")),
        theirs(|other| other.revision += 1),
    ];
    for other in others {
        let mine = client(factory, record);
        let prepared = prepared(&*client(factory, &other), &asked(&other, model, |_| {}));
        let Err(error) = send(&*mine, &other, prepared).await else {
            panic!(
                "a clearance of {} revision {} was sent",
                other.provider_id, other.revision
            )
        };
        assert!(!error.in_doubt, "bytes may have left");
    }
}

/// A server that is not there is a failure of which nothing left. The record's port is closed.
///
/// # Panics
/// When it is in doubt, or a success.
pub async fn a14_nobody_there_is_not_in_doubt(
    factory: &dyn AdapterFactory,
    record: &Arc<ProviderRecord>,
    model: &str,
) {
    let client = client(factory, record);
    let prepared = prepared(&*client, &asked(record, model, |_| {}));
    let Err(error) = send(&*client, record, prepared).await else {
        panic!("nobody answered")
    };
    assert!(!error.in_doubt, "no byte can have left");
    assert_eq!(
        error.error.code.class(),
        handshake_core::code::ErrorClass::Transient,
        "{error}"
    );
}

/// Listing is payload-free, and finds the model.
///
/// # Panics
/// When it does not.
pub async fn a4_a_listing_finds_the_model(
    factory: &dyn AdapterFactory,
    record: &Arc<ProviderRecord>,
    model: &str,
) {
    let control = built(factory, record).control;
    let call = ControlCall::ListModels;
    let envelope = control.prepare(&call).expect("prepared");
    envelope.check().expect("the envelope keeps its rules");
    assert_eq!(
        envelope,
        control.prepare(&call).expect("prepared"),
        "rendering is pure"
    );
    assert_eq!(envelope.base_url, record.base_url);
    let world = World::new(0);
    world.register(record).await;
    let cleared = world.clear_control(record, call, envelope).await;
    let report = control.send(cleared).await.expect("a listing");
    assert!(
        report
            .models
            .iter()
            .any(|listing| listing.model_id.as_str() == model)
    );
}

/// Any chunking of one answer's bytes decodes to the same events. `body` is an answer as the provider sends
/// it.
///
/// # Panics
/// When a boundary shows.
pub fn b5_any_chunking_decodes_the_same(
    factory: &dyn AdapterFactory,
    record: &Arc<ProviderRecord>,
    model: &str,
    head: &ResponseHead,
    body: &[u8],
) {
    let reply = prepared(&*client(factory, record), &asked(record, model, |_| {})).reply;
    let decode = |size: usize| {
        let mut decoder = factory.decoder(&reply, head);
        let mut events = Vec::new();
        let pushed = body
            .chunks(size.max(1))
            .try_for_each(|chunk| decoder.push(chunk, &mut events));
        let over = matches!(events.last(), Some(ChatEvent::Finished { .. }));
        let end = match pushed {
            Ok(()) if !over => decoder.finish(&mut events),
            other => other,
        };
        let mut fold = Fold::new();
        let folded = events.into_iter().try_for_each(|event| fold.push(event));
        folded.expect("in order");
        (fold.finish().ok(), end.map_err(|error| error.code))
    };
    let whole = decode(body.len());
    for size in [1, 2, 3, 5, 7, 16, 61, 256] {
        assert_eq!(decode(size), whole, "in chunks of {size}");
    }
}
