//! Conversations that were opened before, so that a long one is not decrypted and copied anew for each of its turns.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use handshake_core::{chat::Message, digest::Digest, ids::SessionId, label::Label};

/// The most conversations that are kept open, and the most bytes of all of them.
const CONVERSATIONS: usize = 8;
const BYTES: usize = 64 << 20;

/// What was opened of one session.
#[derive(Clone)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Message>,
    /// The join of their labels.
    pub(super) label: Label,
    /// The digest of the last message as it is sealed.
    pub(super) last: Option<Digest>,
    bytes: usize,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            label: Label::INLINE,
            last: None,
            bytes: 0,
        }
    }
}

impl Conversation {
    pub(super) fn push(&mut self, message: Message, label: Label, sealed: Digest) {
        let attached = message.attachments.iter().map(|a| a.bytes.len());
        self.bytes += message.content.len() + attached.sum::<usize>();
        self.messages.push(message);
        self.label = self.label.join(label);
        self.last = Some(sealed);
    }
}

/// The conversations, the one that was used last in front. Plain text in memory: bounded, and gone with the process.
#[derive(Default)]
pub(crate) struct Opened(Mutex<VecDeque<(SessionId, Conversation)>>);

impl Opened {
    /// What is known of a session; empty where nothing is.
    pub(super) fn known(&self, session: &SessionId) -> Conversation {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .find(|(id, _)| id == session)
            .map(|(_, conversation)| conversation.clone())
            .unwrap_or_default()
    }

    pub(super) fn keep(&self, session: &SessionId, conversation: Conversation) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(id, _)| id != session);
        kept.push_front((session.clone(), conversation));
        let held = |kept: &VecDeque<(SessionId, Conversation)>| {
            kept.iter().map(|(_, c)| c.bytes).sum::<usize>()
        };
        while kept.len() > CONVERSATIONS || held(&kept) > BYTES {
            kept.pop_back();
        }
    }
}
