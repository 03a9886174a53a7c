//! `file:` references: a secret that a service manager or a person put into a file.

use std::{
    fs::File,
    io::Read as _,
    os::fd::OwnedFd,
    path::{Component, Path},
};

use handshake_core::{ports::SecretError, secret::Secret};
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use crate::{disk, index::check_value};

/// The largest file that is read as a secret.
const MAX: usize = 512;

/// Reads one line from a file below one of the allowed directories. No component below such a directory may
/// be a link; the file must be regular, private, have one name, and hold one line of 8 to 512 visible ASCII
/// characters.
pub(crate) fn read(path: &str, allowed: &[(&Path, bool)]) -> Result<Secret, SecretError> {
    let path = Path::new(path);
    let below = allowed.iter().find_map(|(base, root_may_own)| {
        let rest = path
            .strip_prefix(base)
            .ok()
            .filter(|_| base.is_absolute())?;
        Some((*base, rest, *root_may_own))
    });
    let Some((base, rest, root_may_own)) = below else {
        return Err(SecretError::Unusable);
    };
    let file = open_below(base, rest).ok_or(SecretError::Missing)??;
    let size = disk::check_private(&file, root_may_own).map_err(|_| SecretError::Unusable)?;
    if size > MAX as u64 {
        return Err(SecretError::Unusable);
    }
    let mut content = Zeroizing::new(Vec::with_capacity(MAX + 1));
    file.take(MAX as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|_| SecretError::Unusable)?;
    let line = content.strip_suffix(b"\n").unwrap_or(&content);
    let secret = Secret::new(line.to_vec());
    check_value(&secret, MAX).map_err(|_| SecretError::Unusable)?;
    Ok(secret)
}

/// Walks down from `base` one component at a time, each opened without following a link. `None` when a
/// component is not there.
fn open_below(base: &Path, rest: &Path) -> Option<Result<File, SecretError>> {
    let walk = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory: OwnedFd = rustix::fs::open(base, walk, Mode::empty()).ok()?;
    let mut components = rest.components().peekable();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else {
            return Some(Err(SecretError::Unusable));
        };
        let last = components.peek().is_none();
        // A pipe must not make us wait, and a terminal must not become ours.
        let end = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let flags = if last { end } else { walk } | OFlags::NOFOLLOW;
        match rustix::fs::openat(&directory, name, flags, Mode::empty()) {
            Ok(fd) if last => return Some(Ok(fd.into())),
            Ok(fd) => directory = fd,
            Err(rustix::io::Errno::NOENT) => return None,
            Err(_) => return Some(Err(SecretError::Unusable)),
        }
    }
    Some(Err(SecretError::Unusable))
}
