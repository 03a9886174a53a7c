//! Framing: the quirks of real servers, the bounds, and that chunking never shows.

use handshake_core::{code::ErrorCode, reply::ReasoningPolicy};
use handshake_transport::Scrubber;
use handshake_transport::framing::{
    FrameError, FrameLimits, Framer, LineEnds, LineFramer, NdjsonFramer, SseEvent, SseFramer,
};
use proptest::prelude::*;

type Framed<T> = (Vec<T>, Result<(), FrameError>);

fn sse_with(bytes: &[u8], cuts: &[usize], limits: FrameLimits) -> (Framed<SseEvent>, u64) {
    let mut framer = SseFramer::new(limits);
    let mut out = Vec::new();
    for piece in pieces(bytes, cuts) {
        if let Err(error) = framer.push(piece, &mut out) {
            return ((out, Err(error)), framer.comments());
        }
    }
    let end = framer.finish(&mut out);
    ((out, end), framer.comments())
}

fn sse(bytes: &[u8]) -> Vec<(Option<String>, String)> {
    let ((events, end), _) = sse_with(bytes, &[], FrameLimits::default());
    assert_eq!(end, Ok(()));
    events.into_iter().map(|e| (e.event, e.data)).collect()
}

fn data(bytes: &[u8]) -> Vec<String> {
    sse(bytes).into_iter().map(|(_, data)| data).collect()
}

fn ndjson_with(bytes: &[u8], cuts: &[usize], limits: FrameLimits) -> Framed<Vec<u8>> {
    let mut framer = NdjsonFramer::new(limits);
    let mut out = Vec::new();
    for piece in pieces(bytes, cuts) {
        if let Err(error) = framer.push(piece, &mut out) {
            return (out, Err(error));
        }
    }
    out.extend(framer.finish());
    (out, Ok(()))
}

/// `bytes` cut at the given places, whatever their order.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

#[test]
fn q90_q92_q94_comments_are_counted_and_never_make_an_event() {
    let body = b": OPENROUTER PROCESSING\n\n: ping\n\ndata: {}\n\n: late\n\ndata: [DONE]\n\n";
    let ((events, end), comments) = sse_with(body, &[], FrameLimits::default());
    assert_eq!((events.len(), end, comments), (2, Ok(()), 3));
}

#[test]
fn q91_blank_and_comment_shaped_data_is_skipped_and_counted() {
    let body = b"data: : keepalive\n\ndata: \n\ndata\n\ndata:   \n\ndata: {}\n\n";
    let ((events, _), comments) = sse_with(body, &[], FrameLimits::default());
    assert_eq!(events.len(), 1);
    assert_eq!(comments, 4);
}

#[test]
fn q93_the_event_name_reaches_the_reader() {
    assert_eq!(
        sse(b"event: ping\ndata: {}\n\ndata: {}\n\n"),
        [(Some("ping".into()), "{}".into()), (None, "{}".into())]
    );
}

#[test]
fn q95_all_line_ends_no_space_and_several_data_lines_are_legal() {
    for ends in ["\n", "\r\n", "\r"] {
        let body =
            format!("data:one{ends}data: two{ends}id: 7{ends}{ends}data:  three{ends}{ends}");
        assert_eq!(data(body.as_bytes()), ["one\ntwo", " three"], "{ends:?}");
    }
}

#[test]
fn q97_one_byte_order_mark_is_dropped_even_when_it_is_cut() {
    let body = "\u{feff}data: {}\n\n".as_bytes();
    for cut in 0..body.len() {
        let ((events, end), _) = sse_with(body, &[cut], FrameLimits::default());
        assert_eq!((events.len(), end), (1, Ok(())), "cut at {cut}");
    }
    let mut framer = LineFramer::new(LineEnds::Lf, FrameLimits::default());
    let mut lines = Vec::new();
    framer
        .push(b"\xef\xbbX\n\xef\xbb\xbfY\n", &mut lines)
        .expect("within bounds");
    assert_eq!(
        lines,
        [b"\xef\xbbX".to_vec(), b"\xef\xbb\xbfY".to_vec()],
        "only a whole leading mark"
    );
}

