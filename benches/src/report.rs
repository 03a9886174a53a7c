//! What was measured, as plain data.

use serde::Serialize;

use crate::{load::Shape, subject::Round};

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// When, UTC.
    pub(crate) date: String,
    /// The processor, its cores, the memory.
    pub(crate) machine: String,
    /// Load averages before and after.
    pub(crate) load: [String; 2],
    /// Rounds of each scenario.
    pub(crate) rounds: usize,
    /// How long each subject was driven in a round.
    pub(crate) seconds: f64,
    /// What could not be measured, and why.
    pub(crate) left_out: Vec<String>,
    /// One for each scenario and subject.
    pub(crate) rows: Vec<Row>,
    /// One for each build of ours.
    pub(crate) builds: Vec<Build>,
}

/// One subject in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) shape: &'static str,
    pub(crate) connections: usize,
    /// Registered providers; 0 where nobody knows any.
    pub(crate) providers: usize,
    pub(crate) subject: String,
    /// Resident memory after the scenario, MiB.
    pub(crate) rss_mib: f64,
    pub(crate) rounds: Vec<Round>,
}

/// One build of ours, beyond the scenarios.
#[derive(Debug, Serialize)]
pub(crate) struct Build {
    pub(crate) name: String,
    /// For each of a thousand sequential calls.
    pub(crate) fsyncs_per_call: Option<f64>,
    pub(crate) events_per_call: f64,
    /// Bytes that the home grew by, for each event of these calls.
    pub(crate) bytes_per_event: f64,
    pub(crate) homes: Vec<HomeFigures>,
    pub(crate) long: Option<Long>,
}

/// What depends on how many providers a home has.
#[derive(Debug, Serialize)]
pub(crate) struct HomeFigures {
    pub(crate) providers: usize,
    /// How long the import took.
    pub(crate) made_s: f64,
    /// `handshake provider list`, warm, ms.
    pub(crate) list_ms: f64,
    pub(crate) list_fsyncs: Option<u64>,
    /// From the start of `handshake serve` until it listens, ms.
    pub(crate) open_ms: f64,
}

/// What takes minutes.
#[derive(Debug, Serialize)]
pub(crate) struct Long {
    pub(crate) rss_mib_at_50_000: f64,
    pub(crate) rss_mib_at_100_000: f64,
    pub(crate) errors: u64,
    /// Of a thousand at once.
    pub(crate) streams_complete: u64,
    /// Answered with 429 and `Retry-After`.
    pub(crate) streams_limited: u64,
    /// Anything else.
    pub(crate) streams_failed: u64,
    /// The most memory while they ran.
    pub(crate) streams_rss_mib: f64,
}

impl Row {
    /// The median of the rounds.
    pub(crate) fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }

    /// Answers that were none, in all rounds.
    pub(crate) fn errors(&self) -> u64 {
        self.rounds.iter().map(|round| round.errors).sum()
    }
}

impl Report {
    /// The row of a subject.
    pub(crate) fn row(
        &self,
        subject: &str,
        shape: Shape,
        connections: usize,
        providers: usize,
    ) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.subject == subject
                && row.shape == shape.name()
                && row.connections == connections
                && row.providers == providers
        })
    }

    /// The median over the rounds of a comparison of two rows: both were driven in the same round, next to each
    /// other, so that what disturbed one disturbed the other.
    pub(crate) fn compared(
        &self,
        one: Option<&Row>,
        other: Option<&Row>,
        by: impl Fn(&Round, &Round) -> f64,
    ) -> Option<f64> {
        let (one, other) = (one?, other?);
        let pairs = one.rounds.iter().zip(&other.rounds);
        Some(median(pairs.map(|(a, b)| by(a, b)).collect())).filter(|value| value.is_finite())
    }
}

/// The middle one; the mean of the two where there are two. Not a number where there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => f64::NAN,
        (at, 1) => values[at],
        (at, _) => f64::midpoint(values[at - 1], values[at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!(median(vec![]).is_nan());
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
