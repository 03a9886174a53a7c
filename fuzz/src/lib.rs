//! What the targets of decoders share.

use handshake_core::{
    chat::ChatEvent,
    ids::{Token, ToolName},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
};

/// What an answer comes to, however it was cut: everything that its reader can tell.
#[derive(Debug, Eq, PartialEq)]
struct Said {
    text: String,
    thinking: String,
    refusal: String,
    /// Calls, usage and the end, in order.
    rest: Vec<String>,
    error: Option<&'static str>,
}

/// Decodes an answer at once and in pieces, and holds the two against each other. The first byte chooses how it came, the
/// second how it is cut.
pub fn decodes_the_same_in_any_pieces(
    data: &[u8],
    dialects: &[&str],
    types: &[&str],
    decoder: fn(&ReplySpec, &ResponseHead) -> Box<dyn ReplyDecoder>,
) {
    let [how, cut, body @ ..] = data else {
        return;
    };
    let how = usize::from(*how);
    let dialect = Token::new(dialects[how % dialects.len()]).expect("a token");
    let content_type = types[(how / 4) % types.len()];
    let mut spec = ReplySpec::offline(dialect, content_type != "application/json");
    if how & 1 == 1 {
        let name = |name: &str| (name.to_owned(), ToolName::new(name).expect("a name"));
        spec.tool_names = Some([name("a"), name("get_weather")].into());
    }
    let head = ResponseHead {
        status: if how > 240 { 400 } else { 200 },
        content_type: Some(content_type.to_owned()),
        retry_after: None,
    };
    let whole = said(body, body.len().max(1), decoder(&spec, &head));
    let pieces = said(body, usize::from(*cut).max(1), decoder(&spec, &head));
    assert_eq!(whole, pieces);
}

fn said(body: &[u8], chunk: usize, mut decoder: Box<dyn ReplyDecoder>) -> Said {
    let mut events = Vec::new();
    let mut end = Ok(());
    let mut complete = 0;
    for piece in body.chunks(chunk) {
        end = decoder.push(piece, &mut events);
        assert!(
            decoder.complete() >= complete,
            "what was complete is not any more"
        );
        complete = decoder.complete();
        if end.is_err() || is_finished(&events) {
            break;
        }
    }
    if end.is_ok() && !is_finished(&events) {
        end = decoder.finish(&mut events);
        assert!(
            end.is_err() || is_finished(&events),
            "an end without an end"
        );
    }
    assert!(decoder.complete() <= body.len());
    let starts = |event: &&ChatEvent| matches!(event, ChatEvent::Started);
    assert!(
        events.iter().filter(starts).count() <= 1 && !events.iter().skip(1).any(|e| starts(&e))
    );
    let mut said = Said {
        text: String::new(),
        thinking: String::new(),
        refusal: String::new(),
        rest: Vec::new(),
        error: end.err().map(|error| error.code.as_str()),
    };
    for event in &events {
        match event {
            ChatEvent::TextDelta { text } => said.text += text,
            ChatEvent::ReasoningDelta { text } => said.thinking += text,
            ChatEvent::Refusal { text } => said.refusal += text,
            other => said
                .rest
                .push(serde_json::to_string(other).expect("an event is data")),
        }
    }
    said
}

fn is_finished(events: &[ChatEvent]) -> bool {
    matches!(events.last(), Some(ChatEvent::Finished { .. }))
}
