//! Exports of logs, sound and broken in every way that is known, made deterministically. What writes them shares no line
//! with the product's own writer: it was written from `docs/log-format.md`.
//!
//! A case says what a verifier is given and what it has to answer, so that every verifier can be held against it.
//!
//! ```
//! use handshake_testkit::broken_logs::{self, Answer};
//!
//! let all = broken_logs::all();
//! let cut = all.iter().find(|case| case.name == "cut-tail").expect("is there");
//! assert_eq!(cut.answer, Answer::Tampered { size: 6 });
//! assert!(cut.files.contains_key("log.jsonl"));
//! ```

use std::{collections::BTreeMap, io, path::Path};

mod edits;
mod named;
mod writer;

pub use self::{edits::edited, named::all};

/// The files of an export by their names.
pub type Files = BTreeMap<&'static str, Vec<u8>>;

/// What a verifier is given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Case {
    /// What was done to it.
    pub name: String,
    /// Its files. Of an export whose `log.jsonl` is given alone, only that.
    pub files: Files,
    /// Keys with which it may have begun, in hex.
    pub roots: Vec<String>,
    /// Approval keys, in hex.
    pub approvers: Vec<String>,
    /// `SIZE:HASH`.
    pub anchors: Vec<String>,
}

/// A case of which the answer is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BrokenLog {
    /// What was done to it.
    pub name: &'static str,
    /// The case.
    pub case: Case,
    /// What has to be found.
    pub answer: Answer,
}

impl std::ops::Deref for BrokenLog {
    type Target = Case;

    fn deref(&self) -> &Case {
        &self.case
    }
}

/// What a verifier has to answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Nothing contradicts anything, and something from outside confirms it.
    Intact {
        /// Leaves.
        size: u64,
        /// The largest size that was confirmed.
        anchored_at: u64,
    },
    /// Nothing contradicts anything, and nothing from outside confirms it.
    SelfConsistentOnly {
        /// Leaves.
        size: u64,
    },
    /// Something was altered.
    Tampered {
        /// Leaves up to the first that does not hold.
        size: u64,
    },
    /// There is nothing to judge: a file is missing, or the format is unknown.
    NoVerdict,
}

impl Answer {
    /// The exit code of every verifier.
    #[must_use]
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Intact { .. } => 0,
            Self::NoVerdict => 1,
            Self::SelfConsistentOnly { .. } => 4,
            Self::Tampered { .. } => 5,
        }
    }

    /// The word for it; `None` where there is no verdict.
    #[must_use]
    pub fn verdict(self) -> Option<&'static str> {
        match self {
            Self::Intact { .. } => Some("intact"),
            Self::NoVerdict => None,
            Self::SelfConsistentOnly { .. } => Some("self_consistent_only"),
            Self::Tampered { .. } => Some("tampered"),
        }
    }
}

impl Case {
    /// Writes the files into a directory that is there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        for (name, bytes) in &self.files {
            std::fs::write(directory.join(name), bytes)?;
        }
        Ok(())
    }

    /// The arguments of a verifier's command line, the export aside.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let named = [
            ("--root", &self.roots),
            ("--approver", &self.approvers),
            ("--anchor", &self.anchors),
        ];
        named
            .into_iter()
            .flat_map(|(name, values)| {
                values
                    .iter()
                    .flat_map(move |v| [name.to_owned(), v.clone()])
            })
            .collect()
    }

    /// The case as bytes, for verifiers that read many: how many parts it has, then of each the length and the bytes of
    /// its name and of what it holds; numbers are `u32` in big-endian. Parts are files, `root`, `approver`, `anchor`.
    #[must_use]
    pub fn framed(&self) -> Vec<u8> {
        let mut parts: Vec<(&str, &[u8])> = Vec::new();
        for (name, values) in [
            ("root", &self.roots),
            ("approver", &self.approvers),
            ("anchor", &self.anchors),
        ] {
            parts.extend(values.iter().map(|value| (name, value.as_bytes())));
        }
        parts.extend(self.files.iter().map(|(name, bytes)| (*name, &bytes[..])));
        let length = |n: usize| u32::try_from(n).expect("small").to_be_bytes();
        let mut framed = length(parts.len()).to_vec();
        for (name, bytes) in parts {
            framed.extend(length(name.len()));
            framed.extend(name.as_bytes());
            framed.extend(length(bytes.len()));
            framed.extend(bytes);
        }
        framed
    }
}
