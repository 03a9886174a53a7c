//! A vault in a directory of its own, with a clock that stands still and cheap key derivation.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use handshake_core::{
    base_url::Origin,
    digest::Digest,
    ports::{Clock, Entropy},
    secret::Secret,
    time::UtcTime,
};
use handshake_vault::{ApprovalFactor, KdfParams, NewVault, Unlock, Vault, VaultError};

pub(crate) const UNLOCK: &str = "unlock passphrase";
pub(crate) const APPROVE: &str = "approve passphrase";

#[derive(Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn set_back(&self, seconds: u64) {
        self.0.fetch_sub(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UtcTime {
        UtcTime::from_unix_millis(1_795_305_600_000).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn run(&self) -> u64 {
        1
    }
}

/// A different stream of bytes for each vault of this test run.
pub(crate) struct TestEntropy(AtomicU64, u64);

impl TestEntropy {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(AtomicU64::new(0), NEXT.fetch_add(1, Ordering::SeqCst))
    }
}

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let number = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
            let block = Digest::of(&[&self.1.to_be_bytes(), &number]);
            chunk.copy_from_slice(&block.as_bytes()[..chunk.len()]);
        }
    }
}

pub(crate) struct Sample {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) vault: Arc<Vault>,
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

pub(crate) fn origin(text: &str) -> Origin {
    text.to_owned().try_into().expect("an origin")
}

pub(crate) fn cheap() -> KdfParams {
    KdfParams::new(8, 1, 1).expect("parameters")
}

impl Sample {
    pub(crate) fn new() -> Self {
        let factor = secret(APPROVE);
        Self::with(ApprovalFactor::Passphrase(&factor))
    }

    pub(crate) fn with(approval: ApprovalFactor<'_>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(TestClock::default());
        let passphrase = secret(UNLOCK);
        let new = NewVault {
            unlock: Unlock::Passphrase(&passphrase),
            approval,
            kdf: cheap(),
        };
        let path = directory.path().join("vault.hskv");
        let entropy = Arc::new(TestEntropy::new());
        let vault = Vault::create(&path, new, clock.clone(), entropy).expect("creates");
        Self {
            directory,
            clock,
            vault: Arc::new(vault),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("vault.hskv")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).expect("reads")
    }

    /// Opens the same file again, as another process would.
    pub(crate) fn reopen(&self) -> Result<Vault, VaultError> {
        self.reopen_with(Unlock::Passphrase(&secret(UNLOCK)))
    }

    pub(crate) fn reopen_with(&self, unlock: Unlock<'_>) -> Result<Vault, VaultError> {
        Vault::open(
            &self.path(),
            unlock,
            self.clock.clone(),
            Arc::new(TestEntropy::new()),
        )
    }
}
