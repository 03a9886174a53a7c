//! What takes minutes: memory over many calls, and a thousand streams at once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    client::{Client, request},
    load::{Shape, body},
    report::Long,
    subject::{Subject, rss_mib},
};

const STREAMS: usize = 1_000;

/// A client thread needs little.
const STACK: usize = 128 << 10;

/// On a gateway that was just started.
pub(crate) fn measure(subject: &Subject) -> Result<Long, String> {
    let mut load = subject.load(Shape::Plain, 32);
    let first = load.times(50_000);
    thread::sleep(Duration::from_secs(2));
    let rss_mib_at_50_000 = rss_mib(subject);
    let second = load.times(50_000);
    thread::sleep(Duration::from_secs(2));
    let rss_mib_at_100_000 = rss_mib(subject);
    drop(load);
    let streams = streams(subject)?;
    Ok(Long {
        rss_mib_at_50_000,
        rss_mib_at_100_000,
        errors: first.errors + second.errors,
        streams_complete: streams.complete,
        streams_limited: streams.limited,
        streams_failed: streams.failed,
        streams_rss_mib: streams.rss_mib,
    })
}

#[derive(Default)]
struct Streams {
    complete: u64,
    limited: u64,
    failed: u64,
    rss_mib: f64,
}

/// The slow model takes three seconds, so that all of them are open at the same time.
fn streams(subject: &Subject) -> Result<Streams, String> {
    let body = body("mock/slow", Shape::Stream);
    let request = request(
        subject.address,
        "POST",
        "/v1/chat/completions",
        &subject.token,
        &body,
    );
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0.0_f64;
            while !over.load(Ordering::Relaxed) {
                most = most.max(rss_mib(subject));
                thread::sleep(Duration::from_millis(50));
            }
            most
        });
        let mut threads = Vec::with_capacity(STREAMS);
        for _ in 0..STREAMS {
            let request = &request;
            let one = thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, move || {
                    let mut client = Client::new(subject.address);
                    match client.call(request) {
                        Ok(status)
                            if status.code == 200
                                && client.body().ends_with(b"data: [DONE]\n\n") =>
                        {
                            Streams {
                                complete: 1,
                                ..Streams::default()
                            }
                        }
                        Ok(status) if status.code == 429 && status.retry_after => Streams {
                            limited: 1,
                            ..Streams::default()
                        },
                        Ok(_) | Err(_) => Streams {
                            failed: 1,
                            ..Streams::default()
                        },
                    }
                });
            match one {
                Ok(one) => threads.push(one),
                Err(error) => {
                    over.store(true, Ordering::Relaxed);
                    return Err(format!("a client thread does not start: {error}"));
                }
            }
        }
        let mut all = Streams::default();
        for one in threads.into_iter().filter_map(|thread| thread.join().ok()) {
            all.complete += one.complete;
            all.limited += one.limited;
            all.failed += one.failed;
        }
        over.store(true, Ordering::Relaxed);
        all.rss_mib = watch.join().unwrap_or(f64::NAN);
        Ok(all)
    })
}
