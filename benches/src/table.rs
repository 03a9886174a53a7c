//! The report as Markdown, which a terminal shows as well.

use std::fmt::Write as _;

use crate::{
    load::Shape::{self, Plain, Stream},
    report::{Build, HomeFigures, Report},
    subject::Round,
};

/// Between these lines of a document the measured part stands.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// Everything.
pub(crate) fn markdown(report: &Report) -> String {
    let mut text = format!(
        "{} UTC, {}, load {} before and {} after; {} rounds of {} s, medians.\n\n",
        report.date, report.machine, report.load[0], report.load[1], report.rounds, report.seconds
    );
    text.push_str(&rows(report));
    text.push('\n');
    text.push_str(&bounds(report));
    for line in &report.left_out {
        let _infallible = write!(text, "\nLeft out: {line}\n");
    }
    text
}

/// The document with its measured part replaced.
pub(crate) fn replaced(document: &str, report: &Report) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n\n{}\n{END}{after}",
        markdown(report)
    ))
}

fn rows(report: &Report) -> String {
    let mut text = String::from(
        "| call | connections | providers | subject | CPU µs | p50 µs | p99 µs | requests/s | connects | RSS MiB | errors |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in &report.rows {
        let providers = match row.providers {
            0 => "–".to_owned(),
            n => n.to_string(),
        };
        let _infallible = writeln!(
            text,
            "| {} | {} | {providers} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.3} | {:.1} | {} |",
            row.shape,
            row.connections,
            row.subject,
            row.median(|round| round.cpu_us),
            row.median(|round| round.p50_us),
            row.median(|round| round.p99_us),
            row.median(|round| round.per_second),
            row.median(|round| round.connects),
            row.rss_mib,
            row.errors(),
        );
    }
    text
}

/// Finds a figure of one build; `None` where it was not measured.
type Find = Box<dyn Fn(&Report, &Build) -> Option<String>>;

/// A figure that has something to reach, and how to find it for one build.
struct Bound {
    what: String,
    reach: &'static str,
    find: Find,
}

fn bound(
    what: impl Into<String>,
    reach: &'static str,
    find: impl Fn(&Report, &Build) -> Option<String> + 'static,
) -> Bound {
    Bound {
        what: what.into(),
        reach,
        find: Box::new(find),
    }
}

fn bounds(report: &Report) -> String {
    let names: Vec<&str> = report
        .builds
        .iter()
        .map(|build| build.name.as_str())
        .collect();
    let mut text = format!(
        "| | reach | {} |\n|---|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for bound in all(report) {
        let found: Vec<String> = report
            .builds
            .iter()
            .map(|build| (bound.find)(report, build).unwrap_or_else(|| "not measured".to_owned()))
            .collect();
        let _infallible = writeln!(
            text,
            "| {} | {} | {} |",
            bound.what,
            bound.reach,
            found.join(" | ")
        );
    }
    text
}

