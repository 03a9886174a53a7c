//! What one gateway takes on at once, and how long a client may take over it.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// The bounds of a gateway.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Calls that run at once, streams counted to their end.
    pub calls: usize,
    /// Calls that wait for a person at once.
    pub waiting: usize,
    /// Connections at once.
    pub connections: usize,
    /// The largest head of a request.
    pub header_bytes: usize,
    /// How long a client may take over a head, or stay silent between two requests.
    pub header_time: Duration,
    /// The largest body of a request.
    pub body_bytes: usize,
    /// How long a client may take over a body.
    pub body_time: Duration,
    /// How long a body may stand still.
    pub body_idle: Duration,
    /// Bytes of bodies that are held at once, over all calls.
    pub held_bytes: usize,
    /// How long a client may leave an answer unread.
    pub unread: Duration,
    /// How deeply a body may nest.
    pub depth: usize,
    /// Values that a body may hold.
    pub nodes: usize,
    /// How long a streaming client hears nothing while a person is asked; then comments keep it alive.
    pub silence: Duration,
    /// Between two comments.
    pub comments: Duration,
    /// How long calls may go on after the gateway was told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 1024,
            waiting: 64,
            connections: 2048,
            header_bytes: 16 << 10,
            header_time: Duration::from_secs(5),
            body_bytes: 16 << 20,
            body_time: Duration::from_secs(30),
            body_idle: Duration::from_secs(5),
            held_bytes: 256 << 20,
            unread: Duration::from_secs(60),
            depth: 64,
            nodes: 100_000,
            silence: Duration::from_secs(60),
            comments: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// Bytes of one permit of [`Slots::bytes`].
const UNIT: usize = 4 << 10;

/// What is free of the bounds.
pub(crate) struct Slots {
    calls: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    pub(crate) connections: Arc<Semaphore>,
}

/// A place among the calls that run, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _call: OwnedSemaphorePermit,
    bytes: Option<OwnedSemaphorePermit>,
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unread {
    /// Larger than allowed.
    TooLarge,
    /// Too much is held already.
    Full,
    /// Stood still, or took too long.
    TooSlow,
    /// The client went away.
    Broken,
}

impl Slots {
    pub(crate) fn new(limits: &Limits) -> Self {
        let of = |n: usize| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        Self {
            calls: of(limits.calls),
            waiting: of(limits.waiting),
            bytes: of(limits.held_bytes.div_ceil(UNIT)),
            connections: of(limits.connections),
        }
    }

    /// A place for a call, if there is one.
    pub(crate) fn call(&self) -> Option<Slot> {
        let call = Arc::clone(&self.calls).try_acquire_owned().ok()?;
        Some(Slot {
            _call: call,
            bytes: None,
        })
    }

    /// A place for a call that waits for a person, if there is one.
    pub(crate) fn waiting(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.waiting).try_acquire_owned().ok()
    }

    fn hold(&self, slot: &mut Slot, bytes: usize) -> Result<(), Unread> {
        let held = slot
            .bytes
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(UNIT).saturating_sub(held);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| Unread::TooLarge)?;
        let more = Arc::clone(&self.bytes)
            .try_acquire_many_owned(more)
            .map_err(|_| Unread::Full)?;
        match &mut slot.bytes {
            Some(permit) => permit.merge(more),
            None => slot.bytes = Some(more),
        }
        Ok(())
    }

    /// Reads a body within the bounds. What it takes is held by `slot`.
    pub(crate) async fn body(
        &self,
        slot: &mut Slot,
        body: Body,
        limits: &Limits,
    ) -> Result<Bytes, Unread> {
        timeout(limits.body_time, self.frames(slot, body, limits))
            .await
            .unwrap_or(Err(Unread::TooSlow))
    }

    async fn frames(
        &self,
        slot: &mut Slot,
        mut body: Body,
        limits: &Limits,
    ) -> Result<Bytes, Unread> {
        let said = http_body::Body::size_hint(&body);
        let most = limits.body_bytes;
        if said.lower() > most as u64 {
            return Err(Unread::TooLarge);
        }
        let said = usize::try_from(said.upper().unwrap_or(0)).map_or(most, |n| n.min(most));
        let (mut first, mut all) = (None, BytesMut::new());
        loop {
            let frame = timeout(limits.body_idle, body.frame()).await;
            let Some(frame) = frame.map_err(|_| Unread::TooSlow)? else {
                break;
            };
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else {
                continue;
            };
            let size = all.len() + first.as_ref().map_or(0, Bytes::len) + data.len();
            if size > most {
                return Err(Unread::TooLarge);
            }
            self.hold(slot, size)?;
            match (&first, all.is_empty()) {
                // A body that came in one piece is not copied.
                (None, true) => first = Some(data),
                (Some(begun), _) => {
                    all.reserve(said.max(size));
                    all.extend_from_slice(begun);
                    all.extend_from_slice(&data);
                    first = None;
                }
                (None, false) => all.extend_from_slice(&data),
            }
        }
        Ok(first.unwrap_or_else(|| all.freeze()))
    }
}
