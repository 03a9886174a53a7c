//! Doubles of what a store is opened with. Shared by the unit tests and, by path, the integration tests and
//! benches.
#![allow(dead_code, reason = "each user needs a part of them")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use ed25519_dalek::{Signer as _, SigningKey};
use handshake_core::{
    attest::{PublicKey, signed_bytes},
    consent::Assurance,
    digest::{CommitmentKey, Digest},
    ids::ExternalId,
    ports::{Clock, Entropy, LogAnchor, SealError, SealRegister, Sealer, SignError, Signer},
    seal::{Proof, SEAL_DOMAIN, Seal, SealKeys, Sealable, Statement},
    secret::Secret,
    time::UtcTime,
};

/// 2026-01-01T00:00:00Z.
pub(crate) const EPOCH: i64 = 1_767_225_600_000;

/// A directory as a home must be, gone with the value.
pub(crate) fn home_directory() -> tempfile::TempDir {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};
    let mode = Permissions::from_mode(0o700);
    tempfile::Builder::new()
        .permissions(mode)
        .tempdir()
        .expect("directory")
}

/// A clock that stands still until it is moved. The wall clock is set back on its own.
#[derive(Debug, Default)]
pub(crate) struct FakeClock {
    passed: AtomicI64,
    back: AtomicI64,
    runs: AtomicU64,
}

impl FakeClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.passed.fetch_add(millis(by), Ordering::SeqCst);
    }

    pub(crate) fn set_back(&self, by: Duration) {
        self.back.fetch_add(millis(by), Ordering::SeqCst);
    }

    pub(crate) fn begin_run(&self) {
        self.runs.fetch_add(1, Ordering::SeqCst);
    }
}

fn millis(by: Duration) -> i64 {
    i64::try_from(by.as_millis()).expect("small")
}

impl Clock for FakeClock {
    fn now(&self) -> UtcTime {
        let (passed, back) = (&self.passed, &self.back);
        UtcTime::from_unix_millis(
            EPOCH + passed.load(Ordering::SeqCst) - back.load(Ordering::SeqCst),
        )
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.passed.load(Ordering::SeqCst)).expect("forward"))
    }

    fn run(&self) -> u64 {
        1 + self.runs.load(Ordering::SeqCst)
    }
}

/// A counter under a seed.
#[derive(Debug)]
pub(crate) struct FakeEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl FakeEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: AtomicU64::new(0),
        }
    }
}

impl Entropy for FakeEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let n = self.drawn.fetch_add(1, Ordering::SeqCst);
            let block = Digest::of(&[&self.seed.to_be_bytes(), &n.to_be_bytes()]);
            chunk.copy_from_slice(&block.as_bytes()[..chunk.len()]);
        }
    }
}

/// Seals by a keystream and a tag over context and content. Good enough to see whether content is bound to
/// its place and whether plain text lies around; not good enough for anything else.
#[derive(Debug, Default)]
pub(crate) struct FakeSealer {
    pub(crate) locked: AtomicBool,
}

fn keystream(context: &str, content: &[u8]) -> Vec<u8> {
    let pad = (0_u64..)
        .flat_map(|n| *Digest::of(&[b"pad", context.as_bytes(), &n.to_be_bytes()]).as_bytes());
    content
        .iter()
        .zip(pad)
        .map(|(byte, pad)| byte ^ pad)
        .collect()
}

impl Sealer for FakeSealer {
    fn seal(&self, context: &str, content: &[u8]) -> Result<Vec<u8>, SealError> {
        if self.locked.load(Ordering::SeqCst) {
            return Err(SealError::Locked);
        }
        let tag = Digest::of(&[b"tag", context.as_bytes(), b"\0", content]);
        Ok([&tag.as_bytes()[..], &keystream(context, content)].concat())
    }

    fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        if self.locked.load(Ordering::SeqCst) {
            return Err(SealError::Locked);
        }
        let (tag, hidden) = sealed.split_at_checked(32).ok_or(SealError::Damaged)?;
        let content = keystream(context, hidden);
        let expected = Digest::of(&[b"tag", context.as_bytes(), b"\0", &content]);
        if expected.as_bytes() == tag {
            Ok(content)
        } else {
            Err(SealError::Damaged)
        }
    }
}

