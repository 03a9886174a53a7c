//! What stands behind [`Handshake`](crate::Handshake), for programs that do more than call models: the command
//! line, a gateway, a console of your own.
//!
//! A [`Parts`] is the composition root's result. Everything in it was wired over one home; take what you need from
//! it rather than opening a second store beside it.

pub use handshake_policy::rules::{InvalidRules, Rules};
pub use handshake_registry_store::{
    ExportFailed, LogReport, LogTrust, Loss, NewToken, OpenError, ReceiptRecord, Retention,
    Segment, Store,
};
pub use handshake_runtime as runtime;
pub use handshake_transport::{SystemResolver, closes_thinking};
pub use handshake_vault::{
    Approval, ApprovalSigner, Given, KdfParams, RecoveryCode, Vault, VaultError,
};

pub use crate::{
    account::{account, default_trust_dir},
    adapters::adapters,
    anchor::Behind,
    clock::{OsEntropy, SystemClock},
    findings::DeclassifiedFinding,
    harden::{HOSTILE_VARIABLES, Hardening, harden, hardening},
    home::{Handover, Holder, Home, Making, OpensWith, Place, default_path},
    seals::Unsealed,
    strength::weakness,
    tools::{Builtins, builtins},
    verify::verify_log,
    wire::{Parts, Wiring},
};

/// `policy.toml`, as far as it may be in force.
pub mod policy_file {
    pub use crate::policy::{LivePolicy, Loaded, engine, load, of};
}
