//! Structured output: validated here, always.

use handshake_core::{chat::FinishReason, code::ErrorCode};
use serde_json::json;

use super::{
    fake::{Answer, finished, says, started, text},
    home::Home,
};

fn schema() -> serde_json::Value {
    json!({
        "type": "object",
        "properties": { "n": { "type": "integer" } },
        "required": ["n"],
        "additionalProperties": false,
    })
}

#[tokio::test(start_paused = true)]
async fn b4_an_answer_is_validated_whatever_the_provider_says() {
    for (answer, good) in [
        (r#"{"n": 1}"#, true),
        ("  {\"n\": 1}\n", true),
        (r#"{"n": "one"}"#, false),
        (r#"{"n": 1, "more": 2}"#, false),
        ("{}", false),
        ("one", false),
        ("", false),
        (r#"{"n": 1} and so on"#, false),
        ("```json\n{\"n\": 1}\n```", false),
    ] {
        let home = Home::new().await;
        home.fake.will([says(answer)]);
        let mut request = home.ask_local("count");
        request.structured_output_schema = Some(schema());
        let whole = home.run(request).await;
        if good {
            whole.succeeded();
        } else {
            whole.failed_with(ErrorCode::StructuredOutputInvalid);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b4_a_cut_answer_is_no_structured_answer() {
    for reason in [FinishReason::Length, FinishReason::ContentFilter] {
        let home = Home::new().await;
        home.fake.will([Answer::Stream(vec![
            started(),
            text(r#"{"n": 1}"#),
            finished(reason),
        ])]);
        let mut request = home.ask_local("count");
        request.structured_output_schema = Some(schema());
        home.run(request)
            .await
            .failed_with(ErrorCode::StructuredOutputInvalid);
    }
}

#[tokio::test(start_paused = true)]
async fn b4_a_schema_that_reaches_out_or_is_too_large_is_refused_before_anything_is_sent() {
    let deep = (0..40).fold(
        json!({}),
        |inner, _| json!({ "properties": { "a": inner } }),
    );
    for bad in [
        json!({ "$ref": "https://evil.example.org/schema" }),
        json!({ "$ref": "file:///etc/passwd" }),
        json!({ "properties": { "a": { "$dynamicRef": "other.json#x" } } }),
        json!({ "type": "nonsense" }),
        json!({ "pattern": "(" }),
        deep,
    ] {
        let home = Home::new().await;
        let mut request = home.ask_local("count");
        request.structured_output_schema = Some(bad.clone());
        home.run(request)
            .await
            .failed_with(ErrorCode::SchemaKeyword);
        assert!(home.fake.sent().is_empty(), "{bad}");
        assert_eq!(home.ids(), ["FR-EVT-PROVIDER-009"]);
    }
}
