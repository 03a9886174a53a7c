//! Waiting for a person. The gate never does; the runtime does, and then starts again at `locate`.

use std::time::Duration;

use handshake_core::{
    chat::TurnEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    gate::{Awaiting, Gate, PersonFact},
    ids::RequestId,
    ports::{ApprovalQueue, Clock, Decided, QueueError},
    time::UtcTime,
};
use tokio_util::sync::CancellationToken;

use crate::{attempt::Refused, config::ConsentMode, emit::Out};

/// Whatever it was that failed: nobody was asked, or nobody's answer can be read.
const FAILED: PersonFact = PersonFact::QueueFailed(ErrorCode::Storage);

/// A question that was put to a person.
pub(crate) struct Asked {
    request_id: RequestId,
    deadline: UtcTime,
    patience: Duration,
}

/// Puts the call into the queue.
///
/// # Errors
/// The denial, with its events recorded or counted.
pub(crate) async fn ask(
    awaiting: &mut Awaiting,
    mode: ConsentMode,
    (gate, queue, clock): (&Gate, &dyn ApprovalQueue, &dyn Clock),
) -> Result<Asked, Refused> {
    let patience = match mode {
        ConsentMode::Wait(patience) => patience,
        ConsentMode::AnswerAtOnce => Duration::from_secs(60),
    };
    let deadline = clock.now().plus(patience);
    let submitted = match queue.submit(awaiting.submission(deadline)).await {
        Ok(submitted) => submitted,
        Err(QueueError::Flood) => {
            return Err(gate.give_up(awaiting, PersonFact::Flood).await.into());
        }
        Err(QueueError::Silenced { again_in }) => {
            let denied = gate.give_up(awaiting, PersonFact::Silenced).await;
            let error = denied.error.about(CallError::SILENCED);
            return Err(Refused {
                error: error.retry_after(again_in),
                counted: denied.counted,
            });
        }
        Err(_) => return Err(gate.give_up(awaiting, FAILED).await.into()),
    };
    // Whatever comes of it is recorded with the request that the person saw.
    awaiting.escalation.request_id = submitted.request_id;
    Ok(Asked {
        request_id: submitted.request_id,
        deadline,
        patience,
    })
}

/// Waits for a yes. Whoever has the same question joins it, and may spend first what both were given.
///
/// # Errors
/// The denial, with its events recorded.
pub(crate) async fn wait(
    awaiting: &Awaiting,
    asked: Asked,
    mode: ConsentMode,
    (gate, queue): (&Gate, &dyn ApprovalQueue),
    out: &Out,
    cancel: &CancellationToken,
) -> Result<(), Refused> {
    let Asked {
        request_id,
        deadline,
        patience,
    } = asked;
    out.event(TurnEvent::AwaitingConsent {
        request_id,
        plan_id: awaiting.plan.projection_plan_id,
        deadline,
    })
    .await;
    if mode == ConsentMode::AnswerAtOnce {
        return Err(gate.give_up(awaiting, PersonFact::NoAnswer).await.into());
    }
    let decided = tokio::select! {
        () = cancel.cancelled() => {
            let denied = gate.give_up(awaiting, PersonFact::NoAnswer).await;
            drop(denied);
            return Err(CallError::new(ErrorCode::Cancelled, Phase::Gate).into());
        }
        decided = queue.wait(request_id, patience) => decided,
    };
    let said = match decided {
        Ok(Decided::Approved(_)) => return Ok(()),
        Ok(Decided::Denied) => PersonFact::No,
        Ok(Decided::Expired) | Err(QueueError::Unknown) => PersonFact::NoAnswer,
        Err(_) => FAILED,
    };
    Err(gate.give_up(awaiting, said).await.into())
}
