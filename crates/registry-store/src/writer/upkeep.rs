//! What the writer does for the log beside writing it: it signs the head now and then, and has old leaves sealed.

use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use handshake_core::ports::StoreError;

use super::{Job, Keep, Tx};
use crate::{
    error::{Fail, is_fatal},
    log::{self, segment},
    store::Shared,
};

/// A checkpoint after so many leaves without one, so that segments find an end that is signed.
const SIGNED_EVERY: u64 = 4096;
/// Leaves between two looks at how many there are.
const LOOK_EVERY: u64 = 512;

#[derive(Default)]
pub(super) struct Upkeep {
    /// The size that the last checkpoint signs, once it was read. Another process's may be newer: one signature
    /// too many is all that comes of it.
    signed: Cell<Option<u64>>,
    look_at: Cell<u64>,
    sealing: Arc<AtomicBool>,
    thread: RefCell<Option<JoinHandle<()>>>,
}

impl Upkeep {
    /// Signs the head when it was not signed for long. A locked key signs later.
    pub(super) fn sign_when_due(&self, tx: &Tx<'_>) -> Result<(), Fail<StoreError>> {
        let Some(head) = tx.head.get() else {
            return Ok(());
        };
        let signed = match self.signed.get() {
            Some(signed) => signed,
            None => log::signed_size(tx.conn)?,
        };
        self.signed.set(Some(signed));
        if head.size < signed.saturating_add(SIGNED_EVERY) {
            return Ok(());
        }
        self.signed.set(Some(head.size));
        match log::checkpoint(tx) {
            Err(Fail::Db(error)) if is_fatal(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Has the oldest leaves sealed when there are many. The file is made on a thread of its own; the writer only
    /// puts it in the place of the rows.
    pub(super) fn seal_when_due(&self, tx: &Tx<'_>, shared: &Arc<Shared>) {
        let Some(head) = tx.head.get().filter(|head| head.size >= self.look_at.get()) else {
            return;
        };
        self.look_at.set(head.size.saturating_add(LOOK_EVERY));
        if !segment::is_due(tx.conn, head.size).unwrap_or(false)
            || self.sealing.swap(true, Ordering::SeqCst)
        {
            return;
        }
        self.end();
        let (sealing, shared) = (Arc::clone(&self.sealing), Arc::clone(shared));
        let work = move || {
            let stop = || shared.waiting.is_closed();
            match segment::prepare(&shared.path, &shared.segments, false, &stop) {
                Ok(Some(prepared)) => shared.waiting.work(put_in_place(prepared, sealing)),
                // Nothing to do, or it does not work now: it is looked at again.
                Ok(None) | Err(_) => sealing.store(false, Ordering::SeqCst),
            }
        };
        let thread = std::thread::Builder::new().name("handshake-seal".to_owned());
        match thread.spawn(work) {
            Ok(thread) => *self.thread.borrow_mut() = Some(thread),
            Err(_) => self.sealing.store(false, Ordering::SeqCst),
        }
    }

    /// Waits for the thread, which stops soon when the queue is closed.
    pub(super) fn end(&self) {
        if let Some(thread) = self.thread.borrow_mut().take() {
            let _panicked = thread.join();
        }
    }
}

fn put_in_place(prepared: segment::Prepared, sealing: Arc<AtomicBool>) -> Job {
    Box::new(move |tx| {
        let keep = match segment::commit(tx, &prepared) {
            Ok(()) => Keep::Yes,
            Err(Fail::Db(error)) if is_fatal(&error) => Keep::Fatal,
            Err(_) => Keep::No,
        };
        let done = move |_| {
            // The folder is locked until here.
            drop(prepared);
            sealing.store(false, Ordering::SeqCst);
        };
        (keep, Box::new(done))
    })
}
