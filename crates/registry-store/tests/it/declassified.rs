//! Declassified findings in the database: a row is a place to keep a seal, and says nothing by itself. What blocked a call
//! lies there sealed.

use handshake_core::{
    digest::{CommitmentKey, KeyedHash},
    finding::FindingClass,
    ids::RuleId,
    ports::{BlockedFinding, Clock, FindingStore, ProviderStore, StoreError},
    provider::ProviderRecord,
    seal::{BadSeal, Declassified},
};

use crate::world::{World, principal, put, raw, record};

fn leaf(text: &str) -> KeyedHash {
    let key = CommitmentKey::new([7; 32]).expect("a key");
    key.commit("test", &[text.as_bytes()])
}

fn what(record: &ProviderRecord, text: &str) -> Declassified {
    let rule = RuleId::new("rule").expect("an id");
    Declassified::of(record, leaf(text), rule, FindingClass::Secret)
}

/// A home in which one text is declassified.
async fn world() -> (World, Declassified) {
    let world = World::new().await;
    let said = what(&record("cloud"), "one");
    let seal = world.fakes.person_seals(&said);
    let stored = world.store.declassify(&said, seal).await;
    stored.expect("stored");
    (world, said)
}

impl World {
    /// What a seal that stands there says of a text, as the gate asks.
    async fn says(&self, said: &Declassified) -> Option<Result<(), BadSeal>> {
        let of = Some((&said.provider_id, said.provider_revision));
        let rows = self.store.declassified(of).await.expect("reads");
        let row = rows
            .iter()
            .find(|row| row.leaf == said.leaf && row.rule == said.rule)?;
        Some(self.fakes.seals().check(said, row.seal.as_ref()))
    }

    fn edits(&self, sql: &str) {
        raw(self.home.path()).execute_batch(sql).expect(sql);
    }
}

