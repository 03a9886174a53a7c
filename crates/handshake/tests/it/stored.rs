//! S28: text of stored content that may not leave takes its label, wherever it is pasted.

use handshake_core::{
    code::ErrorCode,
    event::Body,
    label::{Label, Sensitivity},
    ports::ArtifactStore,
};
use handshake_llm::{Handshake, TurnEvent};

use super::world::{MODEL, PASSPHRASE, World};

const TEXT: &str = "The quarterly figures of the northern branch, before they are announced: revenue 4,217,003; costs \
    3,998,112; and nine people will be let go in the second week of March.";

fn label(sensitivity: Sensitivity, exportable: bool) -> Option<Label> {
    Some(Label {
        sensitivity,
        exportable,
    })
}

/// The code of a refusal; none where a person is asked.
async fn came(handshake: &Handshake, text: &str) -> Option<ErrorCode> {
    let request = handshake.ask(MODEL, text).expect("a request");
    let mut call = handshake.chat(request);
    loop {
        match call.next().await.expect("an event") {
            Ok(TurnEvent::AwaitingConsent { .. }) => return None,
            Ok(_) => {}
            Err(error) => return Some(error.code),
        }
    }
}

async fn put(handshake: &Handshake, text: &str, label: Option<Label>) {
    let store = &handshake.parts().store;
    let stored = store.put(text.to_owned().into(), label, Vec::new()).await;
    stored.expect("stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_s28_a15_s28_text_of_stored_content_that_may_not_leave_does_not() {
    let world = World::new(Some(PASSPHRASE)).await;
    let handshake = &world.handshake;
    assert_eq!(
        came(handshake, TEXT).await,
        None,
        "nobody said anything of it"
    );
    put(handshake, TEXT, label(Sensitivity::Low, true)).await;
    put(handshake, "short", label(Sensitivity::High, false)).await;
    assert_eq!(came(handshake, TEXT).await, None, "it may leave");
    for (n, label) in [
        None,
        label(Sensitivity::High, true),
        label(Sensitivity::Low, false),
        label(Sensitivity::Unknown, true),
    ]
    .into_iter()
    .enumerate()
    {
        let text = TEXT.replace(
            "northern",
            &format!("{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}{n}"),
        );
        let inside =
            "branch, before they are announced: revenue 4,217,003; costs 3,998,112; and nine";
        let text = text.replace(inside, &inside.replace(' ', &format!(" {n}")));
        put(handshake, &text, label).await;
        let pasted = format!(
            "Please look at this:\n> {}",
            text.to_uppercase().replace("; ", ";\n> ")
        );
        assert_eq!(
            came(handshake, &pasted).await,
            Some(ErrorCode::LeakageBlocked),
            "{label:?}"
        );
    }
    let few = "The quarterly figures of the northern branch";
    assert_eq!(came(handshake, few).await, None, "a few words of it");
    handshake.finish().await.expect("written");
    let events = handshake.parts().store.log_tail(500).await.expect("read");
    let blocked = events
        .iter()
        .filter(|it| matches!(it.event.body, Body::LeakageBlocked { .. }));
    assert_eq!(blocked.count(), 4);
    let log = format!("{events:?}");
    assert!(!log.contains("announced"), "not a word of it");
    assert_eq!(
        (world.cloud.connections(), world.cloud.bytes_received()),
        (0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_s28_what_another_process_stored_counts_and_counts_after_a_restart() {
    let world = World::new(Some(PASSPHRASE)).await;
    assert_eq!(came(&world.handshake, TEXT).await, None);
    let other = world.opened_again().await;
    put(&other, TEXT, label(Sensitivity::High, false)).await;
    for handshake in [&world.handshake, &other] {
        assert_eq!(came(handshake, TEXT).await, Some(ErrorCode::LeakageBlocked));
    }
    drop(other);
    let again = world.opened_again().await;
    assert_eq!(came(&again, TEXT).await, Some(ErrorCode::LeakageBlocked));
    assert_eq!(
        (world.cloud.connections(), world.cloud.bytes_received()),
        (0, 0)
    );
}
