//! Each step of a call: timed, and under a span of its own where somebody listens.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use handshake_core::{code::ErrorCode, ids::UseId, ports::Clock, tier::ModelTier};
use pin_project_lite::pin_project;
use tracing::{Span, debug_span, field::Empty};

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

impl<'a> Steps<'a> {
    /// Runs a step. `code` says how it failed.
    ///
    /// A future of its own and no `async fn`: that would hold the step's work twice, and so every call that is on its
    /// way.
    pub(crate) fn run<W, C>(&self, step: CallStep, call: OfCall, work: W, code: C) -> Step<'a, W, C>
    where
        W: Future,
        C: FnOnce(&W::Output) -> Option<ErrorCode>,
    {
        Step {
            work,
            code: Some(code),
            span: span(step),
            steps: *self,
            step,
            call,
            began: self.clock.monotonic(),
        }
    }
}

pin_project! {
    /// A step that runs.
    pub(crate) struct Step<'a, W, C> {
        #[pin]
        work: W,
        code: Option<C>,
        span: Span,
        steps: Steps<'a>,
        step: CallStep,
        call: OfCall,
        began: Duration,
    }
}

impl<W, C> Future for Step<'_, W, C>
where
    W: Future,
    C: FnOnce(&W::Output) -> Option<ErrorCode>,
{
    type Output = W::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let this = self.project();
        let done = {
            let _entered = this.span.enter();
            std::task::ready!(this.work.poll(cx))
        };
        let took = this.steps.clock.monotonic().saturating_sub(*this.began);
        this.steps.timings.add(*this.step, took);
        if let Some(code) = this.code.take()
            && !this.span.is_disabled()
        {
            this.call.record(this.span, code(&done), took);
        }
        Poll::Ready(done)
    }
}

impl OfCall {
    fn record(&self, span: &Span, code: Option<ErrorCode>, took: Duration) {
        if let Some(use_id) = self.use_id {
            span.record("use_id", tracing::field::display(use_id));
        }
        if let Some(attempt) = self.attempt {
            span.record("attempt", attempt);
        }
        if let Some(tier) = self.tier {
            span.record("tier", tracing::field::debug(tier));
        }
        if let Some(code) = code {
            span.record("code", code.as_str());
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        span.record("took_us", micros);
    }
}
