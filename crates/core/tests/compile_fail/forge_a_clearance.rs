//! A clearance has no public constructor and no public field.
use handshake_core::{envelope::Prepared, gate::Cleared};

fn forge(prepared: Prepared) -> Cleared {
    Cleared { prepared, receipt: None }
}

fn main() {}
