//! The classifier: a table of prefixes for each family, most specific first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::AddressClass;

/// Metadata services of the common clouds, by exact address.
const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254), // AWS, Azure, GCP, OpenStack, DigitalOcean, Oracle
    Ipv4Addr::new(169, 254, 170, 2),   // AWS task credentials
    Ipv4Addr::new(169, 254, 170, 23),  // AWS pod identity
    Ipv4Addr::new(169, 254, 42, 42),   // Scaleway
    Ipv4Addr::new(169, 254, 0, 23),    // Tencent
    Ipv4Addr::new(169, 254, 10, 10),   // Tencent, older
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16), // Azure wire server: a public address that never leaves the host
    Ipv4Addr::new(192, 0, 0, 192),   // Oracle, older
];

const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // AWS
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),  // AWS pod identity
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // GCP
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),   // Scaleway
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), // Oracle
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe), // OpenStack
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// First match wins; whatever matches nothing is global.
const TABLE_V4: &[(u32, u32, AddressClass)] = &[
    (v4(0, 0, 0, 0), 8, AddressClass::Reserved),
    (v4(10, 0, 0, 0), 8, AddressClass::Private),
    (v4(100, 64, 0, 0), 10, AddressClass::Private),
    (v4(127, 0, 0, 0), 8, AddressClass::Loopback),
    (v4(169, 254, 0, 0), 16, AddressClass::Private),
    (v4(172, 16, 0, 0), 12, AddressClass::Private),
    (v4(192, 0, 0, 0), 24, AddressClass::Reserved),
    (v4(192, 0, 2, 0), 24, AddressClass::Reserved),
    (v4(192, 88, 99, 0), 24, AddressClass::Reserved),
    (v4(192, 168, 0, 0), 16, AddressClass::Private),
    (v4(198, 18, 0, 0), 15, AddressClass::Reserved),
    (v4(198, 51, 100, 0), 24, AddressClass::Reserved),
    (v4(203, 0, 113, 0), 24, AddressClass::Reserved),
    (v4(224, 0, 0, 0), 4, AddressClass::Multicast),
    (v4(240, 0, 0, 0), 4, AddressClass::Reserved),
];

const fn v6(a: u16, b: u16, c: u16) -> u128 {
    ((a as u128) << 112) | ((b as u128) << 96) | ((c as u128) << 80)
}

/// First match wins; whatever matches nothing is reserved, because only 2000::/3 is assigned.
const TABLE_V6: &[(u128, u32, AddressClass)] = &[
    (v6(0xfc00, 0, 0), 7, AddressClass::Private),
    (v6(0xfe80, 0, 0), 10, AddressClass::Private),
    (v6(0xff00, 0, 0), 8, AddressClass::Multicast),
    // Protocol assignments: Teredo, benchmarking, ORCHID, anycast. Nobody serves a model there.
    (v6(0x2001, 0, 0), 23, AddressClass::Reserved),
    (v6(0x2001, 0xdb8, 0), 32, AddressClass::Reserved),
    (v6(0x2002, 0, 0), 16, AddressClass::Reserved),
    (v6(0x3fff, 0, 0), 20, AddressClass::Reserved),
    (v6(0x2000, 0, 0), 3, AddressClass::Global),
];

pub(super) fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(ip) => classify_v4(ip),
        IpAddr::V6(ip) => classify_v6(ip),
    }
}

fn classify_v4(ip: Ipv4Addr) -> AddressClass {
    if METADATA_V4.contains(&ip) {
        return AddressClass::Metadata;
    }
    let bits = ip.to_bits();
    TABLE_V4
        .iter()
        .find(|(prefix, length, _)| (bits ^ prefix) >> (32 - length) == 0)
        .map_or(AddressClass::Global, |(_, _, class)| *class)
}

fn classify_v6(ip: Ipv6Addr) -> AddressClass {
    if ip == Ipv6Addr::LOCALHOST {
        return AddressClass::Loopback;
    }
    // A mapped address is dialled as the IPv4 address that it holds, so it is that address.
    if let Some(inner) = ip.to_ipv4_mapped() {
        return classify_v4(inner);
    }
    if METADATA_V6.contains(&ip) {
        return AddressClass::Metadata;
    }
    let bits = ip.to_bits();
    let outer = TABLE_V6
        .iter()
        .find(|(prefix, length, _)| (bits ^ prefix) >> (128 - length) == 0)
        .map_or(AddressClass::Reserved, |(_, _, class)| *class);
    embedded(ip)
        .into_iter()
        .flatten()
        .fold(outer, |class, inner| stricter(class, classify_v4(inner)))
}

