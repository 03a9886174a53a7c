//! Provider drafts from files. Errors name the row, the provider and the field, never a value: it may be a key.

use std::collections::BTreeMap;

use handshake_core::{
    base_url::{BaseUrl, InvalidBaseUrl},
    code::ErrorCode,
    ids::ProviderId,
    json::read_strict,
    provider::ProviderDraft,
    tier::{ModelTier, Reach},
};
use serde_json::{Map, Value};

use crate::error::{AppError, Result};

const FIELDS: [&str; 8] = [
    "provider_id",
    "provider_kind",
    "tier",
    "base_url",
    "reach",
    "dialect",
    "default_model",
    "secret_ref",
];

/// How people write a key into a file where it does not belong.
const INLINE: [&str; 14] = [
    "api_key",
    "apikey",
    "api-key",
    "key",
    "token",
    "access_token",
    "auth_token",
    "secret",
    "password",
    "bearer",
    "authorization",
    "headers",
    "credentials",
    "openai_api_key",
];

fn bad(message: impl Into<String>) -> AppError {
    AppError::usage(ErrorCode::InvalidConfig, message)
}

/// Reads drafts: one JSON array, one object, or an object a line. At least one; every id once.
pub(crate) fn read_drafts(bytes: &[u8]) -> Result<Vec<ProviderDraft>> {
    let items = items(bytes)?;
    if items.is_empty() {
        return Err(bad("the file lists no providers"));
    }
    let mut drafts: Vec<ProviderDraft> = Vec::with_capacity(items.len());
    let mut rows: BTreeMap<ProviderId, usize> = BTreeMap::new();
    for (at, item) in items.into_iter().enumerate() {
        let draft = draft(item).map_err(|error| at_row(at, error))?;
        if let Some(first) = rows.insert(draft.provider_id.clone(), at) {
            let twice = format!(
                "duplicate provider, first in row {}: {}",
                first + 1,
                draft.provider_id
            );
            return Err(at_row(at, bad(twice)));
        }
        drafts.push(draft);
    }
    Ok(drafts)
}

/// The error of a draft with its place among the others, which counts from 0.
pub(super) fn at_row(at: usize, mut error: AppError) -> AppError {
    error.message = format!("row {}: {}", at + 1, error.message);
    error
}

fn items(bytes: &[u8]) -> Result<Vec<Value>> {
    match read_strict(bytes) {
        Ok(Value::Array(items)) => Ok(items),
        Ok(object @ Value::Object(_)) => Ok(vec![object]),
        Ok(_) => Err(bad("expected a JSON array of providers, or one provider")),
        Err(whole) => {
            let not_json = |line: usize, column: usize| {
                bad(format!(
                    "invalid JSON, or a duplicate key, at line {line}, column {column}"
                ))
            };
            let lines = bytes.split(|byte| *byte == b'\n').enumerate();
            let mut each = Vec::new();
            for (at, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
                match read_strict(line) {
                    Ok(object @ Value::Object(_)) => each.push(object),
                    // After a line that is an object of its own, this one was meant to be another.
                    Err(error) if !each.is_empty() => return Err(not_json(at + 1, error.column)),
                    Ok(_) if !each.is_empty() => {
                        return Err(bad(format!("expected a JSON object at line {}", at + 1)));
                    }
                    _ => return Err(not_json(whole.line, whole.column)),
                }
            }
            if each.is_empty() {
                return Err(not_json(whole.line, whole.column));
            }
            Ok(each)
        }
    }
}

