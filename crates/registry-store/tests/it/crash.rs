//! Processes that die in the middle of their work.
#![allow(clippy::print_stdout, reason = "a child reports to its parent")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use handshake_core::{
    event::{Body, CallOutcome},
    ports::{
        ApprovalQueue, ConsentStore, EgressLedger, FlightRecorder, FlightRecorderExt, LedgerError,
    },
};
use handshake_flight_recorder::{Anchor, Status};
use handshake_registry_store::Store;

use crate::{
    fakes::Fakes,
    world::{World, commit, db, event, query, spend, submission, use_id},
};

const HOME: &str = "HSK_TEST_CHILD_HOME";
const WORK: &str = "HSK_TEST_CHILD_WORK";
const SEED: &str = "HSK_TEST_CHILD_SEED";

/// This very binary again, as another process that does one kind of work until it is killed.
fn child(home: &Path, work: &str, seed: u64) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args([
            "--exact",
            "crash::child_process",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(HOME, home)
        .env(WORK, work)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

/// What a child prints about work that is done and durable.
fn reports(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let word = |line: String| line.rsplit_once("DONE ").map(|(_, rest)| rest.to_owned());
    out.lines().map(|line| line.expect("text")).filter_map(word)
}

/// Not a test by itself: without the variables there is nothing to do.
#[test]
fn child_process() {
    let Ok(home) = std::env::var(HOME) else {
        return;
    };
    let seed: u64 = std::env::var(SEED).expect("seed").parse().expect("number");
    let fakes = Fakes::new();
    let store = Store::open(&db(Path::new(&home)), fakes.options(seed)).expect("opens");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        match std::env::var(WORK).expect("work").as_str() {
            "append" => append_forever(&store, &fakes).await,
            "begin" => begin_and_hang(&store, &fakes).await,
            "wait" => wait_and_hang(&store, &fakes).await,
            "race" => race(&store, &fakes).await,
            other => panic!("no work {other}"),
        }
    });
}

