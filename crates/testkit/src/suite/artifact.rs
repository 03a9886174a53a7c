//! Promises of [`ArtifactStore`].

use bytes::Bytes;
use handshake_core::{
    digest::Digest,
    ids::ArtifactRef,
    label::{Label, Sensitivity},
    ports::ArtifactStore,
};

const LOW: Label = Label {
    sensitivity: Sensitivity::Low,
    exportable: true,
};
const HIGH: Label = Label {
    sensitivity: Sensitivity::High,
    exportable: false,
};

/// What was stored is what comes back: bytes, hash, size, label and members.
///
/// # Panics
/// When it is not.
pub async fn round_trip(store: &dyn ArtifactStore) {
    let member = store
        .put(Bytes::from_static(b"row 1"), Some(LOW), Vec::new())
        .await
        .expect("put");
    let content = Bytes::from_static(b"a bundle of one row\0with a NUL");
    let meta = store
        .put(content.clone(), Some(HIGH), vec![member.artifact.clone()])
        .await
        .expect("put");
    assert_eq!(
        meta.content_hash,
        Digest::of(&[&content]),
        "the hash is of the bytes"
    );
    assert_eq!(meta.bytes, content.len() as u64, "the size is of the bytes");
    assert_eq!(meta.label, Some(HIGH), "the label is the one given");
    assert_eq!(
        meta.members,
        vec![member.artifact],
        "the members are those given"
    );
    assert_eq!(
        store.meta(&meta.artifact).await.expect("meta"),
        Some(meta.clone())
    );
    let stored = store
        .get(&meta.artifact)
        .await
        .expect("get")
        .expect("it is there");
    assert_eq!(stored.meta, meta);
    assert_eq!(stored.content, content);
}

/// The empty artefact is an artefact.
///
/// # Panics
/// When it is not.
pub async fn empty_content_is_content(store: &dyn ArtifactStore) {
    let meta = store
        .put(Bytes::new(), Some(LOW), Vec::new())
        .await
        .expect("put");
    let stored = store
        .get(&meta.artifact)
        .await
        .expect("get")
        .expect("it is there");
    assert_eq!((stored.meta.bytes, stored.content.len()), (0, 0));
}

/// A reference names content, label and members: what differs in one of them has another reference, so no
/// label can be changed under a reference that is still held.
///
/// # Panics
/// When two different artefacts share a reference, or two equal ones do not.
pub async fn a_reference_names_content_label_and_members(store: &dyn ArtifactStore) {
    let put = async |content: &'static [u8], label, members| {
        store
            .put(Bytes::from_static(content), label, members)
            .await
            .expect("put")
            .artifact
    };
    let one = put(b"same", Some(HIGH), Vec::new()).await;
    assert!(one.as_str().starts_with("sha256:"), "{one}");
    assert_eq!(
        one,
        put(b"same", Some(HIGH), Vec::new()).await,
        "the same again"
    );
    let others = [
        put(b"other", Some(HIGH), Vec::new()).await,
        put(b"same", Some(LOW), Vec::new()).await,
        put(b"same", None, Vec::new()).await,
        put(b"same", Some(HIGH), vec![one.clone()]).await,
    ];
    for other in others {
        assert_ne!(one, other, "another artefact has the same reference");
    }
    let meta = store.meta(&one).await.expect("meta").expect("it is there");
    assert_eq!(
        meta.label,
        Some(HIGH),
        "a later label replaced an earlier one"
    );
}

/// An absent label stays absent: `None` never becomes a label on the way.
///
/// # Panics
/// When it does.
pub async fn no_label_stays_none(store: &dyn ArtifactStore) {
    let meta = store
        .put(Bytes::from_static(b"unlabelled"), None, Vec::new())
        .await
        .expect("put");
    assert_eq!(
        store
            .meta(&meta.artifact)
            .await
            .expect("meta")
            .expect("there")
            .label,
        None
    );
}

/// What is not there is `None`, not an error and not an empty artefact.
///
/// # Panics
/// When it is something else.
pub async fn absent_is_none(store: &dyn ArtifactStore) {
    let name = Digest::of(&[b"nothing was ever stored under this"]);
    let absent = ArtifactRef::new(format!("sha256:{name}")).expect("a reference");
    assert_eq!(store.meta(&absent).await.expect("meta"), None);
    assert!(store.get(&absent).await.expect("get").is_none());
}