fn draft(item: Value) -> Result<ProviderDraft> {
    let Value::Object(mut fields) = item else {
        return Err(bad("expected a JSON object"));
    };
    // From here on the provider has a name, if it says one.
    let id = fields
        .get("provider_id")
        .and_then(Value::as_str)
        .and_then(|id| ProviderId::new(id).ok());
    let who = id.map_or_else(|| "the provider".to_owned(), |id| format!("provider {id}"));
    for name in fields.keys() {
        let name = name.as_str();
        if INLINE.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(bad(format!(
                "{who}: {name}: a key must not be written in a configuration file"
            ))
            .next("run `handshake secret set NAME --origin URL`, then set \"secret_ref\": \"vault:NAME\""));
        }
        if !FIELDS.contains(&name) {
            // A name is repeated only where it looks like one.
            let plain = name.len() <= 40
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b"_-".contains(&b));
            let name = if plain { name } else { "(name not shown)" };
            return Err(bad(format!("{who}: {name}: unknown field"))
                .next(format!("use only these fields: {}", FIELDS.join(", "))));
        }
    }
    let (fields, who) = (&mut fields, who.as_str());
    Ok(ProviderDraft {
        provider_id: required(
            fields,
            who,
            "provider_id",
            "expected [a-z0-9][a-z0-9-]{0,62}",
            |t| t.parse().ok(),
        )?,
        provider_kind: required(
            fields,
            who,
            "provider_kind",
            "expected a word such as ollama",
            |t| t.parse().ok(),
        )?,
        tier: optional(fields, who, "tier", TIERS, tier)?,
        base_url: base_url(fields, who)?,
        reach: optional(fields, who, "reach", REACHES, reach)?.unwrap_or_default(),
        dialect: optional(
            fields,
            who,
            "dialect",
            "expected a word such as openai",
            |t| t.parse().ok(),
        )?,
        default_model: optional(
            fields,
            who,
            "default_model",
            "expected the name of a model",
            |t| t.parse().ok(),
        )?,
        secret_ref: optional(fields, who, "secret_ref", SECRET_REF, |t| t.parse().ok())?,
    })
}

/// What `tier` may be.
pub(crate) const TIERS: &str = "expected local or cloud";
/// What `reach` may be.
pub(crate) const REACHES: &str = "expected direct or relay";
/// What `secret_ref` may be.
pub(crate) const SECRET_REF: &str =
    "expected vault:NAME, env:NAME, file:PATH or client:, never the key itself";

/// A tier as it is written.
pub(crate) fn tier(text: &str) -> Option<ModelTier> {
    match text {
        "local" => Some(ModelTier::Local),
        "cloud" => Some(ModelTier::Cloud),
        _ => None,
    }
}

/// A reach as it is written.
pub(crate) fn reach(text: &str) -> Option<Reach> {
    match text {
        "direct" => Some(Reach::Direct),
        "relay" => Some(Reach::Relay),
        _ => None,
    }
}

fn text(
    fields: &mut Map<String, Value>,
    who: &str,
    field: &str,
    rule: &str,
) -> Result<Option<String>> {
    match fields.remove(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(format!("{who}: {field}: {rule}"))),
    }
}

fn optional<T>(
    fields: &mut Map<String, Value>,
    who: &str,
    field: &str,
    rule: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    text(fields, who, field, rule)?
        .map(|text| parse(&text).ok_or_else(|| bad(format!("{who}: {field}: {rule}"))))
        .transpose()
}