fn hex(leaf: &KeyedHash) -> String {
    format!("x'{}'", leaf.digest())
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_what_a_person_declassified_is_good_after_a_restart() {
    let (world, said) = world().await;
    assert_eq!(world.says(&said).await, Some(Ok(())));
    let world = world.reopened(2);
    assert_eq!(world.says(&said).await, Some(Ok(())));
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b04_a_row_that_is_inserted_edited_or_moved_says_nothing() {
    let other = what(&record("cloud"), "two");
    let (two, forged) = (hex(&other.leaf), Some(Err(BadSeal::Forged)));
    let attacks = [
        (format!("UPDATE declassified SET leaf = {two}"), forged),
        (
            format!(
                "INSERT INTO declassified SELECT provider_id, rule, {two}, revision, class, seal FROM declassified"
            ),
            forged,
        ),
        (
            format!(
                "INSERT INTO declassified VALUES ('cloud', 'rule', {two}, 1, '\"secret\"', NULL)"
            ),
            Some(Err(BadSeal::Missing)),
        ),
        (
            format!(
                "INSERT INTO declassified VALUES ('cloud', 'rule', {two}, 1, '\"secret\"', zeroblob(73))"
            ),
            Some(Err(BadSeal::Missing)),
        ),
    ];
    for (sql, says) in attacks {
        let (world, _) = world().await;
        world.edits(&sql);
        assert_eq!(world.says(&other).await, says, "{sql}");
    }
    // What is no row of ours hides none of the others.
    let (world, said) = world().await;
    for (rule, class) in [("", "\"secret\""), ("rule", "nonsense")] {
        world.edits(&format!(
            "INSERT INTO declassified VALUES ('cloud', '{rule}', x'00', 1, '{class}', NULL)"
        ));
    }
    assert_eq!(world.says(&said).await, Some(Ok(())));
    // For another provider.
    let (world, said) = self::world().await;
    put(&world.store, record("elsewhere"), None)
        .await
        .expect("puts");
    world.edits("UPDATE declassified SET provider_id = 'elsewhere'");
    let moved = Declassified {
        provider_id: record("elsewhere").provider_id,
        ..said.clone()
    };
    assert_eq!(world.says(&moved).await, forged);
    assert_eq!(world.says(&said).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b04_what_was_taken_back_or_replaced_does_not_come_back_with_its_row() {
    let superseded = Some(Err(BadSeal::Superseded));
    let keep = "CREATE TABLE kept AS SELECT * FROM declassified";
    let put_back = "INSERT OR REPLACE INTO declassified SELECT * FROM kept";
    let (world, said) = world().await;
    world.edits(keep);
    let back = world
        .store
        .classify_again(&said.provider_id, &said.rule, &said.leaf);
    back.await.expect("taken back");
    assert_eq!(world.says(&said).await, None);
    world.edits(put_back);
    assert_eq!(world.says(&said).await, superseded);
    // Taking back what is not there strikes its seal all the same: somebody may have hidden the row.
    let (world, said) = self::world().await;
    world.edits(&format!("{keep}; DELETE FROM declassified"));
    let back = world
        .store
        .classify_again(&said.provider_id, &said.rule, &said.leaf);
    assert_eq!(back.await, Err(StoreError::Missing));
    world.edits(put_back);
    assert_eq!(world.says(&said).await, superseded);
    // With its provider: removed, or another one by now.
    for removed in [true, false] {
        let (world, said) = self::world().await;
        world.edits(keep);
        if removed {
            world
                .store
                .remove(&said.provider_id)
                .await
                .expect("removed");
            put(&world.store, record("cloud"), None)
                .await
                .expect("puts");
        } else {
            let next = ProviderRecord {
                revision: 2,
                ..record("cloud")
            };
            put(&world.store, next, Some(1)).await.expect("puts");
        }
        assert_eq!(world.store.declassified(None).await, Ok(Vec::new()));
        world.edits(put_back);
        assert_eq!(world.says(&said).await, superseded, "{removed}");
    }
}

fn blocked(world: &World) -> BlockedFinding {
    let cloud = record("cloud");
    BlockedFinding {
        trace_id: None,
        principal: principal("editor"),
        provider_id: cloud.provider_id.clone(),
        provider_revision: 1,
        origin: cloud.base_url.origin(),
        model_id: None,
        rule: RuleId::new("a-telling-rule").expect("an id"),
        class: FindingClass::Secret,
        leaf: Some(leaf("one")),
        place: Some("/messages/0/content".to_owned()),
        bytes: Some(3),
        count: 1,
        at: world.fakes.clock.now(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s50_what_blocked_a_call_lies_sealed_and_a_row_of_somebody_else_is_left_out() {
    let world = World::new().await;
    let one = blocked(&world);
    world
        .store
        .keep_blocked(vec![one.clone()])
        .await
        .expect("kept");
    let rows: Vec<u8> = raw(world.home.path())
        .query_row("SELECT sealed FROM blocked", [], |row| row.get(0))
        .expect("a row");
    for told in ["a-telling-rule", "/messages", &leaf("one").to_string()] {
        assert!(!String::from_utf8_lossy(&rows).contains(told), "{told}");
    }
    assert_eq!(world.store.blocked().await, Ok(vec![one.clone()]));
    // Nor is it kept for longer by who moves its time.
    world
        .fakes
        .clock
        .advance(std::time::Duration::from_secs(25 * 60 * 60));
    world.edits("UPDATE blocked SET at = at + 100000000");
    assert_eq!(world.store.blocked().await, Ok(Vec::new()));
    let one = blocked(&world);
    world
        .store
        .keep_blocked(vec![one.clone()])
        .await
        .expect("kept");
    assert_eq!(world.store.blocked().await, Ok(vec![one.clone()]));
    // Under another name it is none: a person would declassify what they do not mean.
    world.edits("UPDATE blocked SET handle = '000000000000'");
    assert_eq!(world.store.blocked().await, Ok(Vec::new()));
    world.edits("UPDATE blocked SET sealed = x'00'");
    assert_eq!(world.store.blocked().await, Ok(Vec::new()));
    // Without the vault nobody can say.
    world.store.keep_blocked(vec![one]).await.expect("kept");
    world
        .fakes
        .sealer
        .locked
        .store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(world.store.blocked().await, Err(StoreError::Locked));
}