/// The IPv4 addresses inside an address of a translation or tunnelling prefix.
fn embedded(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let s = ip.segments();
    let pair =
        |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match s {
        // Compatible, NAT64 (both prefixes).
        [0, 0, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, ..] => [pair(s[6], s[7]), None],
        // 6to4.
        [0x2002, ..] => [pair(s[1], s[2]), None],
        // Teredo: the server, and the client with its bits inverted.
        [0x2001, 0, ..] => [pair(s[2], s[3]), pair(!s[6], !s[7])],
        // ISATAP, below any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => [pair(s[6], s[7]), None],
        _ => [None, None],
    }
}

/// The stricter of an outer class and the class of an embedded address. A tunnelled loopback address is
/// never a legitimate destination.
fn stricter(outer: AddressClass, inner: AddressClass) -> AddressClass {
    let inner = if inner == AddressClass::Loopback {
        AddressClass::Reserved
    } else {
        inner
    };
    let rank = |class: AddressClass| match class {
        AddressClass::Global => 0,
        AddressClass::Private => 1,
        AddressClass::Loopback => 2,
        AddressClass::Multicast => 3,
        AddressClass::Reserved => 4,
        AddressClass::Metadata => 5,
    };
    if rank(inner) > rank(outer) {
        inner
    } else {
        outer
    }
}

#[cfg(test)]
mod tests {
    use AddressClass::{Global, Loopback, Metadata, Multicast, Private, Reserved};

    use super::*;

    fn check(table: &[(&str, AddressClass)]) {
        for (text, class) in table {
            assert_eq!(classify(text.parse().expect(text)), *class, "{text}");
        }
    }

