//! The tool registry: a value, checked when it is filled.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    ToolDefinition, ToolEntry,
    schema::{UnsupportedSchema, check_dialect, check_schema},
};
use crate::{ids::ToolId, json::read_strict};

/// The longest name, in bytes.
const MAX_NAME: usize = 128;
/// The longest description, in bytes.
const MAX_DESCRIPTION: usize = 4096;

/// A tool that may not be registered, with the field at fault. Repeats nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidTool {
    /// The field.
    pub field: &'static str,
    /// The rule.
    pub reason: &'static str,
}

fn ensure(holds: bool, field: &'static str, reason: &'static str) -> Result<(), InvalidTool> {
    if holds {
        Ok(())
    } else {
        Err(InvalidTool { field, reason })
    }
}

/// Every registered tool, by id. The only source of tool schemas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolRegistry {
    tools: BTreeMap<ToolId, ToolEntry>,
}

impl ToolRegistry {
    /// No tools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool.
    ///
    /// # Errors
    /// [`InvalidTool`] for an entry that breaks a rule, or an id that is taken. The registry is unchanged
    /// then.
    pub fn register(&mut self, entry: ToolEntry) -> Result<(), InvalidTool> {
        check(&entry)?;
        ensure(
            !self.tools.contains_key(&entry.tool_id),
            "tool_id",
            "already registered",
        )?;
        self.tools.insert(entry.tool_id.clone(), entry);
        Ok(())
    }

    /// Reads a JSON array of entries. Unknown fields and duplicate keys are refused.
    ///
    /// # Errors
    /// [`InvalidTool`] for the first entry that breaks a rule.
    pub fn from_json(bytes: &[u8]) -> Result<Self, InvalidTool> {
        let invalid = |reason| InvalidTool {
            field: "file",
            reason,
        };
        let value = read_strict(bytes)
            .map_err(|_| invalid("must be one JSON value without duplicate keys"))?;
        let entries = Vec::<ToolEntry>::deserialize(value).map_err(|_| {
            invalid("must be an array of tool entries without unknown or malformed fields")
        })?;
        let mut registry = Self::new();
        entries
            .into_iter()
            .try_for_each(|entry| registry.register(entry))?;
        Ok(registry)
    }

    /// One tool.
    #[must_use]
    pub fn get(&self, tool: &ToolId) -> Option<&ToolEntry> {
        self.tools.get(tool)
    }

    /// The projections of these tools for a request, in the order asked for.
    ///
    /// # Errors
    /// [`InvalidTool`] when one of them is not registered.
    pub fn definitions(&self, tools: &[ToolId]) -> Result<Vec<ToolDefinition>, InvalidTool> {
        let unknown = InvalidTool {
            field: "tool_id",
            reason: "not registered",
        };
        tools
            .iter()
            .map(|tool| self.get(tool).map(ToolEntry::definition).ok_or(unknown))
            .collect()
    }

    /// Every tool, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ToolEntry> {
        self.tools.values()
    }

    /// How many tools there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }
}

fn check(entry: &ToolEntry) -> Result<(), InvalidTool> {
    ensure(
        is_semver(&entry.tool_version),
        "tool_version",
        "must be a semantic version",
    )?;
    if let Some(version) = &entry.deprecated_since {
        ensure(
            is_semver(version),
            "deprecated_since",
            "must be a semantic version",
        )?;
    }
    ensure(
        entry.replaced_by.as_ref() != Some(&entry.tool_id),
        "replaced_by",
        "must name another tool",
    )?;
    ensure(
        is_text(&entry.name, MAX_NAME),
        "name",
        "must be 1 to 128 bytes without control characters",
    )?;
    ensure(
        is_text(&entry.description, MAX_DESCRIPTION),
        "description",
        "must be 1 to 4096 bytes without control characters other than line breaks and tabs",
    )?;
    check_own_schema(&entry.input_schema, "input_schema")?;
    let object = entry.input_schema.get("type").and_then(Value::as_str) == Some("object");
    ensure(object, "input_schema", "must describe an object")?;
    if let Some(schema) = &entry.output_schema {
        check_own_schema(schema, "output_schema")?;
    }
    let well_formed = entry
        .required_capabilities
        .iter()
        .all(|text| is_capability(text));
    ensure(
        well_formed,
        "required_capabilities",
        "must have the form axis or axis:scope",
    )?;
    ensure(
        entry.examples.iter().all(Value::is_object),
        "examples",
        "must be argument objects",
    )
}

