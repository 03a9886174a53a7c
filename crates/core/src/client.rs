//! Clients of the gateway, as the registry knows them.

use std::collections::BTreeSet;

use crate::{
    ids::{ExternalId, ModelRef, ProfileId},
    time::UtcTime,
};

/// A client token, without the token: only its hash is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientToken {
    /// The client's name, which is the name of its principal.
    pub name: ExternalId,
    /// The models that it opens; `None` for every enabled one.
    pub models: Option<BTreeSet<ModelRef>>,
    /// The work profile that its calls run under; `None` for the active one.
    pub profile: Option<ProfileId>,
    /// When it was made.
    pub created_at: UtcTime,
    /// When it was revoked.
    pub revoked_at: Option<UtcTime>,
}
