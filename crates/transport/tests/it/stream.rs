//! Streams: one terminal, fused, closed when dropped.

use std::time::Duration;

use futures_util::StreamExt as _;
use handshake_core::{
    chat::{ChatEvent, FinishReason, ToolMode},
    code::ErrorCode,
    error::CallError,
    ports::ChatStream,
    reply::ReplyDecoder,
};
use handshake_testkit::gate::World;
use handshake_transport::{Limits, stream};

use crate::{
    calls::{cleared, record, transport},
    server::{Act, Server},
};

/// Every byte is an event; `.` finishes, `!` fails, `_` is silence.
struct Letters;

impl ReplyDecoder for Letters {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        for byte in bytes {
            match byte {
                b'.' => events.push(ChatEvent::Finished {
                    finish_reason: FinishReason::Stop,
                    tool_mode: ToolMode::Native,
                    refusal_suspected: false,
                }),
                b'!' => {
                    return Err(CallError::new(
                        ErrorCode::Protocol,
                        handshake_core::code::Phase::Decode,
                    ));
                }
                b'_' => {}
                other => events.push(ChatEvent::TextDelta {
                    text: char::from(*other).into(),
                }),
            }
        }
        Ok(())
    }

    /// Forgets that an end without a terminal is an error.
    fn finish(&mut self, _: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        Ok(())
    }

    fn complete(&self) -> usize {
        0
    }
}

async fn open(acts: Vec<Act>, limits: Limits) -> (Server, ChatStream) {
    let server = Server::start(acts).await;
    let world = World::new(1);
    let record = record(&server.url());
    world.register(&record).await;
    let sent = transport(&world, limits)
        .send(&cleared(&world, &record).await)
        .await;
    let events = stream(sent.expect("a head"), Box::new(Letters), false);
    (server, events)
}

/// Texts and the terminal, as one line.
async fn read(acts: Vec<Act>, limits: Limits) -> String {
    let (_server, mut events) = open(acts, limits).await;
    let mut line = String::new();
    while let Some(batch) = events.next().await {
        match batch {
            Ok(batch) => batch.events.iter().for_each(|event| match event {
                ChatEvent::TextDelta { text } => line += text,
                ChatEvent::Finished { .. } => line += "|finished",
                other => panic!("{other:?}"),
            }),
            Err(error) => line += &format!("|{}", error.code),
        }
    }
    assert!(events.next().await.is_none(), "fused");
    line
}

const HEAD: Act = Act::Send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");

#[tokio::test]
async fn b5_there_is_exactly_one_terminal_and_nothing_after_it() {
    let limits = Limits::default();
    for (body, want) in [
        (&b"ab.cd!"[..], "ab|finished"),
        (b"ab!cd.", "ab|HSK-502-PROTOCOL"),
        (b"ab", "ab|HSK-502-STREAM-TRUNCATED"),
        (b"", "|HSK-502-STREAM-TRUNCATED"),
    ] {
        assert_eq!(read(vec![HEAD, Act::Send(body)], limits).await, want);
    }
}

#[tokio::test]
async fn q105_life_without_progress_is_a_timeout() {
    let limits = Limits {
        idle_timeout: Duration::from_secs(5),
        progress_timeout: Duration::from_millis(150),
        ..Limits::default()
    };
    let mut acts = vec![HEAD, Act::Send(b"a")];
    for _ in 0..40 {
        acts.extend([Act::Wait(Duration::from_millis(20)), Act::Send(b"_")]);
    }
    acts.push(Act::Send(b"."));
    assert_eq!(read(acts, limits).await, "a|HSK-408-TIMEOUT");
}

#[tokio::test]
async fn b5_dropping_the_stream_and_finishing_it_close_the_connection() {
    for body in [&b"a"[..], b"a."] {
        let (server, mut events) =
            open(vec![HEAD, Act::Send(body), Act::Gone], Limits::default()).await;
        events.next().await.expect("a batch").expect("text");
        if body.ends_with(b".") {
            assert!(
                events.next().await.is_none(),
                "the end was in the same read"
            );
            server.seen_gone().await;
            drop(events);
        } else {
            drop(events);
            server.seen_gone().await;
        }
    }
}
