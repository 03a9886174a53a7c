//! Key files: a slot for machines where nobody enters a passphrase. Whatever can read the file can read
//! every secret of the vault, and says so wherever slots are listed.

use std::{io::Read as _, path::Path};

use handshake_core::{
    ports::{Entropy, EntropyExt},
    secret::Secret,
};
use zeroize::Zeroizing;

use crate::{codec::to_hex, disk, error::VaultError};

const MAX: usize = 4096;
const MIN: usize = 32;

/// Makes a new key file with 32 random bytes in hex, readable by its owner only. The caller says where; away
/// from the vault it also protects backups.
///
/// # Errors
/// [`VaultError::Exists`] when there is a file already; [`VaultError::Io`].
pub fn create_key_file(path: &Path, entropy: &dyn Entropy) -> Result<(), VaultError> {
    let key = Zeroizing::new(entropy.bytes::<32>());
    let mut line = Zeroizing::new(to_hex(&*key));
    line.push('\n');
    disk::create_private(path, line.as_bytes())
}

/// The content of a key file: 32 to 4096 bytes of any kind, in a private regular file.
pub(crate) fn read(path: &Path) -> Result<Secret, VaultError> {
    let file = disk::open_private(path)?;
    let mut content = Zeroizing::new(Vec::with_capacity(MAX + 1));
    file.take(MAX as u64 + 1)
        .read_to_end(&mut content)
        .map_err(VaultError::Io)?;
    if (MIN..=MAX).contains(&content.len()) {
        Ok(Secret::new(content.to_vec()))
    } else {
        Err(VaultError::Locked)
    }
}
