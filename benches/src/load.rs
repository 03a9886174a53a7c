//! Driving one subject for a while.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::client::{Client, request};

/// Plain or as a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    /// One JSON answer of a kilobyte.
    Plain,
    /// 64 chunks, usage, an end.
    Stream,
}

impl Shape {
    /// In tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Stream => "stream",
        }
    }

    /// What the answer ends with, from whichever side: a check that it is one.
    fn ends(self) -> &'static [u8] {
        match self {
            Self::Plain => b"}",
            Self::Stream => b"data: [DONE]\n\n",
        }
    }
}

/// The request that everyone is sent, with the model as that subject knows it.
pub(crate) fn body(model: &str, shape: Shape) -> String {
    json!({
        "model": model,
        "messages": [
            { "role": "system", "content": "You review pull requests. Be brief, name the file and the line, say what to do." },
            { "role": "user", "content": "Does this change need another test? It moves the retry rule into the runtime and leaves its numbers as they are." },
        ],
        "temperature": 0.2,
        "max_tokens": 256,
        "stream": shape == Shape::Stream,
    })
    .to_string()
}

/// Kept connections to one subject, and what is sent over them.
#[derive(Debug)]
pub(crate) struct Load {
    clients: Vec<Client>,
    request: Vec<u8>,
    shape: Shape,
}

/// What came of driving.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    /// Nanoseconds of each whole answer, sorted.
    pub(crate) latencies: Vec<u64>,
    /// Answers that were none, or not whole.
    pub(crate) errors: u64,
    /// How long it took.
    pub(crate) wall: Duration,
}

impl Load {
    /// To that address with that model and token.
    pub(crate) fn new(
        address: SocketAddr,
        model: &str,
        token: &str,
        shape: Shape,
        connections: usize,
    ) -> Self {
        let path = "/v1/chat/completions";
        Self {
            clients: (0..connections).map(|_| Client::new(address)).collect(),
            request: request(address, "POST", path, token, &body(model, shape)),
            shape,
        }
    }

    /// One call on each connection, so that it is open; errors show in what follows.
    pub(crate) fn open(&mut self) {
        self.drive(|done, _| done < 1);
    }

    /// For a while, and at least one call a connection.
    pub(crate) fn for_a_while(&mut self, time: Duration) -> Driven {
        let deadline = Instant::now() + time;
        self.drive(|done, now| done < 1 || now < deadline)
    }

    /// That many calls in all.
    pub(crate) fn times(&mut self, calls: usize) -> Driven {
        let each = calls.div_ceil(self.clients.len().max(1));
        self.drive(|done, _| done < each)
    }

    fn drive(&mut self, goes_on: impl Fn(usize, Instant) -> bool + Sync) -> Driven {
        let (request, shape, goes_on) = (&self.request, self.shape, &goes_on);
        let began = Instant::now();
        let parts: Vec<(Vec<u64>, u64)> = thread::scope(|scope| {
            let spawn = |client| scope.spawn(move || calls(client, request, shape, goes_on));
            let threads: Vec<_> = self.clients.iter_mut().map(spawn).collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .collect()
        });
        let mut driven = Driven {
            wall: began.elapsed(),
            ..Driven::default()
        };
        for (latencies, errors) in parts {
            driven.latencies.extend(latencies);
            driven.errors += errors;
        }
        driven.latencies.sort_unstable();
        driven
    }
}

fn calls(
    client: &mut Client,
    request: &[u8],
    shape: Shape,
    goes_on: impl Fn(usize, Instant) -> bool,
) -> (Vec<u64>, u64) {
    let (mut latencies, mut errors, mut done) = (Vec::new(), 0, 0);
    while goes_on(done, Instant::now()) {
        let began = Instant::now();
        match client.call(request) {
            Ok(status) if status.code == 200 && client.body().ends_with(shape.ends()) => {
                let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                latencies.push(nanos);
            }
            Ok(_) | Err(_) => errors += 1,
        }
        done += 1;
    }
    (latencies, errors)
}
