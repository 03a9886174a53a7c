//! Files that are damaged, older, newer or something else.

use handshake_core::code::ErrorCode;
use handshake_vault::{ApprovalFactor, Unlock, Vault, VaultError};
use proptest::prelude::*;

use crate::sample::{Sample, origin, secret};

fn put(sample: &Sample) {
    let value = secret("sk-0123456789abcdef");
    sample
        .vault
        .put_secret("main", origin("https://api.example.org"), &value)
        .expect("puts");
}

#[test]
fn a2_every_changed_byte_keeps_the_vault_shut() {
    let sample = Sample::new();
    put(&sample);
    let bytes = sample.bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 7);
        std::fs::write(sample.path(), &changed).expect("writes");
        let error = sample.reopen().expect_err("shut");
        let code = error.code();
        assert!(
            matches!(code, ErrorCode::Storage | ErrorCode::VaultLocked),
            "byte {at}: {error:?}"
        );
    }
    std::fs::write(sample.path(), &bytes).expect("writes");
    assert!(sample.reopen().is_ok());
}

#[test]
fn a2_every_truncation_keeps_the_vault_shut() {
    let sample = Sample::new();
    let bytes = sample.bytes();
    for length in (0..bytes.len()).step_by(7) {
        std::fs::write(sample.path(), &bytes[..length]).expect("writes");
        let error = sample.reopen().expect_err("shut");
        assert!(matches!(error, VaultError::Damaged), "{length}: {error:?}");
        assert_eq!(error.code(), ErrorCode::Storage);
        // The process that has it open does not use what it remembers of a damaged file.
        assert!(matches!(sample.vault.list(), Err(VaultError::Damaged)));
        assert!(sample.vault.remove("main").is_err());
    }
}

#[test]
fn s03_the_approval_key_in_the_header_cannot_be_exchanged() {
    // The header of another vault, whose approval passphrase the attacker knows, on the index of this one.
    let (sample, other) = (Sample::new(), Sample::new());
    let (ours, theirs) = (sample.bytes(), other.bytes());
    let header = |bytes: &[u8]| {
        let length = u32::from_be_bytes(bytes[22..26].try_into().expect("four bytes")) as usize;
        (
            26..26 + length,
            serde_json::from_slice::<serde_json::Value>(&bytes[26..26 + length]).expect("JSON"),
        )
    };
    let (range, mut mixed) = header(&ours);
    mixed["approval"] = header(&theirs).1["approval"].clone();
    let mixed = serde_json::to_vec(&mixed).expect("JSON");
    let length = u32::try_from(mixed.len()).expect("fits").to_be_bytes();
    let bytes = [&ours[..22], &length, &mixed, &ours[range.end..]].concat();
    std::fs::write(sample.path(), bytes).expect("writes");
    assert!(matches!(sample.reopen(), Err(VaultError::Damaged)));
    assert!(matches!(sample.vault.summary(), Err(VaultError::Damaged)));
}

#[test]
fn s34_a_newer_format_is_refused() {
    let sample = Sample::new();
    let mut bytes = sample.bytes();
    bytes[5] += 1;
    std::fs::write(sample.path(), bytes).expect("writes");
    let error = sample.reopen().expect_err("refused");
    assert!(matches!(error, VaultError::NewerFormat));
    assert!(error.to_string().contains("newer"));
}

#[test]
fn s33_a_process_that_has_it_open_notices_an_older_copy() {
    let sample = Sample::new();
    let old = sample.bytes();
    put(&sample);
    std::fs::write(sample.path(), old).expect("writes");
    assert!(matches!(sample.vault.list(), Err(VaultError::RolledBack)));
    assert!(matches!(
        sample.vault.remove("main"),
        Err(VaultError::RolledBack)
    ));
}

#[test]
fn s33_another_vault_in_its_place_is_not_used() {
    let (sample, other) = (Sample::new(), Sample::with(ApprovalFactor::NoneA0));
    std::fs::write(sample.path(), other.bytes()).expect("writes");
    assert!(matches!(sample.vault.list(), Err(VaultError::Damaged)));
    std::fs::remove_file(sample.path()).expect("removes");
    assert!(matches!(sample.vault.list(), Err(VaultError::Io(_))));
    assert!(matches!(sample.reopen(), Err(VaultError::Io(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a2_arbitrary_bytes_are_damaged_and_never_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        keep_prefix in any::<bool>(),
    ) {
        let sample = Sample::new();
        let prefix = if keep_prefix { sample.bytes()[..22].to_vec() } else { Vec::new() };
        std::fs::write(sample.path(), [prefix, bytes].concat()).expect("writes");
        let error = sample.reopen_with(Unlock::Passphrase(&secret("any"))).expect_err("shut");
        prop_assert_eq!(error.code(), ErrorCode::Storage);
        prop_assert!(Vault::inspect(&sample.path()).is_err());
    }
}
