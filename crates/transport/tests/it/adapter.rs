//! The kit that adapters are made with: what an answer is, and what its decoder's shell does.

use handshake_core::{
    chat::{ChatEvent, FinishReason, ToolMode},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::Token,
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
};
use handshake_transport::{
    adapter::{BodyKind, Decoder, ERROR_CAP, Text, Turn},
    framing::NdjsonFramer,
};

fn head(status: u16, media: &str) -> ResponseHead {
    ResponseHead {
        status,
        content_type: Some(media.to_owned()),
        retry_after: None,
    }
}

#[test]
fn q58_the_head_says_what_body_follows() {
    let of = |status, media| BodyKind::of(&head(status, media), &["application/x-ndjson"]);
    for media in [
        "application/x-ndjson",
        "Application/X-NDJSON; charset=utf-8",
    ] {
        assert_eq!(of(200, media), BodyKind::Stream, "{media}");
    }
    for media in ["application/json", "application/problem+JSON;v=1"] {
        assert_eq!(of(201, media), BodyKind::Json, "{media}");
    }
    for media in [
        "",
        "text/html",
        "application/jso",
        "+json",
        "application/+jsonx",
        "é+json",
    ] {
        assert_eq!(of(200, media), BodyKind::Unexpected, "{media}");
    }
    for status in [100, 199, 300, 404, 500] {
        assert_eq!(
            of(status, "application/json"),
            BodyKind::Failure,
            "{status}"
        );
    }
    assert_eq!(
        BodyKind::of(
            &ResponseHead {
                status: 200,
                ..ResponseHead::default()
            },
            &[]
        ),
        BodyKind::Unexpected,
        "no type at all"
    );
}

/// A line is a text; `.` finishes, `!` fails.
struct Lines;

impl Turn<NdjsonFramer> for Lines {
    const MAX_WHOLE: usize = 8;

    fn frame(&mut self, line: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        match line {
            b"." => events.push(ChatEvent::Finished {
                finish_reason: FinishReason::Stop,
                tool_mode: ToolMode::Native,
                refusal_suspected: false,
            }),
            b"!" => return Err(CallError::new(ErrorCode::Provider, Phase::Stream)),
            text => events.push(ChatEvent::TextDelta {
                text: String::from_utf8_lossy(text).into_owned(),
            }),
        }
        Ok(())
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        self.frame(body, events)
    }

    fn end(&mut self, _: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        Err(CallError::new(ErrorCode::StreamTruncated, Phase::Decode))
    }

    fn failure(&self, head: &ResponseHead, body: &[u8]) -> CallError {
        assert!(body.len() <= ERROR_CAP);
        CallError::new(ErrorCode::Provider, Phase::Status).status(head.status)
    }
}

fn decoder(head: &ResponseHead, stream: bool) -> Decoder<NdjsonFramer, Lines> {
    let reply = ReplySpec::offline(Token::new("lines").expect("a token"), stream);
    Decoder::new(&reply, head, &["lines"], NdjsonFramer::default(), Lines)
}

#[test]
fn b5_the_shell_counts_whole_frames_and_stops_at_the_end() {
    let mut events = Vec::new();
    let mut shell = decoder(&head(200, "lines"), true);
    for (push, complete, count) in [
        ("a\nb", 2, 1),
        ("c", 2, 1),
        ("\n\nd", 6, 2),
        ("\n.\nx\n", 10, 4),
    ] {
        shell.push(push.as_bytes(), &mut events).expect("lines");
        assert_eq!(
            (shell.complete(), events.len()),
            (complete, count),
            "{push:?}"
        );
    }
    shell.push(b"more\n", &mut events).expect("ignored");
    shell.finish(&mut events).expect("finished already");
    assert_eq!(
        (shell.complete(), events.len()),
        (10, 4),
        "nothing behind the end counts"
    );
}

#[test]
fn b5_a_failing_frame_is_not_counted_and_an_end_without_a_finish_is_an_error() {
    let mut events = Vec::new();
    let mut shell = decoder(&head(200, "lines"), true);
    let error = shell.push(b"a\n!\nb\n", &mut events).expect_err("it fails");
    assert_eq!(
        (error.code, shell.complete(), events.len()),
        (ErrorCode::Provider, 2, 1)
    );

    let mut shell = decoder(&head(200, "lines"), true);
    shell.push(b"a\nb", &mut events).expect("a line");
    let error = shell.finish(&mut events).expect_err("cut");
    assert_eq!(
        (error.code, shell.complete()),
        (ErrorCode::StreamTruncated, 2)
    );

    let mut shell = decoder(&head(200, "lines"), true);
    shell.push(b"a\n.", &mut events).expect("a line");
    shell
        .finish(&mut events)
        .expect("whole without its last line end");
    assert_eq!(shell.complete(), 3);
}

#[test]
fn q59_q99_unasked_streams_foreign_types_and_long_answers_are_refused() {
    let push = |head: &ResponseHead, stream, bytes: &[u8]| {
        let pushed = decoder(head, stream).push(bytes, &mut Vec::new());
        pushed.map_err(|error| (error.code, error.subject))
    };
    let unexpected = Err((ErrorCode::UnexpectedContent, Some("content-type")));
    assert_eq!(push(&head(200, "lines"), false, b"a\n"), unexpected);
    assert_eq!(push(&head(200, "text/html"), true, b"a\n"), unexpected);
    assert_eq!(
        push(&head(200, "application/json"), true, b"12345678"),
        Ok(())
    );
    assert_eq!(
        push(&head(200, "application/json"), true, b"123456789"),
        Err((ErrorCode::StreamLimit, Some("answer")))
    );

    let mut shell = decoder(&head(503, "text/html"), true);
    for _ in 0..3 {
        shell
            .push(&[b'x'; ERROR_CAP], &mut Vec::new())
            .expect("an error is read to its bound");
    }
    let error = shell.finish(&mut Vec::new()).expect_err("a failure");
    assert_eq!((error.http_status, shell.complete()), (Some(503), 0));
}

#[test]
fn a2_a_text_is_borrowed_and_shows_nothing() {
    let json = r#"["plain","esc\n"]"#;
    let texts: Vec<Text<'_>> = serde_json::from_str(json).expect("texts");
    assert!(json.as_bytes().as_ptr_range().contains(&texts[0].as_ptr()));
    assert_eq!((&*texts[0], &*texts[1]), ("plain", "esc\n"));
    assert_eq!(format!("{texts:?}"), "[Text(5 bytes), Text(4 bytes)]");
    assert!(serde_json::from_str::<Text<'_>>("7").is_err());
}
