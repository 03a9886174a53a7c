//! The keys that serve without a person: recorder, commitments, sealing.

use std::sync::Arc;

use handshake_core::{
    consent::Assurance,
    ports::{SealError, Sealer, Signer},
};
use handshake_vault::{RecorderSigner, VaultError};

use crate::sample::Sample;

const DOMAIN: &str = "hsk.checkpoint.v1";

#[test]
fn s62_an_epoch_key_signs_its_successor_and_is_destroyed() {
    let sample = Sample::new();
    let signer = RecorderSigner::new(sample.vault.clone());
    let first = signer.public_key();
    assert_eq!(
        (sample.vault.epoch().expect("epoch"), signer.assurance()),
        (0, Assurance::A0)
    );

    let keys = sample.vault.prepare_epoch().expect("prepares");
    assert_eq!((keys.epoch, &keys.current), (1, &first));
    assert_ne!(keys.next, first);
    // A crash here: the present key still signs, and the same successor is prepared.
    let again = Arc::new(sample.reopen().expect("opens"));
    assert_eq!(again.prepare_epoch().expect("prepares"), keys);
    let handover = RecorderSigner::new(again.clone())
        .sign(DOMAIN, b"handover", None)
        .expect("signs");
    assert!(first.verify(DOMAIN, b"handover", &handover).is_ok());

    assert!(matches!(
        again.commit_epoch(&sample_key()),
        Err(VaultError::UnknownEpoch)
    ));
    again.commit_epoch(&keys.next).expect("commits");
    again
        .commit_epoch(&keys.next)
        .expect("commits once more after a crash");
    assert!(
        matches!(again.commit_epoch(&first), Err(VaultError::UnknownEpoch)),
        "no way back"
    );

    // The first process sees the new key, and nothing signs as the old one any more.
    assert_eq!(
        (signer.public_key(), sample.vault.epoch().expect("epoch")),
        (keys.next.clone(), 1)
    );
    let signature = signer.sign(DOMAIN, b"m", None).expect("signs");
    assert!(keys.next.verify(DOMAIN, b"m", &signature).is_ok());
    assert!(first.verify(DOMAIN, b"m", &signature).is_err());
    let next = sample.vault.prepare_epoch().expect("prepares");
    assert_eq!((next.epoch, next.current), (2, keys.next));
}

fn sample_key() -> handshake_core::attest::PublicKey {
    RecorderSigner::new(Sample::new().vault).public_key()
}

#[test]
fn s63_the_commitment_key_stays_until_it_is_replaced() {
    let sample = Sample::new();
    let (number, key) = sample.vault.commitment_key().expect("a key");
    let commitment = key.commit("d", &[b"content"]);
    let again = sample
        .reopen()
        .expect("opens")
        .commitment_key()
        .expect("a key");
    assert_eq!(
        (again.0, again.1.commit("d", &[b"content"])),
        (number, commitment)
    );
    assert_eq!(
        sample.vault.replace_commitment_key().expect("replaces"),
        number + 1
    );
    let (newer, key) = sample.vault.commitment_key().expect("a key");
    assert_eq!(newer, number + 1);
    assert_ne!(key.commit("d", &[b"content"]), commitment);
    // Each vault has its own.
    let other = Sample::new().vault.commitment_key().expect("a key").1;
    assert_ne!(other.commit("d", &[b"content"]), commitment);
}

#[test]
fn a2_sealed_content_opens_in_its_own_row_only() {
    let sample = Sample::new();
    let sealed = sample
        .vault
        .seal("pending/1", b"PLANTED content")
        .expect("seals");
    assert!(!sealed.windows(7).any(|window| window == b"PLANTED"));
    assert_ne!(
        sealed,
        sample
            .vault
            .seal("pending/1", b"PLANTED content")
            .expect("seals"),
        "no two alike"
    );
    let again = sample.reopen().expect("opens");
    assert_eq!(
        Sealer::open(&again, "pending/1", &sealed).expect("opens"),
        b"PLANTED content"
    );
    assert_eq!(
        Sealer::open(&again, "pending/2", &sealed),
        Err(SealError::Damaged)
    );
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(
            Sealer::open(&again, "pending/1", &changed),
            Err(SealError::Damaged)
        );
    }
    assert_eq!(
        Sealer::open(&again, "pending/1", b""),
        Err(SealError::Damaged)
    );
    let other = Sample::new();
    assert_eq!(
        Sealer::open(&*other.vault, "pending/1", &sealed),
        Err(SealError::Damaged)
    );
}
