//! B9: what may be in force is what the vault says that it was, and what a person confirmed.

use handshake_core::{
    code::ErrorCode,
    event::{Body, EgressCode},
    ports::Signer,
};
use handshake_llm::{
    Handshake,
    parts::{
        Rules,
        runtime::{CallOptions, ConsentMode},
    },
};
use handshake_vault::{ConfirmedPolicy, KeptPolicy};
use serde_json::{Value, json};

use super::world::{MODEL, PASSPHRASE, World, secret};

fn wide() -> Rules {
    Rules {
        max_body_bytes: 99_999_999,
        ..Rules::default()
    }
}

fn write(handshake: &Handshake, name: &str, text: &str) {
    let path = handshake.parts().home.path.join(name);
    std::fs::write(path, text).expect("written");
}

/// `policy.confirmed.json`, as an earlier version signed and wrote it.
fn confirmed(handshake: &Handshake, rules: &Rules) -> Value {
    let (signer, factor) = (handshake.parts().signer(), secret(PASSPHRASE));
    let digest = rules.digest();
    let signature = signer.sign("hsk.policy.v1", digest.as_bytes(), Some(&factor));
    let signature: String = signature
        .expect("signed")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({ "rules": rules, "signature": signature })
}

/// As a version left it that kept nothing in the vault.
fn forget(handshake: &Handshake) {
    let kept = handshake.parts().vault.keep_policy(|kept| *kept = None);
    kept.expect("written");
}

fn keep(handshake: &Handshake, change: impl FnOnce(&mut KeptPolicy)) {
    let vault = &handshake.parts().vault;
    let kept = vault.keep_policy(|kept| change(kept.as_mut().expect("begun")));
    kept.expect("written");
}

/// What a call comes to that nobody waits for.
async fn asked(handshake: &Handshake) -> ErrorCode {
    let request = handshake.ask(MODEL, "6 x 7?").expect("a request");
    let options = CallOptions {
        consent: ConsentMode::AnswerAtOnce,
        ..CallOptions::default()
    };
    let mut call = handshake.runtime().chat(request, options);
    loop {
        if let Err(error) = call.next().await.expect("an end") {
            return error.code;
        }
    }
}

async fn bodies(handshake: &Handshake) -> Vec<Body> {
    handshake.finish().await.expect("written");
    let events = handshake.parts().store.log_tail(100).await.expect("read");
    events.into_iter().map(|it| it.event.body).collect()
}

fn refused_widenings(bodies: &[Body]) -> usize {
    let denied = Body::GateDenied {
        step: EgressCode::Governance,
        code: ErrorCode::FactorRequired,
        count: None,
    };
    bodies.iter().filter(|body| **body == denied).count()
}

