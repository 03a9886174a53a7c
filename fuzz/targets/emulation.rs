//! Answers in the grammar of emulated tools: the same in any pieces, and nothing of what holds the fence is text.
#![no_main]

use handshake_core::{
    chat::FinishReason,
    emulation::{EmulatedReader, EmulatedTools},
    ids::ToolName,
};

const MARKER: &str = "calls-0123456789ab";

type Read = Result<(String, Vec<(ToolName, String)>), (&'static str, Option<&'static str>)>;

fn read(text: &str, cut: usize) -> Read {
    let mut reader = EmulatedReader::new(EmulatedTools {
        fence: "0123456789ab".to_owned(),
        tools: ["a", "b.c"]
            .iter()
            .map(|name| ToolName::new(*name).expect("a name"))
            .collect(),
        choice: None,
    });
    let mut said = String::new();
    let mut rest = text;
    let failed = |error: handshake_core::error::CallError| (error.code.as_str(), error.subject);
    while !rest.is_empty() {
        let mut at = cut.clamp(1, rest.len());
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        let (piece, after) = rest.split_at(at);
        said += &reader.push(piece).map_err(failed)?;
        rest = after;
    }
    let answer = reader.finish(FinishReason::Stop, false).map_err(failed)?;
    said += &answer.text;
    let calls = answer
        .calls
        .into_iter()
        .map(|(tool, arguments)| (tool, serde_json::to_string(&arguments).expect("JSON")))
        .collect();
    Ok((said, calls))
}

libfuzzer_sys::fuzz_target!(|data: (u8, &str)| {
    let (cut, text) = data;
    let whole = read(text, usize::MAX);
    assert_eq!(whole, read(text, usize::from(cut)));
    match whole {
        Ok((said, calls)) if calls.is_empty() => assert!(said == text && !text.contains(MARKER)),
        Ok(_) => assert!(text.contains(MARKER)),
        Err(_) => {}
    }
});
