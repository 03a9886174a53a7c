//! When to try again: a pure function. No clock, no randomness: the jitter comes from a seed.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use handshake_core::{code::ErrorClass, tier::ModelTier};
use sha2::{Digest, Sha256};

use crate::rules::RetryRules;

/// How often and how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryPolicy {
    /// Attempts of one call, the first included.
    pub max_attempts: u32,
    /// The first wait.
    pub base: Duration,
    /// The longest wait. A provider that asks for more is not tried again.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryRules::default().into()
    }
}

impl From<RetryRules> for RetryPolicy {
    fn from(rules: RetryRules) -> Self {
        Self {
            max_attempts: rules.max_attempts,
            base: Duration::from_millis(rules.base_ms),
            cap: Duration::from_millis(rules.cap_ms),
        }
    }
}

/// The policy of the moment, shared by who sets it and who goes by it.
#[derive(Clone, Debug, Default)]
pub struct SharedRetry(Arc<RwLock<RetryPolicy>>);

impl From<RetryPolicy> for SharedRetry {
    fn from(policy: RetryPolicy) -> Self {
        Self(Arc::new(RwLock::new(policy)))
    }
}

impl SharedRetry {
    /// How often and how long, now.
    #[must_use]
    pub fn current(&self) -> RetryPolicy {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this.
    pub fn set(&self, policy: RetryPolicy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }
}

/// What failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The class of the failure.
    pub class: ErrorClass,
    /// The effective tier of the call.
    pub tier: ModelTier,
    /// Whether the provider may have read the request.
    pub in_doubt: bool,
    /// Whether a byte of content arrived.
    pub content_seen: bool,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
}

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Report the failure.
    GiveUp,
    /// Wait, then try again.
    Wait(Duration),
}

/// What to do after attempt number `attempt` (from 1) failed.
///
/// Nothing is tried again after the first content byte, nor anything but a transient failure. A request
/// that the provider may have read is never sent to Cloud twice, and to Local once more only.
#[must_use]
pub fn next(policy: &RetryPolicy, attempt: u32, failure: &Failure, seed: u64) -> Next {
    let doubtful = failure.in_doubt && (failure.tier == ModelTier::Cloud || attempt > 1);
    if failure.class != ErrorClass::Transient
        || failure.content_seen
        || doubtful
        || attempt >= policy.max_attempts
    {
        return Next::GiveUp;
    }
    match failure.retry_after {
        Some(asked) if asked > policy.cap => Next::GiveUp,
        Some(asked) => Next::Wait(asked),
        None => Next::Wait(backoff(policy, attempt, seed)),
    }
}

/// Doubles from the base up to the cap; between half and all of it, by the seed.
fn backoff(policy: &RetryPolicy, attempt: u32, seed: u64) -> Duration {
    let factor = 1u32
        .checked_shl(attempt.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let full = policy.base.saturating_mul(factor).min(policy.cap);
    let hash = Sha256::digest([seed.to_be_bytes(), u64::from(attempt).to_be_bytes()].concat());
    let jitter = u32::from(hash[0]);
    full / 2 + (full / 2).saturating_mul(jitter) / 255
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRANSIENT: Failure = Failure {
        class: ErrorClass::Transient,
        tier: ModelTier::Cloud,
        in_doubt: false,
        content_seen: false,
        retry_after: None,
    };

    #[test]
    fn a14_nothing_is_tried_again_after_content_or_in_doubt_towards_cloud() {
        let policy = RetryPolicy::default();
        assert!(matches!(next(&policy, 1, &TRANSIENT, 0), Next::Wait(_)));
        assert_eq!(
            next(
                &policy,
                1,
                &Failure {
                    content_seen: true,
                    ..TRANSIENT
                },
                0
            ),
            Next::GiveUp
        );
        assert_eq!(
            next(
                &policy,
                1,
                &Failure {
                    in_doubt: true,
                    ..TRANSIENT
                },
                0
            ),
            Next::GiveUp
        );
        let local = Failure {
            in_doubt: true,
            tier: ModelTier::Local,
            ..TRANSIENT
        };
        assert!(matches!(next(&policy, 1, &local, 0), Next::Wait(_)));
        assert_eq!(next(&policy, 2, &local, 0), Next::GiveUp);
        for class in [
            ErrorClass::Permanent,
            ErrorClass::Policy,
            ErrorClass::Protocol,
            ErrorClass::Capability,
            ErrorClass::Cancelled,
        ] {
            assert_eq!(
                next(&policy, 1, &Failure { class, ..TRANSIENT }, 0),
                Next::GiveUp
            );
        }
    }

    #[test]
    fn a14_retry_after_is_obeyed_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let asks = |secs| Failure {
            retry_after: Some(Duration::from_secs(secs)),
            ..TRANSIENT
        };
        assert_eq!(
            next(&policy, 1, &asks(7), 0),
            Next::Wait(Duration::from_secs(7))
        );
        assert_eq!(next(&policy, 1, &asks(31), 0), Next::GiveUp);
    }

    proptest! {
        #[test]
        fn a14_a_replay_gives_the_same_waits_and_they_stay_bounded(seed: u64, attempt in 1u32..10) {
            let policy = RetryPolicy { max_attempts: 10, ..RetryPolicy::default() };
            let once = next(&policy, attempt, &TRANSIENT, seed);
            prop_assert_eq!(once, next(&policy, attempt, &TRANSIENT, seed));
            if let Next::Wait(wait) = once {
                prop_assert!(wait <= policy.cap);
                prop_assert!(wait >= policy.base.min(policy.cap) / 2);
            } else {
                prop_assert_eq!(attempt, 10);
            }
        }
    }
}
