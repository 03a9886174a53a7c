//! Sending takes the clearance.
use handshake_core::{gate::Cleared, ports::LlmClient};

async fn twice(client: &dyn LlmClient, cleared: Cleared) {
    let _ = client.send(cleared).await;
    let _ = client.send(cleared).await;
}

fn main() {}
