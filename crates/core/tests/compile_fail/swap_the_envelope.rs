//! What was cleared is what is sent.
use handshake_core::{envelope::Prepared, gate::Cleared};

fn replace(mut cleared: Cleared, other: Prepared) -> Cleared {
    cleared.prepared = other;
    cleared
}

fn main() {}
