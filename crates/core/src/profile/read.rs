//! Reading a profile from bytes, the older schema included.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{ProfileSchema, WORK_PROFILE, WorkProfile};
use crate::json::read_strict;

/// The older schema that is read.
const WORK_PROFILE_0_5: &str = "hsk.work_profile@0.5";

/// A profile that is malformed or contradicts itself, with the field at fault. Repeats nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidProfile {
    /// The field.
    pub field: &'static str,
    /// The rule.
    pub reason: &'static str,
}

impl WorkProfile {
    /// Reads and checks a profile, `@0.6` or `@0.5`. Fields that an older profile lacks take their strictest
    /// value: `LOCKED`, no cloud escalation, `local_only`, only the models that the role names.
    ///
    /// # Errors
    /// [`InvalidProfile`] with the first field at fault, unknown fields and duplicate keys included.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidProfile> {
        let whole = |reason| InvalidProfile {
            field: "profile",
            reason,
        };
        let Ok(Value::Object(mut fields)) = read_strict(bytes) else {
            return Err(whole("must be one JSON object without duplicate keys"));
        };
        match fields.remove("schema") {
            Some(Value::String(schema)) if schema == WORK_PROFILE => {}
            Some(Value::String(schema)) if schema == WORK_PROFILE_0_5 => upgrade(&mut fields),
            _ => {
                let reason = "must be hsk.work_profile@0.6 or hsk.work_profile@0.5";
                return Err(InvalidProfile {
                    field: "schema",
                    reason,
                });
            }
        }
        let profile = Self {
            schema: ProfileSchema::V0_6,
            profile_id: required(&mut fields, "profile_id")?,
            name: required(&mut fields, "name")?,
            description: optional(&mut fields, "description")?,
            model_assignments: required(&mut fields, "model_assignments")?,
            governance: required(&mut fields, "governance")?,
            routing: optional(&mut fields, "routing")?,
            overrides: optional(&mut fields, "overrides")?,
        };
        if !fields.is_empty() {
            return Err(whole("unknown field"));
        }
        profile.check()?;
        Ok(profile)
    }
}

fn required<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<T, InvalidProfile> {
    let value = fields.remove(field).ok_or(InvalidProfile {
        field,
        reason: "missing",
    })?;
    // serde's own message may quote the value.
    serde_json::from_value(value).map_err(|_| InvalidProfile {
        field,
        reason: "unknown or missing member, or a malformed value",
    })
}

fn optional<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<Option<T>, InvalidProfile> {
    if fields.contains_key(field) {
        required(fields, field).map(Some)
    } else {
        Ok(None)
    }
}

/// Fills in what `@0.5` may lack. Present fields keep their value; malformed ones fail later, by name.
fn upgrade(fields: &mut Map<String, Value>) {
    let governance = fields.entry("governance").or_insert_with(|| json!({}));
    if let Value::Object(governance) = governance {
        governance
            .entry("automation_level")
            .or_insert_with(|| json!("LOCKED"));
        governance
            .entry("allow_cloud_escalation")
            .or_insert_with(|| json!(false));
        governance
            .entry("max_cloud_escalations_per_job")
            .or_insert_with(|| json!(0));
    }
    let Some(Value::Object(assignments)) = fields.get_mut("model_assignments") else {
        return;
    };
    for assignment in assignments.values_mut() {
        let Value::Object(assignment) = assignment else {
            continue;
        };
        // An extension inherits what it leaves out, and that is strict already.
        if assignment.contains_key("inherits") {
            continue;
        }
        assignment
            .entry("local_only")
            .or_insert_with(|| json!(true));
        let named: Vec<Value> = ["primary_model_id", "fallback_model_id"]
            .iter()
            .filter_map(|key| assignment.get(*key).cloned())
            .collect();
        assignment
            .entry("allowed_models")
            .or_insert_with(|| Value::Array(named));
    }
}
