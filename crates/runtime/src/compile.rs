//! The default compiler: a session's transcript, without what only its old model understands.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use handshake_core::{
    chat::{Message, Role},
    ids::ArtifactRef,
    label::Label,
    ports::{ArtifactStore, CompileError, CompileRequest, CompiledContext, ContextCompiler},
};

/// Compiles transcripts that [`persist`] stored.
pub struct TranscriptCompiler {
    artifacts: Arc<dyn ArtifactStore>,
}

impl TranscriptCompiler {
    /// Reads and writes through this store.
    #[must_use]
    pub fn new(artifacts: Arc<dyn ArtifactStore>) -> Self {
        Self { artifacts }
    }
}

impl std::fmt::Debug for TranscriptCompiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TranscriptCompiler(..)")
    }
}

/// Stores a transcript as an artefact, so that a swap can persist it.
///
/// # Errors
/// [`CompileError`] when the store fails.
pub async fn persist(
    artifacts: &dyn ArtifactStore,
    messages: &[Message],
    label: Label,
) -> Result<handshake_core::artifact::ArtifactMeta, CompileError> {
    let content = serde_json::to_vec(messages).map_err(|_| CompileError {
        reason: "cannot write the transcript",
    })?;
    artifacts
        .put(content.into(), Some(label), Vec::new())
        .await
        .map_err(|_| CompileError {
            reason: "cannot store the transcript",
        })
}

#[async_trait]
impl ContextCompiler for TranscriptCompiler {
    async fn compile(&self, request: CompileRequest) -> Result<CompiledContext, CompileError> {
        let mut messages = Vec::new();
        let mut label = Label::INLINE;
        for reference in &request.state_refs {
            let (content, known) = self.read(reference).await?;
            messages.extend(content);
            label = label.join(known);
        }
        let messages = fresh(messages);
        let content = serde_json::to_vec(&messages).map_err(|_| CompileError {
            reason: "cannot write the context",
        })?;
        let artifact = self
            .artifacts
            .put(content.into(), Some(label), request.state_refs)
            .await
            .map_err(|_| CompileError {
                reason: "cannot store the context",
            })?;
        Ok(CompiledContext {
            messages,
            label,
            artifact,
        })
    }
}

impl TranscriptCompiler {
    async fn read(&self, reference: &ArtifactRef) -> Result<(Vec<Message>, Label), CompileError> {
        let artifact = self
            .artifacts
            .get(reference)
            .await
            .map_err(|_| CompileError {
                reason: "cannot read the state",
            })?
            .ok_or(CompileError {
                reason: "no stored state",
            })?;
        let messages = serde_json::from_slice(&artifact.content).map_err(|_| CompileError {
            reason: "the state is not a transcript",
        })?;
        Ok((messages, artifact.meta.label.unwrap_or(Label::UNKNOWN)))
    }
}

/// The transcript for another model: no thinking, no opaque state, no foreign call ids, and no call without
/// its result or result without its call.
fn fresh(messages: Vec<Message>) -> Vec<Message> {
    let of = |role| {
        let ids = messages.iter().filter(move |m: &&Message| m.role == role);
        ids.filter_map(|m| m.tool_call_id).collect::<BTreeSet<_>>()
    };
    let (called, answered) = (of(Role::ToolCall), of(Role::ToolResult));
    let whole = |message: &Message| match message.role {
        Role::ToolCall => message
            .tool_call_id
            .is_some_and(|id| answered.contains(&id)),
        Role::ToolResult => message.tool_call_id.is_some_and(|id| called.contains(&id)),
        _ => true,
    };
    messages
        .iter()
        .filter(|message| whole(message))
        .cloned()
        .map(|mut message| {
            message.reasoning = None;
            message.provider_state = None;
            if let Some(call) = &mut message.tool_call {
                call.provider_call_id = None;
            }
            message
        })
        .collect()
}
