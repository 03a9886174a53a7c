//! What a process that holds keys and prompts can do for itself at its start.

/// Variables that would reach the transport: roots of trust and session keys of TLS, and options of the resolver.
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the roots that the platform trusts.
pub const HOSTILE_VARIABLES: [&str; 6] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
    "RES_OPTIONS",
    "HOSTALIASES",
    "LOCALDOMAIN",
];

/// What [`harden`] came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Hardening {
    /// A crash writes no core file, and nothing outside can allow it again.
    pub no_core_file: bool,
    /// Other programs of this account cannot attach to this one or read its memory, and a crash is passed to no program
    /// that collects them. On Linux alone; root can all the same.
    pub private_memory: bool,
}

/// Keeps the memory of this process to itself, as far as the platform lets it: call it first in `main`. What is started
/// by this process may not write core files either.
///
/// The environment stays as it is, for no process can change its own safely: one that finds any of
/// [`HOSTILE_VARIABLES`] set should start itself again without them, as the `handshake` command does.
pub fn harden() -> Hardening {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Hardening {
        no_core_file: setrlimit(Resource::Core, none).is_ok(),
        private_memory: keep_memory_private(),
    }
}

#[cfg(target_os = "linux")]
fn keep_memory_private() -> bool {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn keep_memory_private() -> bool {
    false
}

/// Whether this process was hardened: what [`harden`] did holds until the process ends.
#[must_use]
pub fn hardening() -> Hardening {
    use rustix::process::{Resource, getrlimit};
    Hardening {
        no_core_file: getrlimit(Resource::Core).maximum == Some(0),
        private_memory: is_memory_private(),
    }
}

#[cfg(target_os = "linux")]
fn is_memory_private() -> bool {
    use rustix::process::{DumpableBehavior, dumpable_behavior};
    dumpable_behavior().is_ok_and(|now| now == DumpableBehavior::NotDumpable)
}

#[cfg(not(target_os = "linux"))]
fn is_memory_private() -> bool {
    false
}
