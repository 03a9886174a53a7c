//! Neither is an envelope.
use handshake_core::{envelope::Envelope, ports::ProviderControl};

async fn send(control: &dyn ProviderControl, envelope: Envelope) {
    let _ = control.send(envelope).await;
}

fn main() {}
