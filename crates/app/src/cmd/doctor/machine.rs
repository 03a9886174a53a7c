//! What of this machine bears on what Handshake promises: remarks, no faults.

use std::fs;

use handshake_llm::parts::{Hardening, hardening};

use super::Findings;
use crate::start;

/// Variables that somebody may have set for another program. Values are not shown.
const VARIABLES: [(&str, &str); 7] = [
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
    (
        "XDG_CONFIG_HOME",
        "ignored: the list of trusted homes lies where the account database says",
    ),
];

pub(super) fn look(findings: &mut Findings) {
    for (name, says) in VARIABLES {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if set(name) || set(&name.to_lowercase()) {
            findings.remark("environment", format!("{name} is set: {says}"));
        }
    }
    for name in start::removed_variables() {
        findings.remark(
            "environment",
            format!("{name} is set: ignored; it was removed before anything was done"),
        );
    }
    let read = |path: &str| fs::read_to_string(path).ok();
    for remark in remarks(
        read("/proc/sys/kernel/yama/ptrace_scope").as_deref(),
        read("/proc/sys/kernel/core_pattern").as_deref(),
        hardening(),
        read("/proc/swaps").as_deref(),
    ) {
        findings.remark("machine", remark);
    }
}

/// What is read of the kernel's own files; `None` where they are not there.
fn remarks(
    ptrace: Option<&str>,
    cores: Option<&str>,
    hardening: Hardening,
    swaps: Option<&str>,
) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    let private = hardening.private_memory;
    if !private && ptrace.is_some_and(|scope| scope.trim() == "0") {
        remarks.push("any program of this account can read this program's memory (kernel.yama.ptrace_scope is 0)");
    }
    // A pipe takes core dumps whatever the limit on their size is.
    let piped = cores.is_some_and(|pattern| pattern.starts_with('|'));
    if private {
        // The kernel dumps nothing of this process, whatever the pattern is.
    } else if piped {
        remarks.push(
            "a crash passes this program's memory to another program (kernel.core_pattern is a pipe)",
        );
    } else if cores.is_some() && !hardening.no_core_file {
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
    use super::*;

    #[test]
    fn s52_what_the_kernel_says_becomes_remarks_where_it_bears_on_this_process() {
        // Of a test, which was not hardened.
        let open = hardening();
        assert!(!open.private_memory);
        let mut no_core = open;
        no_core.no_core_file = true;
        let mut private = no_core;
        private.private_memory = true;
        let piped = Some("|/usr/bin/apport");
        assert!(remarks(None, None, open, None).is_empty());
        let quiet = Some("Filename Type\n");
        assert!(remarks(Some("1\n"), Some("core"), no_core, quiet).is_empty());
        let swap = Some("Filename\n/swapfile file 1 0\n");
        let mut writes = open;
        writes.no_core_file = false;
        assert_eq!(remarks(Some("0\n"), Some("core"), writes, swap).len(), 3);
        let zram = Some("Filename\n/dev/zram0 partition\n");
        assert_eq!(remarks(None, piped, no_core, zram).len(), 1);
        assert_eq!(remarks(Some("0\n"), piped, private, zram), [""; 0]);
    }
}