fn check_own_schema(schema: &Value, field: &'static str) -> Result<(), InvalidTool> {
    check_schema(schema)
        .and_then(|()| check_dialect(schema))
        .map_err(|UnsupportedSchema { reason }| InvalidTool { field, reason })
}

fn is_text(text: &str, max: usize) -> bool {
    let plain = |c: char| !c.is_control() || (max == MAX_DESCRIPTION && (c == '\n' || c == '\t'));
    !text.trim().is_empty() && text.len() <= max && text.chars().all(plain)
}

/// `axis[:scope]`.
fn is_capability(text: &str) -> bool {
    let (axis, scope) = text
        .split_once(':')
        .map_or((text, None), |(axis, scope)| (axis, Some(scope)));
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b);
    let axis_ok = axis.len() <= 64
        && axis.starts_with(|c: char| c.is_ascii_lowercase())
        && axis.bytes().all(word);
    let scope_ok = scope.is_none_or(|scope| {
        !scope.is_empty() && scope.len() <= 128 && scope.bytes().all(|b| (0x21..=0x7e).contains(&b))
    });
    axis_ok && scope_ok
}

/// Semantic Versioning 2.0.0: `MAJOR.MINOR.PATCH[-pre.release][+build]`.
fn is_semver(text: &str) -> bool {
    if text.len() > 64 {
        return false;
    }
    let (rest, build) = text
        .split_once('+')
        .map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest
        .split_once('-')
        .map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let pre_word =
        |part: &str| word(part) && (!part.bytes().all(|b| b.is_ascii_digit()) || number(part));
    core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| pre.split('.').all(pre_word))
        && build.is_none_or(|build| build.split('.').all(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{RiskLevel, SCHEMA_CAP, schema::DIALECT},
        *,
    };

    fn entry() -> Value {
        json!({
            "tool_id": "files.read", "tool_version": "1.0.0", "name": "Read", "description": "Reads a file.",
            "side_effect": "READ", "idempotency": "IDEMPOTENT", "determinism": "DETERMINISTIC",
            "availability": "OFFLINE_OK", "risk_level": "LOW",
            "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
            "required_capabilities": ["fs.read:workspace"],
        })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut entry = entry();
        entry[key] = value;
        entry
    }

    fn field_at_fault(entry: Value) -> Option<&'static str> {
        let bytes = serde_json::to_vec(&json!([entry])).expect("serialisable");
        ToolRegistry::from_json(&bytes)
            .err()
            .map(|error| error.field)
    }

    #[test]
    fn b3_entries_are_checked_field_by_field() {
        let deep = (0..33).fold(json!({}), |inner, _| json!({ "not": inner }));
        let object = |extra: Value| {
            let mut schema = json!({"type": "object"});
            schema
                .as_object_mut()
                .expect("object")
                .extend(extra.as_object().expect("object").clone());
            schema
        };
        let cases: Vec<(Value, Option<&str>)> = vec![
            (entry(), None),
            (with("tool_version", json!("1.0.0-rc.1+build.5")), None),
            (with("tool_version", json!("1.0")), Some("tool_version")),
            (with("tool_version", json!("1.0.00")), Some("tool_version")),
            (with("tool_version", json!("v1.0.0")), Some("tool_version")),
            (
                with("tool_version", json!("1.0.0-01")),
                Some("tool_version"),
            ),
            (with("tool_version", json!("1.0.0-")), Some("tool_version")),
            (
                with("deprecated_since", json!("soon")),
                Some("deprecated_since"),
            ),
            (
                with("replaced_by", json!("files.read")),
                Some("replaced_by"),
            ),
            (with("replaced_by", json!("files.read2")), None),
            (with("name", json!("")), Some("name")),
            (with("name", json!("a\nb")), Some("name")),
            (with("name", json!("a".repeat(129))), Some("name")),
            (with("description", json!("a\nb")), None),
            (with("description", json!("\u{1b}[2J")), Some("description")),
            (
                with("description", json!("a".repeat(4097))),
                Some("description"),
            ),
            (
                with("input_schema", json!({"type": "string"})),
                Some("input_schema"),
            ),
            (with("input_schema", json!({})), Some("input_schema")),
            (with("input_schema", json!(true)), Some("input_schema")),
            (
                with("input_schema", object(json!({"$schema": DIALECT}))),
                None,
            ),
            (
                with(
                    "input_schema",
                    object(json!({"$schema": "http://json-schema.org/draft-07/schema#"})),
                ),
                Some("input_schema"),
            ),
            (
                with("input_schema", object(deep.clone())),
                Some("input_schema"),
            ),
            (with("output_schema", deep), Some("output_schema")),
            (with("output_schema", json!({"type": "array"})), None),
            (
                with(
                    "input_schema",
                    object(json!({"title": "a".repeat(SCHEMA_CAP)})),
                ),
                Some("input_schema"),
            ),
            (with("required_capabilities", json!(["net"])), None),
            (
                with("required_capabilities", json!(["Net"])),
                Some("required_capabilities"),
            ),
            (
                with("required_capabilities", json!(["net:"])),
                Some("required_capabilities"),
            ),
            (
                with("required_capabilities", json!(["net: x"])),
                Some("required_capabilities"),
            ),
            (with("examples", json!([{"path": "a"}])), None),
            (with("examples", json!(["a"])), Some("examples")),
            (with("unknown", json!(1)), Some("file")),
            (with("tool_id", json!("read")), Some("file")),
            (with("risk_level", json!("NONE")), Some("file")),
        ];
        for (n, (entry, field)) in cases.into_iter().enumerate() {
            assert_eq!(field_at_fault(entry), field, "case {n}");
        }
    }

    #[test]
    fn s20_a_schema_refers_to_nothing_outside_itself() {
        let schema = |target: &str| {
            with(
                "input_schema",
                json!({"type": "object", "$defs": {"a": {}}, "properties": {"p": {"$ref": target}}}),
            )
        };
        for good in ["#", "#/$defs/a", "#/properties/p"] {
            assert_eq!(field_at_fault(schema(good)), None, "{good}");
        }
        for bad in [
            "https://evil.example/s.json",
            "file:///etc/passwd",
            "other.json",
            "",
            "#/$defs/b",
            "#a",
            "#/%24defs/a",
            "s.json#/$defs/a",
        ] {
            assert_eq!(field_at_fault(schema(bad)), Some("input_schema"), "{bad}");
        }
        let property =
            json!({"type": "object", "properties": {"$ref": {"type": "string"}, "$id": {}}});
        assert_eq!(
            field_at_fault(with("input_schema", property)),
            None,
            "a property of that name"
        );
        let based = json!({"type": "object", "$id": "https://evil.example/"});
        assert_eq!(
            field_at_fault(with("input_schema", based)),
            Some("input_schema")
        );
    }

    #[test]
    fn b3_ids_are_unique_and_definitions_keep_the_order_asked_for() {
        let second = with("tool_id", json!("files.write"));
        let bytes = serde_json::to_vec(&json!([entry(), second])).expect("serialisable");
        let mut registry = ToolRegistry::from_json(&bytes).expect("valid");
        assert_eq!((registry.len(), registry.is_empty()), (2, false));
        let again = registry.iter().next().expect("one").clone();
        assert_eq!(
            registry.register(again).expect_err("taken").field,
            "tool_id"
        );
        let ids: Vec<ToolId> = ["files.write", "files.read"]
            .iter()
            .map(|t| t.parse().expect("valid"))
            .collect();
        let definitions = registry.definitions(&ids).expect("registered");
        assert_eq!(
            definitions
                .iter()
                .map(|d| d.tool_id.as_str())
                .collect::<Vec<_>>(),
            ["files.write", "files.read"]
        );
        let unknown = [ToolId::new("no.such").expect("valid")];
        assert_eq!(
            registry.definitions(&unknown).expect_err("unknown").field,
            "tool_id"
        );
    }

    #[test]
    fn b13_a_tool_that_reaches_the_network_is_high_risk_whatever_it_says() {
        let bytes =
            serde_json::to_vec(&json!([with("availability", json!("BEST_EFFORT_OFFLINE"))]));
        let registry = ToolRegistry::from_json(&bytes.expect("serialisable")).expect("valid");
        let entry = registry.iter().next().expect("one");
        assert!(entry.is_egress());
        assert_eq!(entry.definition().risk_level, RiskLevel::High);
    }

    #[test]
    fn b3_duplicate_keys_are_refused() {
        let text = serde_json::to_string(&json!([entry()])).expect("serialisable");
        let twice = text.replacen("{", r#"{"name":"Other","#, 1);
        assert_eq!(
            ToolRegistry::from_json(twice.as_bytes())
                .expect_err("duplicate")
                .field,
            "file"
        );
    }
}
