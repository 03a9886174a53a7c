//! A secret has one owner.
use handshake_core::secret::Secret;

fn copy(secret: &Secret) -> Secret {
    secret.clone()
}

fn main() {}
