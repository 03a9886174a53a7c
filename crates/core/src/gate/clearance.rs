//! Clearances. Private fields, no constructor outside the gate, no `Clone`, no `Serialize`, one use.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    control::ControlCall,
    envelope::{Envelope, Prepared},
    ids::{ReceiptId, UseId},
    ports::Epochs,
    provider::ProviderRecord,
    tier::ModelTier,
};

/// What both kinds of clearance hold.
pub(super) struct Grant {
    pub(super) record: Arc<ProviderRecord>,
    pub(super) peers: Arc<[SocketAddr]>,
    pub(super) effective: ModelTier,
    pub(super) use_id: UseId,
    pub(super) attempt: u32,
    /// The place of the attempt's event in the log; `None` for Local, whose events are queued.
    pub(super) intent: Option<u64>,
    pub(super) epochs: Option<Epochs>,
    /// On the monotonic clock. A clearance may not be parked.
    pub(super) valid_until: Duration,
}

macro_rules! common {
    () => {
        /// The provider, as it was when the gate judged.
        #[must_use]
        pub fn record(&self) -> &Arc<ProviderRecord> {
            &self.grant.record
        }

        /// The only addresses that may be dialled.
        #[must_use]
        pub fn peers(&self) -> &[SocketAddr] {
            &self.grant.peers
        }

        /// The effective tier.
        #[must_use]
        pub fn effective_tier(&self) -> ModelTier {
            self.grant.effective
        }

        /// The logical call.
        #[must_use]
        pub fn use_id(&self) -> UseId {
            self.grant.use_id
        }

        /// Which attempt, from 1.
        #[must_use]
        pub fn attempt(&self) -> u32 {
            self.grant.attempt
        }

        /// The place of the attempt's event in the log, for Cloud.
        #[must_use]
        pub fn intent(&self) -> Option<u64> {
            self.grant.intent
        }

        /// The epochs that the verdict was reached under, for Cloud.
        #[must_use]
        pub fn epochs(&self) -> Option<&Epochs> {
            self.grant.epochs.as_ref()
        }

        /// Until when it may be sent, on the monotonic clock.
        #[must_use]
        pub fn valid_until(&self) -> Duration {
            self.grant.valid_until
        }
    };
}

/// Proof that an envelope passed the gate. Without one, [`crate::ports::LlmClient::send`] cannot be called.
#[must_use]
pub struct Cleared {
    pub(super) grant: Grant,
    pub(super) prepared: Prepared,
    pub(super) receipt: Option<ReceiptId>,
}

impl Cleared {
    common!();

    /// The envelope.
    #[must_use]
    pub fn envelope(&self) -> &Arc<Envelope> {
        self.prepared.envelope()
    }

    /// The envelope and the decoder's side of it.
    #[must_use]
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The receipt that it spends, for Cloud.
    #[must_use]
    pub fn receipt(&self) -> Option<ReceiptId> {
        self.receipt
    }
}

impl fmt::Debug for Cleared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cleared(..)")
    }
}

/// Proof that a payload-free envelope passed the gate.
#[must_use]
pub struct ClearedControl {
    pub(super) grant: Grant,
    pub(super) envelope: Arc<Envelope>,
    pub(super) call: ControlCall,
}

impl ClearedControl {
    common!();

    /// The envelope.
    #[must_use]
    pub fn envelope(&self) -> &Arc<Envelope> {
        &self.envelope
    }

    /// What it asks.
    #[must_use]
    pub fn call(&self) -> &ControlCall {
        &self.call
    }
}

impl fmt::Debug for ClearedControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClearedControl(..)")
    }
}
