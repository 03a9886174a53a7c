//! Tools: who may call what, and who runs it.

use async_trait::async_trait;

use crate::{
    code::ErrorCode,
    ids::{Principal, SessionId},
    label::Label,
    tier::ModelTier,
    tool::{ToolEntry, ToolRequest, ToolResponse},
};

/// One invocation, as the gate sees it.
#[derive(Clone, Debug)]
pub struct ToolInvocation<'a> {
    /// The registry entry; `None` when there is none of this name.
    pub entry: Option<&'a ToolEntry>,
    /// The request.
    pub request: &'a ToolRequest,
    /// On whose behalf.
    pub principal: &'a Principal,
    /// The session.
    pub session_id: &'a SessionId,
    /// The tier of the model that asks for it.
    pub asked_by: ModelTier,
    /// The join of the labels of everything that the session holds.
    pub label: Label,
}

/// Why a call was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason} [{code}]")]
pub struct ToolRefusal {
    /// The code.
    pub code: ErrorCode,
    /// Why, in our own words.
    pub reason: &'static str,
    /// Where in the arguments, as JSON pointers.
    pub pointers: Vec<String>,
}

/// What the gate says.
pub type ToolVerdict = Result<(), ToolRefusal>;

/// Sees every invocation. Deny by default.
///
/// # Contract
/// Checks arguments against the entry's schema, effective grants (session ∩ global), the 32 KiB cap, and, for
/// tools that are an egress, leakage and labels. Pure, but for what it was built with.
pub trait ToolGate: Send + Sync {
    /// Judges one invocation.
    ///
    /// # Errors
    /// [`ToolRefusal`].
    fn check(&self, invocation: &ToolInvocation<'_>) -> ToolVerdict;

    /// Judges the result of one invocation before it goes back to a model.
    ///
    /// # Errors
    /// [`ToolRefusal`] when it exceeds the cap or does not match the output schema.
    fn check_result(&self, entry: &ToolEntry, response: &ToolResponse) -> ToolVerdict;
}

/// Runs tools.
///
/// # Contract
/// Runs only what it was given an entry for. A failure is a `ToolResponse` with `ok: false`, never a panic.
///
/// # Cancellation
/// Dropping the future stops the tool.
#[async_trait]
pub trait ToolExecutor: Send + Sync {
    /// Runs a tool.
    async fn execute(&self, entry: &ToolEntry, request: ToolRequest) -> ToolResponse;
}
