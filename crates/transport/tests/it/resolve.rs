//! Resolution without queries.

use handshake_core::{base_url::Host, ports::PeerResolver};
use handshake_transport::SystemResolver;

#[tokio::test]
async fn literals_and_localhost_are_answered_without_a_query() {
    let literal = Host::Ip("192.0.2.7".parse().expect("an address"));
    let found = SystemResolver.resolve(&literal, 443).await.expect("itself");
    assert_eq!(found, ["192.0.2.7:443".parse().expect("an address")]);
    let found = SystemResolver
        .resolve(&Host::Localhost, 11434)
        .await
        .expect("loopback");
    let want = ["127.0.0.1:11434", "[::1]:11434"].map(|text| text.parse().expect("an address"));
    assert_eq!(found, want);
}

#[tokio::test]
async fn s43_a_name_without_an_address_is_an_error() {
    let host = Host::Name("no-such-host.invalid".into());
    assert!(SystemResolver.resolve(&host, 443).await.is_err());
}
