//! Sessions in memory.

use std::time::Duration;

use async_trait::async_trait;
use handshake_core::{
    chat::Message,
    ids::SessionId,
    label::Label,
    ports::{Clock, SessionError, SessionLease, SessionStore},
};

use super::Memory;

#[async_trait]
impl SessionStore for Memory {
    async fn load(&self, session: &SessionId) -> Result<(Vec<Message>, Label), SessionError> {
        let state = self.store()?;
        let (messages, label) = state.sessions.get(session).cloned().unwrap_or_default();
        Ok((messages, label.unwrap_or(Label::INLINE)))
    }

    async fn append(
        &self,
        session: &SessionId,
        messages: Vec<Message>,
        label: Label,
    ) -> Result<(), SessionError> {
        let mut state = self.store()?;
        let (stored, joined) = state.sessions.entry(session.clone()).or_default();
        stored.extend(messages);
        *joined = Some(joined.unwrap_or(Label::INLINE).join(label));
        Ok(())
    }

    async fn acquire(
        &self,
        session: &SessionId,
        owner: u128,
        ttl: Duration,
    ) -> Result<SessionLease, SessionError> {
        let now = self.now();
        let mut state = self.store()?;
        if state.leases.get(session).is_some_and(|held| held.owner != owner && held.expires_at > now) {
            return Err(SessionError::Busy);
        }
        let lease =
            SessionLease { session_id: session.clone(), owner, expires_at: now.plus(ttl) };
        state.leases.insert(session.clone(), lease.clone());
        Ok(lease)
    }

    async fn release(&self, lease: &SessionLease) -> Result<(), SessionError> {
        let mut state = self.store()?;
        if state.leases.get(&lease.session_id).is_some_and(|held| held.owner == lease.owner) {
            state.leases.remove(&lease.session_id);
        }
        Ok(())
    }
}
