//! The one writer: a thread that takes what is queued, runs each piece in a savepoint of one transaction,
//! commits once, and answers afterwards.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use handshake_core::{
    event::{Event, LossCause},
    ports::StoreError,
    time::UtcTime,
};
use handshake_flight_recorder::LogHead;
use rusqlite::Connection;
use tokio::sync::oneshot;

use self::{
    upkeep::Upkeep,
    waiting::{Batch, Placed},
};
use crate::{
    connection,
    error::{Fail, is_fatal},
    instance, log,
    store::Shared,
};

mod upkeep;
pub(crate) mod waiting;

/// How long the writer leaves another process alone that was busy for longer than a connection waits.
const PAUSE: Duration = Duration::from_millis(10);

/// A transaction of the writer, inside the savepoint of one piece of work.
pub(crate) struct Tx<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) shared: &'a Shared,
    /// The head of the log, once it was read. Never kept beyond the transaction: another process may append then.
    pub(crate) head: &'a Cell<Option<LogHead>>,
}

impl Tx<'_> {
    pub(crate) fn now(&self) -> UtcTime {
        self.shared.options.clock.now()
    }
}

type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Job = Box<dyn FnOnce(&Tx<'_>) -> (Keep, Answer) + Send>;

/// What becomes of a piece's changes.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Keep {
    Yes,
    No,
    /// The connection is not to be trusted any more.
    Fatal,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn spawn(conn: Connection, shared: Arc<Shared>) -> std::io::Result<Self> {
        let writes = Loop {
            conn,
            shared: Arc::clone(&shared),
            head: Cell::new(None),
            upkeep: Upkeep::default(),
        };
        let thread = std::thread::Builder::new()
            .name("handshake-store".to_owned())
            .spawn(move || writes.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Queues work and waits until it is durable. Dropping the future does not take the work back.
    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, Fail<E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.queue(work, move |result| {
            // Whoever asked may have gone; the work is done all the same.
            let _gone = reply.send(result);
        });
        // A writer that is gone, or that dropped the work, has not done it.
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Failed.into()))
    }

    /// Queues work without waiting for it.
    pub(crate) fn queue<T, E, F>(&self, work: F, then: impl FnOnce(Result<T, E>) + Send + 'static)
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, Fail<E>> + Send + 'static,
    {
        let job: Job = Box::new(move |tx| {
            let result = work(tx);
            let keep = match &result {
                Ok(_) => Keep::Yes,
                Err(Fail::Db(error)) if is_fatal(error) => Keep::Fatal,
                Err(_) => Keep::No,
            };
            let answer: Answer = Box::new(move |committed| {
                then(match committed {
                    Ok(()) => result.map_err(Fail::answer),
                    Err(error) => Err(error.into()),
                });
            });
            (keep, answer)
        });
        self.shared.waiting.work(job);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.waiting.close();
        if let Some(thread) = self.thread.take() {
            // What was queued is committed before the store is gone. A panic there is behind us.
            let _panicked = thread.join();
        }
    }
}

struct Loop {
    conn: Connection,
    shared: Arc<Shared>,
    /// The head of the log in the running transaction.
    head: Cell<Option<LogHead>>,
    upkeep: Upkeep,
}

impl Loop {
    fn run(self) {
        loop {
            let mut batch = self.shared.waiting.take();
            let last = batch.last;
            if last && !self.shared.has_entered() && batch.is_empty() {
                // Nothing was written, so there is nothing to end.
                self.upkeep.end();
                return;
            }
            if last {
                // The clean end, after the last of the events.
                let after = batch.events.len();
                let job: Job = Box::new(|tx| {
                    let left = instance::leave(tx);
                    let keep = if left.is_ok() { Keep::Yes } else { Keep::No };
                    (keep, Box::new(|_| {}))
                });
                batch.work.push(Placed { after, job });
            }
            self.transact(batch);
            if last {
                self.upkeep.end();
                return;
            }
        }
    }

    fn transact(&self, batch: Batch) {
        if self.shared.is_poisoned() {
            self.refuse(batch.events.len());
            return;
        }
        self.head.set(None);
        if let Err(error) = self.statement("BEGIN IMMEDIATE") {
            if is_fatal(&error) {
                self.shared.poison();
                self.refuse(batch.events.len());
            } else if batch.last {
                self.refuse(batch.events.len());
            } else {
                // Another process is busy. The events wait. Work is dropped, which answers its callers.
                self.shared.waiting.put_back(batch.events);
                std::thread::sleep(PAUSE);
            }
            return;
        }
        let mut answers = Vec::with_capacity(batch.work.len());
        let entered = self.enter();
        let written =
            entered.and_then(|()| self.write_batch(&batch.events, batch.work, &mut answers));
        let committed = match written {
            Ok(lost) => self.finish(lost).is_ok(),
            Err(Fatal) => false,
        };
        let to_note = self.shared.is_to_note() || (batch.last && self.head.get().is_some());
        let outcome = if committed {
            self.entered();
            // The head is known where anything was appended; where nothing was, it is read.
            if to_note && let Ok(head) = log::present_head(&self.tx()) {
                self.shared.note(head);
            }
            self.shared.waiting.release(batch.events.len());
            if !batch.last {
                self.upkeep.seal_when_due(&self.tx(), &self.shared);
            }
            Ok(())
        } else {
            self.shared.poison();
            // Whether or not this works: nothing of the transaction was committed.
            let _rolled_back = self.conn.execute_batch("ROLLBACK");
            self.refuse(batch.events.len());
            Err(StoreError::Failed)
        };
        for answer in answers {
            answer(outcome);
        }
    }

