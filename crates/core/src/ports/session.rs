//! Stored sessions.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    chat::Message,
    ids::{ModelRef, SessionId},
    label::Label,
    time::UtcTime,
};

/// A session that cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SessionError {
    /// Another call of this session is executing: `HSK-409-SESSION-BUSY`.
    #[error("another call is running in this session")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A stored conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSession {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// The join of their labels.
    pub label: Label,
    /// The model that the session was moved to by a swap; `None` before the first one.
    pub model: Option<ModelRef>,
}

impl Default for StoredSession {
    /// Empty, inline, with no model of its own.
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            label: Label::INLINE,
            model: None,
        }
    }
}

/// The right to execute in a session until a time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionLease {
    /// The session.
    pub session_id: SessionId,
    /// The holder: random per call.
    pub owner: u128,
    /// Until when, unless it is renewed.
    pub expires_at: UtcTime,
}

/// Conversations. Messages are sealed at rest.
///
/// # Contract
/// One lease per session across all processes of a home; an expired lease may be taken over.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// The current conversation.
    ///
    /// # Errors
    /// [`SessionError::Store`]. An unknown session is empty and inline.
    async fn load(&self, session: &SessionId) -> Result<StoredSession, SessionError>;

    /// Appends messages and joins the label, in one transaction.
    ///
    /// # Errors
    /// [`SessionError::Store`].
    async fn append(
        &self,
        session: &SessionId,
        messages: Vec<Message>,
        label: Label,
    ) -> Result<(), SessionError>;

    /// Replaces the conversation by a compiled one and moves the session to a model, in one transaction.
    ///
    /// # Errors
    /// [`SessionError::Store`]; the session is as it was then.
    async fn resume(&self, session: &SessionId, resumed: StoredSession)
    -> Result<(), SessionError>;

    /// Takes or, with the same owner, renews the lease.
    ///
    /// # Errors
    /// [`SessionError::Busy`] while another owner holds it.
    async fn acquire(
        &self,
        session: &SessionId,
        owner: u128,
        ttl: Duration,
    ) -> Result<SessionLease, SessionError>;

    /// Gives the lease back. Giving back what one does not hold does nothing.
    ///
    /// # Errors
    /// [`SessionError::Store`].
    async fn release(&self, lease: &SessionLease) -> Result<(), SessionError>;
}