fn required<T>(
    fields: &mut Map<String, Value>,
    who: &str,
    field: &str,
    rule: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T> {
    optional(fields, who, field, rule, parse)?
        .ok_or_else(|| bad(format!("{who}: {field}: missing")))
}

fn base_url(fields: &mut Map<String, Value>, who: &str) -> Result<BaseUrl> {
    let text = text(fields, who, "base_url", "expected a URL")?
        .ok_or_else(|| bad(format!("{who}: base_url: missing")))?;
    BaseUrl::parse(&text).map_err(|error| refused_url(who, error))
}

/// The error of a refused URL, with its own code.
pub(crate) fn refused_url(who: &str, error: InvalidBaseUrl) -> AppError {
    let mut refused = AppError::from(error);
    refused.message = format!("{who}: {}", refused.message);
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> AppError {
        read_drafts(text.as_bytes()).expect_err(text)
    }

    #[test]
    fn a1_drafts_are_read_from_an_array_an_object_or_lines() {
        let one = r#"{"provider_id":"a","provider_kind":"ollama","base_url":"http://127.0.0.1:1"}"#;
        let two = one.replace("\"a\"", "\"b\"");
        for (text, count) in [
            (one.to_owned(), 1),
            (format!("[{one},{two}]"), 2),
            (format!("{one}\n{two}\n"), 2),
        ] {
            assert_eq!(
                read_drafts(text.as_bytes()).expect("drafts").len(),
                count,
                "{text}"
            );
        }
        assert_eq!(
            refused(&format!("[{one},{one}]")).code,
            ErrorCode::InvalidConfig
        );
        assert_eq!(refused("[]").code, ErrorCode::InvalidConfig);
        // Where one of many is wrong, it is said which.
        let bad = one.replace("127.0.0.1:1", "");
        for (text, place) in [
            (format!("[{one},{two},{bad}]"), "row 3: "),
            (format!("[{one},{two},7]"), "row 3: "),
            (format!("[{one},{two},{one}]"), "row 3: "),
            (
                format!("{one}\n\n{two}\n{{\"provider_id\":1,}}\n"),
                "at line 4, column ",
            ),
            (format!("{one}\n{two}\n\n[]\n"), "at line 4"),
            (format!("[{one},\n{two},\n{{]"), "at line 3, column "),
        ] {
            let message = refused(&text).message;
            assert!(message.contains(place), "{message}");
        }
    }

    #[test]
    fn a2_an_inline_key_is_named_and_not_repeated() {
        for field in ["api_key", "API_KEY", "token", "headers", "authorization"] {
            let text = format!(
                r#"{{"provider_id":"a","provider_kind":"ollama","base_url":"http://127.0.0.1:1","{field}":"sk-live-0123456789abcdef"}}"#
            );
            let error = refused(&text);
            assert_eq!(error.code, ErrorCode::InvalidConfig);
            assert!(error.message.contains(field), "{}", error.message);
            assert!(!format!("{error:?}").contains("0123456789"), "{error:?}");
        }
        // Pasted where it does not belong, it is not repeated either.
        for text in [
            r#"{"provider_id":"sk-live-0123456789abcdef_","provider_kind":"ollama","base_url":"http://127.0.0.1:1"}"#,
            r#"{"sk-live-0123456789abcdef":1}"#,
            r#"{"provider_id":"a","provider_kind":"ollama","base_url":"https://u:0123456789abcdef@x.org"}"#,
            r#"{"provider_id":"a","provider_kind":"ollama","base_url":"http://127.0.0.1:1","secret_ref":"0123456789abcdef"}"#,
            r#"{"provider_id":"a","provider_kind":"ollama","base_url":"http://127.0.0.1:1","tier":"0123456789abcdef"}"#,
            r#"{"provider_id":"0123456789abcdef","#,
        ] {
            assert!(
                !format!("{:?}", refused(text)).contains("0123456789"),
                "{text}"
            );
        }
    }

    #[test]
    fn a1_each_field_at_fault_is_named() {
        let cases = [
            (
                r#"{"provider_kind":"ollama","base_url":"http://127.0.0.1:1"}"#,
                "provider_id: missing",
            ),
            (
                r#"{"provider_id":"a","base_url":"http://127.0.0.1:1"}"#,
                "provider_kind: missing",
            ),
            (
                r#"{"provider_id":"a","provider_kind":"ollama"}"#,
                "base_url: missing",
            ),
            (
                r#"{"provider_id":"A","provider_kind":"ollama","base_url":"http://127.0.0.1:1"}"#,
                "provider_id: expected [",
            ),
            (
                r#"{"provider_id":"a","provider_kind":"ollama","base_url":"http://127.0.0.1:1","tier":"lokal"}"#,
                TIERS,
            ),
            (
                r#"{"provider_id":"a","provider_kind":"ollama","base_url":"http://127.0.0.1:1","colour":1}"#,
                "colour: unknown field",
            ),
            (r#"{"provider_id":"a","provider_id":"b"}"#, "duplicate key"),
            ("7", "JSON array"),
        ];
        for (text, says) in cases {
            let error = refused(text);
            assert!(error.message.contains(says), "{text}: {}", error.message);
            assert_eq!(error.code, ErrorCode::InvalidConfig);
        }
        let error = refused(
            r#"{"provider_id":"a","provider_kind":"ollama","base_url":"HTTP://127.0.0.1:1"}"#,
        );
        assert_eq!(error.code, ErrorCode::InvalidBaseUrl);
        let error = refused(
            r#"{"provider_id":"a","provider_kind":"ollama","base_url":"http://169.254.169.254"}"#,
        );
        assert_eq!(error.code, ErrorCode::SsrfBlocked);
    }
}
