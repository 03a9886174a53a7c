//! Waiting for a person. The gate never does; the runtime does, and then starts again at `locate`.

use handshake_core::{
    chat::TurnEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    gate::{Awaiting, Gate, PersonFact},
    ports::{ApprovalQueue, Clock, Decided, QueueError},
};
use tokio_util::sync::CancellationToken;

use crate::{config::ConsentMode, emit::Out};

/// Whatever it was that failed: nobody was asked, or nobody's answer can be read.
const FAILED: PersonFact = PersonFact::QueueFailed(ErrorCode::Storage);

/// Puts the call into the queue and waits for a yes. Whoever has the same question joins it, and may spend first
/// what both were given.
///
/// # Errors
/// The denial, with its events recorded.
pub(crate) async fn wait(
    awaiting: &mut Awaiting,
    mode: ConsentMode,
    (gate, queue, clock): (&Gate, &dyn ApprovalQueue, &dyn Clock),
    out: &Out,
    cancel: &CancellationToken,
) -> Result<(), CallError> {
    let patience = match mode {
        ConsentMode::Wait(patience) => patience,
        ConsentMode::AnswerAtOnce => std::time::Duration::from_secs(60),
    };
    let deadline = clock.now().plus(patience);
    let submitted = match queue.submit(awaiting.submission(deadline)).await {
        Ok(submitted) => submitted,
        Err(QueueError::Flood) => {
            return Err(gate.give_up(awaiting, PersonFact::Flood).await.error);
        }
        Err(_) => return Err(gate.give_up(awaiting, FAILED).await.error),
    };
    // Whatever comes of it is recorded with the request that the person saw.
    awaiting.escalation.request_id = submitted.request_id;
    out.event(TurnEvent::AwaitingConsent {
        request_id: submitted.request_id,
        plan_id: awaiting.plan.projection_plan_id,
        deadline,
    })
    .await;
    if mode == ConsentMode::AnswerAtOnce {
        return Err(gate.give_up(awaiting, PersonFact::NoAnswer).await.error);
    }
    let decided = tokio::select! {
        () = cancel.cancelled() => {
            let denied = gate.give_up(awaiting, PersonFact::NoAnswer).await;
            drop(denied);
            return Err(CallError::new(ErrorCode::Cancelled, Phase::Gate));
        }
        decided = queue.wait(submitted.request_id, patience) => decided,
    };
    let said = match decided {
        Ok(Decided::Approved(_)) => return Ok(()),
        Ok(Decided::Denied) => PersonFact::No,
        Ok(Decided::Expired) | Err(QueueError::Unknown) => PersonFact::NoAnswer,
        Err(_) => FAILED,
    };
    Err(gate.give_up(awaiting, said).await.error)
}
