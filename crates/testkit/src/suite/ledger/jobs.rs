//! The bound on the cloud calls of one job.

use futures_util::future::join_all;
use handshake_core::ports::{JobBound, LedgerError};

use super::{super::home::Home, approved, attempts, epochs, intent, use_id};

/// A job makes as many cloud calls as its bound and no more, however many race; further attempts of a call that was counted
/// go on, and other jobs have their own.
///
/// # Panics
/// When one is refused that is left, or one more begins.
pub async fn a10_a_job_makes_as_many_calls_as_its_bound(home: &dyn Home) {
    let (_, receipt) = approved(home, true).await;
    let epochs = epochs(home).await;
    let commit = |n: u8, attempt: u32, job: &str, most: u32| {
        let mut wanted = intent(home, &receipt, epochs.clone(), use_id(n), attempt);
        wanted.spend.as_mut().expect("a spend").job = Some(JobBound {
            job: job.to_owned(),
            most,
        });
        home.ledger().commit(wanted)
    };
    let begun = |answers: Vec<Result<_, LedgerError>>| {
        let spent = |it: &Result<_, _>| matches!(it, Err(LedgerError::JobSpent));
        assert!(
            answers.iter().all(|it| it.is_ok() || spent(it)),
            "{answers:?}"
        );
        answers.into_iter().filter(Result::is_ok).count()
    };
    let racers = (1..=5).map(|n| commit(n, 1, "job:a", 3));
    assert_eq!(begun(join_all(racers).await), 3);
    assert_eq!(home.ledger().uses_of_job("job:a").await, Ok(3));
    let before = attempts(home).await;
    assert_eq!(commit(9, 1, "job:a", 3).await, Err(LedgerError::JobSpent));
    assert_eq!(
        attempts(home).await,
        before,
        "what is refused leaves no event"
    );
    // A use that was counted goes on; another job, or a wider bound, begins one.
    let counted = (1..=5).map(|n| commit(n, 2, "job:a", 3));
    let went_on = join_all(counted)
        .await
        .into_iter()
        .filter(Result::is_ok)
        .count();
    assert_eq!(went_on, 3);
    assert!(commit(10, 1, "job:b", 1).await.is_ok());
    assert!(commit(11, 1, "job:a", 4).await.is_ok());
    assert_eq!(commit(12, 1, "job:c", 0).await, Err(LedgerError::JobSpent));
    assert_eq!(home.ledger().uses_of_job("job:c").await, Ok(0));
}
