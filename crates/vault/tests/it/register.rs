//! The register of seals, and what a person signs with the approval key in hand.

use handshake_core::{
    ports::SealRegister,
    seal::{BadSeal, EnabledModel, Needs, SealKeys, SealKind, Sealable, subject},
    time::UtcTime,
};

use super::sample::{APPROVE, Sample, secret};

fn enabled(model: &str, revision: u64) -> EnabledModel {
    EnabledModel::new(&model.parse().expect("a model"), revision)
}

fn at(millis: i64) -> UtcTime {
    UtcTime::from_unix_millis(millis)
}

fn keys(sample: &Sample) -> SealKeys {
    let vault = &sample.vault;
    let holder = vault.summary().expect("reads");
    SealKeys::new(
        vault.integrity_key().expect("a key"),
        holder.has_factor.then_some(holder.approval_key),
        vault.clone(),
    )
}

#[test]
fn rt_b04_one_statement_is_in_force_for_a_subject_for_every_process_and_after_a_restart() {
    let sample = Sample::new();
    let (first, second) = (enabled("far/m", 1), enabled("far/m", 2));
    let of = |thing: &EnabledModel| thing.statement(at(1)).expect("a statement");
    let register = &*sample.vault;
    let name = subject(SealKind::Model, "far/m");
    assert!(!register.knows(&name).expect("reads"));
    register.change(&[of(&first)], &[]).expect("entered");
    assert!(register.is_in_force(&of(&first)).expect("reads"));
    let other = sample.reopen().expect("opens");
    SealRegister::change(&other, &[of(&second)], &[]).expect("entered");
    assert!(
        !register.is_in_force(&of(&first)).expect("reads"),
        "seen here"
    );
    assert!(register.is_in_force(&of(&second)).expect("reads"));
    let later = second.statement(at(2)).expect("a statement");
    assert!(
        !register.is_in_force(&later).expect("reads"),
        "that very one"
    );
    register
        .change(&[], std::slice::from_ref(&name))
        .expect("struck");
    let again = sample.reopen().expect("opens");
    assert!(!again.knows(&name).expect("reads"));
}

#[test]
fn rt_b04_the_approval_key_in_hand_seals_and_without_the_factor_it_is_not_in_hand() {
    let sample = Sample::new();
    let thing = enabled("far/m", 1);
    assert_eq!(thing.needs(true), Needs::Signature);
    for factor in [None, Some(secret("not the passphrase"))] {
        assert!(sample.vault.approve(factor.as_ref()).is_err());
    }
    let approval = sample.vault.approve(Some(&secret(APPROVE))).expect("yes");
    let seal = approval.seal(&thing, at(1)).expect("canonical");
    let keys = keys(&sample);
    assert_eq!(keys.check(&thing, Some(&seal)), Err(BadSeal::Superseded));
    let statement = thing.statement(at(1)).expect("a statement");
    keys.register().change(&[statement], &[]).expect("entered");
    assert_eq!(keys.check(&thing, Some(&seal)), Ok(()));
    assert!(!format!("{approval:?} {keys:?}").contains("SigningKey"));
}

#[test]
fn s08_who_made_the_vault_has_the_key_in_hand_once() {
    let sample = Sample::new();
    assert!(sample.vault.just_chosen().is_some());
    assert!(sample.vault.just_chosen().is_none());
    assert!(sample.reopen().expect("opens").just_chosen().is_none());
    assert!(sample.vault.has_seals().expect("reads"));
}
