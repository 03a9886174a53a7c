//! What the gateway counts. Every label has a bounded set of values: providers of the registry, tiers, codes, steps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
    ids::ProviderId,
    ports::Backlog,
    tier::ModelTier,
};
use handshake_runtime::{CallStep, Timings};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::{auth::Known, gateway::Shared, shape::chat_completions::errors};

/// The name of the token that opens `/metrics`, and nothing else.
pub(crate) const TOKEN: &str = "metrics";

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CallLabels {
    provider: Provider,
    tier: &'static str,
    code: &'static str,
}

/// A provider that the registry resolved, or nothing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Provider(Option<ProviderId>);

impl EncodeLabelValue for Provider {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let text = self.0.as_ref().map_or("none", ProviderId::as_str);
        EncodeLabelValue::encode(&text, encoder)
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct StepLabels {
    step: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DeniedLabels {
    step: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LostLabels {
    cause: &'static str,
}

type Seconds = Family<StepLabels, Histogram, fn() -> Histogram>;

/// The counters. Cheap to count into; written out only for whoever asks.
pub(crate) struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    denied: Family<DeniedLabels, Counter>,
    limited: Family<LimitLabels, Counter>,
    steps: Seconds,
    overhead: Histogram,
    approvals: Gauge,
    log_queued: Gauge,
    log_lag: Gauge<f64, AtomicU64>,
    log_lost: Family<LostLabels, Counter>,
    /// Calls that run.
    pub(crate) running: Gauge,
    /// Calls that wait for a person.
    pub(crate) waiting: Gauge,
    /// Open connections.
    pub(crate) connections: Gauge,
}

/// A call that is over.
pub(crate) struct Ended<'a> {
    pub(crate) provider: Option<&'a ProviderId>,
    pub(crate) tier: Option<ModelTier>,
    pub(crate) failed: Option<ErrorCode>,
    pub(crate) overhead: Duration,
    pub(crate) timings: &'a Timings,
}

/// From 10 µs to 5 minutes.
fn seconds() -> Histogram {
    Histogram::new([
        0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0,
        300.0,
    ])
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("handshake"),
            calls: Family::default(),
            denied: Family::default(),
            limited: Family::default(),
            steps: Seconds::new_with_constructor(seconds),
            overhead: seconds(),
            approvals: Gauge::default(),
            log_queued: Gauge::default(),
            log_lag: Gauge::default(),
            log_lost: Family::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            connections: Gauge::default(),
        };
        let all = &mut metrics.registry;
        all.register("calls", "Finished calls, by outcome", metrics.calls.clone());
        all.register("denied", "Denied calls, by step", metrics.denied.clone());
        all.register("limited", "Requests over a limit", metrics.limited.clone());
        all.register_with_unit(
            "step",
            "Time of each step of the call path",
            Unit::Seconds,
            metrics.steps.clone(),
        );
        all.register_with_unit(
            "overhead",
            "Time in this process, excluding upstream and approval",
            Unit::Seconds,
            metrics.overhead.clone(),
        );
        all.register("running", "Running calls", metrics.running.clone());
        all.register(
            "waiting",
            "Calls waiting for approval",
            metrics.waiting.clone(),
        );
        all.register(
            "connections",
            "Open connections",
            metrics.connections.clone(),
        );
        all.register(
            "approvals_pending",
            "Pending approvals",
            metrics.approvals.clone(),
        );
        all.register(
            "log_queued",
            "Log events that are not written yet",
            metrics.log_queued.clone(),
        );
        all.register_with_unit(
            "log_lag",
            "Age of the oldest log event that is not written yet",
            Unit::Seconds,
            metrics.log_lag.clone(),
        );
        all.register(
            "log_lost",
            "Log events that were lost since the start, by cause",
            metrics.log_lost.clone(),
        );
        metrics
    }

    pub(crate) fn ended(&self, ended: Ended<'_>) {
        let code = ended.failed.map_or("ok", ErrorCode::as_str);
        let labels = CallLabels {
            provider: Provider(ended.provider.cloned()),
            tier: ended.tier.map_or("none", tier),
            code,
        };
        self.calls.get_or_create(&labels).inc();
        for step in CallStep::ALL {
            let took = ended.timings.step(step);
            if !took.is_zero() {
                let labels = StepLabels {
                    step: step.as_str(),
                };
                self.steps
                    .get_or_create(&labels)
                    .observe(took.as_secs_f64());
            }
        }
        self.overhead.observe(ended.overhead.as_secs_f64());
    }

    /// A call that a rule or a person refused.
    pub(crate) fn denied(&self, error: &CallError) {
        if error.code.is_denial() {
            let labels = DeniedLabels {
                step: step(error.phase),
                code: error.code.as_str(),
            };
            self.denied.get_or_create(&labels).inc();
        }
    }

    /// How far the log is behind.
    fn log(&self, backlog: Backlog) {
        let queued = i64::try_from(backlog.queued).unwrap_or(i64::MAX);
        self.log_queued.set(queued);
        let lag = backlog.oldest.unwrap_or_default();
        self.log_lag.set(lag.as_secs_f64());
        for (cause, lost) in [
            ("overflow", backlog.lost_overflow),
            ("storage", backlog.lost_storage),
        ] {
            // The log counts; this only shows it.
            let shown = self.log_lost.get_or_create(&LostLabels { cause });
            shown.inner().store(lost, Ordering::Relaxed);
        }
    }

    /// A request that was one too many.
    pub(crate) fn limited(&self, limit: &'static str) {
        self.limited.get_or_create(&LimitLabels { limit }).inc();
    }
}

/// The word of a tier.
pub(crate) fn tier(tier: ModelTier) -> &'static str {
    match tier {
        ModelTier::Local => "local",
        ModelTier::Cloud => "cloud",
    }
}

fn step(phase: Phase) -> &'static str {
    match phase {
        Phase::Input => "input",
        Phase::Resolve => "resolve",
        Phase::Admit => "admit",
        Phase::Prepare => "prepare",
        Phase::Gate => "gate",
        Phase::Connect => "connect",
        Phase::Status => "status",
        Phase::Stream => "stream",
        Phase::Decode => "decode",
        Phase::Check => "check",
        Phase::Tool => "tool",
        Phase::Storage => "storage",
    }
}

/// `GET /metrics`, for the token of that name alone. For every other client there is no such route.
pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    client: Result<Known, Response>,
) -> Response {
    match client {
        Ok(Known(client)) if client.token.name.as_str() == TOKEN => {}
        Ok(_) => return errors::unknown_route().await,
        Err(refused) => return refused,
    }
    let metrics = &shared.metrics;
    if let Ok(pending) = shared.ports.runtime.ports().queue.pending().await {
        metrics
            .approvals
            .set(i64::try_from(pending.len()).unwrap_or(i64::MAX));
    }
    metrics.log(shared.ports.runtime.ports().recorder.backlog());
    let mut text = String::new();
    if encode(&mut text, &metrics.registry).is_err() {
        return errors::plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "cannot write the metrics",
        );
    }
    let mut response = text.into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    response
}
