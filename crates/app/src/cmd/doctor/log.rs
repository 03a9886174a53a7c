//! What `doctor` says about the log: whether it holds, its segments, its gaps.

use std::sync::Arc;

use handshake_flight_recorder::Status;
use handshake_llm::parts::{Home, LogTrust, OpenError, Vault, verify_log};

use super::Findings;
use crate::cmd::log::{gaps, verify};

/// Whether there was a log to look at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Looked {
    Whole,
    /// Its database is not there.
    Missing,
    /// Its database has to be migrated first.
    Older,
    /// Its database cannot be read. What opens it says why.
    Unread,
}

pub(super) fn look(findings: &mut Findings, home: &Home, vault: &Arc<Vault>) -> Looked {
    let report = match verify_log(home, vault, LogTrust::default()) {
        Ok(report) => report,
        Err(error @ OpenError::Missing) => {
            findings.failed("log", verify::lost(&error, &home.path));
            return Looked::Missing;
        }
        Err(OpenError::Older { .. }) => return Looked::Older,
        Err(error) => {
            findings.failed("log", verify::lost(&error, &home.path));
            return Looked::Unread;
        }
    };
    let verdict = &report.verdict;
    if verdict.status == Status::Tampered {
        findings
            .wrong("log", format!("altered after event {}", verdict.size))
            .next("run `handshake log verify`");
    } else {
        let (size, anchored) = (verdict.size, verify::anchored(verdict));
        findings.ok(
            "log",
            format!("no alteration found; events: {size} ({anchored})"),
        );
    }
    for segment in report.segments.iter().filter(|s| s.state.is_faulty()) {
        findings
            .wrong(
                "log",
                format!("log/{} is {}", segment.file(), segment.state.as_str()),
            )
            .next("run `handshake log verify`");
    }
    if !report.losses.is_empty() {
        findings.remark(
            "log",
            format!(
                "gaps: {}; {}",
                report.losses.len(),
                gaps::summary(&report.losses)
            ),
        );
        findings.next("run `handshake log gaps` to list them");
        if let Some(last) = findings.0.last_mut() {
            last.gaps = report.losses.iter().map(gaps::described).collect();
        }
    }
    Looked::Whole
}
