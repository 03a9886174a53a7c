//! Sessions in memory.

use std::time::Duration;

use async_trait::async_trait;
use handshake_core::{
    chat::Message,
    ids::SessionId,
    label::Label,
    ports::{Clock, SessionError, SessionLease, SessionStore, StoredSession},
};

use super::Memory;

#[async_trait]
impl SessionStore for Memory {
    async fn load(&self, session: &SessionId) -> Result<StoredSession, SessionError> {
        Ok(self
            .store()?
            .sessions
            .get(session)
            .cloned()
            .unwrap_or_default())
    }

    async fn append(
        &self,
        session: &SessionId,
        messages: Vec<Message>,
        label: Label,
    ) -> Result<(), SessionError> {
        let mut state = self.store()?;
        let stored = state.sessions.entry(session.clone()).or_default();
        stored.messages.extend(messages);
        stored.label = stored.label.join(label);
        Ok(())
    }

    async fn resume(
        &self,
        session: &SessionId,
        resumed: StoredSession,
    ) -> Result<(), SessionError> {
        self.store()?.sessions.insert(session.clone(), resumed);
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
        if state
            .leases
            .get(session)
            .is_some_and(|held| held.owner != owner && held.expires_at > now)
        {
            return Err(SessionError::Busy);
        }
        let lease = SessionLease {
            session_id: session.clone(),
            owner,
            expires_at: now.plus(ttl),
        };
        state.leases.insert(session.clone(), lease.clone());
        Ok(lease)
    }

    async fn release(&self, lease: &SessionLease) -> Result<(), SessionError> {
        let mut state = self.store()?;
        if state
            .leases
            .get(&lease.session_id)
            .is_some_and(|held| held.owner == lease.owner)
        {
            state.leases.remove(&lease.session_id);
        }
        Ok(())
    }
}
