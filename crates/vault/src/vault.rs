//! The open vault: one file, one data key, and every change written whole before it counts.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use handshake_core::{
    attest::PublicKey,
    consent::Assurance,
    digest::Digest,
    ports::{Clock, Entropy, EntropyExt},
    secret::Secret,
};

use crate::{
    approval::{Approval, FailedAttempts},
    codec::{self, Hex, to_hex},
    crypto::Key,
    disk::{self, Stamp},
    error::VaultError,
    header::{ApprovalInput, ApprovalKey, Header, MAX_SLOTS, SlotId, SlotKind},
    index::{Index, Keys, Register, SealedKey},
    kdf::{KdfParams, check_passphrase},
    policy::KeptPolicy,
    recorder::new_recorder_key,
};

mod secrets;
mod slots;

pub(crate) use secrets::MAX_VALUE;

/// What opens a vault.
#[derive(Clone, Copy, Debug)]
pub enum Unlock<'a> {
    /// A passphrase.
    Passphrase(&'a Secret),
    /// A key file, as [`create_key_file`](crate::create_key_file) makes it or a service manager gives it.
    KeyFile(&'a Path),
    /// The recovery code.
    Recovery(&'a Secret),
}

/// What the approval key is wrapped under.
#[derive(Clone, Copy, Debug)]
pub enum ApprovalFactor<'a> {
    /// A passphrase of its own: assurance A1.
    Passphrase(&'a Secret),
    /// Nothing beyond the open vault: assurance A0, stamped on every receipt. Only when a person chose it.
    NoneA0,
    /// Nobody: there is no factor, and nothing can be approved until a person sets one.
    Nobody,
}

/// How a vault is made.
#[derive(Clone, Copy, Debug)]
pub struct NewVault<'a> {
    /// The first slot.
    pub unlock: Unlock<'a>,
    /// The factor of the approval key.
    pub approval: ApprovalFactor<'a>,
    /// The cost of passphrases; [`KdfParams::STANDARD`].
    pub kdf: KdfParams,
}

/// What can be read of a vault without opening it. Not authenticated until the vault is open: compare
/// the approval key with the one pinned outside the home.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VaultSummary {
    /// The vault's id, 32 hex digits.
    pub vault_id: String,
    /// The key that receipts are verified with.
    pub approval_key: PublicKey,
    /// Whether a person can approve: whether there is a factor at all.
    pub has_factor: bool,
    /// Whether a recovery code was made for it.
    pub has_recovery: bool,
    /// What the factor of that key is worth.
    pub assurance: Assurance,
    /// What opens the vault. With a key file, the keys are readable by this account.
    pub slots: Vec<(SlotId, SlotKind)>,
}

/// An open vault.
///
/// Any number of processes may have the same vault open: every change is made under a file lock on what is
/// on disk then, and every use sees the changes of the others. Values are opened one at a time, for their
/// origin; nothing of it is printed by `Debug`.
pub struct Vault {
    path: PathBuf,
    pub(crate) vault_id: [u8; 16],
    pub(crate) data_key: Key,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    state: Mutex<State>,
    /// The approval key of a vault that was made just now, for the one who chose its factor.
    chosen: Mutex<Option<Approval>>,
}

pub(crate) struct State {
    pub(crate) header: Header,
    pub(crate) index: Index,
    pub(crate) approval_key: PublicKey,
    pub(crate) recorder_key: PublicKey,
    stamp: Stamp,
}

