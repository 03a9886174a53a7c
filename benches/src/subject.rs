//! Who is driven, and what one round with it gave.

use std::{net::SocketAddr, thread, time::Duration};

use serde::Serialize;

use crate::{
    home::Home,
    load::{Load, Shape},
    proc::{self, Cpu},
    server::Server,
};

/// What is written after the answer counts too: events are committed within 50 ms.
const SETTLE: Duration = Duration::from_millis(120);

/// One process that answers chat requests.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// In tables.
    pub(crate) name: String,
    /// How many providers it knows; 0 where it knows none.
    pub(crate) providers: usize,
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    pub(crate) model: &'static str,
    pub(crate) token: String,
}

impl Subject {
    /// The upstream itself, or what passes bytes on to it.
    pub(crate) fn plain(name: &str, server: &Server) -> Self {
        Self {
            name: name.to_owned(),
            providers: 0,
            address: server.address,
            pid: server.pid(),
            model: "small",
            token: String::new(),
        }
    }

    /// The gateway.
    pub(crate) fn gateway(name: &str, home: &Home, server: &Server) -> Self {
        Self {
            name: name.to_owned(),
            providers: home.providers,
            address: server.address,
            pid: server.pid(),
            model: "mock/small",
            token: home.token.clone(),
        }
    }

    /// Connections to it.
    pub(crate) fn load(&self, shape: Shape, connections: usize) -> Load {
        Load::new(self.address, self.model, &self.token, shape, connections)
    }
}

/// One round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Round {
    /// Whole answers.
    pub(crate) requests: u64,
    /// Others.
    pub(crate) errors: u64,
    /// CPU of the process for each request, µs.
    pub(crate) cpu_us: f64,
    /// Half of the requests took at most this, µs.
    pub(crate) p50_us: f64,
    /// 99 of 100 took at most this, µs.
    pub(crate) p99_us: f64,
    /// Requests in a second.
    pub(crate) per_second: f64,
    /// Connections that the upstream accepted for each request.
    pub(crate) connects: f64,
}

/// Drives a subject once. `connections` asks the upstream how many it has accepted.
pub(crate) fn round(
    subject: &Subject,
    load: &mut Load,
    time: Duration,
    connections: &mut impl FnMut() -> Result<u64, String>,
) -> Result<Round, String> {
    load.open();
    thread::sleep(SETTLE);
    let (cpu, before) = (Cpu::of(subject.pid), connections()?);
    let driven = load.for_a_while(time);
    thread::sleep(SETTLE);
    let spent = Cpu::of(subject.pid).since(&cpu);
    let accepted = connections()?.saturating_sub(before);
    let requests = driven.latencies.len() as f64;
    Ok(Round {
        requests: driven.latencies.len() as u64,
        errors: driven.errors,
        cpu_us: spent as f64 / 1e3 / requests,
        p50_us: quantile(&driven.latencies, 0.50) / 1e3,
        p99_us: quantile(&driven.latencies, 0.99) / 1e3,
        per_second: requests / driven.wall.as_secs_f64(),
        connects: accepted as f64 / requests,
    })
}

/// Of sorted values; not a number where there are none.
fn quantile(sorted: &[u64], share: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1] as f64
}

/// Memory of a subject in MiB.
pub(crate) fn rss_mib(subject: &Subject) -> f64 {
    proc::rss_kib(subject.pid) as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!(
            (quantile(&sorted, 0.5), quantile(&sorted, 0.99)),
            (50.0, 99.0)
        );
        assert_eq!(quantile(&[7], 0.99), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
