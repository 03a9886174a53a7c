//! Where a call ends up: on this machine, or off it. Derived, never believed.

use serde::{Deserialize, Serialize};

use crate::net::AddressClass;

mod suffix;

pub use self::suffix::{Suffix, is_forwarded_name};

/// Whether a model answers on this machine.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ModelTier {
    /// The model runs on this machine.
    Local,
    /// The model runs elsewhere, or where it runs cannot be determined.
    Cloud,
}

/// Whether a server forwards requests. Only a person can attest `Relay` or its absence.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The server answers requests itself.
    #[default]
    Direct,
    /// A server on this machine that forwards requests elsewhere.
    Relay,
}

/// Where a model of a provider runs, according to its server.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Residence {
    /// The server says that it runs the model itself.
    Local,
    /// The server forwards this model off the machine.
    Forwarded,
    /// Unknown. Counts as forwarded.
    #[default]
    Unknown,
}

/// The effective tier of a call: loopback ∧ direct ∧ resident → Local, everything else → Cloud.
///
/// `peers` are the classes of *every* address that may be dialled; none at all is Cloud.
#[must_use]
pub fn effective(peers: &[AddressClass], reach: Reach, residence: Residence) -> ModelTier {
    let loopback = !peers.is_empty() && peers.iter().all(|class| *class == AddressClass::Loopback);
    match (loopback, reach, residence) {
        (true, Reach::Direct, Residence::Local) => ModelTier::Local,
        _ => ModelTier::Cloud,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_only_a_resident_model_of_a_direct_loopback_peer_is_local() {
        use {AddressClass as A, ModelTier as T, Reach as R, Residence as M};
        assert_eq!(
            effective(&[], R::Direct, M::Local),
            T::Cloud,
            "no address is not a local one"
        );
        assert_eq!(effective(&[A::Loopback], R::Direct, M::Local), T::Local);
        assert_eq!(
            effective(&[A::Loopback, A::Global], R::Direct, M::Local),
            T::Cloud
        );
        assert_eq!(effective(&[A::Loopback], R::Relay, M::Local), T::Cloud);
        assert_eq!(effective(&[A::Loopback], R::Direct, M::Unknown), T::Cloud);
        assert_eq!(effective(&[A::Loopback], R::Direct, M::Forwarded), T::Cloud);
        assert_eq!(effective(&[A::Private], R::Direct, M::Local), T::Cloud);
    }
}