impl Vault {
    /// Makes a vault where none is, and opens it. The directory must be there.
    ///
    /// # Errors
    /// [`VaultError::Exists`], [`VaultError::WeakPassphrase`], [`VaultError::Io`].
    pub fn create(
        path: &Path,
        new: NewVault<'_>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, VaultError> {
        let (vault_id, data_key) = (entropy.bytes::<16>(), Key::random(&*entropy));
        let seed = Key::random(&*entropy);
        let wrap = |input| ApprovalKey::wrap(&vault_id, &input, new.kdf, &seed, &*entropy);
        let approval = match new.approval {
            ApprovalFactor::Passphrase(passphrase) => {
                check_passphrase(passphrase)?;
                wrap(ApprovalInput::Passphrase(passphrase))?
            }
            ApprovalFactor::NoneA0 => wrap(ApprovalInput::DataKey(&data_key))?,
            ApprovalFactor::Nobody => ApprovalKey::unset(&*entropy),
        };
        let slot = slots::wrap(1, &vault_id, new.unlock, new.kdf, &data_key, &*entropy)?;
        let header = Header {
            next_slot: 2,
            slots: vec![slot],
            approval,
        };
        let commitment = Key::random(&*entropy);
        let keys_key = data_key.derive(&vault_id, KEYS);
        let commitment = Hex(keys_key.seal(
            &*entropy,
            commitment.as_bytes(),
            &commitment_bound_to(&vault_id, 1),
        ));
        let keys = Keys {
            commitment: SealedKey {
                number: 1,
                key: commitment,
            },
            recorder: new_recorder_key(&vault_id, &keys_key, 0, &*entropy),
            next_recorder: None,
        };
        let index = Index {
            generation: 1,
            secrets: [].into(),
            bindings: [].into(),
            keys,
            register: Some(Register::default()),
            policy: Some(KeptPolicy::default()),
            attempts: FailedAttempts::default(),
        };

        let lock = disk::WriteLock::acquire(path)?;
        if path.symlink_metadata().is_ok() {
            return Err(VaultError::Exists);
        }
        let state = write(path, &vault_id, &data_key, &*entropy, header, index)?;
        drop(lock);
        let vault = Self::assemble(path, vault_id, data_key, clock, entropy, state);
        if let ApprovalFactor::Passphrase(_) = new.approval {
            *vault.chosen() = Some(Approval::new(&seed));
        }
        Ok(vault)
    }

    /// The approval key, once, where this made the vault under a passphrase that a person chose a moment ago: they
    /// need not give it again for what they do first.
    #[must_use]
    pub fn just_chosen(&self) -> Option<Approval> {
        self.chosen().take()
    }

    fn chosen(&self) -> MutexGuard<'_, Option<Approval>> {
        self.chosen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Opens a vault.
    ///
    /// # Errors
    /// [`VaultError::Locked`] when no slot opens with what was given, whatever the reason;
    /// [`VaultError::Damaged`], [`VaultError::NewerFormat`], [`VaultError::NotPrivate`],
    /// [`VaultError::Io`].
    pub fn open(
        path: &Path,
        unlock: Unlock<'_>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, VaultError> {
        let (bytes, stamp) = disk::read(path)?;
        let frame = codec::unframe(&bytes)?;
        let (header, vault_id) = (parse_header(frame.header)?, frame.vault_id);
        let data_key = slots::open(&header.slots, &vault_id, unlock)?;
        let state = decode(&bytes, stamp, &vault_id, &data_key)?;
        Ok(Self::assemble(
            path, vault_id, data_key, clock, entropy, state,
        ))
    }

    /// Reads what is readable without opening.
    ///
    /// # Errors
    /// As [`Vault::open`], but never [`VaultError::Locked`].
    pub fn inspect(path: &Path) -> Result<VaultSummary, VaultError> {
        let (vault_id, header) = read_header(path)?;
        summarise(&vault_id, &header)
    }

    /// The same of an open vault, authenticated.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn summary(&self) -> Result<VaultSummary, VaultError> {
        summarise(&self.vault_id, &self.current()?.header)
    }

    /// How often the vault was written, and the digest of its readable part: what tells an older copy of it from this
    /// one.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn edition(&self) -> Result<(u64, Digest), VaultError> {
        let state = self.current()?;
        let header = serde_json::to_vec(&state.header).map_err(|_| VaultError::Damaged)?;
        Ok((state.index.generation, Digest::of(&[&header])))
    }

    fn assemble(
        path: &Path,
        vault_id: [u8; 16],
        data_key: Key,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        state: State,
    ) -> Self {
        let state = Mutex::new(state);
        Self {
            path: path.to_owned(),
            vault_id,
            data_key,
            clock,
            entropy,
            state,
            chosen: Mutex::default(),
        }
    }

    /// What is on disk now: read again when another process wrote it.
    pub(crate) fn current(&self) -> Result<MutexGuard<'_, State>, VaultError> {
        let mut state = self.last_known();
        if disk::stamp(&self.path)? != state.stamp {
            self.reload(&mut state)?;
        }
        Ok(state)
    }

    /// What was on disk when this process last looked.
    pub(crate) fn last_known(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere makes no half-made state: it is only ever replaced whole.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Makes one change under the file lock, on top of every change made before by anybody, and reads it
    /// back. Nothing is changed when `change` fails.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Header, &mut Index) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut state = self.last_known();
        let _lock = disk::WriteLock::acquire(&self.path)?;
        self.reload(&mut state)?;
        let (mut header, mut index) = (state.header.clone(), state.index.clone());
        let outcome = change(&mut header, &mut index)?;
        index.generation = index.generation.saturating_add(1);
        *state = write(
            &self.path,
            &self.vault_id,
            &self.data_key,
            &*self.entropy,
            header,
            index,
        )?;
        Ok(outcome)
    }

    fn reload(&self, state: &mut State) -> Result<(), VaultError> {
        let (bytes, stamp) = disk::read(&self.path)?;
        let fresh = decode(&bytes, stamp, &self.vault_id, &self.data_key)?;
        if fresh.index.generation < state.index.generation {
            return Err(VaultError::RolledBack);
        }
        *state = fresh;
        Ok(())
    }

    /// A key of this vault for one purpose.
    pub(crate) fn key(&self, purpose: &str) -> Key {
        self.data_key.derive(&self.vault_id, purpose)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("vault_id", &to_hex(&self.vault_id))
            .finish_non_exhaustive()
    }
}

