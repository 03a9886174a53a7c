//! Compiling a fresh context for a swapped model.

use async_trait::async_trait;

use crate::{
    artifact::ArtifactMeta,
    chat::Message,
    ids::{ArtifactRef, ModelRef, RoleId, SessionId},
    label::Label,
};

/// What to compile.
#[derive(Clone, Debug)]
pub struct CompileRequest {
    /// The session.
    pub session_id: SessionId,
    /// The model that will read it.
    pub target: ModelRef,
    /// The role it takes over.
    pub role: RoleId,
    /// The persisted state.
    pub state_refs: Vec<ArtifactRef>,
}

/// A fresh context.
#[derive(Clone, Debug)]
pub struct CompiledContext {
    /// The messages that the session resumes with.
    pub messages: Vec<Message>,
    /// The join of the labels of everything that went in.
    pub label: Label,
    /// The stored compile artefact.
    pub artifact: ArtifactMeta,
}

/// A context that could not be compiled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot compile the context: {reason}")]
pub struct CompileError {
    /// Why, in our own words.
    pub reason: &'static str,
}

/// Makes the context that a session resumes with after a swap.
///
/// # Contract
/// Reads only the given state; stores its result before it returns; carries the join of all labels.
#[async_trait]
pub trait ContextCompiler: Send + Sync {
    /// Compiles.
    ///
    /// # Errors
    /// [`CompileError`].
    async fn compile(&self, request: CompileRequest) -> Result<CompiledContext, CompileError>;
}
