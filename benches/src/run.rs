//! Starts everything, drives the subjects in turn, puts the figures together.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    client::{Client, request},
    home::Home,
    load::{Load, Shape},
    long,
    options::Run,
    proc::{self, Strace},
    report::{Build, HomeFigures, Report, Row, median},
    server::Server,
    subject::{self, Round, Subject},
    table,
};

/// Calls whose fsyncs and bytes of log are counted.
const COUNTED: usize = 1_000;
/// How often what takes long is timed.
const TIMES: usize = 5;

/// The upstream's counters, over one kept connection.
struct Upstream {
    server: Server,
    client: Client,
    request: Vec<u8>,
}

impl Upstream {
    fn start() -> Result<Self, String> {
        let server = Server::part(&["upstream"])?;
        let address = server.address;
        Ok(Self {
            client: Client::new(address),
            request: request(address, "GET", "/counts", "", ""),
            server,
        })
    }

    fn connections(&mut self) -> Result<u64, String> {
        let failed = |error: std::io::Error| format!("the upstream does not answer: {error}");
        self.client.call(&self.request).map_err(failed)?;
        let counts: Value = serde_json::from_slice(self.client.body()).unwrap_or_default();
        counts["connections"]
            .as_u64()
            .ok_or_else(|| "the upstream does not count".to_owned())
    }
}

/// A home of one build, and how long it took to make.
struct Made {
    build: String,
    home: Home,
    made: Duration,
}

/// Measures, prints, writes.
pub(crate) fn run(options: &Run) -> Result<(), String> {
    proc::raise_files();
    fs::create_dir_all(&options.dir).map_err(|error| error.to_string())?;
    // Commands run inside of their home's folder.
    let dir = options
        .dir
        .canonicalize()
        .map_err(|error| error.to_string())?;
    let dir = TempDir::new_in(dir).map_err(|error| error.to_string())?;
    let mut upstream = Upstream::start()?;
    let bare = Server::part(&["bare", &format!("http://{}", upstream.server.address)])?;
    let mut report = Report {
        date: date(),
        machine: proc::machine(),
        load: [proc::load(), String::new()],
        rounds: options.rounds,
        seconds: options.seconds,
        left_out: Vec::new(),
        rows: Vec::new(),
        builds: Vec::new(),
    };
    let homes = homes(
        options,
        dir.path(),
        upstream.server.address,
        &mut report.left_out,
    )?;
    let served: Vec<(&Made, Server)> = homes
        .iter()
        .map(|made| Ok((made, made.home.serve()?)))
        .collect::<Result<_, String>>()?;
    let gateways: Vec<Subject> = served
        .iter()
        .map(|(made, server)| Subject::gateway(&made.build, &made.home, server))
        .collect();

    let mut first = vec![
        Subject::plain("direct", &upstream.server),
        Subject::plain("bare", &bare),
    ];
    first.extend(
        gateways
            .iter()
            .filter(|gateway| gateway.providers == 1)
            .cloned(),
    );
    for shape in [Shape::Plain, Shape::Stream] {
        for connections in [1, 32] {
            let rows = scenario(options, &first, shape, connections, &mut upstream)?;
            report.rows.extend(rows);
        }
    }
    if gateways.iter().any(|gateway| gateway.providers > 1) {
        let registry: Vec<Subject> = gateways
            .iter()
            .map(|gateway| Subject {
                name: format!("{} (registry)", gateway.name),
                ..gateway.clone()
            })
            .collect();
        for connections in [1, 32] {
            let rows = scenario(options, &registry, Shape::Plain, connections, &mut upstream)?;
            report.rows.extend(rows);
        }
    }
    drop(gateways);
    for (_, server) in served {
        server.stop()?;
    }
    for (name, _) in options.builds() {
        let made: Vec<&Made> = homes.iter().filter(|made| made.build == name).collect();
        report
            .builds
            .push(build(options, &name, &made, &mut report.left_out)?);
    }
    report.load[1] = proc::load();
    tell(options, &report)
}

fn tell(options: &Run, report: &Report) -> Result<(), String> {
    println!("{}", table::markdown(report));
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
        fs::write(path, json + "\n").map_err(|error| failed(path, error))?;
    }
    if let Some(path) = &options.readme {
        let document = fs::read_to_string(path).map_err(|error| failed(path, error))?;
        let document = table::replaced(&document, report)
            .ok_or_else(|| format!("{} has no measured part", path.display()))?;
        fs::write(path, document).map_err(|error| failed(path, error))?;
    }
    Ok(())
}

