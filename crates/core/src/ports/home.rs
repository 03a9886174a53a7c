//! One store behind every port that keeps state.

use super::{
    ApprovalQueue, ArtifactStore, ConsentStore, ContactGrants, EgressLedger, FindingStore,
    FlightRecorder, ProfileStore, ProviderStore, RegistryFeed, SealStore, SessionStore,
};

/// A store that keeps everything of one installation: what wiring takes instead of ten handles.
///
/// # Contract
/// All of it is one state. A receipt is found where it was decided, spent in the ledger that is in one transaction
/// with the log, and revoked for both; so the ledger of one store is never wired beside the consent of another.
///
/// Whatever implements its parts implements it.
pub trait Home:
    ProviderStore
    + ProfileStore
    + SessionStore
    + ArtifactStore
    + RegistryFeed
    + ApprovalQueue
    + EgressLedger
    + FlightRecorder
    + ConsentStore
    + ContactGrants
    + FindingStore
    + SealStore
{
}

impl<T> Home for T where
    T: ProviderStore
        + ProfileStore
        + SessionStore
        + ArtifactStore
        + RegistryFeed
        + ApprovalQueue
        + EgressLedger
        + FlightRecorder
        + ConsentStore
        + ContactGrants
        + FindingStore
        + SealStore
{
}
