//! Opening a home, and what a program may do in it.

use handshake_core::{code::ErrorCode, ports::ProviderStore};
use handshake_llm::Handshake;
use tempfile::TempDir;

use super::world::{PASSPHRASE, World, builder, secret, simulator};

#[tokio::test]
async fn s08_a_home_is_trusted_by_the_list_that_it_was_made_with() {
    let folder = TempDir::new().expect("a folder");
    let made = builder(&folder).open().await.expect("made");
    made.finish().await.expect("durable");
    drop(made);
    builder(&folder).open().await.expect("opened again");
    let elsewhere = Handshake::builder()
        .home(folder.path().join("home"))
        .trust_dir(folder.path().join("other"))
        .open()
        .await;
    assert_eq!(
        elsewhere.expect_err("not trusted").code,
        ErrorCode::HomeUntrusted
    );
}

#[tokio::test]
async fn s08_a_weak_approval_passphrase_makes_no_home() {
    let folder = TempDir::new().expect("a folder");
    let weak = builder(&folder)
        .approval_passphrase("password")
        .open()
        .await;
    let error = weak.expect_err("weak");
    assert_eq!(error.code, ErrorCode::InvalidConfig);
    assert!(error.is_usage());
    assert!(!format!("{error:?} {error}").contains("password\""));
    assert!(!folder.path().join("home").exists());
}

#[tokio::test]
async fn s08_a_local_server_needs_no_factor_unless_a_relay_is_registered_at_its_address() {
    let world = World::new(Some(PASSPHRASE)).await;
    let (handshake, server) = (&world.handshake, simulator().await);
    let listed = async || {
        let all = ProviderStore::list(&handshake.parts().store).await;
        all.expect("read").len()
    };
    handshake
        .add_local_provider("local", "ollama", &server.url(), None)
        .await
        .expect("registered");
    assert_eq!(listed().await, 2);
    // What is there already is only read again; something else under its name does not take its place.
    handshake
        .add_local_provider("local", "ollama", &server.url(), None)
        .await
        .expect("the same");
    let other = handshake
        .add_local_provider("local", "openai_compat", &server.openai_url(), None)
        .await;
    assert_eq!(other.expect_err("taken").code, ErrorCode::InvalidConfig);
    // The relay's address: as a local server it would send to the cloud without a question.
    let relay = world.cloud.openai_url();
    for factor in [None, Some(secret("not the passphrase"))] {
        let refused = handshake
            .add_local_provider("here", "openai_compat", &relay, factor.as_ref())
            .await
            .expect_err("refused");
        assert_eq!(refused.code, ErrorCode::FactorRequired);
    }
    assert_eq!(listed().await, 2);
    assert_eq!(world.cloud.connections(), 0);
    server.shutdown().await;
}

#[tokio::test]
async fn s08_a_local_provider_is_on_this_machine_and_of_a_known_kind() {
    let folder = TempDir::new().expect("a folder");
    let handshake = builder(&folder).open().await.expect("made");
    for (kind, url, code) in [
        ("ollama", "https://api.example.com", ErrorCode::TierMismatch),
        ("nobody", "http://127.0.0.1:9", ErrorCode::InvalidConfig),
        ("ollama", "http://169.254.169.254", ErrorCode::SsrfBlocked),
    ] {
        let refused = handshake.add_local_provider("p", kind, url, None).await;
        assert_eq!(refused.expect_err(url).code, code, "{url}");
    }
    let store = &handshake.parts().store;
    assert_eq!(ProviderStore::list(store).await.expect("read"), []);
}
