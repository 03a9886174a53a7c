//! What a check says: findings, or why it could not run. One shape for people, one for programs.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// Exit code of a check that found nothing.
pub(crate) const ALL_WELL: u8 = 0;
/// Exit code of a check with findings.
pub(crate) const FOUND: u8 = 1;
/// Exit code of a wrong command line, or of a check that could not be made. Never taken for a pass.
pub(crate) const CANNOT_RUN: u8 = 2;

/// One thing that is wrong, where, and the command or edit that mends it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Finding {
    /// Relative to the root of the workspace, with `/`.
    pub(crate) file: String,
    /// From one, where a line can be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// A stable name, `check.rule`.
    pub(crate) rule: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) mend: String,
}

impl Finding {
    /// A finding about a whole file.
    pub(crate) fn new(
        file: &str,
        rule: &str,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            rule: rule.to_owned(),
            message: message.into(),
            mend: mend.into(),
        }
    }

    /// The same finding at a line.
    pub(crate) fn at(mut self, line: impl Into<Option<usize>>) -> Self {
        self.line = line.into();
        self
    }
}

/// A check that could not be made: nothing is known, which is not the same as nothing found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CannotRun(String);

impl CannotRun {
    /// With a message for a person.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a check answers.
pub(crate) type CheckResult = Result<Vec<Finding>, CannotRun>;

/// The answer of one command.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    check: &'static str,
    ok: bool,
    failures: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Report {
    /// Sorts the findings, so that the same tree gives the same report.
    pub(crate) fn new(check: &'static str, result: CheckResult) -> Self {
        match result {
            Ok(mut failures) => {
                failures.sort();
                failures.dedup();
                Self {
                    check,
                    ok: failures.is_empty(),
                    failures,
                    error: None,
                }
            }
            Err(error) => Self {
                check,
                ok: false,
                failures: Vec::new(),
                error: Some(error.to_string()),
            },
        }
    }

    /// 0, 1 or 2.
    pub(crate) fn exit_code(&self) -> u8 {
        match (&self.error, self.ok) {
            (Some(_), _) => CANNOT_RUN,
            (None, true) => ALL_WELL,
            (None, false) => FOUND,
        }
    }

    /// One line: `{"check","ok","failures":[{"file","line"?,"rule","message","mend"}],"error"?}`.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|e| {
            // Strings and numbers only; were this ever to fail, the reader still gets an object that says no.
            format!(
                r#"{{"check":"{}","ok":false,"failures":[],"error":"report: {e}"}}"#,
                self.check
            )
        })
    }

    /// Lines for a person.
    pub(crate) fn human(&self) -> String {
        let mut text = String::new();
        for finding in &self.failures {
            let _infallible = writeln!(text, "{}", line(finding));
        }
        let _infallible = match (&self.error, self.failures.len()) {
            (Some(error), _) => writeln!(text, "{}: could not run: {error}", self.check),
            (None, 0) => writeln!(text, "{}: ok", self.check),
            (None, 1) => writeln!(text, "{}: 1 finding", self.check),
            (None, n) => writeln!(text, "{}: {n} findings", self.check),
        };
        text
    }
}

fn line(finding: &Finding) -> String {
    let at = finding.line.map_or_else(String::new, |n| format!(":{n}"));
    format!(
        "{}{at}: [{}] {}\n    mend: {}",
        finding.file, finding.rule, finding.message, finding.mend
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(file: &str) -> Finding {
        Finding::new(file, "tidy.x", "is wrong", "write it right").at(3)
    }

    #[test]
    fn the_three_exit_codes() {
        assert_eq!(Report::new("x", Ok(vec![])).exit_code(), 0);
        assert_eq!(Report::new("x", Ok(vec![finding("a")])).exit_code(), 1);
        assert_eq!(
            Report::new("x", Err(CannotRun::new("no cargo"))).exit_code(),
            2
        );
    }

    #[test]
    fn json_is_one_object_with_fixed_fields() {
        let json = Report::new("tidy", Ok(vec![finding("b"), finding("a"), finding("a")])).json();
        let one = |f: &str| {
            format!(
                r#"{{"file":"{f}","line":3,"rule":"tidy.x","message":"is wrong","mend":"write it right"}}"#
            )
        };
        assert_eq!(
            json,
            format!(
                r#"{{"check":"tidy","ok":false,"failures":[{},{}]}}"#,
                one("a"),
                one("b")
            )
        );
        let json = Report::new("tidy", Err(CannotRun::new("no"))).json();
        assert_eq!(
            json,
            r#"{"check":"tidy","ok":false,"failures":[],"error":"no"}"#
        );
    }

    #[test]
    fn a_person_sees_file_line_rule_and_the_mend() {
        let text = Report::new("tidy", Ok(vec![finding("a.rs")])).human();
        assert_eq!(
            text,
            "a.rs:3: [tidy.x] is wrong\n    mend: write it right\ntidy: 1 finding\n"
        );
    }
}