/// A key without a factor.
pub(crate) struct FakeSigner {
    key: SigningKey,
    pub(crate) locked: AtomicBool,
}

impl FakeSigner {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_bytes(&[seed; 32]),
            locked: AtomicBool::new(false),
        }
    }
}

impl Signer for FakeSigner {
    fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(&self.key.verifying_key().to_bytes()).expect("a good key")
    }

    fn assurance(&self) -> Assurance {
        Assurance::A1
    }

    fn sign(
        &self,
        domain: &str,
        message: &[u8],
        _: Option<&Secret>,
    ) -> Result<[u8; 64], SignError> {
        if self.locked.load(Ordering::SeqCst) {
            return Err(SignError::Locked);
        }
        Ok(self.key.sign(&signed_bytes(domain, message)).to_bytes())
    }
}

/// Everything that a store is opened with, kept at hand.
#[derive(Clone)]
pub(crate) struct Fakes {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) sealer: Arc<FakeSealer>,
    pub(crate) recorder: Arc<FakeSigner>,
    pub(crate) approver: Arc<FakeSigner>,
    pub(crate) register: Arc<FakeRegister>,
    pub(crate) anchor: Arc<FakeAnchor>,
    /// Nobody holds the approval key, so that nothing needs a person's seal that can do without.
    pub(crate) headless: bool,
}

/// The heads that were noted outside the home, in order.
#[derive(Debug, Default)]
pub(crate) struct FakeAnchor(pub(crate) Mutex<Vec<(u64, Digest)>>);

impl LogAnchor for FakeAnchor {
    fn note(&self, size: u64, hash: Digest) {
        self.0.lock().expect("lock").push((size, hash));
    }
}

/// The register of a vault, in memory.
#[derive(Debug, Default)]
pub(crate) struct FakeRegister(pub(crate) Mutex<BTreeMap<String, Digest>>);

impl SealRegister for FakeRegister {
    fn is_in_force(&self, statement: &Statement) -> Result<bool, SealError> {
        let known = self.0.lock().expect("lock");
        let known = known.get(&statement.subject()).copied();
        Ok(known == statement.digest().ok())
    }

    fn knows(&self, subject: &str) -> Result<bool, SealError> {
        Ok(self.0.lock().expect("lock").contains_key(subject))
    }

    fn change(&self, enter: &[Statement], strike: &[String]) -> Result<(), SealError> {
        let mut known = self.0.lock().expect("lock");
        known.retain(|subject, _| !strike.contains(subject));
        for statement in enter {
            let digest = statement.digest().map_err(|_| SealError::Damaged)?;
            known.insert(statement.subject(), digest);
        }
        Ok(())
    }
}

impl Fakes {
    pub(crate) fn new() -> Self {
        Self {
            clock: Arc::default(),
            sealer: Arc::default(),
            recorder: Arc::new(FakeSigner::new(1)),
            approver: Arc::new(FakeSigner::new(2)),
            register: Arc::default(),
            anchor: Arc::default(),
            headless: false,
        }
    }

    /// What seals are made and checked with.
    pub(crate) fn seals(&self) -> Arc<SealKeys> {
        let integrity = CommitmentKey::new([11; 32]).expect("a key");
        let approval = (!self.headless).then(|| self.approver.public_key());
        Arc::new(SealKeys::new(integrity, approval, self.register.clone()))
    }

    /// A seal as the person makes it.
    pub(crate) fn person_seals(&self, thing: &dyn Sealable) -> Seal {
        let made_at = self.clock.now();
        let statement = thing.statement(made_at).expect("a statement");
        let message = statement.bytes().expect("canonical");
        let signature = self.approver.sign(SEAL_DOMAIN, &message, None);
        Seal {
            made_at,
            proof: Proof::Signature(signature.expect("signs")),
        }
    }

    /// Options for one store. Two stores on one database need two seeds, as two processes have.
    pub(crate) fn options(&self, seed: u64) -> crate::StoreOptions {
        crate::StoreOptions {
            install_id: ExternalId::new("install-1").expect("valid"),
            sealer: self.sealer.clone(),
            recorder_signer: self.recorder.clone(),
            clock: self.clock.clone(),
            entropy: Arc::new(FakeEntropy::new(seed)),
            anchor: Some(self.anchor.clone()),
            seals: self.seals(),
            approval_key: Some(self.approver.public_key()),
        }
    }
}
