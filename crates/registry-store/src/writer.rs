//! The one writer: a thread that takes what is queued, runs each piece in a savepoint of one transaction,
//! commits once, and answers afterwards.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use handshake_core::{event::Event, ports::StoreError, time::UtcTime};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    error::{Fail, is_fatal, store_error},
    instance, log,
    store::Shared,
};

/// The most pieces of one transaction.
const MAX_BATCH: usize = 256;
/// How long queued events wait for company. Work that somebody waits for never waits.
const LINGER: Duration = Duration::from_millis(10);

/// A transaction of the writer, inside the savepoint of one piece of work.
pub(crate) struct Tx<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) shared: &'a Shared,
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

enum Command {
    Work(Job),
    Event(Box<Event>),
}

pub(crate) struct Writer {
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn spawn(conn: Connection, shared: Arc<Shared>) -> std::io::Result<Self> {
        let (commands, queue) = channel();
        let thread = std::thread::Builder::new()
            .name("handshake-store".to_owned())
            .spawn(move || {
                Loop {
                    conn,
                    shared,
                    backlog: VecDeque::new(),
                }
                .run(&queue)
            })?;
        Ok(Self {
            commands: Some(commands),
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
        if let Some(commands) = &self.commands {
            // A closed queue drops the job, and with it the reply: the caller hears of it.
            let _closed = commands.send(Command::Work(job));
        }
    }

    /// Queues an event. False when the writer is gone.
    pub(crate) fn event(&self, event: Event) -> bool {
        let sent = self
            .commands
            .as_ref()
            .map(|commands| commands.send(Command::Event(Box::new(event))));
        matches!(sent, Some(Ok(())))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            // What was queued is committed before the store is gone. A panic there is behind us.
            let _panicked = thread.join();
        }
    }
}

struct Loop {
    conn: Connection,
    shared: Arc<Shared>,
    /// Events of a transaction that did not happen, first in the next.
    backlog: VecDeque<Box<Event>>,
}

impl Loop {
    fn run(mut self, queue: &Receiver<Command>) {
        while let Some(batch) = self.gather(queue) {
            self.transact(batch);
        }
        // The last of the events, then the clean end.
        let (reply, _) = oneshot::channel::<Result<(), StoreError>>();
        let end: Job = Box::new(move |tx| {
            let keep = if instance::leave(tx).is_ok() {
                Keep::Yes
            } else {
                Keep::No
            };
            (keep, Box::new(move |_| drop(reply)))
        });
        self.transact(vec![Command::Work(end)]);
    }

