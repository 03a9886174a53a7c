//! Seals: what each says, and what it does not open.

use std::{collections::BTreeMap, sync::Mutex};

use ed25519_dalek::{Signer as _, SigningKey};

use super::*;
use crate::{
    attest::{PublicKey, signed_bytes},
    base_url::BaseUrl,
    digest::CommitmentKey,
    ids::{ProviderId, Token},
    ports::{SealError, SealRegister},
    provider::{ProviderDraft, ProviderRecord},
    secret::SecretRef,
    tier::{ModelTier, Reach},
};
use std::sync::Arc;

#[derive(Default)]
struct Register(Mutex<BTreeMap<String, Digest>>);

impl SealRegister for Register {
    fn is_in_force(&self, statement: &Statement) -> Result<bool, SealError> {
        let known = self.0.lock().expect("lock");
        let known = known.get(&statement.subject()).copied();
        Ok(known == statement.digest().ok())
    }

    fn knows(&self, subject: &str) -> Result<bool, SealError> {
        Ok(self.0.lock().expect("lock").contains_key(subject))
    }

    fn change(&self, enter: &[Statement], strike: &[String]) -> Result<(), SealError> {
        let mut known = self.0.lock().expect("lock");
        known.retain(|subject, _| !strike.contains(subject));
        for statement in enter {
            let digest = statement.digest().map_err(|_| SealError::Damaged)?;
            known.insert(statement.subject(), digest);
        }
        Ok(())
    }
}

struct World {
    register: Arc<Register>,
    person: SigningKey,
}

impl World {
    fn new() -> Self {
        let person = SigningKey::from_bytes(&[7; 32]);
        Self {
            register: Arc::default(),
            person,
        }
    }

    fn keys(&self, has_factor: bool) -> SealKeys {
        let public = PublicKey::from_bytes(&self.person.verifying_key().to_bytes());
        SealKeys::new(
            CommitmentKey::new([3; 32]).expect("a key"),
            has_factor.then(|| public.expect("a key")),
            Arc::clone(&self.register) as _,
        )
    }

    /// What a person signs, entered as the present one.
    fn sign(&self, thing: &dyn Sealable, at: i64) -> Seal {
        let made_at = UtcTime::from_unix_millis(at);
        let statement = thing.statement(made_at).expect("a statement");
        let message = statement.bytes().expect("canonical");
        let signature = self.person.sign(&signed_bytes(SEAL_DOMAIN, &message));
        self.register.change(&[statement], &[]).expect("entered");
        Seal {
            made_at,
            proof: Proof::Signature(signature.to_bytes()),
        }
    }
}

fn record(id: &str, url: &str, reach: Reach, secret: bool) -> ProviderRecord {
    let draft = ProviderDraft {
        provider_id: ProviderId::new(id).expect("an id"),
        provider_kind: Token::new("simulated").expect("a kind"),
        tier: None,
        base_url: BaseUrl::parse(url).expect("a URL"),
        reach,
        dialect: None,
        default_model: None,
        secret_ref: secret.then(|| SecretRef::Vault("key".to_owned())),
    };
    draft.into_record(now()).expect("a record")
}

fn now() -> UtcTime {
    UtcTime::from_unix_millis(1_767_225_600_000)
}

const HERE: &str = "http://127.0.0.1:4000";
const FAR: &str = "https://api.example.com";

#[test]
fn s08_what_stays_on_this_machine_needs_no_person_and_the_rest_does() {
    let here = record("here", HERE, Reach::Direct, false);
    let with_secret = record("here", HERE, Reach::Direct, true);
    let relay = record("relay", HERE, Reach::Relay, false);
    let far = record("far", FAR, Reach::Direct, false);
    let model = EnabledModel::new(&"far/m".parse().expect("a model"), 1);
    let table: [(&dyn Sealable, Needs, Needs); 6] = [
        (&here, Needs::Mac, Needs::Mac),
        (&with_secret, Needs::Signature, Needs::Mac),
        (&relay, Needs::Signature, Needs::Signature),
        (&far, Needs::Signature, Needs::Signature),
        (&model, Needs::Signature, Needs::Signature),
        (&ContactGrant::of(&far), Needs::Signature, Needs::Signature),
    ];
    let world = World::new();
    for (thing, with_factor, without) in table {
        for (has_factor, needs) in [(true, with_factor), (false, without)] {
            assert_eq!(thing.needs(has_factor), needs);
            let keys = world.keys(has_factor);
            let made = keys.seal(thing, now()).expect("canonical");
            assert_eq!(made.is_some(), needs == Needs::Mac);
            if let Some(seal) = made {
                assert_eq!(keys.check(thing, Some(&seal)), Ok(()));
            }
            assert_eq!(keys.check(thing, None), Err(BadSeal::Missing));
        }
    }
}