fn homes(
    options: &Run,
    dir: &Path,
    upstream: SocketAddr,
    left_out: &mut Vec<String>,
) -> Result<Vec<Made>, String> {
    let limit = Duration::from_secs(options.import_limit);
    let mut homes = Vec::new();
    for (name, program) in options.builds() {
        let program = program
            .canonicalize()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        for &providers in &options.providers {
            eprintln!("{name}: a home of {providers} providers");
            let began = Instant::now();
            let around = dir.join(&name).join(providers.to_string());
            match Home::make(&program, around, upstream, providers, limit)? {
                Some(home) => homes.push(Made {
                    build: name.clone(),
                    home,
                    made: began.elapsed(),
                }),
                None => left_out.push(format!(
                    "{name} with {providers} providers: the import took longer than {} s",
                    options.import_limit
                )),
            }
        }
    }
    Ok(homes)
}

/// Every subject in every round, one after the other, so that noise hits all of them alike.
fn scenario(
    options: &Run,
    subjects: &[Subject],
    shape: Shape,
    connections: usize,
    upstream: &mut Upstream,
) -> Result<Vec<Row>, String> {
    eprintln!("{}, {connections} connections", shape.name());
    let time = Duration::from_secs_f64(options.seconds);
    let mut loads: Vec<Load> = subjects
        .iter()
        .map(|s| s.load(shape, connections))
        .collect();
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); subjects.len()];
    // The first round warms up and does not count.
    for number in 0..=options.rounds {
        for (at, subject) in subjects.iter().enumerate() {
            let round = subject::round(subject, &mut loads[at], time, &mut || {
                upstream.connections()
            })?;
            if number > 0 {
                rounds[at].push(round);
            }
        }
    }
    let row = |(subject, rounds): (&Subject, Vec<Round>)| Row {
        shape: shape.name(),
        connections,
        providers: subject.providers,
        subject: subject.name.clone(),
        rss_mib: subject::rss_mib(subject),
        rounds,
    };
    Ok(subjects.iter().zip(rounds).map(row).collect())
}

fn build(
    options: &Run,
    name: &str,
    made: &[&Made],
    left_out: &mut Vec<String>,
) -> Result<Build, String> {
    eprintln!("{name}: what its home keeps");
    let mut build = Build {
        name: name.to_owned(),
        fsyncs_per_call: None,
        events_per_call: f64::NAN,
        bytes_per_event: f64::NAN,
        homes: Vec::new(),
        long: None,
    };
    if let Some(one) = made.iter().find(|made| made.home.providers == 1) {
        counted(one, &mut build, left_out)?;
        if options.long {
            eprintln!("{name}: 100,000 calls, 1,000 streams");
            let server = one.home.serve()?;
            build.long = Some(long::measure(&Subject::gateway(name, &one.home, &server))?);
            server.stop()?;
        }
    }
    for made in made {
        build.homes.push(figures(made, left_out)?);
    }
    Ok(build)
}

/// A thousand calls, one after the other: their fsyncs, and what the home grew by.
fn counted(made: &Made, build: &mut Build, left_out: &mut Vec<String>) -> Result<(), String> {
    let before = made.home.kept()?;
    let server = made.home.serve()?;
    let mut load = Subject::gateway(&made.build, &made.home, &server).load(Shape::Plain, 1);
    load.open();
    let strace = Strace::attach(server.pid(), made.home.around());
    let driven = load.times(COUNTED);
    match strace.and_then(Strace::count) {
        Ok(fsyncs) => build.fsyncs_per_call = Some(fsyncs as f64 / COUNTED as f64),
        Err(why) => left_out.push(why),
    }
    if driven.errors > 0 {
        left_out.push(format!(
            "{}: {} of the counted calls failed",
            made.build, driven.errors
        ));
    }
    drop(load);
    server.stop()?;
    let after = made.home.kept()?;
    let events = (after.events - before.events) as f64;
    // The call that opened the connection was one more.
    build.events_per_call = events / (COUNTED + 1) as f64;
    // Over all events that the rounds left: what a thousand of them add may all fit where sealed ones stood.
    build.bytes_per_event = after.bytes as f64 / after.events as f64;
    Ok(())
}

fn figures(made: &Made, left_out: &mut Vec<String>) -> Result<HomeFigures, String> {
    let (walls, fsyncs) = made.home.list(TIMES)?;
    let list_fsyncs = fsyncs.map_err(|why| left_out.push(why)).ok();
    let mut opened = Vec::new();
    for _ in 0..TIMES {
        let server = made.home.serve()?;
        opened.push(server.ready.as_secs_f64() * 1e3);
        server.stop()?;
    }
    Ok(HomeFigures {
        providers: made.home.providers,
        made_s: made.made.as_secs_f64(),
        list_ms: median(walls),
        list_fsyncs,
        open_ms: median(opened),
    })
}

fn date() -> String {
    let output = Command::new("date")
        .args(["-u", "+%Y-%m-%d %H:%M"])
        .output();
    output.map_or_else(
        |_| "undated".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
