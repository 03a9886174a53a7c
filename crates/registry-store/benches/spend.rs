//! What a spend costs: one transaction with its event and a signed checkpoint, synced to the disk.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU32, Ordering},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handshake_core::ports::{EgressLedger, Intent};
use handshake_registry_store::{Store, StoreOptions};
use tokio::task::JoinSet;

#[path = "../src/fakes.rs"]
mod fakes;
#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../tests/it/world.rs"]
mod world;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Spends one use of as many leases at once as there are callers: each commit is one caller's.
async fn spend(store: &Store, leases: &[handshake_core::consent::ConsentReceipt]) {
    // As the gate does before each spend: what the log says of receipts is kept up with.
    store.reconcile(None).await.expect("read");
    let epochs = store.epochs(&world::provider_id()).await.expect("epochs");
    let mut callers = JoinSet::new();
    for lease in leases {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut spend = world::spend(lease, n, 1);
        // As many as are measured, and not as many as a lease is for.
        spend.reach.uses = u32::MAX;
        let intent = Intent {
            event: world::event(n),
            provider_id: world::provider_id(),
            epochs: epochs.clone(),
            spend: Some(spend),
        };
        let store = store.clone();
        callers.spawn(async move { store.commit(intent).await.expect("commits") });
    }
    while let Some(done) = callers.join_next().await {
        black_box(done.expect("runs"));
    }
}

fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let mut group = criterion.benchmark_group("spend");
    group.sample_size(20);
    for callers in [1_u32, 32] {
        let world = runtime.block_on(world::World::new());
        let mut leases = Vec::new();
        for n in 0..callers {
            let asked = world::submission(&world.fakes, &format!("p{n}"), n);
            let lease = world::lease(&world.fakes, &asked);
            runtime.block_on(world.approve(&asked, &lease));
            leases.push(lease);
        }
        group.throughput(Throughput::Elements(u64::from(callers)));
        group.bench_function(format!("{callers} callers"), |bencher| {
            bencher.iter(|| runtime.block_on(spend(&world.store, &leases)));
        });
    }
    group.finish();
}

criterion_group!(spends, benches);
criterion_main!(spends);