    /// The next pieces: everything that is queued, or `None` when nothing can come any more.
    fn gather(&self, queue: &Receiver<Command>) -> Option<Vec<Command>> {
        let first = if self.backlog.is_empty() {
            vec![queue.recv().ok()?]
        } else {
            match queue.recv_timeout(LINGER) {
                Ok(command) => vec![command],
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        };
        let mut batch = first;
        let deadline = Instant::now() + LINGER;
        while batch.len() < MAX_BATCH {
            let patient = batch
                .iter()
                .all(|command| matches!(command, Command::Event(_)));
            let next = if patient {
                queue
                    .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                    .ok()
            } else {
                queue.try_recv().ok()
            };
            match next {
                Some(command) => batch.push(command),
                None => break,
            }
        }
        Some(batch)
    }

    fn transact(&mut self, batch: Vec<Command>) {
        if self.shared.is_poisoned() {
            self.refuse(batch);
            return;
        }
        if let Err(error) = self.conn.execute_batch("BEGIN IMMEDIATE") {
            if is_fatal(&error) {
                self.shared.poison();
                self.refuse(batch);
            } else {
                // Another process is busy. Its events wait; those who asked hear of it.
                self.postpone(batch, store_error(&error));
            }
            return;
        }
        let mut answers = Vec::with_capacity(batch.len());
        let (mut events, mut lost) = (0_u64, 0_u64);
        let mut fatal = false;
        let backlog = self.backlog.drain(..).map(Command::Event);
        let mut commands = backlog.chain(batch).collect::<VecDeque<_>>();
        while let Some(command) = if fatal { None } else { commands.pop_front() } {
            let keep = match command {
                Command::Event(event) => {
                    events += 1;
                    let (keep, _) = self.piece(|tx| match log::append(tx, *event) {
                        Ok(_) => (Keep::Yes, ()),
                        Err(Fail::Db(error)) if is_fatal(&error) => (Keep::Fatal, ()),
                        Err(_) => (Keep::No, ()),
                    });
                    lost += u64::from(keep == Keep::No);
                    keep
                }
                Command::Work(job) => {
                    let (keep, answer) = self.piece(job);
                    // None when it panicked: its reply is gone, so its caller hears of it.
                    answers.extend(answer);
                    keep
                }
            };
            fatal = keep == Keep::Fatal;
        }
        let committed = !fatal && self.finish(lost).is_ok();
        let outcome = if committed {
            Ok(())
        } else {
            self.shared.poison();
            // Whether or not this works: nothing of the transaction was committed.
            let _rolled_back = self.conn.execute_batch("ROLLBACK");
            self.shared.lost.fetch_add(events, Ordering::SeqCst);
            Err(StoreError::Failed)
        };
        self.shared
            .queued
            .fetch_sub(usize::try_from(events).unwrap_or(0), Ordering::SeqCst);
        for answer in answers {
            answer(outcome);
        }
        self.refuse(commands.into());
    }

    /// Runs one piece in a savepoint. `None` when it panicked or never began.
    fn piece<T>(&self, work: impl FnOnce(&Tx<'_>) -> (Keep, T)) -> (Keep, Option<T>) {
        if self.conn.execute_batch("SAVEPOINT piece").is_err() {
            return (Keep::Fatal, None);
        }
        let tx = Tx {
            conn: &self.conn,
            shared: &self.shared,
        };
        let (keep, value) = match catch_unwind(AssertUnwindSafe(|| work(&tx))) {
            Ok((keep, value)) => (keep, Some(value)),
            Err(_) => (Keep::No, None),
        };
        let end = match keep {
            Keep::Yes => "RELEASE piece",
            Keep::No | Keep::Fatal => "ROLLBACK TO piece; RELEASE piece",
        };
        // SQLite rolls the whole transaction back on some errors; then there is no savepoint to go back to.
        match self.conn.execute_batch(end) {
            Ok(()) => (keep, value),
            Err(_) => (Keep::Fatal, value),
        }
    }

    /// Writes what was lost on the way, then commits.
    fn finish(&self, lost_now: u64) -> Result<(), Fail<StoreError>> {
        let before = self.shared.lost.load(Ordering::SeqCst);
        if before + lost_now > 0 {
            let tx = Tx {
                conn: &self.conn,
                shared: &self.shared,
            };
            log::record_gap(&tx, Some(before + lost_now), "overflow")?;
        }
        self.conn.execute_batch("COMMIT")?;
        self.shared.lost.fetch_sub(before, Ordering::SeqCst);
        Ok(())
    }

    /// Keeps the events for the next transaction and sends everybody else away.
    fn postpone(&mut self, batch: Vec<Command>, why: StoreError) {
        for command in batch {
            match command {
                Command::Event(event) => self.backlog.push_back(event),
                // Dropping the job answers its caller with `Failed`, which is what `why` is.
                Command::Work(job) => drop((job, why)),
            }
        }
    }

    /// Sends everybody away; their events are counted as lost.
    fn refuse(&mut self, batch: Vec<Command>) {
        let events = self.backlog.drain(..).count()
            + batch
                .into_iter()
                .filter(|command| matches!(command, Command::Event(_)))
                .count();
        self.shared.lost.fetch_add(events as u64, Ordering::SeqCst);
        self.shared.queued.fetch_sub(events, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