/// The purposes of derived keys.
const INDEX: &str = "hsk.vault.index.v1";
pub(crate) const KEYS: &str = "hsk.vault.keys.v1";

pub(crate) fn commitment_bound_to(vault_id: &[u8; 16], number: u64) -> Vec<u8> {
    crate::crypto::bind(&[b"hsk.vault.commitment.v1", vault_id, &number.to_be_bytes()])
}

/// The readable part of a file, as it stands there.
pub(crate) fn read_header(path: &Path) -> Result<([u8; 16], Header), VaultError> {
    let (bytes, _) = disk::read(path)?;
    let frame = codec::unframe(&bytes)?;
    Ok((frame.vault_id, parse_header(frame.header)?))
}

fn parse_header(bytes: &[u8]) -> Result<Header, VaultError> {
    let header: Header = serde_json::from_slice(bytes).map_err(|_| VaultError::Damaged)?;
    if header.slots.is_empty() || header.slots.len() > MAX_SLOTS {
        return Err(VaultError::Damaged);
    }
    Ok(header)
}

fn decode(
    bytes: &[u8],
    stamp: Stamp,
    vault_id: &[u8; 16],
    data_key: &Key,
) -> Result<State, VaultError> {
    let frame = codec::unframe(bytes)?;
    if frame.vault_id != *vault_id {
        return Err(VaultError::Damaged);
    }
    let index = data_key
        .derive(vault_id, INDEX)
        .open(frame.sealed_index, frame.prefix)
        .map_err(|_| VaultError::Damaged)?;
    let index: Index = serde_json::from_slice(&index).map_err(|_| VaultError::Damaged)?;
    let header = parse_header(frame.header)?;
    let approval_key = header.approval.public()?;
    let recorder_key =
        PublicKey::from_bytes(&index.keys.recorder.public.0).map_err(|_| VaultError::Damaged)?;
    Ok(State {
        header,
        index,
        approval_key,
        recorder_key,
        stamp,
    })
}

fn write(
    path: &Path,
    vault_id: &[u8; 16],
    data_key: &Key,
    entropy: &dyn Entropy,
    header: Header,
    index: Index,
) -> Result<State, VaultError> {
    let header = serde_json::to_vec(&header).map_err(|_| VaultError::Damaged)?;
    let index = serde_json::to_vec(&index).map_err(|_| VaultError::Damaged)?;
    let mut bytes = codec::prefix(vault_id, &header)?;
    let sealed = data_key
        .derive(vault_id, INDEX)
        .seal(entropy, &index, &bytes);
    bytes.extend_from_slice(&sealed);
    disk::replace(path, &bytes)?;
    // A vault that says "saved" and cannot be read back is worse than an error now.
    let (read, stamp) = disk::read(path)?;
    if read != bytes {
        return Err(VaultError::ReadBack);
    }
    decode(&read, stamp, vault_id, data_key).map_err(|_| VaultError::ReadBack)
}

fn summarise(vault_id: &[u8; 16], header: &Header) -> Result<VaultSummary, VaultError> {
    Ok(VaultSummary {
        vault_id: to_hex(vault_id),
        approval_key: header.approval.public()?,
        has_factor: header.approval.is_set(),
        has_recovery: header.approval.has_recovery(),
        assurance: header.approval.assurance(),
        slots: header
            .slots
            .iter()
            .map(|slot| (slot.id, slot.kind))
            .collect(),
    })
}