#[test]
fn rt_b04_a_seal_is_for_one_record_as_it_stood() {
    let world = World::new();
    let keys = world.keys(true);
    let relay = record("relay", HERE, Reach::Relay, false);
    let seal = world.sign(&relay, 1);
    assert_eq!(keys.check(&relay, Some(&seal)), Ok(()));
    let turned_local = ProviderRecord {
        tier: ModelTier::Local,
        reach: Reach::Direct,
        ..relay.clone()
    };
    let renamed = ProviderRecord {
        provider_id: ProviderId::new("other").expect("an id"),
        ..relay.clone()
    };
    let later = ProviderRecord {
        revision: 2,
        ..relay.clone()
    };
    let moved = record("relay", "http://127.0.0.1:4001", Reach::Relay, false);
    for forged in [turned_local, renamed, later, moved] {
        assert_eq!(keys.check(&forged, Some(&seal)), Err(BadSeal::Forged));
    }
    let earlier = Seal {
        made_at: UtcTime::from_unix_millis(0),
        ..seal
    };
    assert_eq!(keys.check(&relay, Some(&earlier)), Err(BadSeal::Forged));
    assert_eq!(
        world.keys(false).check(&relay, Some(&seal)),
        Err(BadSeal::Forged),
        "where nobody holds the key nobody has signed"
    );
}

#[test]
fn rt_b04_the_key_of_the_vault_is_no_persons_word() {
    let world = World::new();
    let keys = world.keys(true);
    let far = record("far", FAR, Reach::Direct, false);
    let statement = far.statement(now()).expect("a statement");
    let key = CommitmentKey::new([3; 32]).expect("a key");
    let mac = key.commit(SEAL_DOMAIN, &[&statement.bytes().expect("canonical")]);
    let seal = Seal {
        made_at: now(),
        proof: Proof::Mac(mac),
    };
    assert_eq!(keys.check(&far, Some(&seal)), Err(BadSeal::Forged));
    let here = record("here", HERE, Reach::Direct, false);
    let own = keys.seal(&here, now()).expect("canonical").expect("a seal");
    let other = SealKeys::new(
        CommitmentKey::new([4; 32]).expect("a key"),
        None,
        Arc::clone(&world.register) as _,
    );
    assert_eq!(other.check(&here, Some(&own)), Err(BadSeal::Forged));
}

#[test]
fn rt_b04_what_was_signed_and_replaced_or_taken_back_does_not_come_back() {
    let world = World::new();
    let keys = world.keys(true);
    let first = record("far", FAR, Reach::Direct, false);
    let old = world.sign(&first, 1);
    let second = ProviderRecord {
        revision: 2,
        ..first.clone()
    };
    let new = world.sign(&second, 2);
    assert_eq!(keys.check(&second, Some(&new)), Ok(()));
    assert_eq!(keys.check(&first, Some(&old)), Err(BadSeal::Superseded));
    world.register.0.lock().expect("lock").clear();
    assert_eq!(keys.check(&second, Some(&new)), Err(BadSeal::Superseded));
}

#[test]
fn rt_b04_evidence_is_judged_once_and_for_that_record_only() {
    let world = World::new();
    let keys = world.keys(true);
    let relay = Arc::new(record("relay", HERE, Reach::Relay, false));
    let evidence = Evidence::new(Some(world.sign(&*relay, 1)), 1);
    assert_eq!(evidence.judge(&relay, &keys), Ok(()));
    let turned = Arc::new(ProviderRecord {
        tier: ModelTier::Local,
        reach: Reach::Direct,
        ..(*relay).clone()
    });
    assert_eq!(evidence.judge(&turned, &keys), Err(BadSeal::Forged));
    assert_eq!(evidence.judge(&relay, &keys), Ok(()));
    let edited = Arc::new(ProviderRecord {
        revision: 2,
        ..(*relay).clone()
    });
    assert_eq!(evidence.judge(&edited, &keys), Err(BadSeal::Outdated));
    let none = Evidence::new(None, 1);
    assert_eq!(none.judge(&relay, &keys), Err(BadSeal::Missing));
}

#[test]
fn seals_are_read_as_they_are_written_and_nothing_else_is_one() {
    let world = World::new();
    let here = record("here", HERE, Reach::Direct, false);
    let keyed = world.keys(true).seal(&here, now());
    for seal in [
        keyed.expect("canonical").expect("a seal"),
        world.sign(&here, -5),
    ] {
        let bytes = seal.to_bytes();
        assert_eq!(Seal::from_bytes(&bytes), Some(seal));
        for wrong in [&bytes[1..], &bytes[..bytes.len() - 1], &[], &[9; 41]] {
            assert_eq!(Seal::from_bytes(wrong), None);
        }
    }
}
