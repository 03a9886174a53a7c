//! What the simulator received.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

/// Requests that are kept; older ones go first.
const MAX_KEPT: usize = 4096;

/// Body bytes that are kept.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// A request as it arrived. `Debug` shows no header value and no body.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// Position among all requests, from zero.
    pub at_index: u64,
    /// HTTP method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Query, without the question mark.
    pub query: Option<String>,
    /// Header names, in lower case, and values, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body; empty where it was above [`crate::MAX_BODY_BYTES`] or did not arrive whole.
    pub body: Bytes,
}

impl Received {
    /// The first header of this name, which is given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON, where it is JSON.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Received")
            .field("at_index", &self.at_index)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The requests of a simulator, bounded.
#[derive(Debug)]
pub(crate) struct Log {
    kept: Mutex<VecDeque<Received>>,
    total: watch::Sender<u64>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            total: watch::Sender::new(0),
        }
    }
}

impl Log {
    /// Adds a request; its index is set here.
    pub(crate) fn push(&self, mut received: Received) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        received.at_index = *self.total.borrow();
        kept.push_back(received);
        while kept.len() > MAX_KEPT
            || (kept.len() > 1
                && kept.iter().map(|one| one.body.len()).sum::<usize>() > MAX_KEPT_BYTES)
        {
            kept.pop_front();
        }
        // Under the lock, so that the count never runs ahead of what can be read.
        self.total.send_modify(|total| *total += 1);
    }

    /// The requests that are kept.
    pub(crate) fn all(&self) -> Vec<Received> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }

    /// How many there were.
    pub(crate) fn total(&self) -> u64 {
        *self.total.borrow()
    }

    /// Waits until there were `count`.
    pub(crate) async fn reached(&self, count: u64) {
        let mut total = self.total.subscribe();
        // The sender lives in `self`, so waiting does not fail.
        if total.wait_for(|now| *now >= count).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
