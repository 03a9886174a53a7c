//! Each step of a call: timed, and under a span of its own where somebody listens.

use std::future::Future;

use handshake_core::{code::ErrorCode, ids::UseId, ports::Clock, tier::ModelTier};
use tracing::{Instrument, Span, debug_span, field::Empty};

use crate::timings::{CallStep, Timings};

/// What a step is timed by and told to.
#[derive(Clone, Copy)]
pub(crate) struct Steps<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) timings: &'a Timings,
}

/// Which call a step belongs to, as far as that is known.
#[derive(Clone, Copy, Default)]
pub(crate) struct OfCall {
    pub(crate) use_id: Option<UseId>,
    pub(crate) attempt: Option<u32>,
    pub(crate) tier: Option<ModelTier>,
}

macro_rules! spans {
    ($step:expr, $($variant:ident => $name:literal),* $(,)?) => {
        match $step {
            $(CallStep::$variant => debug_span!(
                $name, use_id = Empty, attempt = Empty, tier = Empty, code = Empty, took_us = Empty
            ),)*
        }
    };
}

fn span(step: CallStep) -> Span {
    spans!(
        step,
        Resolve => "resolve",
        Prepare => "prepare",
        Locate => "locate",
        Inspect => "inspect",
        Authorize => "authorize",
        Send => "send",
        Stream => "stream",
    )
}

impl Steps<'_> {
    /// Runs a step. `code` says how it failed.
    pub(crate) async fn run<T>(
        &self,
        step: CallStep,
        call: OfCall,
        work: impl Future<Output = T>,
        code: impl FnOnce(&T) -> Option<ErrorCode>,
    ) -> T {
        let span = span(step);
        let began = self.clock.monotonic();
        let done = work.instrument(span.clone()).await;
        let took = self.clock.monotonic().saturating_sub(began);
        self.timings.add(step, took);
        if !span.is_disabled() {
            if let Some(use_id) = call.use_id {
                span.record("use_id", tracing::field::display(use_id));
            }
            if let Some(attempt) = call.attempt {
                span.record("attempt", attempt);
            }
            if let Some(tier) = call.tier {
                span.record("tier", tracing::field::debug(tier));
            }
            if let Some(code) = code(&done) {
                span.record("code", code.as_str());
            }
            span.record(
                "took_us",
                u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            );
        }
        done
    }
}