    /// Registers this store with its first transaction.
    fn enter(&self) -> Result<(), Fatal> {
        if self.shared.has_entered() {
            return Ok(());
        }
        let (keep, _) = self.piece(|tx| match instance::enter(tx) {
            Ok(()) => (Keep::Yes, ()),
            Err(_) => (Keep::Fatal, ()),
        });
        if keep == Keep::Yes {
            Ok(())
        } else {
            Err(Fatal)
        }
    }

    fn entered(&self) {
        if !self.shared.has_entered() {
            self.shared.entered();
            // From now on there is something to tidy up. Where it stays, the next one does.
            let _untidy = connection::leaves_tidy(&self.conn, true);
        }
    }

    /// Everything in the order in which it was queued; how many events could not be written.
    fn write_batch(
        &self,
        events: &[Event],
        work: Vec<Placed>,
        answers: &mut Vec<Answer>,
    ) -> Result<u64, Fatal> {
        let (mut lost, mut written) = (0, 0);
        for placed in work {
            lost += self.events(&events[written..placed.after])?;
            written = placed.after;
            let (keep, answer) = self.piece(placed.job);
            // None when it panicked: its reply is gone, so its caller hears of it.
            answers.extend(answer);
            if keep == Keep::Fatal {
                return Err(Fatal);
            }
        }
        lost += self.events(&events[written..])?;
        Ok(lost)
    }

    /// Appends events in one savepoint, or, when one of them is the reason that this fails, each in its own.
    fn events(&self, events: &[Event]) -> Result<u64, Fatal> {
        if events.is_empty() {
            return Ok(0);
        }
        match self.append(events) {
            Keep::Yes => Ok(0),
            Keep::Fatal => Err(Fatal),
            Keep::No if events.len() == 1 => Ok(1),
            Keep::No => events.iter().try_fold(0, |lost, event| {
                match self.append(std::slice::from_ref(event)) {
                    Keep::Yes => Ok(lost),
                    Keep::No => Ok(lost + 1),
                    Keep::Fatal => Err(Fatal),
                }
            }),
        }
    }

    fn append(&self, events: &[Event]) -> Keep {
        let (keep, _) = self.piece(|tx| match log::append_all(tx, events) {
            Ok(_) => (Keep::Yes, ()),
            Err(Fail::Db(error)) if is_fatal(&error) => (Keep::Fatal, ()),
            Err(_) => (Keep::No, ()),
        });
        keep
    }

    /// Runs one piece in a savepoint. `None` when it panicked or never began.
    fn piece<T>(&self, work: impl FnOnce(&Tx<'_>) -> (Keep, T)) -> (Keep, Option<T>) {
        if self.statement("SAVEPOINT piece").is_err() {
            return (Keep::Fatal, None);
        }
        let head = self.head.get();
        let tx = self.tx();
        let (keep, value) = match catch_unwind(AssertUnwindSafe(|| work(&tx))) {
            Ok((keep, value)) => (keep, Some(value)),
            Err(_) => (Keep::No, None),
        };
        let mut ended = Ok(());
        if keep != Keep::Yes {
            self.head.set(head);
            ended = self.statement("ROLLBACK TO piece");
        }
        // SQLite rolls the whole transaction back on some errors; then there is no savepoint to go back to.
        match ended.and_then(|()| self.statement("RELEASE piece")) {
            Ok(()) => (keep, value),
            Err(_) => (Keep::Fatal, value),
        }
    }

    fn tx(&self) -> Tx<'_> {
        Tx {
            conn: &self.conn,
            shared: &self.shared,
            head: &self.head,
        }
    }

    fn statement(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Records what was lost on the way, then commits.
    fn finish(&self, lost_now: u64) -> Result<(), Fail<StoreError>> {
        let waiting = &self.shared.waiting;
        let overflowed = waiting.overflowed.unrecorded();
        let failed = waiting.failed.unrecorded() + lost_now;
        for (count, cause) in [
            (overflowed, LossCause::Overflow),
            (failed, LossCause::Storage),
        ] {
            if count > 0 {
                log::record_loss(&self.tx(), Some(count), cause)?;
            }
        }
        self.upkeep.sign_when_due(&self.tx())?;
        self.statement("COMMIT")?;
        waiting.overflowed.recorded(overflowed);
        waiting.failed.add(lost_now);
        waiting.failed.recorded(failed);
        Ok(())
    }

    /// Counts events as lost. Work is dropped, which answers its callers with `Failed`.
    fn refuse(&self, events: usize) {
        let waiting = &self.shared.waiting;
        waiting.failed.add(events as u64);
        waiting.release(events);
    }
}

/// The connection is not to be trusted any more.
struct Fatal;

#[cfg(test)]
mod tests;
