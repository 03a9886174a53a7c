//! The approval key: only a person's factor opens it.

use std::time::Duration;

use handshake_core::{
    attest::RECEIPT_DOMAIN,
    code::ErrorCode,
    consent::Assurance,
    ports::{SignError, Signer},
    time::UtcTime,
};
use handshake_vault::{
    ApprovalBackup, ApprovalFactor, ApprovalSigner, FailedAttempts, Given, MAX_FAILED_ATTEMPTS,
    RecorderSigner, RecoveryCode, Unlock, Vault, VaultError, create_key_file,
};

use crate::sample::{APPROVE, Sample, TestEntropy, UNLOCK, cheap, secret};

#[test]
fn s03_an_open_vault_cannot_approve() {
    let sample = Sample::new();
    let key_file = sample.directory.path().join("key");
    create_key_file(&key_file, &TestEntropy::new()).expect("creates");
    sample
        .vault
        .add_slot(Unlock::KeyFile(&key_file), cheap())
        .expect("adds");
    // An agent of the same account opens the vault by the key file. It gets every key but this one.
    let opened = std::sync::Arc::new(
        sample
            .reopen_with(Unlock::KeyFile(&key_file))
            .expect("opens"),
    );
    let signer = ApprovalSigner::new(opened.clone());
    assert_eq!(signer.assurance(), Assurance::A1);
    assert_eq!(
        signer.sign(RECEIPT_DOMAIN, b"yes", None),
        Err(SignError::Factor)
    );
    assert_eq!(
        signer.sign(RECEIPT_DOMAIN, b"yes", Some(&secret(UNLOCK))),
        Err(SignError::Factor)
    );
    assert_eq!(SignError::Factor.code(), ErrorCode::FactorRequired);
    // What it can sign with is another key.
    let recorder = RecorderSigner::new(opened);
    let forged = recorder.sign(RECEIPT_DOMAIN, b"yes", None).expect("signs");
    assert!(
        signer
            .public_key()
            .verify(RECEIPT_DOMAIN, b"yes", &forged)
            .is_err()
    );

    let real = signer
        .sign(RECEIPT_DOMAIN, b"yes", Some(&secret(APPROVE)))
        .expect("signs");
    assert!(
        signer
            .public_key()
            .verify(RECEIPT_DOMAIN, b"yes", &real)
            .is_ok()
    );
    assert!(
        signer
            .public_key()
            .verify("hsk.other.v1", b"yes", &real)
            .is_err()
    );
    assert_eq!(
        Vault::inspect(&sample.path()).expect("reads").approval_key,
        signer.public_key()
    );
}

#[test]
fn s02_five_wrong_factors_lock_approvals_for_a_minute() {
    let sample = Sample::new();
    let signer = ApprovalSigner::new(sample.vault.clone());
    let sign = |factor: &str| {
        signer
            .sign(RECEIPT_DOMAIN, b"m", Some(&secret(factor)))
            .map(drop)
    };
    for _ in 0..MAX_FAILED_ATTEMPTS - 1 {
        assert_eq!(sign("wrong passphrase"), Err(SignError::Factor));
    }
    sign(APPROVE).expect("a right factor starts the count anew");
    for _ in 0..20 {
        let asked = signer.sign(RECEIPT_DOMAIN, b"m", None);
        assert_eq!(asked, Err(SignError::Factor), "asking guesses nothing");
    }
    for _ in 0..MAX_FAILED_ATTEMPTS {
        assert_eq!(sign("wrong passphrase"), Err(SignError::Factor));
    }
    let locked = |seconds| {
        let again_in = Duration::from_secs(seconds);
        Err(SignError::LockedOut { again_in })
    };
    assert_eq!(sign(APPROVE), locked(60), "the right one too");
    assert!(matches!(
        sample.vault.check_factor(Some(&secret(APPROVE))),
        Err(VaultError::LockedOut { .. })
    ));
    sample.clock.advance(59);
    assert_eq!(sign(APPROVE), locked(1));
    sample.clock.advance(1);
    sign(APPROVE).expect("signs again");
}

#[test]
fn s02_a_guess_that_waited_its_turn_is_as_late_as_the_others() {
    let now = UtcTime::from_unix_millis(1_900_000_000_000);
    let mut attempts = FailedAttempts::default();
    for _ in 0..MAX_FAILED_ATTEMPTS {
        attempts.count(now).expect("not yet too many");
    }
    for earlier in [1, 500, 59_000] {
        let earlier = UtcTime::from_unix_millis(1_900_000_000_000 - earlier);
        let tried = attempts.clone().count(earlier);
        assert!(matches!(tried, Err(VaultError::LockedOut { .. })));
    }
    // A clock that was set back by a day locks nobody out for a day, and lets nobody in sooner.
    let yesterday = UtcTime::from_unix_millis(1_900_000_000_000 - 86_400_000);
    assert!(attempts.count(yesterday).is_err());
    let minute = Duration::from_secs(60);
    attempts.count(yesterday.plus(minute)).expect("not locked");
}

