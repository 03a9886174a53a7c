//! What of this machine bears on what Handshake promises: remarks, no faults.

use std::fs;

use super::Findings;

/// Variables that somebody may have set for another program. Values are not shown.
const VARIABLES: [(&str, &str); 9] = [
    (
        "SSL_CERT_FILE",
        "TLS trusts the roots that it names instead of the system's",
    ),
    (
        "SSL_CERT_DIR",
        "TLS trusts the roots that it names instead of the system's",
    ),
    (
        "SSLKEYLOGFILE",
        "other programs write TLS keys to this file; Handshake does not",
    ),
    (
        "HTTPS_PROXY",
        "ignored: connections go only to the addresses that were checked",
    ),
    (
        "HTTP_PROXY",
        "ignored: connections go only to the addresses that were checked",
    ),
    (
        "ALL_PROXY",
        "ignored: connections go only to the addresses that were checked",
    ),
    ("LD_PRELOAD", "other code runs inside this program"),
    (
        "DYLD_INSERT_LIBRARIES",
        "other code runs inside this program",
    ),
    (
        "HANDSHAKE_HOME",
        "it selects the home, but never makes one trusted",
    ),
];

pub(super) fn look(findings: &mut Findings) {
    for (name, says) in VARIABLES {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if set(name) || set(&name.to_lowercase()) {
            findings.remark("environment", format!("{name} is set: {says}"));
        }
    }
    let read = |path: &str| fs::read_to_string(path).ok();
    for remark in remarks(
        read("/proc/sys/kernel/yama/ptrace_scope").as_deref(),
        read("/proc/sys/kernel/core_pattern").as_deref(),
        rustix::process::getrlimit(rustix::process::Resource::Core).current,
        read("/proc/swaps").as_deref(),
    ) {
        findings.remark("machine", remark);
    }
}

/// What is read of the kernel's own files; `None` where they are not there.
fn remarks(
    ptrace: Option<&str>,
    cores: Option<&str>,
    core_limit: Option<u64>,
    swaps: Option<&str>,
) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if ptrace.is_some_and(|scope| scope.trim() == "0") {
        remarks.push("any program of this account can read this program's memory (kernel.yama.ptrace_scope is 0)");
    }
    // A pipe takes core dumps whatever the limit on their size is.
    let piped = cores.is_some_and(|pattern| pattern.starts_with('|'));
    if piped {
        remarks.push(
            "a crash passes this program's memory to another program (kernel.core_pattern is a pipe)",
        );
    } else if cores.is_some() && core_limit != Some(0) {
        remarks.push("a crash can write this program's memory to a file (ulimit -c is not 0)");
    }
    // The first line is a heading. Compressed memory is no disk.
    let disk = |line: &&str| !line.starts_with("/dev/zram");
    if swaps.is_some_and(|swaps| {
        swaps
            .lines()
            .skip(1)
            .filter(disk)
            .any(|line| !line.trim().is_empty())
    }) {
        remarks.push("memory can be swapped to disk; use encrypted swap");
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::remarks;

    #[test]
    fn what_the_kernel_says_becomes_remarks() {
        assert!(remarks(None, None, None, None).is_empty());
        assert!(remarks(Some("1\n"), Some("core"), Some(0), Some("Filename Type\n")).is_empty());
        assert_eq!(
            remarks(
                Some("0\n"),
                Some("core"),
                None,
                Some("Filename\n/swapfile file 1 0\n")
            )
            .len(),
            3
        );
        assert_eq!(
            remarks(
                None,
                Some("|/usr/bin/apport"),
                Some(0),
                Some("Filename\n/dev/zram0 partition\n")
            )
            .len(),
            1
        );
    }
}
