//! A prepared request is not a cleared one.
use handshake_core::{envelope::Prepared, ports::LlmClient};

async fn send(client: &dyn LlmClient, prepared: Prepared) {
    let _ = client.send(prepared).await;
}

fn main() {}
