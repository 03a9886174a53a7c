//! Putting, listing, rotating and removing; and what of it shows on disk and in words.

use std::sync::Arc;

use base64::Engine as _;
use handshake_core::ports::{SecretError, SecretStore, SecretUse};
use handshake_vault::{Places, Vault, VaultError, VaultSecrets};

use crate::sample::{APPROVE, Sample, UNLOCK, origin, secret};

const VALUE: &str = "sk-live-PLANTED-canary-0123456789abcdef";

pub(crate) fn store(sample: &Sample) -> VaultSecrets {
    let home = sample.directory.path().canonicalize().expect("a path");
    let places = Places {
        home,
        credentials_directory: None,
    };
    VaultSecrets::new(sample.vault.clone(), Arc::new(|_: &str| None), places)
}

fn wanted(reference: &str, to: &str) -> SecretUse {
    SecretUse {
        secret_ref: reference.parse().expect("a reference"),
        origin: origin(to),
    }
}

#[test]
fn a2_a_secret_is_given_to_its_origin_only_and_survives_reopening() {
    let sample = Sample::new();
    let info = sample
        .vault
        .put_secret("main", origin("https://api.example.org"), &secret(VALUE))
        .expect("puts");
    assert_eq!(
        (info.version, info.origin.as_str()),
        (1, "https://api.example.org")
    );
    let store = store(&sample);
    let value = store
        .fetch(&wanted("vault:main", "https://api.example.org"))
        .expect("fetches");
    assert_eq!(value.expose_secret(), VALUE.as_bytes());
    for other in [
        "https://api.example.org:8443",
        "https://evil.example.net",
        "http://localhost:1",
    ] {
        assert_eq!(
            store
                .fetch(&wanted("vault:main", other))
                .expect_err("refused"),
            SecretError::Unbound
        );
        assert_eq!(
            store.check(&wanted("vault:main", other)),
            Err(SecretError::Unbound)
        );
    }
    let missing = store.fetch(&wanted("vault:other", "https://api.example.org"));
    assert_eq!(missing.expect_err("refused"), SecretError::Missing);
    let again = sample.reopen().expect("opens");
    assert_eq!(
        again.needles().expect("needles")[0].1.expose_secret(),
        VALUE.as_bytes()
    );
}

#[test]
fn a2_rotating_keeps_the_origin_and_putting_replaces_it() {
    let sample = Sample::new();
    let at = || origin("https://api.example.org");
    sample
        .vault
        .put_secret("main", at(), &secret(VALUE))
        .expect("puts");
    sample.clock.advance(5);
    let rotated = sample
        .vault
        .rotate("main", &secret("another-value-1"))
        .expect("rotates");
    assert_eq!((rotated.version, &rotated.origin), (2, &at()));
    assert!(rotated.updated_at > rotated.created_at);
    let put = sample
        .vault
        .put_secret("main", origin("https://b.example.org"), &secret(VALUE))
        .expect("puts");
    assert_eq!((put.version, put.created_at), (3, rotated.created_at));
    assert_eq!(sample.vault.list().expect("lists"), [put]);
    sample.vault.remove("main").expect("removes");
    assert!(sample.vault.list().expect("lists").is_empty());
    assert!(matches!(
        sample.vault.remove("main"),
        Err(VaultError::UnknownSecret)
    ));
    assert!(matches!(
        sample.vault.rotate("main", &secret(VALUE)),
        Err(VaultError::UnknownSecret)
    ));
}

#[test]
fn a2_names_and_values_that_could_break_out_are_refused() {
    let sample = Sample::new();
    let put = |name: &str, value: &str| {
        sample
            .vault
            .put_secret(name, origin("https://api.example.org"), &secret(value))
    };
    for name in ["", "a b", "../x", "ä", &"n".repeat(129)] {
        assert!(
            matches!(put(name, VALUE), Err(VaultError::InvalidName)),
            "{name}"
        );
    }
    for value in [
        "",
        "short",
        "with space here",
        "line\nbreak-in-it",
        "caf\u{e9}-caf\u{e9}",
        &"x".repeat(8193),
    ] {
        assert!(matches!(put("main", value), Err(VaultError::InvalidValue)));
    }
    assert!(sample.vault.list().expect("lists").is_empty());
}

