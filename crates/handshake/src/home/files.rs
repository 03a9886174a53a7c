//! What lies in a home, read before it is trusted.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use handshake_core::code::{ErrorCode, Phase};
use handshake_vault::Vault;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    trust::Identity,
};

/// `home.json`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HomeFile {
    pub(super) install_id: String,
    /// Written by earlier versions. It grants nothing: whether there is a factor stands in the vault, where nobody
    /// can change it unseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) can_approve: Option<bool>,
}

/// A home, as its files say. Nothing of it is authenticated before its vault is open.
#[derive(Clone, Debug)]
pub(super) struct There {
    pub(super) identity: Identity,
    pub(super) claims_no_factor: bool,
}

impl There {
    /// `Ok(None)` where there is none.
    pub(super) fn at(path: &Path) -> Result<Option<Self>> {
        if !path.join("home.json").exists() {
            return Ok(None);
        }
        let file = read_home_file(path)?;
        let vault = path.join("vault.hskv");
        let summary = Vault::inspect(&vault).map_err(|error| super::key::in_file(error, &vault))?;
        Ok(Some(Self {
            identity: Identity {
                install_id: file.install_id,
                approval_key: summary.approval_key.id().clone(),
            },
            claims_no_factor: file.can_approve == Some(false),
        }))
    }
}

pub(super) fn key_file(trust_dir: &Path, install_id: &str) -> PathBuf {
    trust_dir.join("keys").join(format!("{install_id}.key"))
}

pub(super) fn untrusted(message: &str, path: &Path) -> Error {
    Error::new(
        ErrorCode::HomeUntrusted,
        Phase::Input,
        format!("{message}: {}", path.display()),
    )
    .next(format!(
        "run `handshake init --home {}` at a terminal if the home is yours",
        path.display()
    ))
}

pub(super) fn failed(message: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |_| Error::new(ErrorCode::Storage, Phase::Storage, message)
}

fn read_home_file(path: &Path) -> Result<HomeFile> {
    let meta = fs::symlink_metadata(path).map_err(failed("cannot read the home"))?;
    let private = meta.is_dir()
        && meta.uid() == rustix::process::geteuid().as_raw()
        && meta.mode() & 0o077 == 0;
    if !private {
        return Err(untrusted(
            "this home is a link, or other users can access it",
            path,
        ));
    }
    let text = fs::read(path.join("home.json")).map_err(failed("cannot read the home"))?;
    let damaged = || {
        let message = "damaged file: home.json";
        Error::new(ErrorCode::Storage, Phase::Storage, message)
    };
    let file: HomeFile = serde_json::from_slice(&text).map_err(|_| damaged())?;
    // It becomes part of a file's name outside of the home.
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match file.install_id.len() == 32 && file.install_id.bytes().all(hex) {
        true => Ok(file),
        false => Err(damaged()),
    }
}

/// The one path of a folder: trust goes by path, so one home has one, through no link, whether it is there or not.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    let unusable = || {
        let message = format!("cannot use this path: {}", path.display());
        Error::usage(ErrorCode::InvalidConfig, message).next("name it without `..`")
    };
    let absolute = std::path::absolute(path).map_err(|_| unusable())?;
    let name = absolute.file_name().ok_or_else(unusable)?;
    let parent = absolute.parent().ok_or_else(unusable)?;
    for ancestor in parent.ancestors() {
        let Ok(real) = ancestor.canonicalize() else {
            continue;
        };
        let rest = parent.strip_prefix(ancestor).map_err(|_| unusable())?;
        // What is not there yet cannot be asked where it leads.
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        return match rest.components().all(plain) {
            true => Ok(real.join(rest).join(name)),
            false => Err(unusable()),
        };
    }
    Err(unusable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rt_b03_a_path_is_one_path_whether_it_is_there_or_not() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let real = folder.path().canonicalize().expect("there").join("real");
        fs::create_dir(&real).expect("made");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&real, &link).expect("linked");
        let there = |path: &str| absolute(&link.join(path)).expect("a path");
        assert_eq!(there("home"), real.join("home"));
        assert_eq!(there("not/yet/home"), real.join("not/yet/home"));
        assert_eq!(there("./home/"), real.join("home"));
        fs::create_dir(real.join("sub")).expect("made");
        assert_eq!(there("sub/../home"), real.join("home"));
        assert!(absolute(&link.join("missing/../home")).is_err());
        assert!(absolute(Path::new("/")).is_err());
    }

    #[test]
    fn s04_an_install_id_is_no_path() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let home = folder.path();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(home, private).expect("private");
        let file = |id: &str| {
            fs::write(
                home.join("home.json"),
                format!(r#"{{"install_id":"{id}"}}"#),
            )
            .expect("made");
            read_home_file(home).map(|file| file.install_id)
        };
        assert!(file(&"a0".repeat(16)).is_ok());
        for bad in ["", "../../../etc/x", &"A0".repeat(16), &"a0".repeat(17)] {
            assert!(file(bad).is_err(), "{bad}");
        }
    }
}
