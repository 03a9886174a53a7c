//! What the kernel counted of a process. Linux only: there is no portable way, and a figure of another kind under the
//! same name would be worse than none.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// Nanoseconds on a CPU, by thread, of a process and all that it started.
#[derive(Debug, Default)]
pub(crate) struct Cpu(BTreeMap<u32, u64>);

impl Cpu {
    /// Now.
    pub(crate) fn of(pid: u32) -> Self {
        let mut cpu = Self::default();
        cpu.add(pid);
        cpu
    }

    fn add(&mut self, pid: u32) {
        for task in fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let Some(id) = task.file_name().to_str().and_then(|id| id.parse().ok()) else {
                continue;
            };
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            self.0.insert(id, first_number(&text));
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
                self.add(child);
            }
        }
    }

    /// Nanoseconds since an earlier look. A thread that ended in between is not in the sum.
    pub(crate) fn since(&self, before: &Self) -> u64 {
        let spent = |(id, now): (&u32, &u64)| now.saturating_sub(*before.0.get(id).unwrap_or(&0));
        self.0.iter().map(spent).sum()
    }
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}

/// Resident memory in KiB.
pub(crate) fn rss_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .map_or(0, first_number)
}

/// The machine in one line, and how busy it is.
pub(crate) fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(|| "?".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = first_number(&field("/proc/meminfo", "MemTotal")) / (1 << 20);
    format!(
        "{} ({cores} cores, {memory} GiB)",
        field("/proc/cpuinfo", "model name")
    )
}

/// The load averages.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Lets this process and those it starts open as many files as the machine allows.
pub(crate) fn raise_files() {
    let now = getrlimit(Resource::Nofile);
    // Where it may not be raised, a run of many streams says so by its errors.
    let _as_it_was = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: now.maximum,
            ..now
        },
    );
}

/// Asks a process to end, as Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    if let Ok(id) = i32::try_from(child.id())
        && let Some(pid) = Pid::from_raw(id)
    {
        // One that has ended already needs no asking.
        let _gone = kill_process(pid, Signal::INT);
    }
}

/// Counts calls of `fsync` and `fdatasync`.
#[derive(Debug)]
pub(crate) struct Strace {
    child: Child,
    out: PathBuf,
}

const TRACE: [&str; 5] = ["-c", "-f", "-e", "trace=fsync,fdatasync", "-o"];
const ABSENT: &str = "fsyncs are not counted: strace does not run (Debian: apt-get install strace)";

impl Strace {
    /// Begins with a process that runs. The error says what is missing.
    pub(crate) fn attach(pid: u32, dir: &Path) -> Result<Self, String> {
        let out = dir.join("strace.txt");
        let mut child = Command::new("strace")
            .args(TRACE)
            .arg(&out)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|_| ABSENT.to_owned())?;
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            // It says that it has attached, or why it cannot; later lines are about threads that begin.
            let mut lines = BufReader::new(stderr);
            lines
                .read_line(&mut said)
                .map_err(|error| error.to_string())?;
            std::thread::spawn(move || lines.lines().map_while(Result::ok).count());
        }
        if !said.contains("attached") {
            let _ended = child.kill();
            let _reaped = child.wait();
            return Err(format!("fsyncs are not counted: {}", said.trim()));
        }
        Ok(Self { child, out })
    }

    /// Ends it: how many there were.
    pub(crate) fn count(mut self) -> Result<u64, String> {
        interrupt(&self.child);
        self.child.wait().map_err(|error| error.to_string())?;
        let text = fs::read_to_string(&self.out).map_err(|error| error.to_string())?;
        Ok(calls(&text))
    }

    /// Runs a command under it.
    pub(crate) fn run(command: &Command, dir: &Path) -> Result<u64, String> {
        let out = dir.join("strace.txt");
        let mut traced = Command::new("strace");
        traced
            .args(TRACE)
            .arg(&out)
            .arg("--")
            .arg(command.get_program());
        traced.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                traced.env(name, value);
            }
        }
        if let Some(dir) = command.get_current_dir() {
            traced.current_dir(dir);
        }
        let output = traced
            .stdin(Stdio::null())
            .output()
            .map_err(|_| ABSENT.to_owned())?;
        if !output.status.success() {
            return Err(format!("under strace: {}", output.status));
        }
        let text = fs::read_to_string(&out).map_err(|error| error.to_string())?;
        Ok(calls(&text))
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The sum of the column `calls` of a summary.
fn calls(summary: &str) -> u64 {
    let rows = summary.lines().filter(|line| {
        let name = line.split_whitespace().last();
        matches!(name, Some("fsync" | "fdatasync"))
    });
    rows.filter_map(|row| row.split_whitespace().nth(3)?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_strace_is_added_up() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
             90.00    0.001000           5       200           fsync\n\
             10.00    0.000100           5        12         1 fdatasync\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.001100           5       212         1 total\n";
        assert_eq!(calls(summary), 212);
        assert_eq!(calls(""), 0);
    }

    #[test]
    fn only_what_was_spent_in_between_counts() {
        let before = Cpu([(1, 10), (2, 20)].into());
        let after = Cpu([(1, 15), (3, 7)].into());
        assert_eq!(after.since(&before), 12);
    }
}