#[test]
fn s02_parallel_guesses_are_counted_one_by_one() {
    let sample = Sample::new();
    let tried = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                if let Err(VaultError::Factor) =
                    sample.vault.check_factor(Some(&secret("wrong passphrase")))
                {
                    tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(tried.into_inner(), MAX_FAILED_ATTEMPTS);
}

#[test]
fn s02_no_assurance_only_when_chosen_and_never_again() {
    let sample = Sample::with(ApprovalFactor::NoneA0);
    let signer = ApprovalSigner::new(sample.vault.clone());
    assert_eq!(
        (
            signer.assurance(),
            Vault::inspect(&sample.path()).expect("reads").assurance
        ),
        (Assurance::A0, Assurance::A0)
    );
    let public = signer.public_key();
    let signature = signer.sign(RECEIPT_DOMAIN, b"m", None).expect("signs");
    assert!(public.verify(RECEIPT_DOMAIN, b"m", &signature).is_ok());

    let factor = secret(APPROVE);
    assert!(matches!(
        sample
            .vault
            .change_approval_factor(None, &secret("weak"), cheap()),
        Err(VaultError::WeakPassphrase)
    ));
    sample
        .vault
        .change_approval_factor(None, &factor, cheap())
        .expect("changes");
    assert_eq!(
        (signer.assurance(), signer.public_key()),
        (Assurance::A1, public)
    );
    assert_eq!(
        signer.sign(RECEIPT_DOMAIN, b"m", None),
        Err(SignError::Factor)
    );
    signer
        .sign(RECEIPT_DOMAIN, b"m", Some(&factor))
        .expect("signs");
}

#[test]
fn s02_a_new_factor_needs_the_old_one() {
    let sample = Sample::new();
    let new = secret("a third passphrase");
    for old in [None, Some(secret("wrong passphrase")), Some(secret(UNLOCK))] {
        let refused = sample
            .vault
            .change_approval_factor(old.as_ref(), &new, cheap());
        assert!(matches!(refused, Err(VaultError::Factor)));
    }
    sample
        .vault
        .change_approval_factor(Some(&secret(APPROVE)), &new, cheap())
        .expect("changes");
    assert!(matches!(
        sample.vault.check_factor(Some(&secret(APPROVE))),
        Err(VaultError::Factor)
    ));
    sample
        .reopen()
        .expect("opens")
        .check_factor(Some(&new))
        .expect("the new one");
}

#[test]
fn rt_b07_without_a_factor_nothing_is_signed_and_the_vault_says_so() {
    let sample = Sample::with(ApprovalFactor::Nobody);
    assert!(!sample.vault.has_factor().expect("reads"));
    let summary = Vault::inspect(&sample.path()).expect("reads");
    assert!(!summary.has_factor);
    let signer = ApprovalSigner::new(sample.vault.clone());
    assert_eq!(signer.public_key(), summary.approval_key);
    for factor in [None, Some(secret("")), Some(secret(APPROVE))] {
        assert_eq!(
            signer.sign(RECEIPT_DOMAIN, b"m", factor.as_ref()),
            Err(SignError::Factor)
        );
    }
    assert!(Sample::new().vault.has_factor().expect("reads"));
}

#[test]
fn rt_b07_whether_there_is_a_factor_cannot_be_rewritten_unseen() {
    let sample = Sample::new();
    let mut bytes = sample.bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let at = text.find(r#""mode":"A1""#).expect("the mode");
    // The same length, so that nothing else moves.
    bytes[at..at + 11].copy_from_slice(br#""mode":"A0""#);
    std::fs::write(sample.path(), &bytes).expect("written");
    assert!(matches!(sample.reopen(), Err(VaultError::Damaged)));
}

#[test]
fn p5_wrong_factors_are_counted_over_processes_and_restarts() {
    let sample = Sample::new();
    let wrong = secret("wrong passphrase");
    for _ in 0..MAX_FAILED_ATTEMPTS {
        // Each time another process, as a guesser would have it.
        let vault = sample.reopen().expect("opens");
        let tried = vault.check_factor(Some(&wrong));
        assert!(matches!(tried, Err(VaultError::Factor)));
    }
    let right = secret(APPROVE);
    let locked = sample.reopen().expect("opens").check_factor(Some(&right));
    assert!(
        matches!(locked, Err(VaultError::LockedOut { .. })),
        "the right one too"
    );
    sample.clock.advance(60);
    sample
        .reopen()
        .expect("opens")
        .check_factor(Some(&right))
        .expect("a minute later");
    // A right one starts the count anew.
    for _ in 0..MAX_FAILED_ATTEMPTS - 1 {
        let tried = sample.reopen().expect("opens").check_factor(Some(&wrong));
        assert!(matches!(tried, Err(VaultError::Factor)));
    }
    sample.vault.check_factor(Some(&right)).expect("right");
}

#[test]
fn s32_a_clock_that_is_set_back_neither_ends_a_lock_nor_makes_it_longer() {
    let sample = Sample::new();
    sample.clock.advance(100_000);
    let tries = |factor: &str| sample.vault.check_factor(Some(&secret(factor)));
    for _ in 0..MAX_FAILED_ATTEMPTS {
        assert!(tries("wrong passphrase").is_err());
    }
    sample.clock.set_back(86_400);
    for _ in 0..2 {
        let Err(VaultError::LockedOut { again_in }) = tries(APPROVE) else {
            panic!("a day back is no minute later");
        };
        assert_eq!(again_in, Duration::from_secs(60));
    }
    sample.clock.advance(59);
    assert!(tries(APPROVE).is_err());
    sample.clock.advance(1);
    tries(APPROVE).expect("a minute after it was set back");
}

#[test]
fn rt_b03_the_recovery_code_opens_the_vault_and_the_approval_key_and_goes_with_a_new_one() {
    let sample = Sample::new();
    let approval = sample.vault.just_chosen().expect("made just now");
    let public = ApprovalSigner::new(sample.vault.clone()).public_key();
    let code = |code: &RecoveryCode| secret(code.shown());
    let first = code(&sample.vault.make_recovery_code(&approval).expect("made"));
    assert!(sample.vault.summary().expect("reads").has_recovery);
    let opened = sample.reopen_with(Unlock::Recovery(&first));
    let opened = opened.expect("opens the vault");
    let by_code = opened.approve_with(Given::Recovery(&first)).expect("opens");
    let new = secret("a third passphrase");
    let second = opened
        .set_factor(Some(&by_code), &new, cheap())
        .expect("a new passphrase");
    let second = code(&second);
    assert_eq!(
        ApprovalSigner::new(sample.vault.clone()).public_key(),
        public,
        "the same key"
    );
    for old in [Given::Recovery(&first), Given::Passphrase(&secret(APPROVE))] {
        assert!(matches!(
            sample.vault.approve_with(old),
            Err(VaultError::Factor)
        ));
    }
    assert!(sample.reopen_with(Unlock::Recovery(&first)).is_err());
    sample
        .reopen_with(Unlock::Recovery(&second))
        .expect("opens");
    for good in [Given::Recovery(&second), Given::Passphrase(&new)] {
        sample.vault.approve_with(good).expect("good");
    }
    // A code is no passphrase, and the other way round.
    assert!(
        sample
            .vault
            .approve_with(Given::Passphrase(&second))
            .is_err()
    );
    assert!(sample.vault.approve_with(Given::Recovery(&new)).is_err());
    let text = String::from_utf8_lossy(&sample.bytes()).into_owned();
    assert!(!text.contains(std::str::from_utf8(second.expose_secret()).expect("text")));
}

#[test]
fn n2_a_factor_is_set_where_nobody_holds_the_key_and_then_only_by_who_holds_it() {
    let sample = Sample::with(ApprovalFactor::Nobody);
    let before = ApprovalSigner::new(sample.vault.clone()).public_key();
    let chosen = secret("the first passphrase");
    assert!(matches!(
        sample.vault.set_factor(None, &secret("weak"), cheap()),
        Err(VaultError::WeakPassphrase)
    ));
    sample
        .vault
        .set_factor(None, &chosen, cheap())
        .expect("nobody held it");
    assert!(sample.vault.has_factor().expect("reads"));
    let after = ApprovalSigner::new(sample.vault.clone()).public_key();
    assert_ne!(
        before, after,
        "a key that this account could read is no key"
    );
    sample.vault.check_factor(Some(&chosen)).expect("it counts");
    assert!(matches!(
        sample
            .vault
            .set_factor(None, &secret("another passphrase"), cheap()),
        Err(VaultError::Factor)
    ));
}

#[test]
fn rt_b03_a_wrapped_key_outside_its_vault_answers_to_its_factor() {
    let sample = Sample::new();
    let approval = sample.vault.just_chosen().expect("made just now");
    let code = sample.vault.make_recovery_code(&approval).expect("made");
    let kept = sample.vault.approval_backup().expect("reads").expect("one");
    let kept = serde_json::to_string(&kept).expect("JSON");
    let kept: ApprovalBackup = serde_json::from_str(&kept).expect("reads back");
    assert_eq!(
        kept.key_id().expect("a key"),
        *ApprovalSigner::new(sample.vault.clone()).public_key().id()
    );
    kept.approve(Given::Passphrase(&secret(APPROVE)))
        .expect("the passphrase");
    kept.approve(Given::Recovery(&secret(code.shown())))
        .expect("the code");
    assert!(kept.approve(Given::Passphrase(&secret("not it"))).is_err());
    assert!(
        Sample::with(ApprovalFactor::Nobody)
            .vault
            .approval_backup()
            .expect("reads")
            .is_none()
    );
    assert!(ApprovalBackup::of(&sample.path()).expect("reads").is_some());
}
