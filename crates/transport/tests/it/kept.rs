//! Connections between calls: whose they are, when they close, and that nothing is sent twice.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use handshake_core::{
    code::{ErrorClass, ErrorCode},
    digest::Digest,
    error::SendError,
    gate::Cleared,
    ports::EgressLedger,
    provider::ProviderRecord,
    tier::{ModelTier, Reach},
};
use handshake_testkit::{fixture, gate::World};
use handshake_transport::{Limits, Response, Transport};

use crate::{
    calls::{cleared, cleared_for, prepared, record, transport},
    keeper::{After, Keeper},
    server::{Act, Server},
};

/// One call, read to its end.
async fn call(transport: &Transport, cleared: &Cleared) -> Result<(), SendError> {
    let response = transport.send(cleared).await?;
    let body = response.whole(100).await.expect("a body");
    assert_eq!(&body[..], b"{}");
    Ok(())
}

async fn world_of(record: &Arc<ProviderRecord>) -> World {
    let world = World::new(1);
    world.register(record).await;
    world
}

/// Calls with the record as it is.
async fn calls(world: &World, transport: &Transport, record: &Arc<ProviderRecord>, count: usize) {
    for _ in 0..count {
        call(transport, &cleared(world, record).await)
            .await
            .expect("answered");
    }
}

fn revised(record: &Arc<ProviderRecord>, revision: u64) -> Arc<ProviderRecord> {
    let mut record = (**record).clone();
    record.revision = revision;
    Arc::new(record)
}

#[tokio::test]
async fn one_clearance_set_uses_one_connection() {
    let server = Keeper::start(After::Keep).await;
    let record = record(&server.url());
    let world = world_of(&record).await;
    let transport = transport(&world, Limits::default());
    calls(&world, &transport, &record, 30).await;
    assert_eq!((server.connects(), server.requests().len()), (1, 30));
    assert_eq!(server.gone(), 0);
}

