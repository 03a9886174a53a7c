//! A work profile bounds the cloud calls of one job, whoever makes them.

use handshake_core::{
    code::ErrorCode,
    gate::{EgressRequest, Outcome, StepName},
    ids::ExternalId,
};
use handshake_testkit::gate::World;

use super::gate_world::{awaiting, body, call, cleared, denied, next_call, recorded, relay, with};

fn bounded(request: EgressRequest, job: Option<&str>, most: u32) -> EgressRequest {
    with(request, |context| {
        context.governance.max_cloud_escalations_per_job = Some(most);
        context.scope.job_id = job.map(|job| ExternalId::new(job).expect("an id"));
    })
}

#[tokio::test]
async fn a10_a_job_that_made_its_cloud_calls_makes_no_more_and_asks_nobody() {
    let world = World::new(1);
    let record = relay();
    let says = |text: &str| next_call(&world, &record, body(&[("user", text)]));
    let first = bounded(call(&world, &record, "one").await, Some("job-1"), 1);
    world.approve(&awaiting(world.gate.clear(first.clone()).await));
    let _sent = cleared(world.gate.clear(first.clone()).await);

    let refused = world
        .gate
        .clear(bounded(says("two"), Some("job-1"), 1))
        .await;
    let refused = denied(refused, ErrorCode::BudgetExceeded);
    assert_eq!(
        refused.decision.outcome,
        Outcome::Deny(StepName::DeclaredPolicy, ErrorCode::BudgetExceeded)
    );
    assert_eq!(recorded(&world, "FR-EVT-EGRESS"), ["FR-EVT-EGRESS-001"]);

    // An attempt more of the call that was counted, another job, a wider bound, and none at all are as ever.
    let mut again = first;
    again.attempt = 2;
    let _sent = cleared(world.gate.clear(again).await);
    for (job, most) in [(Some("job-2"), 1), (Some("job-1"), 2)] {
        awaiting(world.gate.clear(bounded(says("three"), job, most)).await);
    }
    awaiting(world.gate.clear(says("four")).await);
}

#[tokio::test]
async fn a10_a_call_without_a_job_counts_for_its_session_and_a_bound_of_none_is_none() {
    let world = World::new(1);
    let record = relay();
    let first = bounded(call(&world, &record, "one").await, None, 1);
    world.approve(&awaiting(world.gate.clear(first.clone()).await));
    let _sent = cleared(world.gate.clear(first).await);
    let says = |text: &str| next_call(&world, &record, body(&[("user", text)]));
    denied(
        world.gate.clear(bounded(says("two"), None, 1)).await,
        ErrorCode::BudgetExceeded,
    );
    denied(
        world
            .gate
            .clear(bounded(says("three"), Some("job"), 0))
            .await,
        ErrorCode::BudgetExceeded,
    );
    // What a person is told beforehand is the same.
    let told = world.gate.explain(bounded(says("two"), None, 1)).await;
    assert_eq!(told.decision.denied_with(), Some(ErrorCode::BudgetExceeded));
}
