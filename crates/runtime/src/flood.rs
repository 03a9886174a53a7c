//! Denials of a flood are counted by the gate; this has the counts recorded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use handshake_core::gate::Gate;

/// So long after the first denial that was counted the counts are recorded.
const SOON: Duration = Duration::from_secs(1);

/// Has counts recorded, once for all denials of a moment.
#[derive(Default)]
pub(crate) struct Counts(Arc<AtomicBool>);

impl Counts {
    /// A denial was counted.
    pub(crate) fn counted(&self, gate: &Arc<Gate>) {
        if self.0.swap(true, Ordering::SeqCst) {
            return;
        }
        let (gate, due) = (Arc::clone(gate), Arc::clone(&self.0));
        tokio::spawn(async move {
            tokio::time::sleep(SOON).await;
            due.store(false, Ordering::SeqCst);
            // What could not be recorded stays counted, and goes with what comes next.
            let _kept = gate.record_floods().await;
        });
    }
}
