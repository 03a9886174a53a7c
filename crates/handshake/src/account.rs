//! The account that this process runs as, as the machine's account database knows it. No variable has a say in it:
//! whoever sets `HOME` or `USER` for a program does not become somebody else by it.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use handshake_core::{
    code::ErrorCode,
    ids::{ExternalId, Principal, PrincipalKind},
};
use nix::unistd::{Uid, User};

use crate::error::{Error, Result};

/// The place of programs' settings below an account's home directory.
const SETTINGS: &str = if cfg!(target_os = "macos") {
    "Library/Application Support"
} else {
    ".config"
};

/// What the database says of the real user id. Read once: it may be a server elsewhere.
fn entry() -> Option<&'static User> {
    static ENTRY: OnceLock<Option<User>> = OnceLock::new();
    ENTRY
        .get_or_init(|| {
            let uid = rustix::process::getuid().as_raw();
            User::from_uid(Uid::from_raw(uid)).ok().flatten()
        })
        .as_ref()
}

/// The person at this account, as receipts and events name them: the OS account, never a request's word.
#[must_use]
pub fn account() -> Principal {
    let uid = rustix::process::getuid().as_raw();
    let name = entry().and_then(|user| ExternalId::new(user.name.as_str()).ok());
    let fallback = || ExternalId::new(format!("uid-{uid}")).expect("digits and letters");
    Principal {
        kind: PrincipalKind::Terminal,
        name: name.unwrap_or_else(fallback),
    }
}

/// Where the list of trusted homes lies, and what is noted of them: below the home directory that the account
/// database names, so that nothing in the environment leads to another list.
///
/// # Errors
/// `HSK-400-INVALID-CONFIG` where the database names no such directory.
pub fn default_trust_dir() -> Result<PathBuf> {
    let home = entry().map(|user| user.dir.as_path());
    below(home).ok_or_else(|| {
        let uid = rustix::process::getuid().as_raw();
        Error::usage(
            ErrorCode::InvalidConfig,
            format!("the account database names no home directory for user id {uid}"),
        )
        .next("name the directory of the list of trusted homes with `--trust-dir DIR`")
    })
}

fn below(home: Option<&Path>) -> Option<PathBuf> {
    let home = home.filter(|home| home.is_absolute())?;
    Some(home.join(SETTINGS).join("handshake"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rt_b10_the_list_lies_below_the_home_directory_of_the_account_or_nowhere() {
        let settings = Path::new("/users/ann").join(SETTINGS).join("handshake");
        assert_eq!(below(Some(Path::new("/users/ann"))), Some(settings));
        for none in [None, Some(Path::new("")), Some(Path::new("users/ann"))] {
            assert_eq!(below(none), None);
        }
        if let (Some(user), Ok(dir)) = (entry(), default_trust_dir()) {
            assert!(dir.starts_with(&user.dir));
            assert_eq!(account().name.as_str(), user.name);
        }
    }
}
