//! The very start: the process keeps its memory to itself, its environment is cleaned of what would reach the
//! transport, and a gateway keeps no more memory than it uses.

use std::{
    ffi::OsString,
    io,
    net::SocketAddr,
    os::unix::process::CommandExt,
    process::{Command, id},
};

use handshake_core::code::{ErrorCode, Phase};
use handshake_llm::parts::{HOSTILE_VARIABLES, harden};

use crate::error::{AppError, Result};

/// What was removed, for `doctor`: the id of the process that removed it, and names. It decides nothing but whether to
/// try once more.
const MARK: &str = "HANDSHAKE_REMOVED_VARIABLES";

/// Comes back in a process whose environment is clean: in this one, or after it was replaced by itself.
///
/// # Errors
/// Where the variables cannot be removed. Going on would trust whoever set them.
pub(crate) fn begin() -> Result<()> {
    harden();
    let set: Vec<&str> = HOSTILE_VARIABLES
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some())
        .collect();
    if set.is_empty() {
        return Ok(());
    }
    // A process keeps its id when it is replaced: whoever finds its own mark was here before.
    let tried = removed().is_some_and(|(by, _)| by == id());
    if !tried {
        let _gone_on = again(|command| {
            for name in &set {
                command.env_remove(name);
            }
            command.env(MARK, mark(id(), &set));
        });
    }
    Err(AppError::new(
        ErrorCode::InvalidConfig,
        Phase::Input,
        format!(
            "the environment sets {}, and it could not be removed",
            set.join(", ")
        ),
    )
    .next(format!("run `unset {}` first", set.join(" "))))
}

/// What glibc's allocator reads once, when a process starts: by default each thread gets an arena of its own, and what
/// was freed in one serves no other (benches/README.md, "Memory").
const ALLOCATOR: [(&str, &str); 2] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// For a process that runs for weeks: few arenas, and what is free at their ends goes back at once. Whoever set either variable
/// knows better. Replaces this process by itself; where that fails it goes on as it is.
pub(crate) fn keep_little() {
    let decided = |(name, _): &(&str, &str)| std::env::var_os(name).is_some();
    if cfg!(all(target_os = "linux", target_env = "gnu")) && !ALLOCATOR.iter().any(decided) {
        let _gone_on = again(|command| {
            command.envs(ALLOCATOR);
        });
    }
}

/// Starts a gateway again that listens where it does. Comes back only where that fails.
pub(crate) fn anew(listen: SocketAddr) -> AppError {
    let _gone_on = again(|command| {
        command.args(["--listen".to_owned(), listen.to_string()]);
    });
    AppError::new(
        ErrorCode::InvalidConfig,
        Phase::Input,
        "the gateway cannot start again by itself",
    )
    .next("run `handshake serve`")
}

/// Replaces this process by itself, with another environment. Comes back only where that fails.
fn again(change: impl FnOnce(&mut Command)) -> io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut args = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    command.args(args);
    change(&mut command);
    command.exec()
}

fn mark(id: u32, names: &[&str]) -> OsString {
    format!("{id}:{}", names.join(",")).into()
}

fn read_mark(text: &str) -> Option<(u32, Vec<&'static str>)> {
    let (id, names) = text.split_once(':')?;
    let named = |name: &&str| names.split(',').any(|one| one == *name);
    let known = HOSTILE_VARIABLES.into_iter().filter(named).collect();
    Some((id.parse().ok()?, known))
}

fn removed() -> Option<(u32, Vec<&'static str>)> {
    let text = std::env::var_os(MARK)?;
    read_mark(text.to_str()?)
}

/// Names of the variables that this process removed from its environment.
pub(crate) fn removed_variables() -> Vec<&'static str> {
    removed()
        .filter(|(by, _)| *by == id())
        .map(|(_, names)| names)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s43_a_mark_is_read_back_and_names_nothing_unknown() {
        let text = mark(7, &["SSL_CERT_DIR", "SSL_CERT_FILE"]);
        let text = text.to_str().expect("text");
        assert_eq!(
            read_mark(text),
            Some((7, vec!["SSL_CERT_FILE", "SSL_CERT_DIR"]))
        );
        assert_eq!(read_mark("7:PATH,\u{1b}[2J"), Some((7, Vec::new())));
        for bad in ["", "7", "x:SSL_CERT_FILE", ":SSL_CERT_FILE"] {
            assert_eq!(read_mark(bad), None, "{bad}");
        }
    }
}
