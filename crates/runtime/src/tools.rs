//! The tool gate over the registry: arguments, grants, caps, egress. Deny by default.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use handshake_core::{
    code::ErrorCode,
    ids::{SessionId, ToolId},
    ports::{ToolExecutor, ToolGate, ToolInvocation, ToolRefusal, ToolVerdict},
    tool::{
        HTC_INVALID, HTC_VERSION, INLINE_CAP, ToolEntry, ToolError, ToolErrorKind, ToolRegistry,
        ToolRequest, ToolResponse,
    },
};

use crate::check::compile_schema;

/// What sessions may do, as `axis[:scope]`.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// What anybody may do at most.
    pub global: BTreeSet<String>,
    /// What one session may do; a session that is not listed may do nothing.
    pub sessions: BTreeMap<SessionId, BTreeSet<String>>,
    /// What a session that is not listed may do.
    pub default_session: BTreeSet<String>,
}

impl Grants {
    /// Whether a session has a capability: session ∩ global. A grant of an axis covers its scopes.
    #[must_use]
    pub fn allow(&self, session: &SessionId, wanted: &str) -> bool {
        let axis = wanted.split(':').next().unwrap_or(wanted);
        let has = |set: &BTreeSet<String>| set.contains(wanted) || set.contains(axis);
        has(&self.global) && has(self.sessions.get(session).unwrap_or(&self.default_session))
    }
}

/// Runs nothing: for a runtime that offers no tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTools;

#[async_trait]
impl ToolExecutor for NoTools {
    async fn execute(&self, _: &ToolEntry, request: ToolRequest) -> ToolResponse {
        ToolResponse {
            schema_version: HTC_VERSION.to_owned(),
            tool_call_id: request.tool_call_id,
            ok: false,
            result: None,
            error: Some(ToolError {
                code: HTC_INVALID.to_owned(),
                kind: ToolErrorKind::Validation,
                message: "no tools are available here".to_owned(),
                retryable: false,
                details: Vec::new(),
            }),
            duration_ms: 0,
            resources: BTreeMap::new(),
        }
    }
}

/// The gate. Schemas are compiled once, when it is built.
pub struct RegistryToolGate {
    grants: Grants,
    schemas: BTreeMap<ToolId, Schemas>,
}

struct Schemas {
    input: Arc<jsonschema::Validator>,
    output: Option<Arc<jsonschema::Validator>>,
}

impl std::fmt::Debug for RegistryToolGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryToolGate")
            .field("tools", &self.schemas.len())
            .finish_non_exhaustive()
    }
}

impl RegistryToolGate {
    /// A gate that knows no tool, and so lets none through.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            grants: Grants::default(),
            schemas: BTreeMap::new(),
        }
    }

    /// Compiles the schemas of a registry.
    ///
    /// # Errors
    /// `HSK-422-SCHEMA-KEYWORD` for a schema that does not compile within its bounds.
    pub fn new(
        registry: &ToolRegistry,
        grants: Grants,
    ) -> Result<Self, handshake_core::error::CallError> {
        let mut schemas = BTreeMap::new();
        for entry in registry.iter() {
            let input = Arc::new(compile_schema(&entry.input_schema)?);
            let output = entry
                .output_schema
                .as_ref()
                .map(compile_schema)
                .transpose()?
                .map(Arc::new);
            schemas.insert(entry.tool_id.clone(), Schemas { input, output });
        }
        Ok(Self { grants, schemas })
    }
}

fn refuse(code: ErrorCode, reason: &'static str) -> ToolRefusal {
    ToolRefusal {
        code,
        reason,
        pointers: Vec::new(),
    }
}

impl ToolGate for RegistryToolGate {
    fn check(&self, invocation: &ToolInvocation<'_>) -> ToolVerdict {
        let denied = |reason| refuse(ErrorCode::ToolDenied, reason);
        let entry = invocation.entry.ok_or_else(|| denied("no such tool"))?;
        let schemas = self
            .schemas
            .get(&entry.tool_id)
            .ok_or_else(|| denied("no such tool"))?;
        if entry.is_egress() {
            // An egress needs a receipt of its own kind, which no version of this program issues yet.
            return Err(denied("tools that reach the network are not granted"));
        }
        for wanted in &entry.required_capabilities {
            if !self.grants.allow(invocation.session_id, wanted) {
                return Err(denied("the session lacks a capability that the tool needs"));
            }
        }
        let args = serde_json::Value::Object(invocation.request.args.clone());
        if args.to_string().len() > INLINE_CAP {
            return Err(denied("the arguments are larger than 32 KiB"));
        }
        // Masked: the library's own messages repeat values.
        let pointers: Vec<String> = schemas
            .input
            .iter_errors(&args)
            .take(8)
            .map(|error| error.instance_path().to_string())
            .collect();
        if pointers.is_empty() {
            Ok(())
        } else {
            let reason = "the arguments do not match the tool's schema";
            Err(ToolRefusal {
                code: ErrorCode::ToolCallParse,
                reason,
                pointers,
            })
        }
    }

    fn check_result(&self, entry: &ToolEntry, response: &ToolResponse) -> ToolVerdict {
        let result = response.result.as_ref().unwrap_or(&serde_json::Value::Null);
        if result.to_string().len() > INLINE_CAP {
            return Err(refuse(
                ErrorCode::ToolDenied,
                "the result is larger than 32 KiB",
            ));
        }
        let output = self
            .schemas
            .get(&entry.tool_id)
            .and_then(|schemas| schemas.output.as_ref());
        match output {
            Some(schema) if !schema.is_valid(result) => Err(refuse(
                ErrorCode::ToolDenied,
                "the result does not match the tool's schema",
            )),
            _ => Ok(()),
        }
    }
}