    #[test]
    fn a15_every_boundary_of_the_ipv4_registry() {
        check(&[
            ("0.0.0.0", Reserved),
            ("0.255.255.255", Reserved),
            ("1.0.0.0", Global),
            ("8.8.8.8", Global),
            ("9.255.255.255", Global),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("11.0.0.0", Global),
            ("100.63.255.255", Global),
            ("100.64.0.0", Private),
            ("100.127.255.255", Private),
            ("100.128.0.0", Global),
            ("126.255.255.255", Global),
            ("127.0.0.0", Loopback),
            ("127.0.0.1", Loopback),
            ("127.255.255.255", Loopback),
            ("128.0.0.0", Global),
            ("169.253.255.255", Global),
            ("169.254.0.0", Private),
            ("169.254.255.255", Private),
            ("169.255.0.0", Global),
            ("172.15.255.255", Global),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("172.32.0.0", Global),
            ("191.255.255.255", Global),
            ("192.0.0.0", Reserved),
            ("192.0.0.255", Reserved),
            ("192.0.1.0", Global),
            ("192.0.1.255", Global),
            ("192.0.2.0", Reserved),
            ("192.0.2.255", Reserved),
            ("192.0.3.0", Global),
            ("192.88.98.255", Global),
            ("192.88.99.0", Reserved),
            ("192.88.99.255", Reserved),
            ("192.88.100.0", Global),
            ("192.167.255.255", Global),
            ("192.168.0.0", Private),
            ("192.168.255.255", Private),
            ("192.169.0.0", Global),
            ("198.17.255.255", Global),
            ("198.18.0.0", Reserved),
            ("198.19.255.255", Reserved),
            ("198.20.0.0", Global),
            ("198.51.99.255", Global),
            ("198.51.100.0", Reserved),
            ("198.51.100.255", Reserved),
            ("198.51.101.0", Global),
            ("203.0.112.255", Global),
            ("203.0.113.0", Reserved),
            ("203.0.113.255", Reserved),
            ("203.0.114.0", Global),
            ("223.255.255.255", Global),
            ("224.0.0.0", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.0", Reserved),
            ("255.255.255.254", Reserved),
            ("255.255.255.255", Reserved),
        ]);
    }

    #[test]
    fn a15_every_boundary_of_the_ipv6_registry() {
        check(&[
            ("::", Reserved),
            ("::1", Loopback),
            ("::2", Reserved),
            ("100::", Reserved),
            ("100::ffff:ffff:ffff:ffff", Reserved),
            ("100:0:0:1::", Reserved),
            ("200::1", Reserved),
            ("1fff:ffff::", Reserved),
            ("2000::", Global),
            ("2001::1", Reserved),
            ("2001:1::1", Reserved),
            ("2001:2::", Reserved),
            ("2001:10::", Reserved),
            ("2001:20::", Reserved),
            ("2001:1ff:ffff::", Reserved),
            ("2001:200::", Global),
            ("2001:db7:ffff::", Global),
            ("2001:db8::", Reserved),
            ("2001:db8:ffff::", Reserved),
            ("2001:db9::", Global),
            ("2001:ffff::", Global),
            ("2002::", Reserved),
            ("2003::", Global),
            ("2606:4700:4700::1111", Global),
            ("3ffe:ffff::", Global),
            ("3fff::", Reserved),
            ("3fff:fff:ffff::", Reserved),
            ("3fff:1000::", Global),
            ("4000::", Reserved),
            ("5f00::", Reserved),
            ("fbff:ffff::", Reserved),
            ("fc00::", Private),
            ("fdff:ffff::", Private),
            ("fe00::", Reserved),
            ("fe7f:ffff::", Reserved),
            ("fe80::1", Private),
            ("febf:ffff::", Private),
            ("fec0::", Reserved),
            ("feff:ffff::", Reserved),
            ("ff00::", Multicast),
            ("ff02::1", Multicast),
            ("64:ff9b:1::", Reserved),
            ("64:ff9a::1", Reserved),
            ("64:ff9c::1", Reserved),
        ]);
    }

    #[test]
    fn a15_metadata_services_are_told_apart_from_their_networks() {
        check(&[
            ("169.254.169.254", Metadata),
            ("169.254.169.253", Private),
            ("169.254.170.2", Metadata),
            ("169.254.170.23", Metadata),
            ("100.100.100.200", Metadata),
            ("100.100.100.201", Private),
            ("168.63.129.16", Metadata),
            ("168.63.129.15", Global),
            ("192.0.0.192", Metadata),
            ("192.0.0.191", Reserved),
            ("fd00:ec2::254", Metadata),
            ("fd00:ec2::253", Private),
            ("fd20:ce::254", Metadata),
            ("fe80::a9fe:a9fe", Metadata),
            ("fe80::a9fe:a9fd", Private),
        ]);
    }

    #[test]
    fn a15_embedded_addresses_take_the_stricter_class() {
        check(&[
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:8.8.8.8", Global),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:a9fe:a9fe", Metadata),
            ("::ffff:0.0.0.0", Reserved),
            ("::ffff:224.0.0.1", Multicast),
            ("::127.0.0.1", Reserved),
            ("::8.8.8.8", Reserved),
            ("::a9fe:a9fe", Metadata),
            ("64:ff9b::7f00:1", Reserved),
            ("64:ff9b::808:808", Reserved),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("64:ff9b:1::a9fe:a9fe", Metadata),
            ("2002:7f00:1::", Reserved),
            ("2002:a9fe:a9fe::1", Metadata),
            ("2002:808:808::1", Reserved),
            // Teredo: server 169.254.169.254; then client 169.254.169.254, inverted.
            ("2001:0:a9fe:a9fe::1", Metadata),
            ("2001:0:808:808::5601:5601", Metadata),
            ("2001:0:808:808::f7f7:f7f7", Reserved),
            ("2606:4700::5efe:7f00:1", Reserved),
            ("2606:4700::200:5efe:a9fe:a9fe", Metadata),
            ("2606:4700::5efe:a00:1", Private),
            ("2606:4700::5efe:808:808", Global),
        ]);
    }

    #[test]
    fn only_three_classes_are_dialable() {
        for class in [Loopback, Private, Metadata, Reserved, Multicast, Global] {
            assert_eq!(
                class.is_dialable(),
                matches!(class, Loopback | Private | Global),
                "{class:?}"
            );
        }
    }
}