async fn append_forever(store: &Store, fakes: &Fakes) {
    let receipt = crate::world::lease(fakes, &submission(fakes, "agent", 1));
    for n in 0_u32.. {
        let seq = store.append(event(n)).await.expect("appends");
        println!("DONE event {seq}");
        for _ in 0..20 {
            FlightRecorder::submit(store, event(n)).expect("fits");
        }
        let mut uses = store.receipts(1).await.expect("lists")[0].uses;
        if uses < 150 {
            let id = u32::from(std::process::id() as u16) << 16 | n;
            match commit(store, Some(spend(&receipt, id, 1)), n).await {
                Ok(committed) => {
                    uses += 1;
                    println!("DONE use {} {uses}", committed.use_id);
                }
                Err(LedgerError::Contended) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn begin_and_hang(store: &Store, fakes: &Fakes) {
    let receipt = crate::world::lease(fakes, &submission(fakes, "agent", 1));
    commit(store, Some(spend(&receipt, 1, 1)), 1)
        .await
        .expect("begins");
    println!("DONE begun");
    std::future::pending::<()>().await;
}

async fn wait_and_hang(store: &Store, fakes: &Fakes) {
    let id = submission(fakes, "agent", 1).request.request_id;
    let waiter = tokio::spawn({
        let store = store.clone();
        async move { store.wait(id, Duration::from_secs(600)).await }
    });
    while !store
        .pending()
        .await
        .expect("lists")
        .iter()
        .any(|record| record.live)
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("DONE waiting");
    waiter.await.expect("waits").expect("decided");
}

async fn race(store: &Store, fakes: &Fakes) {
    for n in 0..20 {
        let receipt = crate::world::receipt(fakes, &submission(fakes, &format!("p{n}"), n), true);
        // A use of its own in each process, as ids of uses are random.
        let id = u32::from(std::process::id() as u16) << 16 | n;
        match commit(store, Some(spend(&receipt, id, 1)), n).await {
            Ok(_) => println!("DONE won {n}"),
            Err(LedgerError::Contended) => println!("DONE lost {n}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_what_was_acknowledged_survives_a_kill() {
    let mut world = World::new().await;
    world.leased(1).await;
    let (mut last_event, mut uses) = (0, 0);
    for round in 0..3_u64 {
        let mut killed = child(world.home.path(), "append", 50 + round);
        let mut acknowledged = 0;
        for report in reports(&mut killed) {
            let words: Vec<_> = report.split(' ').collect();
            match words[0] {
                "event" => last_event = words[1].parse().expect("number"),
                _ => uses = words[2].parse().expect("number"),
            }
            acknowledged += 1;
            if acknowledged == 20 + 7 * round {
                killed.kill().expect("kills");
            }
        }
        killed.wait().expect("ends");
        world = world.reopened(60 + round);
        let head = world.store.log_head().await.expect("head");
        assert!(head.size > last_event, "round {round}");
        let receipts = world.store.receipts(1).await.expect("lists");
        assert!(
            receipts[0].uses >= uses && receipts[0].uses <= uses + 1,
            "round {round}"
        );
        let verdict = world
            .store
            .verify_log(vec![Anchor::Head(head)])
            .await
            .expect("verifies");
        assert_eq!(
            (verdict.status, verdict.size),
            (Status::Intact, head.size),
            "round {round}"
        );
        let gaps = world.store.log_losses().await.expect("reads");
        assert_eq!(gaps.len() as u64, round + 1, "a lost tail is recorded");
        assert!(gaps.iter().all(|gap| gap.lost.is_none()));
        let events = world.store.log_after(None, 10_000).await.expect("reads");
        assert_eq!(events.len() as u64, head.size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_use_does_not_outlive_its_process() {
    let world = World::new().await;
    let lease = world.leased(1).await;
    let mut dying = child(world.home.path(), "begin", 50);
    assert_eq!(reports(&mut dying).next().as_deref(), Some("begun"));
    let asked = query(&submission(&world.fakes, "agent", 1), &[]);
    let open =
        |found: Vec<handshake_core::consent::ReceiptEvidence>| found[0].open_use.map(|(id, ..)| id);
    assert_eq!(
        open(world.store.find(&asked).await.expect("finds")),
        Some(use_id(1))
    );
    // While it lives, nobody else ends its use or goes on with it.
    let second = world.another(2);
    assert_eq!(
        open(second.find(&asked).await.expect("finds")),
        Some(use_id(1))
    );
    let stolen = commit(&second, Some(spend(&lease, 1, 2)), 2).await;
    assert_eq!(stolen, Err(LedgerError::Contended));
    dying.kill().expect("kills");
    dying.wait().expect("ends");

    let third = world.another(3);
    assert_eq!(open(third.find(&asked).await.expect("finds")), None);
    let events = third.log_tail(1).await.expect("reads");
    let Body::CallFailed {
        use_id: failed,
        outcome,
        ..
    } = events[0].event.body
    else {
        panic!("its end is recorded");
    };
    assert_eq!((failed, outcome), (use_id(1), CallOutcome::Crashed));
    assert_eq!(events[0].event.session_id, event(1).session_id);
    let revived = commit(&third, Some(spend(&lease, 1, 2)), 2).await;
    assert_eq!(revived, Err(LedgerError::Contended));
    third
        .close(use_id(1))
        .await
        .expect("closing what is closed does nothing");
    let families = world.families().await;
    assert_eq!(
        families
            .iter()
            .filter(|family| **family == "FR-EVT-PROVIDER-009")
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_a_waiter_that_died_left_when_it_was_last_heard_of() {
    let world = World::new().await;
    ApprovalQueue::submit(&world.store, submission(&world.fakes, "agent", 1))
        .await
        .expect("submits");
    let mut dying = child(world.home.path(), "wait", 50);
    assert_eq!(reports(&mut dying).next().as_deref(), Some("waiting"));
    let live = async || {
        world
            .store
            .pending()
            .await
            .expect("lists")
            .first()
            .map(|record| record.live)
    };
    assert_eq!(live().await, Some(true), "seen from another process");
    dying.kill().expect("kills");
    dying.wait().expect("ends");
    world.fakes.clock.advance(Duration::from_secs(31));
    assert_eq!(live().await, Some(false), "not heard of");
    world.fakes.clock.advance(Duration::from_secs(30));
    assert_eq!(live().await, None, "withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn s72_of_two_processes_one_spends_each_receipt() {
    let world = World::new().await;
    for n in 0..20 {
        let asked = submission(&world.fakes, &format!("p{n}"), n);
        let yes = crate::world::receipt(&world.fakes, &asked, true);
        world.approve(&asked, &yes).await;
    }
    let mut children: Vec<_> = (50..53)
        .map(|seed| child(world.home.path(), "race", seed))
        .collect();
    let readers: Vec<_> = children.iter_mut().map(reports).collect();
    let reports: Vec<String> = readers.into_iter().flatten().collect();
    for mut child in children {
        assert!(child.wait().expect("ends").success());
    }
    for n in 0..20 {
        let won = reports
            .iter()
            .filter(|report| **report == format!("won {n}"))
            .count();
        let lost = reports
            .iter()
            .filter(|report| **report == format!("lost {n}"))
            .count();
        assert_eq!((won, lost), (1, 2), "receipt {n}");
    }
    let head = world.store.log_head().await.expect("head");
    let verdict = world
        .store
        .verify_log(vec![Anchor::Head(head)])
        .await
        .expect("verifies");
    assert_eq!(verdict.status, Status::Intact);
    assert!(
        world.store.log_losses().await.expect("reads").is_empty(),
        "all of them ended cleanly"
    );
}
