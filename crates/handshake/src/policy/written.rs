//! `policy.toml` as it is written.

use std::{fs::File, io::Read, path::Path};

use handshake_core::code::{ErrorCode, Phase};
use handshake_policy::rules::Rules;
use rustix::fs::{Mode, OFlags};

use super::engine;
use crate::error::{Error, Result};

/// More than anybody writes.
const MAX: u64 = 1 << 20;

/// What the file holds. Compared as it stands: a stamp of a file can lie, and it is short.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Written {
    /// There is none, which is the defaults.
    Missing,
    /// This.
    Text(String),
    /// Something that is no text, or nobody may read it.
    Unreadable,
}

impl Written {
    pub(crate) fn read(home: &Path) -> Self {
        // Whatever stands in its place does not hold up who looks.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file: File = match rustix::fs::open(home.join("policy.toml"), flags, Mode::empty()) {
            Ok(file) => file.into(),
            Err(rustix::io::Errno::NOENT) => return Self::Missing,
            Err(_) => return Self::Unreadable,
        };
        let mut text = String::new();
        let read = match file.metadata() {
            Ok(meta) if meta.is_file() => file.take(MAX + 1).read_to_string(&mut text),
            _ => return Self::Unreadable,
        };
        match read {
            Ok(length) if length as u64 <= MAX => Self::Text(text),
            _ => Self::Unreadable,
        }
    }

    /// The rules that it comes to.
    ///
    /// # Errors
    /// `HSK-400-INVALID-CONFIG` for what are no rules, `HSK-500-STORAGE` for what cannot be read.
    pub(crate) fn rules(&self) -> Result<Rules> {
        match self {
            Self::Missing => Ok(Rules::default()),
            Self::Text(text) => {
                let rules = Rules::read(text)?;
                engine(&rules)?;
                Ok(rules)
            }
            Self::Unreadable => Err(Error::new(
                ErrorCode::Storage,
                Phase::Storage,
                "cannot read policy.toml",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rt_b09_what_is_missing_is_the_defaults_and_what_is_no_file_is_not() {
        let home = tempfile::TempDir::new().expect("a folder");
        let missing = Written::read(home.path());
        assert_eq!(missing, Written::Missing);
        assert_eq!(missing.rules(), Ok(Rules::default()));
        let file = home.path().join("policy.toml");
        std::fs::write(&file, "locked = true\n").expect("written");
        let rules = Written::read(home.path()).rules().expect("rules");
        assert!(rules.locked);
        for text in [&b"\xff\xfe"[..], b"locked = maybe"] {
            std::fs::write(&file, text).expect("written");
            assert!(Written::read(home.path()).rules().is_err());
        }
        std::fs::remove_file(&file).expect("removed");
        std::fs::create_dir(&file).expect("made");
        assert_eq!(Written::read(home.path()), Written::Unreadable);
    }
}
