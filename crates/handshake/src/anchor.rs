//! What is noted of a home outside it: how far its log came, which edition its vault had, which run it was. A home that
//! is behind that was put back from an older copy, whoever did it.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use handshake_core::{
    digest::{CommitmentKey, Digest, KeyedHash, canonical_json},
    ports::LogAnchor,
    time::UtcTime,
};
use handshake_vault::Vault;
use serde::{Deserialize, Serialize};

use self::clock::Ahead;
use crate::trust::locked;

mod clock;

const SCHEMA: &str = "hsk.home_anchor@0.1";

/// What is noted of one home.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Noted {
    schema: String,
    install_id: String,
    /// How far the log came.
    pub(crate) size: u64,
    pub(crate) hash: Digest,
    /// Which edition the vault had.
    pub(crate) vault_edition: u64,
    pub(crate) vault_sha256: Digest,
    pub(crate) run: u64,
    /// What the home was found behind, until a person says that they know why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) behind: Vec<Behind>,
    /// How far the wall clock was ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<Ahead>,
    /// Over everything above, with a key of the vault.
    mac: Option<KeyedHash>,
}

/// A home that was behind what was noted of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Behind {
    /// How far its log had come once. 0 where nobody knows any more.
    pub size: u64,
    /// The head that it had then.
    pub hash: Digest,
    /// How far it reached when it was found.
    pub found_size: u64,
    /// When it was found.
    pub found_at: UtcTime,
}

/// What is noted of a home, as it was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// What this program noted.
    Noted(Box<Noted>),
    /// Something that it did not.
    Damaged,
}

/// Keeps the note of one home. Any number of processes may have the same one.
pub(crate) struct Anchor {
    path: PathBuf,
    install_id: String,
    key: CommitmentKey,
    vault: Arc<Vault>,
    /// What this process last wrote or read: a head that is not beyond it needs no file.
    known: Mutex<Option<Noted>>,
    run: Mutex<u64>,
    /// The furthest that the wall clock was ahead, in milliseconds.
    furthest: Mutex<Option<i64>>,
}

impl Anchor {
    pub(crate) fn new(
        trust_dir: &Path,
        install_id: &str,
        key: CommitmentKey,
        vault: Arc<Vault>,
        run: u64,
    ) -> Self {
        Self {
            path: trust_dir.join("anchors").join(format!("{install_id}.json")),
            install_id: install_id.to_owned(),
            key,
            vault,
            known: Mutex::default(),
            run: Mutex::new(run),
            furthest: Mutex::default(),
        }
    }

    /// What is noted.
    pub(crate) fn read(&self) -> Found {
        let meta = match fs::symlink_metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Found::Nothing,
            Err(_) => return Found::Damaged,
        };
        let private = meta.is_file()
            && meta.mode() & 0o077 == 0
            && meta.uid() == rustix::process::geteuid().as_raw();
        let bytes = private.then(|| fs::read(&self.path).ok()).flatten();
        let noted: Option<Noted> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match noted {
            Some(noted) if self.is_ours(&noted) => Found::Noted(Box::new(noted)),
            _ => Found::Damaged,
        }
    }

    /// Whether nothing is noted that the home was behind.
    pub(crate) fn is_acknowledged(&self) -> bool {
        matches!(self.read(), Found::Noted(noted) if noted.behind.is_empty())
    }

    fn is_ours(&self, noted: &Noted) -> bool {
        let good = |mac: &KeyedHash| self.code(noted).is_some_and(|code| code.same_as(mac));
        noted.schema == SCHEMA
            && noted.install_id == self.install_id
            && noted.mac.as_ref().is_some_and(good)
    }

    fn code(&self, noted: &Noted) -> Option<KeyedHash> {
        let bare = Noted {
            mac: None,
            ..noted.clone()
        };
        let bytes = canonical_json(&bare).ok()?;
        Some(self.key.commit("hsk.home_anchor.v1", &[&bytes]))
    }

    /// The run that the home is in.
    pub(crate) fn run(&self) -> u64 {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this is the run.
    pub(crate) fn begins_run(&self, run: u64) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = run;
    }

    /// Notes a head and the vault as it is, whatever was noted of them before, with what the home was behind.
    pub(crate) fn begin(&self, size: u64, hash: Digest, behind: Vec<Behind>) -> bool {
        let begun = locked(&self.path, || {
            if let Found::Noted(noted) = self.read() {
                self.adopt(&noted);
            }
            let vault = self.vault.edition().ok()?;
            Some(self.write(size, hash, vault, behind))
        });
        begun.flatten().unwrap_or(false)
    }

    /// Notes a head that is further than what is noted, or else what is noted, with what else is known by now.
    fn go_on(&self, size: u64, hash: Digest, noted: Box<Noted>) -> bool {
        // A run that another process began is not taken back.
        self.adopt(&noted);
        let Ok(vault) = self.vault.edition() else {
            return false;
        };
        // A vault that is behind is found out when the home is opened, and not covered up before.
        let vault = match vault.0 >= noted.vault_edition {
            true => vault,
            false => (noted.vault_edition, noted.vault_sha256),
        };
        // Another process came further: its vault may still be older than this one's.
        let (size, hash) = match noted.size > size {
            true => (noted.size, noted.hash),
            false => (size, hash),
        };
        self.write(size, hash, vault, noted.behind)
    }

    fn write(
        &self,
        size: u64,
        hash: Digest,
        (vault_edition, vault_sha256): (u64, Digest),
        behind: Vec<Behind>,
    ) -> bool {
        let mut noted = Noted {
            schema: SCHEMA.to_owned(),
            install_id: self.install_id.clone(),
            size,
            hash,
            vault_edition,
            vault_sha256,
            run: self.run(),
            behind,
            clock: self.ahead(),
            mac: None,
        };
        noted.mac = self.code(&noted);
        let written = serde_json::to_vec(&noted)
            .ok()
            .and_then(|bytes| replace(&self.path, &bytes).ok());
        if written.is_some() {
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(noted);
        }
        written.is_some()
    }

    /// Whether a head and the vault's edition say no more than what is known to be noted.
    fn is_noted(&self, size: u64) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let edition = self.vault.edition().map(|(edition, _)| edition);
        known.as_ref().is_some_and(|known| {
            known.size >= size && edition.is_ok_and(|edition| known.vault_edition >= edition)
        })
    }
}

impl LogAnchor for Anchor {
    fn note(&self, size: u64, hash: Digest) {
        if self.is_noted(size) {
            return;
        }
        let _as_it_was = locked(&self.path, || match self.read() {
            Found::Noted(noted) => self.go_on(size, hash, noted),
            Found::Nothing => match self.vault.edition() {
                Ok(vault) => self.write(size, hash, vault, Vec::new()),
                Err(_) => false,
            },
            // What somebody put there is found out when the home is opened, and not covered up before.
            Found::Damaged => false,
        });
    }
}

/// Writes a private file whole, or leaves the one that was there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    // One that a process of the same number left behind.
    let _gone = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes).and_then(|()| file.sync_all())?;
    fs::rename(&temporary, path)
}
