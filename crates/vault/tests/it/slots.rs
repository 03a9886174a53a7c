//! What opens a vault, and what does not.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use handshake_core::{code::ErrorCode, secret::Secret};
use handshake_vault::{
    ApprovalFactor, KdfParams, NewVault, SlotKind, Unlock, Vault, VaultError, create_key_file,
};

use crate::sample::{APPROVE, Sample, TestClock, TestEntropy, UNLOCK, cheap, secret};

#[test]
fn a2_a_wrong_passphrase_is_vault_locked_and_nothing_more() {
    let sample = Sample::new();
    for wrong in [
        "",
        "wrong passphrase",
        "unlock passphras",
        "unlock passphrase ",
        APPROVE,
    ] {
        let error = sample
            .reopen_with(Unlock::Passphrase(&secret(wrong)))
            .expect_err("locked");
        assert!(matches!(error, VaultError::Locked));
        assert_eq!(error.code(), ErrorCode::VaultLocked);
    }
    assert!(sample.reopen().is_ok());
}

#[test]
fn a2_slots_are_added_and_taken_away_and_one_is_left() {
    let sample = Sample::new();
    let (other, key_file) = (
        secret("other passphrase"),
        sample.directory.path().join("key"),
    );
    create_key_file(&key_file, &TestEntropy::new()).expect("creates");
    assert!(matches!(
        create_key_file(&key_file, &TestEntropy::new()),
        Err(VaultError::Exists)
    ));
    let second = sample
        .vault
        .add_slot(Unlock::Passphrase(&other), cheap())
        .expect("adds");
    assert!(!sample.vault.keys_readable_by_account().expect("knows"));
    let third = sample
        .vault
        .add_slot(Unlock::KeyFile(&key_file), cheap())
        .expect("adds");
    assert!(sample.vault.keys_readable_by_account().expect("knows"));
    let kinds = [
        (1, SlotKind::Passphrase),
        (second, SlotKind::Passphrase),
        (third, SlotKind::KeyFile),
    ];
    assert_eq!(Vault::inspect(&sample.path()).expect("reads").slots, kinds);
    assert!(sample.reopen_with(Unlock::Passphrase(&other)).is_ok());
    assert!(sample.reopen_with(Unlock::KeyFile(&key_file)).is_ok());

    sample.vault.remove_slot(1).expect("removes");
    assert!(matches!(sample.reopen(), Err(VaultError::Locked)));
    sample.vault.remove_slot(second).expect("removes");
    assert!(
        matches!(
            sample.vault.remove_slot(third),
            Err(VaultError::UnknownSlot)
        ),
        "the last one"
    );
    assert!(matches!(
        sample.vault.remove_slot(99),
        Err(VaultError::UnknownSlot)
    ));
    assert_eq!(
        sample
            .vault
            .add_slot(Unlock::Passphrase(&other), cheap())
            .expect("adds"),
        third + 1
    );
}

#[test]
fn a2_a_key_file_must_be_private_and_long_enough() {
    let sample = Sample::new();
    let path = sample.directory.path().join("key");
    create_key_file(&path, &TestEntropy::new()).expect("creates");
    sample
        .vault
        .add_slot(Unlock::KeyFile(&path), cheap())
        .expect("adds");
    let open = || sample.reopen_with(Unlock::KeyFile(&path)).map(drop);
    open().expect("opens");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("sets");
    assert!(matches!(open(), Err(VaultError::NotPrivate)));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("sets");
    std::fs::write(&path, b"short").expect("writes");
    assert!(matches!(open(), Err(VaultError::Locked)));
    std::fs::write(&path, [b'x'; 64]).expect("writes");
    assert!(matches!(open(), Err(VaultError::Locked)), "another key");
    std::fs::remove_file(&path).expect("removes");
    std::os::unix::fs::symlink(sample.path(), &path).expect("links");
    assert!(matches!(open(), Err(VaultError::NotPrivate)));
}

#[test]
fn a2_the_file_is_private_or_it_is_not_opened() {
    let sample = Sample::new();
    let mode = || {
        std::fs::metadata(sample.path())
            .expect("meta")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(), 0o600);
    for open in [0o604, 0o640, 0o700 | 0o010] {
        std::fs::set_permissions(sample.path(), std::fs::Permissions::from_mode(open))
            .expect("sets");
        assert!(
            matches!(sample.reopen(), Err(VaultError::NotPrivate)),
            "{open:o}"
        );
        assert!(matches!(
            Vault::inspect(&sample.path()),
            Err(VaultError::NotPrivate)
        ));
    }
    std::fs::set_permissions(sample.path(), std::fs::Permissions::from_mode(0o600)).expect("sets");
    let second_name = sample.directory.path().join("copy");
    std::fs::hard_link(sample.path(), &second_name).expect("links");
    assert!(
        matches!(sample.reopen(), Err(VaultError::NotPrivate)),
        "two names"
    );
    std::fs::remove_file(sample.path()).expect("removes");
    std::os::unix::fs::symlink(&second_name, sample.path()).expect("links");
    assert!(
        matches!(sample.reopen(), Err(VaultError::NotPrivate)),
        "a link"
    );
}

#[test]
fn a2_a_vault_is_never_made_over_another_nor_under_a_weak_passphrase() {
    let sample = Sample::new();
    let before = sample.bytes();
    let (unlock, approve) = (secret(UNLOCK), secret(APPROVE));
    let create = |unlock: &Secret, approval: ApprovalFactor<'_>, name: &str| {
        let new = NewVault {
            unlock: Unlock::Passphrase(unlock),
            approval,
            kdf: cheap(),
        };
        let path = sample.directory.path().join(name);
        Vault::create(
            &path,
            new,
            Arc::new(TestClock::default()),
            Arc::new(TestEntropy::new()),
        )
        .map(drop)
    };
    let a1 = ApprovalFactor::Passphrase(&approve);
    assert!(matches!(
        create(&unlock, a1, "vault.hskv"),
        Err(VaultError::Exists)
    ));
    assert_eq!(sample.bytes(), before);
    for weak in ["", "short", "aaaaaaaaaaaa", "abababababab"] {
        let weak = secret(weak);
        assert!(matches!(
            create(&weak, a1, "new"),
            Err(VaultError::WeakPassphrase)
        ));
        let approval = ApprovalFactor::Passphrase(&weak);
        assert!(matches!(
            create(&unlock, approval, "new"),
            Err(VaultError::WeakPassphrase)
        ));
    }
    assert!(create(&unlock, a1, "missing/new").is_err());
    create(&unlock, a1, "new").expect("creates");
}

#[test]
fn a2_key_derivation_is_bounded() {
    for (memory, passes, lanes) in [
        (0, 1, 1),
        (8, 0, 1),
        (8, 1, 0),
        (1 << 21, 1, 1),
        (64, 17, 1),
        (64, 1, 5),
    ] {
        assert!(matches!(
            KdfParams::new(memory, passes, lanes),
            Err(VaultError::InvalidKdf)
        ));
    }
    assert_eq!(
        KdfParams::new(64 * 1024, 3, 1).expect("standard"),
        KdfParams::STANDARD
    );
}
