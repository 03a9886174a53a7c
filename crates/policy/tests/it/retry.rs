//! When to try again, over all inputs.

use std::time::Duration;

use handshake_core::{
    code::{ErrorClass, ErrorCode},
    tier::ModelTier,
};
use handshake_policy::{
    retry::{Failure, Next, RetryPolicy, next},
    rules::RetryRules,
};
use proptest::prelude::*;

fn failure() -> impl Strategy<Value = Failure> {
    let class = proptest::sample::select(vec![
        ErrorClass::Transient,
        ErrorClass::Transient,
        ErrorClass::Transient,
        ErrorClass::Permanent,
        ErrorClass::Policy,
        ErrorClass::Protocol,
        ErrorClass::Capability,
        ErrorClass::Cancelled,
    ]);
    let tier = proptest::sample::select(vec![ModelTier::Local, ModelTier::Cloud]);
    let wait = proptest::option::of(0u64..120).prop_map(|s| s.map(Duration::from_secs));
    (
        class,
        tier,
        any::<bool>(),
        proptest::bool::weighted(0.2),
        wait,
    )
        .prop_map(
            |(class, tier, in_doubt, content_seen, retry_after)| Failure {
                class,
                tier,
                in_doubt,
                content_seen,
                retry_after,
            },
        )
}

fn policy() -> impl Strategy<Value = RetryPolicy> {
    (1u32..12, 0u64..5_000, 0u64..60_000).prop_map(|(max_attempts, base, cap)| RetryPolicy {
        max_attempts,
        base: Duration::from_millis(base),
        cap: Duration::from_millis(cap),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a14_next_is_a_pure_function_that_keeps_its_promises(
        policy in policy(),
        failure in failure(),
        attempt in 1u32..14,
        seed: u64,
    ) {
        let once = next(&policy, attempt, &failure, seed);
        prop_assert_eq!(once, next(&policy, attempt, &failure, seed));
        if let Next::Wait(wait) = once {
            prop_assert!(attempt < policy.max_attempts);
            prop_assert_eq!(failure.class, ErrorClass::Transient);
            prop_assert!(!failure.content_seen);
            prop_assert!(!failure.in_doubt || (failure.tier == ModelTier::Local && attempt == 1));
            prop_assert!(wait <= policy.cap);
            // A provider that asks for time gets it, all of it.
            prop_assert!(failure.retry_after.is_none_or(|asked| asked == wait));
        }
    }

    /// Knowing less about what happened never makes a retry likelier.
    #[test]
    fn a14_doubt_and_content_only_ever_stop(
        policy in policy(),
        failure in failure(),
        attempt in 1u32..14,
        seed: u64,
    ) {
        let tries = |failure: &Failure| matches!(next(&policy, attempt, failure, seed), Next::Wait(_));
        let before = tries(&failure);
        for worse in [
            Failure { in_doubt: true, ..failure },
            Failure { content_seen: true, ..failure },
            Failure { tier: ModelTier::Cloud, ..failure },
        ] {
            prop_assert!(before || !tries(&worse));
        }
    }
}

#[test]
fn a14_waits_double_up_to_the_cap_with_jitter_from_the_seed() {
    let policy = RetryPolicy {
        max_attempts: 10,
        base: Duration::from_millis(500),
        cap: Duration::from_secs(4),
    };
    let transient = Failure {
        class: ErrorClass::Transient,
        tier: ModelTier::Local,
        in_doubt: false,
        content_seen: false,
        retry_after: None,
    };
    for (attempt, full) in [
        (1, 500),
        (2, 1000),
        (3, 2000),
        (4, 4000),
        (5, 4000),
        (9, 4000),
    ] {
        let waits: Vec<_> = (0..50)
            .map(|seed| match next(&policy, attempt, &transient, seed) {
                Next::Wait(wait) => u64::try_from(wait.as_millis()).expect("short"),
                Next::GiveUp => panic!("attempt {attempt} of 10"),
            })
            .collect();
        assert!(
            waits.iter().all(|wait| (full / 2..=full).contains(wait)),
            "{attempt}: {waits:?}"
        );
        assert!(waits.iter().any(|wait| *wait != waits[0]), "no jitter");
    }
}

/// What the codes' own classes come to.
#[test]
fn a14_only_what_may_pass_later_is_tried_again() {
    let tried: Vec<&str> = ErrorCode::ALL
        .iter()
        .filter(|code| {
            let failure = Failure {
                class: code.class(),
                tier: ModelTier::Cloud,
                in_doubt: false,
                content_seen: false,
                retry_after: None,
            };
            matches!(next(&RetryPolicy::default(), 1, &failure, 1), Next::Wait(_))
        })
        .map(|code| code.as_str())
        .collect();
    assert_eq!(
        tried,
        [
            "HSK-408-TIMEOUT",
            "HSK-409-SESSION-BUSY",
            "HSK-429-RATE-LIMIT",
            "HSK-502-PROVIDER",
            "HSK-503-NOT-READY"
        ]
    );
}

#[test]
fn a14_one_attempt_means_none_again() {
    let once: RetryPolicy = RetryRules {
        max_attempts: 1,
        ..RetryRules::default()
    }
    .into();
    let failure = Failure {
        class: ErrorClass::Transient,
        tier: ModelTier::Local,
        in_doubt: false,
        content_seen: false,
        retry_after: Some(Duration::ZERO),
    };
    assert_eq!(next(&once, 1, &failure, 0), Next::GiveUp);
}
