//! The ports in memory pass every suite.

use handshake_core::ports::{ProfileStore, ProviderStore, RegistryFeed};
use handshake_testkit::{gate::World, memory::Memory, suite};

macro_rules! passes {
    ($fresh:expr; $($suite:ident: $($name:ident),+ $(,)?);+ $(;)?) => {
        $(mod $suite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                suite::$suite::$name(&$fresh).await;
            })+
        })+
    };
}

passes! { Memory::new(1);
    artifact: round_trip, empty_content_is_content, a_reference_names_content_label_and_members,
        no_label_stays_none, absent_is_none;
    profile: nothing_is_active_by_itself, a10_list_is_by_id, put_never_replaces, one_is_active;
    provider: a10_list_is_by_id, a1_put_compares_revisions, a1_remove_takes_snapshots_along,
        a4_snapshots_are_kept_by_model, no_snapshot_without_a_provider;
    session: unknown_is_empty_and_inline, appends_in_order, labels_join, resume_replaces_everything,
        one_lease_at_a_time, only_the_holder_releases;
}

passes! { World::new(1);
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

#[tokio::test]
async fn an_expired_lease_is_taken_over() {
    let memory = Memory::new(1);
    suite::session::an_expired_lease_is_taken_over(&memory, async |by| memory.advance(by)).await;
}

impl suite::feed::Registry for Fresh {
    fn feed(&self) -> &dyn RegistryFeed {
        &self.0
    }
    fn providers(&self) -> &dyn ProviderStore {
        &self.0
    }
    fn profiles(&self) -> &dyn ProfileStore {
        &self.0
    }
}

struct Fresh(Memory);

passes! { Fresh(Memory::new(1));
    feed: a1_a_change_is_in_the_next_view, a1_a_revision_replaces_the_one_before,
        a1_a_removal_takes_models_along;
}

#[tokio::test]
async fn a1_another_process_is_seen_in_50_ms() {
    let memory = Memory::new(1);
    let (here, there) = (Fresh(memory.clone()), Fresh(memory.clone()));
    let advance = async |by| memory.advance(by);
    suite::feed::a1_another_process_is_seen_in_50_ms(&here, &there, advance).await;
}

#[tokio::test]
async fn s02_an_unreadable_registry_is_an_error() {
    let memory = Memory::new(1);
    let damage = async |damaged| memory.set_storage_failing(damaged);
    let advance = async |by| memory.advance(by);
    let home = Fresh(memory.clone());
    suite::feed::s02_an_unreadable_registry_is_an_error(&home, advance, damage).await;
}

#[tokio::test]
async fn a_failing_ledger_denies() {
    let world = World::new(1);
    suite::ledger::a_failing_ledger_denies(&world, async || world.memory.set_storage_failing(true))
        .await;
}
