//! Answers whose bytes go to a client of the same shape, beside their events.

use handshake_core::chat::ToolChoice;
use proptest::prelude::*;

use super::*;

/// A request of a client that speaks the API itself.
fn same(stream: bool) -> ReplySpec {
    ReplySpec {
        raw: true,
        ..declared("openai", stream)
    }
}

/// Decodes pieces as the transport hands them on: batches of events and the bytes of the frames that are complete.
fn batches(spec: &ReplySpec, pieces: &[&[u8]]) -> (Got, Vec<Vec<u8>>) {
    let mut decoder = decoder(spec, &head(200, "text/event-stream"));
    let (mut events, mut raw) = (Vec::new(), Vec::new());
    let (mut body, mut handed_on) = (Vec::new(), 0);
    let mut error = None;
    for piece in pieces {
        body.extend_from_slice(piece);
        error = decoder.push(piece, &mut events).err();
        let complete = decoder.complete();
        assert!(handed_on <= complete && complete <= body.len());
        raw.push(body[handed_on..complete].to_vec());
        handed_on = complete;
        if error.is_some() || matches!(events.last(), Some(ChatEvent::Finished { .. })) {
            return (Got { events, error }, raw);
        }
    }
    error = error.or_else(|| decoder.finish(&mut events).err());
    raw.push(body[handed_on..decoder.complete()].to_vec());
    (Got { events, error }, raw)
}

fn cut<'a>(body: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    at.extend([0, body.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect()
}

