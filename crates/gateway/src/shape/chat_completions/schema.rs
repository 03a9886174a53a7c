//! The schema that an answer is held to here, whatever the provider does about it.

use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
    tool::check_schema,
    verbatim::AskedSchema,
};
use handshake_runtime::check::compile_schema;
use serde_json::Value;

/// What the answer must look like. A schema is held here whether it is asked for strictly or not. One that cannot be
/// checked here is refused where the client wants a promise, and otherwise what the shape says that it is: a wish.
///
/// # Errors
/// `HSK-422-SCHEMA-KEYWORD` for a schema that is asked for strictly and cannot be checked.
pub(super) fn held(asked: Option<&AskedSchema>) -> Result<Option<Value>, CallError> {
    let Some(AskedSchema { schema, strict }) = asked else {
        return Ok(None);
    };
    match check_schema(schema).is_ok() && compile_schema(schema).is_ok() {
        true => Ok(Some(schema.clone())),
        false if *strict => Err(CallError::new(ErrorCode::SchemaKeyword, Phase::Input)
            .about("response_format.json_schema.schema")),
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use handshake_core::chat::{Shape, Verbatim};

    use super::*;

    #[test]
    fn b4_a_schema_is_held_whether_it_is_strict_or_not_and_is_never_promised_unheld() {
        let format = |schema: &str, strict: &str| {
            let body = format!(
                r#"{{"model":"p/m","messages":[{{"role":"user","content":"x"}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}{strict}}}}}}}"#
            );
            let body = Verbatim::read(Shape::ChatCompletions, Bytes::from(body)).expect("read");
            assert!(body.needs().structured_output);
            held(body.schema())
        };
        let strict = r#","strict":true"#;
        let wishes = ["", r#","strict":false"#, r#","strict":null"#];
        let good = r##"{"$defs":{"a":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/a"}}}"##;
        for how in wishes.into_iter().chain([strict]) {
            assert!(format(good, how).expect("checked").is_some(), "{how}");
        }
        for unheld in [
            r#"{"$ref":"https://example.com/schema.json"}"#,
            r##"{"$ref":"#/nowhere"}"##,
            r#"{"pattern":"(?=lookahead)"}"#,
            r#"{"type":"nonsense"}"#,
            "true",
        ] {
            for how in wishes {
                assert_eq!(format(unheld, how).expect("a wish"), None, "{unheld}");
            }
            let error = format(unheld, strict).expect_err(unheld);
            assert_eq!(
                (error.code, error.subject),
                (
                    ErrorCode::SchemaKeyword,
                    Some("response_format.json_schema.schema")
                )
            );
        }
    }
}
