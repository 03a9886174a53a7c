//! A secret has no text.
use handshake_core::secret::Secret;

fn print(secret: &Secret) -> String {
    format!("{secret}")
}

fn main() {}
