//! A rendered call, and the facts that follow from its bytes: each is made once, when it is first asked for, and
//! shared by everything that the call passes.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde_json::Value;

use super::{Adjustment, Envelope, Salt};
use crate::{
    consent::Outline,
    digest::{CommitmentKey, Digest, KeyedHash},
    ids::Principal,
    json::{NotStrict, read_strict},
    reply::ReplySpec,
};

/// What `prepare` makes: the envelope, and what the decoder must know.
///
/// # Contract
/// The envelope never changes: a fact that was made of it is a fact about the bytes that are sent. Another envelope is
/// another `Prepared`. Clones share the facts.
#[derive(Clone)]
pub struct Prepared {
    facts: Arc<Facts>,
    /// The decoder's side.
    pub reply: Arc<ReplySpec>,
    /// Parameters as they were asked for and as they are sent, where they differ. Names and numbers only.
    pub adjusted: Vec<Adjustment>,
}

struct Facts {
    envelope: Arc<Envelope>,
    manifest: OnceLock<Bytes>,
    json: OnceLock<Result<Value, NotStrict>>,
    /// By the key.
    body_commitment: By<KeyedHash, KeyedHash>,
    outline: By<KeyedHash, Option<Arc<Outline>>>,
    payload_sha256: By<Salt, Digest>,
    envelope_sha256: By<Salt, Digest>,
}

/// A fact by a key or a salt: kept for the first one that it was asked for by. Another one, which a home does not
/// have, gets its own, made anew.
struct By<K, V>(OnceLock<(K, V)>);

impl<K: PartialEq + Copy, V: Clone> By<K, V> {
    fn get(&self, by: K, make: impl Fn() -> V) -> V {
        let (kept, value) = self.0.get_or_init(|| (by, make()));
        if *kept == by { value.clone() } else { make() }
    }
}

impl<K, V> Default for By<K, V> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl Prepared {
    /// A rendered call.
    #[must_use]
    pub fn new(
        envelope: impl Into<Arc<Envelope>>,
        reply: impl Into<Arc<ReplySpec>>,
        adjusted: Vec<Adjustment>,
    ) -> Self {
        Self {
            facts: Arc::new(Facts {
                envelope: envelope.into(),
                manifest: OnceLock::new(),
                json: OnceLock::new(),
                body_commitment: By::default(),
                outline: By::default(),
                payload_sha256: By::default(),
                envelope_sha256: By::default(),
            }),
            reply: reply.into(),
            adjusted,
        }
    }

    /// The outgoing request.
    #[must_use]
    pub fn envelope(&self) -> &Arc<Envelope> {
        &self.facts.envelope
    }

    /// The same call with another envelope, about which nothing is known yet.
    #[must_use]
    pub fn edited(self, edit: impl FnOnce(&mut Envelope)) -> Self {
        let mut envelope = (**self.envelope()).clone();
        edit(&mut envelope);
        Self::new(envelope, self.reply, self.adjusted)
    }

    /// `m` of the envelope hash.
    #[must_use]
    pub fn manifest(&self) -> &Bytes {
        let envelope = &self.facts.envelope;
        self.facts.manifest.get_or_init(|| envelope.manifest())
    }

    /// The body as one strict JSON value.
    ///
    /// # Errors
    /// [`NotStrict`].
    pub fn json(&self) -> Result<&Value, NotStrict> {
        let json = self.facts.json.get_or_init(|| read_strict(self.body()));
        json.as_ref().map_err(|error| *error)
    }

    /// What the body holds, block by block; `None` where it is not one strict JSON object.
    #[must_use]
    pub fn outline(&self, key: &CommitmentKey) -> Option<Arc<Outline>> {
        self.facts.outline.get(*key.id(), || {
            let json = self.json().ok()?;
            Outline::of_json(json, self.body(), key).map(Arc::new)
        })
    }

    /// The commitment to the body: the one keyed pass over its bytes. What else is recorded or derived under the key
    /// ([`attempt_hash`](Self::attempt_hash), [`prompt_hash`](Self::prompt_hash), [`salt`](Self::salt)) is derived
    /// from this, each in a domain of its own. HMAC is a pseudo-random function: without the key, a value that
    /// is derived from the commitment tells no more about the body than one that is derived from the body, and two
    /// bodies share a derived value only where they share a commitment.
    #[must_use]
    pub fn body_commitment(&self, key: &CommitmentKey) -> KeyedHash {
        let make = || body_commitment(key, self.body());
        self.facts.body_commitment.get(*key.id(), make)
    }

    /// What the event of an attempt says about the envelope.
    #[must_use]
    pub fn attempt_hash(&self, key: &CommitmentKey) -> KeyedHash {
        attempt_hash(key, self.manifest(), &self.body_commitment(key))
    }

    /// What the event of an inference says about the prompt: the same body, the same hash, wherever it went.
    #[must_use]
    pub fn prompt_hash(&self, key: &CommitmentKey) -> KeyedHash {
        let body = self.body_commitment(key);
        key.commit("hsk.event.prompt.v2", &[body.digest().as_bytes()])
    }

    /// The salt of the published hashes. The same question of the same principal has the same salt and so the same
    /// hash: a yes is not lost when its asker comes back with the same request. It cannot be told from random bytes
    /// without the key, so nobody who sees a hash can try texts against it.
    #[must_use]
    pub fn salt(&self, key: &CommitmentKey, principal: &Principal) -> Salt {
        let body = self.body_commitment(key);
        let salt = key.commit(
            "hsk.salt.v2",
            &[
                principal.to_string().as_bytes(),
                self.manifest(),
                body.digest().as_bytes(),
            ],
        );
        Salt::new(*salt.digest().as_bytes())
    }

    /// `SHA-256(salt ‖ body)`.
    #[must_use]
    pub fn payload_sha256(&self, salt: &Salt) -> Digest {
        let make = || Digest::of(&[salt.as_bytes(), self.body()]);
        self.facts.payload_sha256.get(*salt, make)
    }

    /// `SHA-256("hsk.envelope.v1\0" ‖ salt ‖ u32be(len m) ‖ m ‖ body)`.
    #[must_use]
    pub fn envelope_sha256(&self, salt: &Salt) -> Digest {
        self.facts.envelope_sha256.get(*salt, || {
            let m = self.manifest();
            let len = u32::try_from(m.len()).unwrap_or(u32::MAX).to_be_bytes();
            Digest::of(&[b"hsk.envelope.v1\0", salt.as_bytes(), &len, m, self.body()])
        })
    }

    fn body(&self) -> &[u8] {
        &self.facts.envelope.body
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("envelope", self.envelope())
            .field("reply", &self.reply)
            .field("adjusted", &self.adjusted)
            .finish()
    }
}

pub(crate) fn body_commitment(key: &CommitmentKey, body: &[u8]) -> KeyedHash {
    key.commit("hsk.body.v1", &[body])
}

pub(crate) fn attempt_hash(key: &CommitmentKey, manifest: &[u8], body: &KeyedHash) -> KeyedHash {
    let body = body.digest().as_bytes();
    key.commit("hsk.event.envelope.v2", &[manifest, body])
}
