//! Address classes after the IANA special-purpose registries. Pure: no resolver, no socket.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

mod classify;

/// What an address is for, after the IANA IPv4 and IPv6 special-purpose address registries.
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
pub enum AddressClass {
    /// 127.0.0.0/8 and ::1, also when mapped into IPv6.
    Loopback,
    /// RFC 1918, unique local (fc00::/7), shared (100.64.0.0/10) and link-local addresses.
    Private,
    /// Cloud metadata services. Never dialled, whatever a person allows.
    Metadata,
    /// Reserved, documentation, benchmarking, unspecified, broadcast, translation prefixes. Never dialled.
    Reserved,
    /// Multicast. Never dialled.
    Multicast,
    /// Everything else: globally reachable.
    Global,
}

impl AddressClass {
    /// The class of one address. Addresses that embed an IPv4 address (mapped, 6to4, Teredo, NAT64)
    /// take the stricter of both classes.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        classify::classify(address)
    }

    /// Whether an address of this class may ever be dialled.
    #[must_use]
    pub fn is_dialable(self) -> bool {
        matches!(self, Self::Loopback | Self::Private | Self::Global)
    }
}
