//! The registry as the call path sees it.

use std::sync::Arc;

use super::StoreError;
use crate::profile::RegistryView;

/// The registry in memory.
///
/// # Contract
/// `current` is cheap and never waits for a database: it hands out an immutable view. A change by this process is in
/// the next view that is handed out after the change returned; a change by another process is in it within 50 ms. A
/// view that cannot be read any more is an error, never an older view without an end.
pub trait RegistryFeed: Send + Sync {
    /// The registry as it stands.
    ///
    /// # Errors
    /// [`StoreError`]; the call is refused then.
    fn current(&self) -> Result<Arc<RegistryView>, StoreError>;
}
