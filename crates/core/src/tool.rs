//! Tools: registry entries, their projections for a request, and the tool call message HTC-1.0.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ids::{Principal, SessionId, ToolCallId, ToolId, ToolName, TraceId},
    label::Label,
};

mod registry;
mod schema;

pub use self::{
    registry::{InvalidTool, ToolRegistry},
    schema::{UnsupportedSchema, check_schema},
};

/// The largest arguments and results that travel inline, in bytes.
pub const INLINE_CAP: usize = 32 * 1024;
/// The largest schema of a tool, in bytes.
pub const SCHEMA_CAP: usize = 64 * 1024;

macro_rules! upper_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
            schemars::JsonSchema,
        )]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name { $($(#[$vdoc])* $variant),* }
    };
}

upper_enum! {
    /// What a tool does to the world.
    SideEffect {
        /// Looks.
        Read,
        /// Changes something.
        Write,
        /// Runs something.
        Execute,
    }
}
upper_enum! {
    /// Whether calling twice is calling once.
    Idempotency {
        /// Yes.
        Idempotent,
        /// Yes, with the same key.
        IdempotentWithKey,
        /// No.
        NonIdempotent,
    }
}
upper_enum! {
    /// Whether the same arguments give the same result.
    Determinism {
        /// Yes.
        Deterministic,
        /// Mostly.
        BestEffort,
        /// No.
        NonDeterministic,
    }
}
upper_enum! {
    /// Whether a tool needs the network. Anything but `OFFLINE_OK` is an egress.
    Availability {
        /// Works offline and reaches nothing.
        OfflineOk,
        /// Needs the network.
        RequiresNetwork,
        /// Uses it when it is there.
        BestEffortOffline,
    }
}
upper_enum! {
    /// How bad a wrong call can be.
    RiskLevel {
        /// Harmless.
        Low,
        /// Annoying.
        Medium,
        /// Serious; every egress is at least this.
        High,
    }
}

/// A tool of the registry. The only place that holds its schema.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolEntry {
    /// Its id.
    pub tool_id: ToolId,
    /// Its version, semver.
    pub tool_version: String,
    /// Its name for people.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// What it does to the world.
    pub side_effect: SideEffect,
    /// Whether calling twice is calling once.
    pub idempotency: Idempotency,
    /// Whether it is a function of its arguments.
    pub determinism: Determinism,
    /// Whether it needs the network.
    pub availability: Availability,
    /// JSON Schema 2020-12 of the arguments, local `$ref` only.
    pub input_schema: Value,
    /// JSON Schema 2020-12 of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// The label of its results; absent is unknown, which blocks towards Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_label: Option<Label>,
    /// What a session must be granted, `axis[:scope]`.
    #[serde(default)]
    pub required_capabilities: BTreeSet<String>,
    /// How bad a wrong call can be.
    pub risk_level: RiskLevel,
    /// Example arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Value>,
    /// Not offered until asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deferred: bool,
    /// Deprecated since this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated_since: Option<String>,
    /// Use this instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<ToolId>,
}

impl ToolEntry {
    /// Whether calling it may carry data off the machine.
    #[must_use]
    pub fn is_egress(&self) -> bool {
        self.availability != Availability::OfflineOk
    }

    /// Whether its arguments stay on this machine for certain: it reaches nothing, runs nothing that could, and asks
    /// for no leave to.
    #[must_use]
    pub fn stays_local(&self) -> bool {
        const REACHING: &[&str] = &["net", "network", "http", "internet", "egress", "mcp"];
        let reaches = |wanted: &String| {
            let axis = wanted.split(':').next().unwrap_or_default();
            REACHING.contains(&axis)
        };
        !self.is_egress()
            && self.side_effect != SideEffect::Execute
            && !self.required_capabilities.iter().any(reaches)
    }

    /// The projection that a request carries.
    ///
    /// # Panics
    /// Never: a tool id is a valid tool name.
    #[must_use]
    pub fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            tool_id: ToolName::new(self.tool_id.as_str()).expect("a tool id is a tool name"),
            name: self.name.clone(),
            description: self.description.clone(),
            parameters: self.input_schema.clone(),
            required_capabilities: self.required_capabilities.clone(),
            risk_level: if self.is_egress() {
                RiskLevel::High
            } else {
                self.risk_level
            },
        }
    }
}

/// What a request says about a tool: a projection of the registry entry, or a gateway client's own tool.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolDefinition {
    /// Its id; for a client's own tool, the client's name for it.
    pub tool_id: ToolName,
    /// Its name for people.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: Value,
    /// What a session must be granted.
    #[serde(default)]
    pub required_capabilities: BTreeSet<String>,
    /// How bad a wrong call can be.
    pub risk_level: RiskLevel,
}

/// The version of the tool call message.
pub const HTC_VERSION: &str = "htc-1.0";

/// HTC-1.0: a request to run a tool.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolRequest {
    /// `htc-1.0`.
    pub schema_version: String,
    /// The call.
    pub tool_call_id: ToolCallId,
    /// The trace.
    pub trace_id: TraceId,
    /// The session.
    pub session_id: SessionId,
    /// On whose behalf.
    pub actor: Principal,
    /// Which tool.
    pub tool_id: ToolId,
    /// Which version of it.
    pub tool_version: String,
    /// The arguments, one object.
    pub args: Map<String, Value>,
    /// The key under which repeating is harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Only check, do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// HTC-1.0: what came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolResponse {
    /// `htc-1.0`.
    pub schema_version: String,
    /// The call.
    pub tool_call_id: ToolCallId,
    /// Whether it succeeded.
    pub ok: bool,
    /// The result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ToolError>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub duration_ms: u64,
    /// What it used: counts by name.
    #[serde(default)]
    pub resources: BTreeMap<String, u64>,
}

/// HTC-1.0: a failure.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolError {
    /// `VAL-HTC-001` for failed validation, otherwise one of our codes.
    pub code: String,
    /// What kind.
    pub kind: ToolErrorKind,
    /// One sentence that repeats no argument.
    pub message: String,
    /// Whether trying again may help.
    pub retryable: bool,
    /// Where in the arguments: JSON pointers, never values.
    #[serde(default)]
    pub details: Vec<String>,
}

/// The code of failed validation of a tool call message.
pub const HTC_INVALID: &str = "VAL-HTC-001";

/// The kinds of [`ToolError`].
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ToolErrorKind {
    /// Arguments or result do not match the schema.
    Validation,
    /// Credentials are missing.
    Auth,
    /// The session lacks a grant.
    Capability,
    /// It took too long.
    Timeout,
    /// The tool itself failed.
    Tool,
    /// It could not be reached.
    Transport,
    /// Cancelled.
    Canceled,
    /// A rule said no.
    Policy,
}
