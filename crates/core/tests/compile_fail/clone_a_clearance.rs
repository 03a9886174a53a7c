//! One clearance is one send.
use handshake_core::gate::Cleared;

fn twice(cleared: Cleared) -> (Cleared, Cleared) {
    (cleared.clone(), cleared)
}

fn main() {}