#[test]
fn q98_bytes_that_are_not_utf8_are_an_error_at_once() {
    let ((events, end), _) = sse_with(b"data: a\n\ndata: \xff\n\n", &[], FrameLimits::default());
    assert_eq!((events.len(), end), (1, Err(FrameError::NotUtf8)));
    assert_eq!(FrameError::NotUtf8.code(), ErrorCode::Protocol);
}

#[test]
fn q99_every_bound_is_enforced_with_the_frames_before_it() {
    let limits = FrameLimits {
        line: 16,
        event: 20,
        total: 1000,
    };
    let ((events, end), _) = sse_with(b"data: {}\n\ndata: 0123456789012345\n\n", &[], limits);
    assert_eq!((events.len(), end), (1, Err(FrameError::LineTooLong)));

    let ((events, end), _) = sse_with(
        b"data: {}\n\ndata: 123456789\ndata: 123456789\ndata: 1\n\n",
        &[],
        limits,
    );
    assert_eq!((events.len(), end), (1, Err(FrameError::EventTooLong)));

    let endless = b"data: {}\n\n".repeat(101);
    let ((events, end), _) = sse_with(&endless, &[], limits);
    assert_eq!((events.len(), end), (100, Err(FrameError::TotalTooLong)));

    let (lines, end) = ndjson_with(b"{}\n0123456789012345678", &[], limits);
    assert_eq!((lines.len(), end), (1, Err(FrameError::LineTooLong)));
    for error in [
        FrameError::LineTooLong,
        FrameError::EventTooLong,
        FrameError::TotalTooLong,
    ] {
        assert_eq!(error.code(), ErrorCode::StreamLimit);
    }
}

#[test]
fn q104_bare_json_in_an_event_stream_is_an_error() {
    for body in [
        &b"data: {}\n\n{\"error\":{}}\n"[..],
        b"data: {}\n\n{\"error\":{}}",
    ] {
        let ((events, end), _) = sse_with(body, &[], FrameLimits::default());
        assert_eq!((events.len(), end), (1, Err(FrameError::NotSse)));
    }
}

#[test]
fn q50_an_unterminated_last_event_counts_only_when_it_is_evidently_whole() {
    assert_eq!(data(b"data: {\"a\":1}"), ["{\"a\":1}"]);
    assert_eq!(data(b"data: {\"a\":1}\n"), ["{\"a\":1}"]);
    assert_eq!(data(b"data: [DONE]"), ["[DONE]"]);
    for cut in [
        &b"data: {\"a\":"[..],
        b"data: [DON",
        b"data: 12",
        b"data: text",
        b"data: \xc3",
    ] {
        assert_eq!(data(cut), Vec::<String>::new());
    }
}

#[test]
fn ndjson_drops_blank_lines_and_carriage_returns() {
    let (lines, end) = ndjson_with(
        b"\xef\xbb\xbf{}\r\n\n  \n{\"a\":\n1}",
        &[],
        FrameLimits::default(),
    );
    assert_eq!(lines, [b"{}".to_vec(), b"{\"a\":".to_vec(), b"1}".to_vec()]);
    assert_eq!(end, Ok(()));
}