#[test]
fn a2_the_file_holds_no_secret_in_any_encoding() {
    let sample = Sample::new();
    sample
        .vault
        .put_secret(
            "canary-name",
            origin("https://canary.example.org"),
            &secret(VALUE),
        )
        .expect("puts");
    sample
        .vault
        .rotate("canary-name", &secret(&format!("{VALUE}-2")))
        .expect("rotates");
    let bytes = sample.bytes();
    let finds = |needle: &[u8]| {
        bytes
            .windows(needle.len())
            .any(|window| window.eq_ignore_ascii_case(needle))
    };
    assert!(
        finds(b"approval"),
        "the header is readable, so the search works"
    );
    for canary in [VALUE, UNLOCK, APPROVE, "canary-name", "canary.example.org"] {
        assert!(!finds(canary.as_bytes()), "raw");
        assert!(!finds(&canary.as_bytes()[..8]), "a part");
        let hex: String = canary.bytes().map(|b| format!("{b:02x}")).collect();
        assert!(!finds(hex.as_bytes()), "hex");
        for shift in 0..3 {
            let padded = [&b"xxx"[..shift], canary.as_bytes()].concat();
            let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(padded);
            // The first and last characters mix with what is around.
            assert!(!finds(&text.as_bytes()[4..text.len() - 2]), "base64");
        }
    }
    let others: Vec<_> = std::fs::read_dir(sample.directory.path())
        .expect("reads")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name != "vault.hskv")
        .collect();
    assert_eq!(others, ["vault.hskv.lock"], "nothing half-written is left");
}

#[test]
fn a2_debug_and_errors_hold_no_secret() {
    let sample = Sample::new();
    sample
        .vault
        .put_secret("main", origin("https://api.example.org"), &secret(VALUE))
        .expect("puts");
    let wrong = sample
        .reopen_with(handshake_vault::Unlock::Passphrase(&secret(
            "PLANTED wrong passphrase",
        )))
        .expect_err("refused");
    let invalid = sample.vault.put_secret(
        "PLANTED name",
        origin("https://api.example.org"),
        &secret(VALUE),
    );
    let words = format!(
        "{:?} {:?} {wrong} {wrong:?} {:?} {:?}",
        sample.vault,
        store(&sample),
        invalid.expect_err("refused"),
        sample.vault.needles().expect("needles"),
    );
    assert!(!words.contains("PLANTED"), "{words}");
}

#[test]
fn a2_two_writers_lose_nothing_of_each_other() {
    let sample = Sample::new();
    let others: Vec<Vault> = (0..4).map(|_| sample.reopen().expect("opens")).collect();
    std::thread::scope(|scope| {
        for (writer, vault) in others.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..8 {
                    let name = format!("w{writer}-{n}");
                    vault
                        .put_secret(&name, origin("https://api.example.org"), &secret(VALUE))
                        .expect("puts");
                }
            });
        }
    });
    assert_eq!(
        sample.vault.list().expect("lists").len(),
        32,
        "the first process sees all of it"
    );
}

#[test]
fn a2_a_removed_secret_is_gone_for_a_process_that_runs() {
    let sample = Sample::new();
    sample
        .vault
        .put_secret("main", origin("https://api.example.org"), &secret(VALUE))
        .expect("puts");
    let store = store(&sample);
    sample
        .reopen()
        .expect("opens")
        .remove("main")
        .expect("removes");
    let error = store
        .fetch(&wanted("vault:main", "https://api.example.org"))
        .expect_err("gone");
    assert_eq!(error, SecretError::Missing);
}
