//! What a store is opened with.

use std::{fmt, sync::Arc};

use handshake_core::{
    attest::PublicKey,
    ids::ExternalId,
    ports::{Clock, Entropy, LogAnchor, Sealer, Signer},
    seal::SealKeys,
};

/// What a store is opened with. The composition root's word.
#[derive(Clone)]
pub struct StoreOptions {
    /// The install that the home belongs to. It is part of every hash of the log
    /// (`hsk.local/<install_id>`), so a database of another install does not open.
    pub install_id: ExternalId,
    /// Seals messages, artefacts and waiting content. May be locked while the store is opened.
    pub sealer: Arc<dyn Sealer>,
    /// The recorder's present epoch key, which signs checkpoints without a factor.
    pub recorder_signer: Arc<dyn Signer>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where the log's head is noted outside the home; nowhere where there is none.
    pub anchor: Option<Arc<dyn LogAnchor>>,
    /// What seals are made and checked with.
    pub seals: Arc<SealKeys>,
    /// The one approval key. Without it every receipt is refused; denying and revoking still work.
    pub approval_key: Option<PublicKey>,
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("install_id", &self.install_id)
            .finish_non_exhaustive()
    }
}
