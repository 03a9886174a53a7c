//! Clearing one attempt: the gate is asked, again after a pause or a person's yes, and says why not otherwise.

use std::sync::Arc;

use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
    gate::{Authorization, Cleared, Denied, EgressRequest, Inspected, Located, PersonFact, Scan},
};

use super::{ASKED_AT_MOST, Attempts, Progress, of};
use crate::{consent, pause::Hold, timings::CallStep};

impl Attempts<'_> {
    /// Has the gate look at the bytes: off the reactor where that is much work, however often it is done.
    async fn look(&self, located: Located, earlier: Option<Scan>) -> Result<Inspected, CallError> {
        let gate = Arc::clone(&self.ports.gate);
        if located.body_bytes() <= self.config.inspect_inline_bytes {
            return Ok(gate.inspect(located, earlier));
        }
        let looked = tokio::task::spawn_blocking(move || gate.inspect(located, earlier)).await;
        looked.map_err(|_| CallError::new(ErrorCode::LeakageUndecided, Phase::Gate))
    }

    /// Asks the gate, and a person where the gate says so.
    pub(super) async fn cleared(
        &self,
        request: &EgressRequest,
        progress: &mut Progress,
    ) -> Result<Cleared, Refused> {
        let mut left = ASKED_AT_MOST;
        let mut hold = Hold::new(request);
        loop {
            if self.cancel.is_cancelled() {
                return Err(CallError::new(ErrorCode::Cancelled, Phase::Gate).into());
            }
            let gate = Arc::clone(&self.ports.gate);
            let located = self
                .steps
                .run(
                    CallStep::Locate,
                    of(request, None),
                    gate.locate(hold.request()),
                    |done| done.as_ref().err().map(|denied| denied.error.code),
                )
                .await;
            let located = match located {
                Ok(located) => located,
                Err(denied) if denied.is_held() => {
                    self.started(progress, request.record.tier).await?;
                    hold.wait(self).await?;
                    continue;
                }
                Err(denied) => return Err(denied.into()),
            };
            let call = of(request, Some(located.effective_tier()));
            let looking = self.look(located, progress.scan.take());
            let inspected = self
                .steps
                .run(CallStep::Inspect, call, looking, |done| {
                    done.as_ref().err().map(|error| error.code)
                })
                .await?;
            progress.scan = inspected.scan().cloned();
            let authorized = self
                .steps
                .run(
                    CallStep::Authorize,
                    call,
                    gate.authorize_with(inspected, |located, earlier| self.look(located, earlier)),
                    |done| match done {
                        Ok(Authorization::Denied(denied)) => Some(denied.error.code),
                        Err(error) => Some(error.code),
                        Ok(_) => None,
                    },
                )
                .await?;
            match authorized {
                Authorization::Cleared(cleared) => return Ok(*cleared),
                Authorization::Denied(denied) if denied.is_held() => hold.wait(self).await?,
                Authorization::Denied(denied) => return Err(denied.into()),
                Authorization::AwaitingConsent(awaiting) if left == 0 => {
                    // Approved, and still not covered: the receipt is for something else by now.
                    return Err(gate.give_up(&awaiting, PersonFact::Spent).await.into());
                }
                Authorization::AwaitingConsent(mut awaiting) => {
                    let (queue, mode) = (&*self.ports.queue, self.options.consent);
                    let ports = (&*gate, queue, &*self.ports.clock);
                    let asked = consent::ask(&mut awaiting, mode, ports).await?;
                    self.started(progress, request.record.tier).await?;
                    let began = self.ports.clock.monotonic();
                    let ports = (&*gate, queue);
                    let decided =
                        consent::wait(&awaiting, asked, mode, ports, self.out, self.cancel).await;
                    self.steps.timings.waited_for_person(self.since(began));
                    decided?;
                    // Somebody with the same question may spend what both were given.
                    left -= 1;
                }
            }
        }
    }
}

/// Why a call may not be sent.
pub(crate) struct Refused {
    pub(crate) error: CallError,
    pub(crate) counted: bool,
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        Self {
            error,
            counted: false,
        }
    }
}

impl From<Box<Denied>> for Refused {
    fn from(denied: Box<Denied>) -> Self {
        (*denied).into()
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self {
            error: denied.error,
            counted: denied.counted,
        }
    }
}