fn all(report: &Report) -> Vec<Bound> {
    let ratio = |shape, connections, by: fn(&Round) -> f64| {
        move |report: &Report, build: &Build| {
            against_bare(report, build, shape, connections, move |a, b| by(a) / by(b))
                .map(|value| format!("{value:.2}"))
        }
    };
    let mut all = vec![
        bound(
            "CPU of a plain call, times the bare proxy's",
            "≤ 2.0",
            ratio(Plain, 1, |r| r.cpu_us),
        ),
        bound(
            "CPU of a 64-chunk stream, times the bare proxy's",
            "≤ 1.6",
            ratio(Stream, 1, |r| r.cpu_us),
        ),
        bound(
            "added p50 at one connection, plain",
            "≤ 0.10 ms",
            |report, build| {
                against_bare(report, build, Plain, 1, |a, b| a.p50_us - b.p50_us)
                    .map(|value| format!("{:.2} ms", value / 1e3))
            },
        ),
        bound(
            "requests/s at 32 connections, times the bare proxy's",
            "≥ 0.6",
            ratio(Plain, 32, |r| r.per_second),
        ),
        bound(
            "the same for streams",
            "–",
            ratio(Stream, 32, |r| r.per_second),
        ),
        bound("connects a call, one connection", "0", |report, build| {
            let row = report.row(&build.name, Plain, 1, 1)?;
            Some(format!("{:.3}", row.median(|r| r.connects)))
        }),
        bound("fsyncs a call, over 1,000 calls", "0", |_, build| {
            build.fsyncs_per_call.map(|n| format!("{n:.3}"))
        }),
        bound("events a call", "–", |_, build| {
            Some(format!("{:.2}", build.events_per_call))
        }),
        bound("bytes an event", "≤ 250", |_, build| {
            Some(format!("{:.0}", build.bytes_per_event))
        }),
    ];
    let mut sizes: Vec<usize> = report
        .builds
        .iter()
        .flat_map(|b| &b.homes)
        .map(|h| h.providers)
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    for &size in &sizes {
        if size > 1 {
            all.push(bound(
                format!("CPU of a plain call with {size} providers, times that with one"),
                "≤ 1.05",
                move |report, build| {
                    let of = |providers| registry_row(report, &build.name, providers);
                    let value = report.compared(of(size), of(1), |a, b| a.cpu_us / b.cpu_us)?;
                    Some(format!("{value:.2}"))
                },
            ));
        }
    }
    for &size in &sizes {
        let home = move |build: &Build, show: fn(&HomeFigures) -> String| {
            build
                .homes
                .iter()
                .find(|home| home.providers == size)
                .map(show)
        };
        all.push(bound(
            format!("`provider list`, warm, {size} providers"),
            if size == 1 { "≤ 25 ms" } else { "–" },
            move |_, build| home(build, |h| format!("{:.0} ms", h.list_ms)),
        ));
        all.push(bound(
            format!("its fsyncs, {size} providers"),
            "0",
            move |_, build| {
                home(build, |h| {
                    h.list_fsyncs
                        .map_or_else(|| "not measured".to_owned(), |n| n.to_string())
                })
            },
        ));
        all.push(bound(
            format!("`serve` until it listens, {size} providers"),
            if size == 10_000 { "≤ 100 ms" } else { "–" },
            move |_, build| home(build, |h| format!("{:.0} ms", h.open_ms)),
        ));
        if size > 1 {
            all.push(bound(
                format!("import of {size} providers"),
                "–",
                move |_, build| home(build, |h| format!("{:.1} s", h.made_s)),
            ));
        }
    }
    if report.builds.iter().any(|build| build.long.is_some()) {
        all.extend(long());
    }
    all
}

fn long() -> Vec<Bound> {
    vec![
        bound("RSS after 50,000 calls", "–", |_, build| {
            build
                .long
                .as_ref()
                .map(|long| format!("{:.1} MiB", long.rss_mib_at_50_000))
        }),
        bound("RSS after 100,000 calls", "≤ 30 MiB, flat", |_, build| {
            build
                .long
                .as_ref()
                .map(|long| format!("{:.1} MiB", long.rss_mib_at_100_000))
        }),
        bound("failed of these calls", "0", |_, build| {
            build.long.as_ref().map(|long| long.errors.to_string())
        }),
        bound(
            "1,000 streams at once: complete, limited (429), failed",
            "all answered",
            |_, build| {
                build.long.as_ref().map(|long| {
                    format!(
                        "{}, {}, {}",
                        long.streams_complete, long.streams_limited, long.streams_failed
                    )
                })
            },
        ),
        bound("RSS while they run", "≤ 100 MiB", |_, build| {
            build
                .long
                .as_ref()
                .map(|long| format!("{:.1} MiB", long.streams_rss_mib))
        }),
    ]
}

fn against_bare(
    report: &Report,
    build: &Build,
    shape: Shape,
    connections: usize,
    by: impl Fn(&Round, &Round) -> f64,
) -> Option<f64> {
    let ours = report.row(&build.name, shape, connections, 1);
    report.compared(ours, report.row("bare", shape, connections, 0), by)
}

/// The scenario of many providers has a row for one too, driven in the same rounds.
fn registry_row<'a>(
    report: &'a Report,
    name: &str,
    providers: usize,
) -> Option<&'a crate::report::Row> {
    let name = format!("{name} (registry)");
    report.row(&name, Plain, 1, providers)
}
