//! A list of steps run in order until one fails, with durations and one table at the end.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use crate::{
    report::{CannotRun, CheckResult, Finding},
    workspace::Workspace,
};

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    name: &'static str,
    action: Action,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    /// A check of ours.
    Check(fn(&Workspace) -> CheckResult),
    /// A call of cargo: arguments, environment, and the command that mends.
    Cargo(
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static str,
    ),
}

impl Step {
    /// A check of ours.
    pub(crate) const fn check(name: &'static str, check: fn(&Workspace) -> CheckResult) -> Self {
        Self {
            name,
            action: Action::Check(check),
        }
    }

    /// A call of cargo that succeeds or fails, and what mends a failure.
    pub(crate) const fn cargo(
        name: &'static str,
        args: &'static [&'static str],
        mend: &'static str,
    ) -> Self {
        Self {
            name,
            action: Action::Cargo(args, &[], mend),
        }
    }

    /// The same with variables set.
    pub(crate) const fn with(self, envs: &'static [(&'static str, &'static str)]) -> Self {
        match self.action {
            Action::Cargo(args, _, mend) => Self {
                name: self.name,
                action: Action::Cargo(args, envs, mend),
            },
            Action::Check(_) => self,
        }
    }

    /// Runs it alone. A cargo that fails is one finding: what is wrong it has printed itself.
    pub(crate) fn run(&self, workspace: &Workspace) -> CheckResult {
        match self.action {
            Action::Check(check) => check(workspace),
            Action::Cargo(args, envs, mend) => {
                let failed = workspace.cargo.run(args, envs)?;
                Ok(failed
                    .map(|how| self.failure(args, &how, mend))
                    .into_iter()
                    .collect())
            }
        }
    }

    fn failure(&self, args: &[&str], how: &str, mend: &str) -> Finding {
        let message = format!("`cargo {}` failed ({how})", args.join(" "));
        Finding::new("Cargo.toml", &format!("step.{}", self.name), message, mend)
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Passed,
    Failed,
    CouldNotRun,
    NotRun,
}

#[derive(Debug, Eq, PartialEq)]
struct Row {
    name: &'static str,
    end: End,
    took: Duration,
}

/// Runs the steps and answers with the findings of the first that has any.
pub(crate) fn run(workspace: &Workspace, name: &str, steps: &[Step]) -> CheckResult {
    let start = Instant::now();
    let (rows, result) = drive(steps, |step| {
        workspace.say(&format!("{name}: {} …", step.name));
        let start = Instant::now();
        let result = step.run(workspace);
        let took = start.elapsed();
        workspace.say(&format!(
            "{name}: {} {} in {}",
            step.name,
            word(end(&result)),
            seconds(took)
        ));
        (result, took)
    });
    workspace.say(&table(&rows, start.elapsed()));
    result.map_err(|(step, error)| CannotRun::new(format!("{step}: {error}")))
}

type Driven = (Vec<Row>, Result<Vec<Finding>, (&'static str, CannotRun)>);

/// The order and the stopping, apart from running anything.
fn drive(steps: &[Step], mut run: impl FnMut(&Step) -> (CheckResult, Duration)) -> Driven {
    let mut rows: Vec<Row> = steps
        .iter()
        .map(|s| Row {
            name: s.name,
            end: End::NotRun,
            took: Duration::ZERO,
        })
        .collect();
    for (step, row) in steps.iter().zip(&mut rows) {
        let (result, took) = run(step);
        (row.end, row.took) = (end(&result), took);
        if row.end != End::Passed {
            return (rows, result.map_err(|error| (step.name, error)));
        }
    }
    (rows, Ok(Vec::new()))
}

fn end(result: &CheckResult) -> End {
    match result {
        Ok(findings) if findings.is_empty() => End::Passed,
        Ok(_) => End::Failed,
        Err(_) => End::CouldNotRun,
    }
}

fn word(end: End) -> &'static str {
    match end {
        End::Passed => "ok",
        End::Failed => "FAILED",
        End::CouldNotRun => "could not run",
        End::NotRun => "not run",
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

fn table(rows: &[Row], total: Duration) -> String {
    let mut text = String::from("\n  step       result          time\n");
    for row in rows {
        let time = if row.end == End::NotRun {
            String::new()
        } else {
            seconds(row.took)
        };
        let line = format!("  {:<11}{:<14}{time:>7}", row.name, word(row.end));
        let _infallible = writeln!(text, "{}", line.trim_end());
    }
    let _infallible = writeln!(text, "  {:<25}{:>7}", "total", seconds(total));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &[Step] = &[
        Step::cargo("one", &["a"], "mend"),
        Step::cargo("two", &["b", "c"], "mend two").with(&[("X", "y")]),
        Step::cargo("three", &["d"], "mend"),
    ];

    #[test]
    fn the_first_failure_stops_and_is_named() {
        let mut ran = Vec::new();
        let (rows, result) = drive(STEPS, |step| {
            ran.push(step.name);
            let bad = (step.name == "two")
                .then(|| step.failure(&["b", "c"], "exit status: 1", "mend two"));
            (Ok(bad.into_iter().collect()), Duration::from_millis(1500))
        });
        assert_eq!(ran, ["one", "two"]);
        let findings = result.expect("ran");
        assert_eq!(
            (findings[0].rule.as_str(), findings[0].mend.as_str()),
            ("step.two", "mend two")
        );
        assert_eq!(findings[0].message, "`cargo b c` failed (exit status: 1)");
        let want = "\n  step       result          time\n  one        ok              1.5 s\n  \
            two        FAILED          1.5 s\n  three      not run\n  total                      3.0 s\n";
        assert_eq!(table(&rows, Duration::from_secs(3)), want);
    }

    #[test]
    fn a_step_that_could_not_run_is_no_pass() {
        let (rows, result) = drive(STEPS, |_| (Err(CannotRun::new("no")), Duration::ZERO));
        assert_eq!(result.expect_err("could not").0, "one");
        assert_eq!(
            rows.iter().map(|r| r.end).collect::<Vec<_>>(),
            [End::CouldNotRun, End::NotRun, End::NotRun]
        );
    }

    #[test]
    fn all_that_pass_pass() {
        let (rows, result) = drive(STEPS, |_| (Ok(vec![]), Duration::ZERO));
        assert_eq!(result.expect("ran"), []);
        assert!(rows.iter().all(|r| r.end == End::Passed));
    }
}
