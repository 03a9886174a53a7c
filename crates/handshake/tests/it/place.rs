//! Places of homes: what a program may do at one, without the command around it.

use std::fs;

use handshake_core::code::ErrorCode;
use handshake_llm::{
    Handshake,
    parts::{Given, Holder, Home, KdfParams, Making, Place, Wiring},
};
use tempfile::TempDir;

use super::world::{PASSPHRASE, secret};

fn cheap() -> KdfParams {
    KdfParams::new(1024, 1, 1).expect("cheap")
}

fn make(folder: &TempDir, name: &str, passphrase: Option<&str>) -> Home {
    let passphrase = passphrase.map(secret);
    let making = Making {
        approval: passphrase.as_ref(),
        recovery: false,
        kdf: cheap(),
        in_place_of: None,
    };
    let home = Home::make(&folder.path().join(name), &trust_dir(folder), &making);
    home.expect("made")
}

fn trust_dir(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("config")
}

fn place(folder: &TempDir, name: &str) -> Place {
    Place::at(&folder.path().join(name), &trust_dir(folder)).expect("readable")
}

/// Homes that this account does not know: their list is gone, and their keys are not.
fn forget(folder: &TempDir) {
    fs::remove_file(trust_dir(folder).join("homes.json")).expect("a list");
}

#[tokio::test]
async fn s04_a_home_that_is_claimed_is_not_wired_before_its_factor_was_given() {
    let folder = TempDir::new().expect("a folder");
    make(&folder, "home", Some(PASSPHRASE));
    forget(&folder);
    let home = folder.path().join("home");
    let opened = Home::open(&home, &trust_dir(&folder)).expect_err("not known");
    assert_eq!(opened.code, ErrorCode::HomeUntrusted);

    let claim = || {
        place(&folder, "home")
            .claim(None)
            .expect("its place is free")
    };
    let wired = Handshake::wire(claim(), Wiring::default(), None).await;
    assert_eq!(
        wired.expect_err("nothing was given").code,
        ErrorCode::HomeUntrusted
    );
    assert!(!home.join("handshake.db").exists(), "nothing was opened");
    let mut claimed = claim();
    let vault = claimed.vault(None).expect("opens");
    let word = claimed.shows_word(&vault).expect_err("it has a factor");
    assert_eq!(word.code, ErrorCode::FactorRequired);
    let wrong = secret("not the passphrase at all");
    let wrong = claimed.shows_factor(&vault, Given::Passphrase(&wrong));
    assert_eq!(wrong.expect_err("wrong").code, ErrorCode::FactorRequired);
    let wired = Handshake::wire(claimed, Wiring::default(), None).await;
    assert_eq!(wired.expect_err("still not").code, ErrorCode::HomeUntrusted);

    let mut claimed = claim();
    let right = secret(PASSPHRASE);
    claimed
        .shows_factor(&vault, Given::Passphrase(&right))
        .expect("right");
    assert!(
        !place(&folder, "home").is_trusted(),
        "not before it was opened"
    );
    Handshake::wire(claimed, Wiring::default(), None)
        .await
        .expect("wired");
    assert!(place(&folder, "home").is_trusted());
}

#[tokio::test]
async fn s04_a_word_counts_no_more_once_somebody_set_a_factor() {
    let folder = TempDir::new().expect("a folder");
    make(&folder, "home", None);
    forget(&folder);
    let mut claimed = place(&folder, "home").claim(None).expect("free");
    let vault = claimed.vault(None).expect("opens");
    claimed.shows_word(&vault).expect("nobody holds it");
    vault
        .set_factor(None, &secret(PASSPHRASE), cheap())
        .expect("set in between");
    let wired = Handshake::wire(claimed, Wiring::default(), None).await;
    assert_eq!(
        wired.expect_err("another key").code,
        ErrorCode::HomeUntrusted
    );
}

#[test]
fn rt_b03_a_handover_is_for_one_home_at_one_path() {
    let folder = TempDir::new().expect("a folder");
    for name in ["one", "two"] {
        make(&folder, name, Some(PASSPHRASE));
        fs::remove_dir_all(folder.path().join(name)).expect("removed");
        assert_eq!(place(&folder, name).holder(), Holder::Person);
    }
    let right = secret(PASSPHRASE);
    let one = place(&folder, "one").hand_over(Given::Passphrase(&right));
    let one = one.expect("the right passphrase");
    let make_at = |name: &str, handover| {
        let making = Making {
            approval: None,
            recovery: false,
            kdf: cheap(),
            in_place_of: handover,
        };
        Home::make(&folder.path().join(name), &trust_dir(&folder), &making).map(drop)
    };
    for (name, handover) in [("two", Some(one.clone())), ("one", None)] {
        let refused = make_at(name, handover).expect_err("no leave for this");
        assert_eq!(refused.code, ErrorCode::HomeUntrusted, "{name}");
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    make_at("one", Some(one.clone())).expect("given away");
    // Nobody holds what is there now, so it may go; the leave of before is not for it.
    fs::remove_dir_all(folder.path().join("one")).expect("removed");
    assert_eq!(place(&folder, "one").holder(), Holder::Nobody);
    make(&folder, "one", Some(PASSPHRASE));
    fs::remove_dir_all(folder.path().join("one")).expect("removed");
    let again = make_at("one", Some(one)).expect_err("another home is trusted there");
    assert_eq!(again.code, ErrorCode::HomeUntrusted);
}

#[test]
fn rt_b03_parallel_guesses_for_a_place_are_counted_one_by_one() {
    let folder = TempDir::new().expect("a folder");
    make(&folder, "home", Some(PASSPHRASE));
    fs::remove_dir_all(folder.path().join("home")).expect("removed");
    let tried = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let wrong = secret("not the passphrase at all");
                let refused = place(&folder, "home").hand_over(Given::Passphrase(&wrong));
                let refused = refused.expect_err("wrong");
                assert_eq!(refused.code, ErrorCode::FactorRequired);
                if !refused.message.contains("too many") {
                    tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(tried.into_inner(), 5);
}

#[test]
fn s33_a_home_that_was_displaced_comes_back_in_a_later_run() {
    let folder = TempDir::new().expect("a folder");
    let first = make(&folder, "home", Some(PASSPHRASE));
    fs::rename(folder.path().join("home"), folder.path().join("old")).expect("moved");
    let right = secret(PASSPHRASE);
    let given = Given::Passphrase(&right);
    let handover = place(&folder, "home").hand_over(given).expect("given away");
    let making = Making {
        approval: None,
        recovery: false,
        kdf: cheap(),
        in_place_of: Some(handover),
    };
    let home = folder.path().join("home");
    Home::make(&home, &trust_dir(&folder), &making).expect("made");
    let back = place(&folder, "old")
        .claim(None)
        .expect("its place is free");
    assert_eq!(
        (back.install_id.clone(), back.run),
        (first.install_id.clone(), 2)
    );
}
