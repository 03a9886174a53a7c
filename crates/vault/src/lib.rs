#![doc = include_str!("../README.md")]

mod approval;
mod codec;
mod crypto;
mod disk;
mod error;
mod header;
mod index;
mod kdf;
mod key_file;
mod place;
mod policy;
mod recorder;
mod recovery;
mod register;
mod sealer;
mod store;
mod vault;

pub use approval::{
    Approval, ApprovalBackup, ApprovalSigner, FailedAttempts, Given, LOCKOUT, MAX_FAILED_ATTEMPTS,
};
pub use error::VaultError;
pub use header::{SlotId, SlotKind};
pub use index::SecretInfo;
pub use kdf::KdfParams;
pub use key_file::create_key_file;
pub use policy::{ConfirmedPolicy, KeptPolicy};
pub use recorder::{EpochKeys, RecorderSigner};
pub use recovery::RecoveryCode;
pub use store::{Environment, Places, VaultSecrets};
pub use vault::{ApprovalFactor, NewVault, Unlock, Vault, VaultSummary};