/// A frame and whether it is the terminal.
fn frame() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zé🦀 ]{0,6}".prop_map(|text| format!("data: {}\n\n", delta(&format!(r#"{{"content":{text:?}}}"#)))),
        Just(": OPENROUTER PROCESSING\n\n".to_owned()),
        Just(": ping\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("data: \n\n".to_owned()),
        Just("event: ping\ndata: {}\n\n".to_owned()),
        Just("id: 7\nretry: 1\ndata: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1}}\r\n\r\n".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn b5_raw_batches_are_whole_frames_and_give_the_body_up_to_its_terminal(
        frames in proptest::collection::vec(frame(), 0..12),
        after in "[a-z:\n]{0,12}",
        cuts in proptest::collection::vec(any::<usize>(), 0..24),
        done in any::<bool>(),
    ) {
        let mut bounds = vec![0];
        let mut body = String::new();
        let mut finishing = vec![format!("data: {}\n\n", finish("stop"))];
        if done {
            finishing.push("data: [DONE]\n\n".to_owned());
        }
        for frame in frames.iter().chain(&finishing) {
            // A comment and the end of a line are whole where their line ends; a frame of several lines is not.
            let lines = frame.contains("data:") || frame.contains("event:");
            if !lines {
                bounds.extend(frame.match_indices('\n').map(|(at, _)| body.len() + at + 1));
            }
            body.push_str(frame);
            bounds.push(body.len());
        }
        let terminal = body.len();
        if done {
            body.push_str(&after);
        }
        let every: Vec<usize> = (0..body.len()).collect();
        let plain = decode(
            &declared("openai", true), &head(200, "text/event-stream"), body.as_bytes(), usize::MAX);
        prop_assert_eq!(&plain.error, &None);
        for cuts in [&cuts[..], &[], &every] {
            let (got, raw) = batches(&same(true), &cut(body.as_bytes(), cuts));
            prop_assert_eq!(&got, &plain, "events are the same with raw bytes beside them");
            let mut at = 0;
            for batch in &raw {
                at += batch.len();
                // The LF of a CRLF may come with the next read.
                let at_cr = body.as_bytes()[..at].ends_with(b"\r") && bounds.contains(&(at + 1));
                prop_assert!(
                    batch.is_empty() || bounds.contains(&at) || at_cr,
                    "a batch ends at {} within a frame of {:?}", at, body
                );
            }
            prop_assert_eq!(&raw.concat()[..], &body.as_bytes()[..terminal]);
        }
    }
}

/// A read that ends within the next frame hands on the frames before it.
#[test]
fn a13_a_whole_frame_is_not_held_back_by_the_beginning_of_the_next() {
    let one = format!("data: {}\n\n", delta(r#"{"content":"a"}"#));
    let (got, raw) = batches(&same(true), &[format!("{one}data: {{\"choi").as_bytes()]);
    assert_eq!(raw[0], one.as_bytes());
    assert!(raw[1].is_empty() && got.error.is_some());
}

/// The finish reason ends the answer for a client, so what is checked at the end is checked before it is handed on.
#[test]
fn b4_b5_the_finish_is_handed_on_with_the_terminal_and_not_before() {
    let text = format!("data: {}\n\n", delta(r#"{"content":"a"}"#));
    let end = format!("data: {}\n\n", finish("stop"));
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n: ping\n";
    let done = "data: [DONE]\n\n";
    let pieces = [&text, &end, usage, done].map(str::as_bytes);
    let (got, raw) = batches(&same(true), &pieces);
    assert_eq!(got.finish(), Some(FinishReason::Stop));
    assert_eq!(raw[0], text.as_bytes());
    assert!(raw[1].is_empty() && raw[2].is_empty());
    assert_eq!(raw.concat(), pieces.concat());
    // Without a sentinel the end of the body is the terminal.
    let (got, raw) = batches(&same(true), &pieces[..3]);
    assert_eq!(got.finish(), Some(FinishReason::Stop));
    assert_eq!(raw.concat(), pieces[..3].concat());
}

/// Nothing that stands behind the end was looked at, so none of it is handed on.
#[test]
fn s20_bytes_behind_the_end_and_of_a_failing_frame_are_not_handed_on() {
    let body = sse(&[&delta(r#"{"content":"a"}"#), &finish("stop")]);
    let smuggled = format!("{body}data: {}\n\n", delta(r#"{"content":"b"}"#));
    let (got, raw) = batches(&same(true), &[smuggled.as_bytes()]);
    assert_eq!((got.text(), got.error), ("a".to_owned(), None));
    assert_eq!(raw.concat(), body.as_bytes());

    let good = format!("data: {}\n\n", delta(r#"{"content":"a"}"#));
    let failing = format!("{good}data: {{\"error\":{{\"message\":\"x\"}}}}\n\n");
    let (got, raw) = batches(&same(true), &[failing.as_bytes()]);
    assert_eq!(got.code(), Some(ErrorCode::Provider));
    assert!(raw.concat().len() <= good.len());
}

/// What only our events have no word for is passed over where the client gets the bytes, and refused where it does not.
#[test]
fn d4_what_only_events_cannot_say_does_not_fail_a_same_shape_answer() {
    let choice = |rest: &str| format!(r#"{{"choices":[{{"index":0,{rest}}}]}}"#);
    for (chunk, subject) in [
        (
            r#"{"choices":[{"index":1,"delta":{"content":"other"}}]}"#.to_owned(),
            Some("choice index"),
        ),
        (
            choice(r#""delta":{"content":[{"type":"hologram","x":1}]}"#),
            Some("content part"),
        ),
        (
            choice(
                r#""delta":{"tool_calls":[{"index":0,"id":"c","type":"custom","custom":{"name":"patch","input":""}}]}"#,
            ),
            Some("tool type"),
        ),
        (
            choice(
                r#""delta":{"content":null,"audio":{"id":"a","data":"AA=="}},"logprobs":{"content":[]}"#,
            ),
            None,
        ),
    ] {
        let body = sse(&[&delta(r#"{"content":"hi"}"#), &chunk, &finish("stop")]);
        let kind = head(200, "text/event-stream");
        let got = decode(&same(true), &kind, body.as_bytes(), usize::MAX);
        assert_eq!((got.text().as_str(), &got.error), ("hi", &None), "{chunk}");
        let strict = decode(
            &declared("openai", true),
            &kind,
            body.as_bytes(),
            usize::MAX,
        );
        assert_eq!(
            strict.error.and_then(|error| error.subject),
            subject,
            "{chunk}"
        );
    }
}

/// A call of an unknown type is a call: it ends the turn and keeps a promise to call, and its pieces disturb no function.
#[test]
fn d4_calls_of_unknown_types_are_passed_over_whole() {
    let custom = delta(
        r#"{"tool_calls":[{"index":0,"id":"c0","type":"custom","custom":{"name":"patch","input":""}}]}"#,
    );
    let more = delta(r#"{"tool_calls":[{"index":0,"custom":{"input":"*** Begin"}}]}"#);
    let function = delta(
        r#"{"tool_calls":[{"index":1,"id":"c1","type":"function","function":{"name":"a","arguments":"{}"}}]}"#,
    );
    let spec = ReplySpec {
        tool_choice: Some(ToolChoice::Required),
        ..same(true)
    };
    let kind = head(200, "text/event-stream");
    for (chunks, calls) in [
        (vec![&*custom, &more, &more], vec![]),
        (vec![&*custom, &more, &function, &more], vec!["a {}"]),
    ] {
        let end = finish("tool_calls");
        let body = sse(&chunks.into_iter().chain([&*end]).collect::<Vec<_>>());
        let got = decode(&spec, &kind, body.as_bytes(), usize::MAX);
        assert_eq!(
            (got.called(), &got.error),
            (calls.iter().map(ToString::to_string).collect(), &None)
        );
        assert_eq!(got.finish(), Some(FinishReason::ToolUse));
    }
    let forbidden = ReplySpec {
        tool_choice: Some(ToolChoice::None),
        ..same(true)
    };
    let got = decode(
        &forbidden,
        &kind,
        sse(&[&custom, &finish("stop")]).as_bytes(),
        usize::MAX,
    );
    assert_eq!(got.code(), Some(ErrorCode::ToolCallParse));
}

/// Raw or not: another model's answer, an answer without an end, an error and an undeclared tool are failures.
#[test]
fn d4_what_is_promised_is_checked_all_the_same() {
    let kind = head(200, "text/event-stream");
    for (body, code) in [
        (
            sse(&[r#"{"model":"another","choices":[{"delta":{"content":"a"}}]}"#]),
            ErrorCode::Protocol,
        ),
        (
            sse(&[&delta(r#"{"content":"a"}"#)]),
            ErrorCode::StreamTruncated,
        ),
        (sse(&[&finish("cosmic_ray")]), ErrorCode::Protocol),
        (sse(&[r#"{"error":{"message":"x"}}"#]), ErrorCode::Provider),
        (
            sse(&[
                &delta(
                    r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"rm","arguments":"{}"}}]}"#,
                ),
                &finish("tool_calls"),
            ]),
            ErrorCode::ToolCallParse,
        ),
    ] {
        let got = decode(&same(true), &kind, body.as_bytes(), usize::MAX);
        assert_eq!(got.code(), Some(code), "{body}");
    }
}