#[tokio::test]
async fn s21_a_name_that_flips_never_rides_on_a_connection_of_another_set() {
    let one = Keeper::start(After::Keep).await;
    let port = one.address.port();
    let two = Keeper::at(
        &format!("127.0.0.2:{port}"),
        vec![b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"],
        After::Keep,
    )
    .await;
    let record = record(&format!("http://localhost:{port}"));
    let world = World::new(1);
    let transport = transport(&world, Limits::default());
    for turn in 1..=10 {
        for peer in [one.address, two.address] {
            call(&transport, &cleared_for(&world, &record, &[peer]).await)
                .await
                .expect("answered");
        }
        assert_eq!(
            (one.requests().len(), two.requests().len()),
            (turn, turn),
            "a byte went to an address that was not cleared"
        );
    }
    // Each set had its own connection all the time.
    assert_eq!((one.connects(), two.connects()), (1, 1));

    // A set that has more addresses is another set, in whatever order it is written.
    let both: [SocketAddr; 2] = [one.address, two.address];
    let again: [SocketAddr; 3] = [two.address, one.address, two.address];
    for peers in [&both[..], &again] {
        call(&transport, &cleared_for(&world, &record, peers).await)
            .await
            .expect("answered");
    }
    assert_eq!(one.connects() + two.connects(), 3);
    assert_eq!((one.gone(), two.gone()), (0, 0));
}

#[tokio::test]
async fn s21_concurrent_sets_do_not_mix() {
    let one = Keeper::start(After::Keep).await;
    let port = one.address.port();
    let two = Keeper::at(
        &format!("127.0.0.2:{port}"),
        vec![b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"],
        After::Keep,
    )
    .await;
    let record = record(&format!("http://localhost:{port}"));
    let world = World::new(1);
    let transport = transport(&world, Limits::default());
    let mut calls = Vec::new();
    for at in 0..200 {
        let (peer, body) = match at % 2 {
            0 => (one.address, &b"{}"[..]),
            _ => (two.address, &b"[]"[..]),
        };
        let cleared = cleared_for(&world, &record, &[peer]).await;
        let transport = transport.clone();
        calls.push(tokio::spawn(async move {
            let response = transport.send(&cleared).await.expect("a head");
            assert_eq!(&response.whole(10).await.expect("a body")[..], body);
        }));
    }
    for call in calls {
        call.await.expect("the answer of its own set");
    }
    assert_eq!((one.requests().len(), two.requests().len()), (100, 100));
}

#[tokio::test]
async fn another_revision_closes_the_connections_of_the_last() {
    let server = Keeper::start(After::Keep).await;
    let first = record(&server.url());
    let world = World::new(1);
    let transport = transport(&world, Limits::default());
    // Upwards as it should be, and downwards as after a restored backup.
    for (connects, revision) in [(1, 1), (2, 2), (3, 1)] {
        let record = revised(&first, revision);
        for _ in 0..3 {
            call(
                &transport,
                &cleared_for(&world, &record, &[server.address]).await,
            )
            .await
            .expect("answered");
        }
        assert_eq!(server.connects(), connects);
        if connects > 1 {
            server.seen_gone(1).await;
        }
    }
}

#[tokio::test]
async fn other_epochs_close_the_connections_of_the_last() {
    let server = Keeper::start(After::Keep).await;
    let local = fixture::record("local", "unit", &server.url(), Reach::Direct);
    let cloud = fixture::record("cloud", "unit", &server.url(), Reach::Relay);
    let world = world_of(&local).await;
    world.register(&cloud).await;
    let transport = transport(&world, Limits::default());
    calls(&world, &transport, &local, 2).await;
    calls(&world, &transport, &cloud, 2).await;
    assert_eq!((server.connects(), server.gone()), (2, 0));
    let digest = Digest::of(&[b"another policy"]);
    world.policy.set(|posture| posture.digest = digest);
    world.memory.set_policy_epoch(digest);
    calls(&world, &transport, &cloud, 2).await;
    server.seen_gone(1).await;
    // A Local verdict rests on none of them.
    calls(&world, &transport, &local, 2).await;
    assert_eq!((server.connects(), server.gone()), (3, 0));
}

#[tokio::test]
async fn what_is_held_is_what_the_clearance_said() {
    let server = Keeper::start(After::Keep).await;
    let local = fixture::record("local", "unit", &server.url(), Reach::Direct);
    let cloud = fixture::record("cloud", "unit", &server.url(), Reach::Relay);
    let world = world_of(&local).await;
    world.register(&cloud).await;
    let transport = transport(&world, Limits::default());
    let connections = transport.connections();
    assert_eq!(connections.held(), []);
    calls(&world, &transport, &local, 2).await;
    calls(&world, &transport, &cloud, 2).await;
    let epochs = EgressLedger::epochs(&world.memory, &cloud.provider_id).await;
    let held = connections.held();
    let seen: Vec<_> = held
        .iter()
        .map(|held| (&held.provider_id, held.revision, held.tier, &held.epochs))
        .collect();
    assert_eq!(
        seen,
        [
            (
                &cloud.provider_id,
                1,
                ModelTier::Cloud,
                &Some(epochs.expect("epochs"))
            ),
            (&local.provider_id, 1, ModelTier::Local, &None),
        ]
    );
    connections.retain(|held| held.tier == ModelTier::Local);
    assert_eq!(connections.held(), held[1..]);
    server.seen_gone(1).await;
}

#[tokio::test]
async fn whoever_looks_after_connections_sleeps_while_there_are_none() {
    let server = Keeper::halting().await;
    let record = record(&server.url());
    let world = world_of(&record).await;
    let limits = Limits {
        keep_local: Duration::from_secs(1),
        ..Limits::default()
    };
    let transport = transport(&world, limits);
    let connections = transport.connections();
    let any = || connections.any().now_or_never();
    assert_eq!(any(), None, "nothing was dialled yet");
    let waits = tokio::spawn({
        let connections = connections.clone();
        async move { connections.any().await }
    });
    let response = transport
        .send(&cleared(&world, &record).await)
        .await
        .expect("a head");
    assert!(waits.await.expect("told of the call"));
    // A call under way is one, however long it takes.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(any(), Some(true));
    server.go_on.add_permits(1);
    response.whole(10).await.expect("a body");
    assert_eq!(any(), Some(true), "kept");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(any(), None, "closed by its age");
    server.seen_gone(1).await;
    let waits = tokio::spawn({
        let connections = connections.clone();
        async move { connections.any().await }
    });
    tokio::task::yield_now().await;
    drop(transport);
    assert!(!waits.await.expect("told of the end"));
}

#[tokio::test]
async fn retiring_closes_idle_connections_of_whom_it_concerns() {
    let server = Keeper::start(After::Keep).await;
    let mine = record(&server.url());
    let other = fixture::record("other", "unit", &server.url(), Reach::Direct);
    let world = world_of(&mine).await;
    world.register(&other).await;
    let transport = transport(&world, Limits::default());
    calls(&world, &transport, &mine, 3).await;
    calls(&world, &transport, &other, 3).await;
    assert_eq!(server.connects(), 2);

    let connections = transport.connections();
    connections.retain(|held| held.provider_id != mine.provider_id);
    server.seen_gone(1).await;
    calls(&world, &transport, &other, 1).await;
    assert_eq!((server.connects(), server.gone()), (2, 0));
    calls(&world, &transport, &mine, 1).await;
    assert_eq!(server.connects(), 3);

    connections.retire_all();
    server.seen_gone(2).await;
    calls(&world, &transport, &mine, 1).await;
    drop(transport);
    server.seen_gone(1).await;
}

#[tokio::test]
async fn retiring_leaves_a_call_under_way_alone_and_keeps_none_of_its_connection() {
    let server = Keeper::halting().await;
    let record = record(&server.url());
    let world = world_of(&record).await;
    let transport = transport(&world, Limits::default());
    let response = transport
        .send(&cleared(&world, &record).await)
        .await
        .expect("a head");
    transport.connections().retire_all();
    server.go_on.add_permits(1);
    assert_eq!(&response.whole(10).await.expect("a body")[..], b"{}");
    server.seen_gone(1).await;
}

#[tokio::test]
async fn idle_connections_close_by_tier() {
    let server = Keeper::start(After::Keep).await;
    let local = fixture::record("local", "unit", &server.url(), Reach::Direct);
    let cloud = fixture::record("cloud", "unit", &server.url(), Reach::Relay);
    let world = world_of(&local).await;
    world.register(&cloud).await;
    let (short, long) = (Duration::from_millis(400), Duration::from_secs(600));
    for (keep_local, keep_cloud, stays) in [(short, long, &cloud), (long, short, &local)] {
        let limits = Limits {
            keep_local,
            keep_cloud,
            ..Limits::default()
        };
        let transport = transport(&world, limits);
        calls(&world, &transport, &local, 2).await;
        calls(&world, &transport, &cloud, 2).await;
        server.seen_gone(1).await;
        let before = server.connects();
        calls(&world, &transport, stays, 1).await;
        assert_eq!(server.connects(), before, "the other tier's was closed");
        drop(transport);
        server.seen_gone(1).await;
    }
}

#[tokio::test]
async fn the_number_of_kept_sets_is_bounded() {
    let server = Keeper::start(After::Keep).await;
    let records: Vec<_> = (0..3)
        .map(|at| fixture::record(&format!("p{at}"), "unit", &server.url(), Reach::Direct))
        .collect();
    let world = World::new(1);
    let limits = Limits {
        max_clients: 2,
        ..Limits::default()
    };
    let transport = transport(&world, limits);
    // The second is the least recently used one when the third comes.
    for at in [0, 1, 0, 2] {
        let cleared = cleared_for(&world, &records[at], &[server.address]).await;
        call(&transport, &cleared).await.expect("answered");
    }
    server.seen_gone(1).await;
    for (at, connects) in [(0, 3), (2, 3), (1, 4)] {
        let cleared = cleared_for(&world, &records[at], &[server.address]).await;
        call(&transport, &cleared).await.expect("answered");
        assert_eq!(server.connects(), connects);
    }
}

/// Calls that can be told apart at the server: how many failed, each in a way that may be tried again.
async fn count(server: &Keeper, calls: usize, close_every: Option<usize>) -> usize {
    let record = record(&server.url());
    let world = world_of(&record).await;
    let transport = transport(&world, Limits::default());
    let mut failed = 0;
    for at in 1..=calls {
        let body = format!("{{\"model\":\"m\",\"n\":{at}}}");
        let prepared = prepared(&record).edited(|envelope| envelope.body = body.into());
        let cleared = world.clear(world.egress(&record, prepared)).await;
        if let Err(error) = call(&transport, &cleared).await {
            failed += 1;
            assert_eq!(error.error.class, ErrorClass::Transient);
        }
        if close_every.is_some_and(|every| at % every == 0) {
            server.close_idle().await;
            // For the close to arrive. One that crosses the next call is the next test.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    failed
}

/// How many requests came, none of them twice.
fn sent_once(server: &Keeper) -> usize {
    let requests = server.requests();
    let different: BTreeSet<_> = requests
        .iter()
        .filter_map(|request| request.split_once("\r\n\r\n"))
        .map(|(_, body)| body)
        .collect();
    assert_eq!(different.len(), requests.len(), "a request was sent twice");
    requests.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_server_that_closes_without_a_word_costs_no_call_and_no_double_send() {
    for after in [After::Close, After::Reset] {
        let server = Keeper::start(after).await;
        let failed = count(&server, 300, None).await;
        assert_eq!(
            (failed, sent_once(&server), server.connects()),
            (0, 300, 300),
            "{after:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_server_that_closes_idle_connections_costs_no_call_and_no_double_send() {
    let server = Keeper::start(After::CloseWhenTold).await;
    let failed = count(&server, 300, Some(10)).await;
    assert_eq!((failed, sent_once(&server)), (0, 300));
    // One for each close, and now and then one that was dialled while another came back.
    let connects = server.connects();
    assert!((30..100).contains(&connects), "{connects}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_close_that_crosses_a_call_never_becomes_a_double_send() {
    let server = Keeper::start(After::CloseIdle(Duration::from_millis(2))).await;
    let failed = count(&server, 100, None).await;
    let sent = sent_once(&server);
    // What failed may have been read or not; what was answered was read once.
    assert!((100 - failed..=100).contains(&sent), "{failed} {sent}");
}

#[tokio::test]
async fn s20_a_connection_that_closes_before_it_is_spoken_to_is_no_double_send() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let record = record(&format!("http://{address}"));
    let world = world_of(&record).await;
    let transport = transport(&world, Limits::default());
    for _ in 0..50 {
        let error = call(&transport, &cleared(&world, &record).await)
            .await
            .expect_err("closed");
        let want = match error.in_doubt {
            true => ErrorCode::Provider,
            false => ErrorCode::NotReady,
        };
        assert_eq!(
            (error.error.code, error.error.class),
            (want, ErrorClass::Transient)
        );
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_before_its_head_closes_the_connection() {
    let server = Server::start(vec![Act::Gone]).await;
    let record = record(&server.url());
    let world = world_of(&record).await;
    let transport = transport(&world, Limits::default());
    let cleared = cleared(&world, &record).await;
    let given_up = tokio::time::timeout(Duration::from_millis(200), transport.send(&cleared)).await;
    assert!(given_up.is_err(), "nobody answers");
    server.seen_gone().await;
}

#[tokio::test]
async fn a_half_read_answer_is_no_connection_for_the_next_call() {
    let server = Keeper::halting().await;
    let record = record(&server.url());
    let world = world_of(&record).await;
    let transport = transport(&world, Limits::default());
    for connects in 1..=3 {
        let mut response = transport
            .send(&cleared(&world, &record).await)
            .await
            .expect("a head");
        let piece = response.chunk().await.expect("a piece");
        assert_eq!(piece.as_deref(), Some(&b"{"[..]));
        drop(response);
        server.seen_gone(1).await;
        assert_eq!(server.connects(), connects);
    }
}

#[tokio::test]
async fn a_second_answer_that_nobody_asked_for_is_not_the_next_calls() {
    let server = Keeper::at(
        "127.0.0.1:0",
        vec![
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\"not\"",
        ],
        After::Keep,
    )
    .await;
    let record = record(&server.url());
    let world = world_of(&record).await;
    let transport = transport(&world, Limits::default());
    calls(&world, &transport, &record, 20).await;
    assert_eq!(server.requests().len(), 20);
}

/// Reads one piece of a halting server's answer.
async fn first_piece(
    world: &World,
    transport: &Transport,
    record: &Arc<ProviderRecord>,
) -> Response {
    let mut response = transport
        .send(&cleared(world, record).await)
        .await
        .expect("a head");
    response.chunk().await.expect("a piece").expect("a piece");
    response
}

#[tokio::test]
async fn an_answer_that_said_all_gives_its_connection_back() {
    let server = Keeper::halting().await;
    let record = record(&server.url());
    let world = world_of(&record).await;
    let transport = transport(&world, Limits::default());
    for _ in 0..5 {
        let response = first_piece(&world, &transport, &record).await;
        server.go_on.add_permits(1);
        response.release();
        // The end comes beside.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((server.connects(), server.gone()), (1, 0));

    // A server that does not end its answer loses the connection.
    first_piece(&world, &transport, &record).await.release();
    server.seen_gone(1).await;
}

#[tokio::test]
async fn q105_one_read_has_two_bounds() {
    let server = Keeper::halting().await;
    let record = record(&server.url());
    let world = world_of(&record).await;
    let limits = Limits {
        idle_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let transport = transport(&world, limits);
    let (soon, late) = (Duration::from_millis(10), Duration::from_secs(60));
    for (progress, subject) in [(soon, "progress"), (late, "body")] {
        let mut response = first_piece(&world, &transport, &record).await;
        let until = tokio::time::Instant::now() + progress;
        let error = response.chunk_until(until).await.expect_err("silence");
        assert_eq!(
            (error.code, error.subject),
            (ErrorCode::Timeout, Some(subject))
        );
        // Nothing was lost: the read goes on where it stopped.
        server.go_on.add_permits(1);
        let until = tokio::time::Instant::now() + late;
        let mut rest = Vec::new();
        while rest.is_empty() {
            match response.chunk_until(until).await {
                Ok(piece) => rest.extend(piece.expect("more")),
                Err(error) => assert_eq!(error.subject, Some("body")),
            }
        }
        assert_eq!(rest, b"}");
    }
}
