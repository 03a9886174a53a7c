//! The grammar, read.

use proptest::prelude::*;

use super::*;

fn tools(choice: Option<ToolChoice>) -> EmulatedTools {
    EmulatedTools {
        fence: "0123456789ab".to_owned(),
        tools: ["fs.read", "add"]
            .into_iter()
            .map(|name| ToolName::new(name).expect("a name"))
            .collect(),
        choice,
    }
}

type Read = Result<(String, Vec<String>), (ErrorCode, Option<&'static str>)>;

/// The text and the calls of an answer that came in these pieces.
fn read_as(choice: Option<ToolChoice>, reason: FinishReason, pieces: &[&str]) -> Read {
    let run = || -> Result<(String, Vec<String>), CallError> {
        let mut reader = EmulatedReader::new(tools(choice));
        let mut text = String::new();
        for piece in pieces {
            text += &reader.push(piece)?;
        }
        let answer = reader.finish(reason, false)?;
        text += &answer.text;
        let calls = answer
            .calls
            .iter()
            .map(|(tool, arguments)| format!("{tool} {}", serde_json::json!(arguments)))
            .collect();
        Ok((text, calls))
    };
    run().map_err(|error| (error.code, error.subject))
}

fn read(text: &str) -> Read {
    read_as(None, FinishReason::Stop, &[text])
}

fn refused(text: &str) -> &'static str {
    match read(text) {
        Err((ErrorCode::ToolCallParse, Some(subject))) => subject,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn b7_an_answer_is_text_or_a_block_of_calls() {
    let calls = |calls: &[&str]| {
        Ok((
            String::new(),
            calls.iter().map(|c| (*c).to_owned()).collect(),
        ))
    };
    let text = |text: &str| Ok((text.to_owned(), Vec::new()));
    assert_eq!(
        read(r#"{"calls-0123456789ab": [{"tool": "add", "arguments": {"a": 1}}]}"#),
        calls(&[r#"add {"a":1}"#])
    );
    // White space around and within is JSON's own matter.
    assert_eq!(
        read("\n { \"calls-0123456789ab\" :\n[ {\"arguments\":{},\"tool\":\"fs.read\"} ] } \n"),
        calls(&["fs.read {}"])
    );
    // Several calls, in order; words beside them; no arguments at all.
    assert_eq!(
        read(
            r#"{"calls-0123456789ab":[{"tool":"add","arguments":{"a":1}},{"tool":"add"},{"tool":"fs.read","arguments":null}]}"#
        ),
        calls(&[r#"add {"a":1}"#, "add {}", "fs.read {}"])
    );
    assert_eq!(
        read(r#"{"text":"let me see","calls-0123456789ab":[{"tool":"add","arguments":{}}]}"#),
        Ok(("let me see".to_owned(), vec!["add {}".to_owned()]))
    );
    // Everything else is text, JSON and what looks like other people's calls included.
    for plain in [
        "",
        "Hello",
        "  {",
        "{}",
        r#"{"text":"an answer in JSON"}"#,
        r#"{"calls":[{"tool":"add","arguments":{}}]}"#,
        r#"{"calls-000000000000":[{"tool":"add","arguments":{}}]}"#,
        r#"<tool_call>{"name":"add","arguments":{}}</tool_call>"#,
        r#"{"name":"add","arguments":{}}"#,
        "calls-0123456789a",
    ] {
        assert_eq!(read(plain), text(plain));
    }
}

#[test]
fn b7_whatever_holds_the_fence_and_is_no_block_is_an_error() {
    for (text, subject) in [
        (
            r#"Sure: {"calls-0123456789ab":[{"tool":"add","arguments":{}}]}"#,
            "text before the tool calls",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"add","arguments":{}}]} done"#,
            "text after the tool calls",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"add","arguments":{}}]}{"calls-0123456789ab":[{"tool":"add","arguments":{}}]}"#,
            "two tool call blocks",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"rm","arguments":{}}]}"#,
            "unknown tool",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"Add","arguments":{}}]}"#,
            "unknown tool",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"add","arguments":{"a":1,"a":2}}]}"#,
            "duplicate key",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"add"}],"calls-0123456789ab":[]}"#,
            "duplicate key",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"add","arguments":[1]}]}"#,
            "tool arguments",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"add","arguments":"{}"}]}"#,
            "tool arguments",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"add","args":{}}]}"#,
            "unknown member",
        ),
        (
            r#"{"calls-0123456789ab":[{"tool":"add","arguments":{}}],"note":1}"#,
            "unknown member",
        ),
        (r#"{"calls-0123456789ab":[]}"#, "no tool call"),
        (r#"{"calls-0123456789ab":{"tool":"add"}}"#, "tool calls"),
        (r#"{"calls-0123456789ab":["add"]}"#, "tool call"),
        (r#"{"calls-0123456789ab":[{"arguments":{}}]}"#, "tool name"),
        (
            r#"{"calls-0123456789ab":[{"tool":"add","arguments":{}}],"text":1}"#,
            "text",
        ),
        (r#"{"calls-0123456789ab":[{"tool":"add""#, "tool calls"),
        (
            r#"{"text":"I could write calls-0123456789ab"}"#,
            "tool calls",
        ),
    ] {
        assert_eq!(refused(text), subject, "{text}");
    }
}

#[test]
fn b7_a_block_that_was_cut_is_no_call_and_no_text() {
    let block = r#"{"calls-0123456789ab":[{"tool":"add","arguments":{}}]}"#;
    for cut in [&block[..30], block] {
        assert_eq!(
            read_as(None, FinishReason::Length, &[cut]),
            Err((ErrorCode::TruncatedToolTurn, None)),
            "{cut}"
        );
    }
    assert_eq!(
        read_as(None, FinishReason::Length, &["half an ans"]),
        Ok(("half an ans".to_owned(), Vec::new()))
    );
}

#[test]
fn b7_what_was_asked_for_as_to_calling_was_done() {
    let named = ToolChoice::Named(ToolName::new("add").expect("a name"));
    let block =
        |tool: &str| format!(r#"{{"calls-0123456789ab":[{{"tool":"{tool}","arguments":{{}}}}]}}"#);
    let with = |choice: &ToolChoice, text: &str| {
        read_as(Some(choice.clone()), FinishReason::Stop, &[text])
    };
    let broken = |subject| Err((ErrorCode::ToolCallParse, Some(subject)));
    assert_eq!(
        with(&ToolChoice::Required, "no"),
        broken("required tool call")
    );
    assert_eq!(
        with(&named, &block("fs.read")),
        broken("required tool call")
    );
    assert!(with(&named, &block("add")).is_ok());
    assert_eq!(
        with(&ToolChoice::None, &block("add")),
        broken("forbidden tool call")
    );
    // Who declines, or is cut off by a filter, owes no call.
    let mut reader = EmulatedReader::new(tools(Some(ToolChoice::Required)));
    assert!(reader.finish(FinishReason::Stop, true).is_ok());
    assert!(
        read_as(
            Some(ToolChoice::Required),
            FinishReason::ContentFilter,
            &["x"]
        )
        .is_ok()
    );
}

#[test]
fn b7_a_block_without_an_end_is_bounded() {
    let mut reader = EmulatedReader::new(tools(None));
    let _none = reader
        .push(r#"{"calls-0123456789ab":[{"tool":"add","arguments":{"a":""#)
        .expect("held");
    let piece = "x".repeat(64 * 1024);
    let error = (0..20)
        .find_map(|_| reader.push(&piece).err())
        .expect("a bound");
    assert_eq!(error.code, ErrorCode::StreamLimit);
    assert!(!format!("{reader:?}").contains("xxx"));
}

proptest! {
    /// However an answer is cut, it says the same; text is passed on as it was.
    #[test]
    fn b7_pieces_do_not_matter(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("{\"calls-0123456789ab\":[{\"tool\":\"add\",\"arguments\":{}}]}".to_owned()),
                Just("calls-0123456789ab".to_owned()),
                Just("{\"text\":\"".to_owned()),
                Just(" {".to_owned()),
                "[ -~]{0,12}",
            ],
            0..4,
        ),
        cuts in proptest::collection::vec(0usize..200, 0..8),
    ) {
        let text = parts.concat();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&str> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let whole = read(&text);
        prop_assert_eq!(&read_as(None, FinishReason::Stop, &pieces), &whole);
        if !text.contains("calls-0123456789ab") {
            prop_assert_eq!(whole, Ok((text, Vec::new())));
        }
    }
}
