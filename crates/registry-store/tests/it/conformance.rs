//! The store keeps what the ports promise.

use std::time::Duration;

use async_trait::async_trait;
use handshake_core::{
    event::Event,
    ports::{
        ApprovalQueue, Clock, ConsentStore, ContactGrants, EgressLedger, FindingStore,
        ProviderStore, Signer,
    },
};
use handshake_testkit::suite::{self, Home};

use crate::world::{World, raw};

#[async_trait]
impl Home for World {
    fn queue(&self) -> &dyn ApprovalQueue {
        &self.store
    }
    fn consent(&self) -> &dyn ConsentStore {
        &self.store
    }
    fn contacts(&self) -> &dyn ContactGrants {
        &self.store
    }
    fn findings(&self) -> &dyn FindingStore {
        &self.store
    }
    fn ledger(&self) -> &dyn EgressLedger {
        &self.store
    }
    fn providers(&self) -> &dyn ProviderStore {
        &self.store
    }
    fn clock(&self) -> &dyn Clock {
        &*self.fakes.clock
    }
    fn signer(&self) -> &dyn Signer {
        &*self.fakes.approver
    }
    fn advance(&self, by: Duration) {
        self.fakes.clock.advance(by);
    }
    async fn events(&self) -> Vec<Event> {
        let recorded = self.store.log_after(None, 10_000).await.expect("reads");
        recorded
            .into_iter()
            .map(|recorded| recorded.event)
            .collect()
    }
}

macro_rules! passes {
    ($of:ident; $($suite:ident: $($name:ident),+ $(,)?);+ $(;)?) => {
        $(mod $suite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let world = World::headless().await;
                suite::$suite::$name(world.$of()).await;
            })+
        })+
    };
}

impl World {
    fn home(&self) -> &Self {
        self
    }
    fn store(&self) -> &handshake_registry_store::Store {
        &self.store
    }
}

passes! { store;
    artifact: round_trip, empty_content_is_content, a_reference_names_content_label_and_members,
        no_label_stays_none, absent_is_none;
    profile: nothing_is_active_by_itself, a10_list_is_by_id, put_never_replaces, one_is_active;
    provider: a10_list_is_by_id, a1_put_compares_revisions, a1_remove_takes_snapshots_along,
        a4_snapshots_are_kept_by_model, no_snapshot_without_a_provider;
    session: unknown_is_empty_and_inline, appends_in_order, labels_join, resume_replaces_everything,
        one_lease_at_a_time, only_the_holder_releases;
}

passes! { home;
    consent: find_leaves_nothing_out, s03_sessions_are_of_one_principal,
        a3_contact_is_granted_to_a_revision;
    finding: a9_declassified_is_for_a_revision_and_is_taken_back,
        s50_what_blocked_is_kept_bounded_and_for_a_day;
    ledger: a8_spend_and_event_are_one, a8_one_call_is_spent_once, a8_a_race_has_one_winner,
        a8_a_race_goes_as_far_as_the_lease_and_no_further,
        a10_a_job_makes_as_many_calls_as_its_bound, a14_attempts_follow_each_other, a14_a_closed_use_stays_closed, a_lease_holds_several_uses,
        blocks_are_new_once, s03_nothing_is_spent_without_a_receipt, a_stale_verdict_spends_nothing,
        enabled_models_are_an_epoch, control_calls_commit_their_event;
    queue: a_submission_waits_to_be_read, identical_requests_join, the_queue_is_bounded,
        a_yes_is_stored_and_told, a_no_is_recorded_once, a_signed_no_is_evidence,
        a_no_silences_the_asker, s03_only_what_was_shown_can_be_approved, a_deadline_ends_the_waiting,
        a_minute_after_the_last_waiter_it_is_withdrawn, somebody_waiting_keeps_it,
        an_abandoned_yes_is_void, a_revoked_receipt_is_told;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_lease_is_taken_over() {
    let world = World::empty().await;
    let expire = async |by| world.fakes.clock.advance(by);
    suite::session::an_expired_lease_is_taken_over(&world.store, expire).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_ledger_denies() {
    let world = World::empty().await;
    let fail = async || {
        raw(world.home.path())
            .execute_batch("DROP TABLE epochs")
            .expect("drops")
    };
    suite::ledger::a_failing_ledger_denies(&world, fail).await;
}
