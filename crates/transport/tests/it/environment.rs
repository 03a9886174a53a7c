//! The environment does not reach the transport. Checked in a child process, whose environment is hostile.

use handshake_testkit::{capture::Capture, gate::World};
use handshake_transport::Limits;

use crate::{
    calls::{cleared, record, transport},
    server::Server,
};

const MARK: &str = "HANDSHAKE_TRANSPORT_TEST_TARGET";

#[tokio::test]
async fn s43_proxies_of_the_environment_are_ignored() {
    if let Ok(url) = std::env::var(MARK) {
        let world = World::new(1);
        let record = record(&url);
        world.register(&record).await;
        let sent = transport(&world, Limits::default())
            .send(&cleared(&world, &record).await)
            .await;
        assert_eq!(sent.expect("a head").head.status, 200);
        return;
    }
    let proxy = Capture::start(b"HTTP/1.1 502 Proxy\r\ncontent-length: 0\r\n\r\n").await;
    let server = Server::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let mut child = std::process::Command::new(std::env::current_exe().expect("this binary"));
    child.args([
        "--exact",
        "environment::s43_proxies_of_the_environment_are_ignored",
    ]);
    child.env(MARK, server.url());
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        child.env(name, proxy.url());
    }
    let output = tokio::task::spawn_blocking(move || child.output())
        .await
        .expect("joined");
    let output = output.expect("started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(server.requests().len(), 1);
    proxy.assert_untouched();
}