fn alarm() -> Body {
    Body::IntegrityAlarm {
        code: ErrorCode::HomeUntrusted,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b09_what_an_earlier_version_confirmed_is_taken_over_once() {
    let world = World::new(Some(PASSPHRASE)).await;
    let handshake = &world.handshake;
    let file = confirmed(handshake, &wide()).to_string();
    write(handshake, "policy.confirmed.json", &file);
    write(handshake, "policy.toml", "max_body_bytes = 99999999\n");
    forget(handshake);
    let again = world.opened_again().await;
    assert_eq!(again.parts().policy.rules(), wide());
    let gone = again.parts().home.path.join("policy.confirmed.json");
    assert!(!gone.exists(), "it counts for nothing any more");

    // Rules that a person confirmed once, put back: no second time.
    write(handshake, "policy.toml", "max_body_bytes = 5\n");
    let narrowed = world.opened_again().await.parts().policy.rules();
    assert_eq!(narrowed.max_body_bytes, 5);
    let before = refused_widenings(&bodies(handshake).await);
    write(handshake, "policy.confirmed.json", &file);
    write(handshake, "policy.toml", "max_body_bytes = 99999999\n");
    for _ in 0..2 {
        let after = world.opened_again().await;
        assert_eq!(after.parts().policy.rules(), narrowed);
        let said = bodies(&after).await;
        assert_eq!(refused_widenings(&said), before + 1, "said once");
        assert!(!said.contains(&alarm()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b09_a_confirmation_that_was_edited_locks_until_a_person_confirms() {
    let world = World::new(Some(PASSPHRASE)).await;
    let handshake = &world.handshake;
    let mut file = confirmed(handshake, &Rules::default());
    file["rules"]["max_body_bytes"] = json!(99_999_999);
    write(handshake, "policy.confirmed.json", &file.to_string());
    write(handshake, "policy.toml", "max_body_bytes = 99999999\n");
    forget(handshake);
    let again = world.opened_again().await;
    let rules = again.parts().policy.rules();
    assert!(rules.locked);
    assert_eq!(rules.max_body_bytes, Rules::default().max_body_bytes);
    assert_eq!(asked(&again).await, ErrorCode::GovernanceLocked);
    assert_eq!(world.cloud.connections(), 0);

    let parts = again.parts();
    let written = parts.policy.written().expect("reads");
    assert!(written.unconfirmed);
    let factor = secret(PASSPHRASE);
    let approval = parts.vault.approve(Some(&factor)).expect("the passphrase");
    let confirming = parts.confirm_policy(&written.written, &approval);
    confirming.await.expect("confirmed");
    assert_eq!(parts.policy.rules(), wide());
    assert_eq!(asked(&again).await, ErrorCode::CloudConsentRequired);
    // In the process that was open before, too.
    assert_eq!(asked(handshake).await, ErrorCode::CloudConsentRequired);
    assert_eq!(handshake.parts().policy.rules(), wide());
    assert_eq!(world.cloud.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b09_a_vault_that_cannot_say_what_was_in_force_never_opens_wider() {
    type Damage = fn(&mut KeptPolicy);
    let damages: [Damage; 4] = [
        |kept| kept.in_force = Some(json!({ "locked": "perhaps" })),
        |kept| kept.in_force = Some(json!({ "a_field_of_a_later_version": 1 })),
        |kept| {
            let rules = serde_json::to_value(wide()).expect("plain");
            kept.confirmed = Some(ConfirmedPolicy::new(rules, vec![0; 73]));
        },
        |kept| {
            let rules = serde_json::to_value(wide()).expect("plain");
            kept.confirmed = Some(ConfirmedPolicy::new(rules, vec![0; 64]));
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let world = World::new(Some(PASSPHRASE)).await;
        let handshake = &world.handshake;
        write(handshake, "policy.toml", "max_body_bytes = 99999999\n");
        assert_eq!(asked(handshake).await, ErrorCode::CloudConsentRequired);
        keep(handshake, damage);
        // Where it runs, and where it is opened.
        assert_eq!(asked(handshake).await, ErrorCode::GovernanceLocked);
        let again = world.opened_again().await;
        assert_eq!(asked(&again).await, ErrorCode::GovernanceLocked, "{number}");
        let rules = again.parts().policy.rules();
        assert!(rules.locked && rules.max_body_bytes <= Rules::default().max_body_bytes);
        assert!(bodies(&again).await.contains(&alarm()), "{number}");
        assert_eq!(world.cloud.connections(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b09_a_person_confirms_what_they_were_shown_and_not_what_stands_there_by_then() {
    let world = World::new(Some(PASSPHRASE)).await;
    let parts = world.handshake.parts();
    write(
        &world.handshake,
        "policy.toml",
        "max_body_bytes = 20000000\n",
    );
    let shown = parts.policy.written().expect("reads");
    write(
        &world.handshake,
        "policy.toml",
        "max_body_bytes = 99999999\n",
    );
    let factor = secret(PASSPHRASE);
    let approval = parts.vault.approve(Some(&factor)).expect("the passphrase");
    let confirming = parts.confirm_policy(&shown.written, &approval);
    confirming.await.expect("confirmed");
    assert_eq!(parts.policy.rules().max_body_bytes, 20_000_000);
    assert!(parts.policy.written().expect("reads").unconfirmed);
}