#[test]
fn a2_debug_holds_nothing_of_what_is_read() {
    let event = SseEvent {
        event: None,
        data: "hunter2".into(),
    };
    assert_eq!(format!("{event:?}"), "SseEvent(7 bytes)");
    let (mut sse, mut ndjson) = (SseFramer::default(), NdjsonFramer::default());
    let mut scrubber = Scrubber::new(ReasoningPolicy::LeadingBlock);
    sse.push(b"data: hunter2\ndata: hunter2", &mut Vec::new())
        .expect("within bounds");
    ndjson
        .push(b"hunter2", &mut Vec::new())
        .expect("within bounds");
    scrubber.push("<think>a</hunter2</thin", &mut Vec::new());
    let shown = format!("{sse:?} {ndjson:?} {scrubber:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("104"),
        "{shown}"
    );
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let atom = prop_oneof![
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"\xef\xbb".to_vec()),
        Just(b"data: ".to_vec()),
        Just(b"data: {\"k\":\"\xc3\xa9\xf0\x9f\xa6\x80\"}".to_vec()),
        Just(b"event: x".to_vec()),
        Just(b": c".to_vec()),
        Just(b"{".to_vec()),
        Just(b"[DONE]".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\xff".to_vec()),
        "[a-z:{} ]{0,12}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(atom, 0..40).prop_map(|atoms| atoms.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn q96_any_chunking_gives_the_same_frames(
        bytes in body(),
        cuts in prop::collection::vec(any::<usize>(), 0..24),
        tight in any::<bool>(),
    ) {
        let limits = if tight {
            FrameLimits { line: 12, event: 24, total: 90 }
        } else {
            FrameLimits::default()
        };
        let every: Vec<usize> = (0..bytes.len()).collect();
        let whole = sse_with(&bytes, &[], limits);
        prop_assert_eq!(&sse_with(&bytes, &cuts, limits), &whole);
        prop_assert_eq!(&sse_with(&bytes, &every, limits), &whole);
        let whole = ndjson_with(&bytes, &[], limits);
        prop_assert_eq!(&ndjson_with(&bytes, &cuts, limits), &whole);
        prop_assert_eq!(&ndjson_with(&bytes, &every, limits), &whole);
    }
}

/// The offsets up to which frames were whole after every push, and whether every frame ended at one.
fn offsets<F: Framer>(mut framer: F, bytes: &[u8], cuts: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0];
    for mut piece in pieces(bytes, cuts) {
        loop {
            let more = match framer.next_frame(&mut piece) {
                Ok(frame) => frame.is_some(),
                Err(_) => return offsets,
            };
            offsets.push(framer.complete());
            if !more {
                break;
            }
        }
    }
    offsets
}

/// Whether an event stream is between two frames after these bytes: no line is open, and no event.
fn between_events(bytes: &[u8]) -> bool {
    let mut framer = SseFramer::default();
    let framed = framer.push(bytes, &mut Vec::new());
    framed.is_err() || framer.is_idle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn b5_whole_frames_are_counted_at_once_and_never_taken_back(
        bytes in body(),
        cuts in prop::collection::vec(any::<usize>(), 0..24),
    ) {
        for cuts in [&cuts[..], &[]] {
            let sse = offsets(SseFramer::default(), &bytes, cuts);
            prop_assert!(sse.is_sorted(), "{sse:?}");
            for at in sse {
                prop_assert!(between_events(&bytes[..at]), "{at} is within an event of {bytes:?}");
            }
            let lines = offsets(NdjsonFramer::default(), &bytes, cuts);
            prop_assert!(lines.is_sorted(), "{lines:?}");
            let mark = b"\xef\xbb\xbf";
            for at in lines {
                let whole = at == 0 || bytes[at - 1] == b'\n' || &bytes[..at] == mark;
                prop_assert!(whole, "{at} is within a line of {bytes:?}");
            }
        }
    }
}

/// An event within one read lies where it was read; what two reads hold is put together.
#[test]
fn a_frame_within_one_push_is_not_copied() {
    let read = b"event: x\ndata: {}\n\ndata: 1\r\n\r\ndata: a\ndata: b\n\n".as_slice();
    let within = |part: &str| read.as_ptr_range().contains(&part.as_ptr());
    let mut framer = SseFramer::default();
    let mut rest = read;
    for (event, data, lent) in [("x", "{}", true), ("", "1", true), ("", "a\nb", false)] {
        let frame = framer
            .next_frame(&mut rest)
            .expect("framed")
            .expect("a frame");
        assert_eq!((frame.event, frame.data), (event, data));
        assert_eq!(within(frame.data), lent, "{data}");
    }
    assert!(rest.is_empty());

    let lines = b"{}\r\n{\"a\":1}\n{".as_slice();
    let mut framer = NdjsonFramer::default();
    let mut rest = lines;
    for line in [&b"{}"[..], b"{\"a\":1}"] {
        let frame = framer
            .next_frame(&mut rest)
            .expect("framed")
            .expect("a line");
        assert_eq!(frame, line);
        assert!(lines.as_ptr_range().contains(&frame.as_ptr()));
    }
    assert_eq!(framer.next_frame(&mut rest), Ok(None));
    assert_eq!(framer.complete(), lines.len() - 1, "the brace is held");
}
