//! A client's own body: what is accepted has one meaning, the one that another reader of JSON finds.
#![no_main]

use bytes::Bytes;
use handshake_core::{chat::Shape, verbatim::Verbatim};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [shape, body @ ..] = data else {
        return;
    };
    let shape = match shape % 3 {
        0 => Shape::ChatCompletions,
        1 => Shape::OllamaChat,
        _ => Shape::Messages,
    };
    let Ok(read) = Verbatim::read(shape, Bytes::copy_from_slice(body)) else {
        return;
    };
    let value: Value = serde_json::from_slice(body).expect("what is accepted is JSON");
    assert_eq!(value["model"], read.model());
    if let Some(stream) = value.get("stream").and_then(Value::as_bool) {
        assert_eq!(stream, read.stream());
    }
    // Another name changes the name and nothing else.
    let other = read.with_model("p-m");
    let mut renamed: Value = serde_json::from_slice(other.body()).expect("JSON still");
    assert_eq!(renamed["model"], "p-m");
    renamed["model"] = value["model"].clone();
    assert_eq!(renamed, value);
});
