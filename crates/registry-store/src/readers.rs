//! Reading: a few connections, each used by one reader at a time, off the reactor.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use handshake_core::ports::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Semaphore;

use crate::{connection, error::Fail};

/// Readers at a time; more wait.
const CONNECTIONS: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path: Arc::new(path),
            idle: Arc::default(),
            places: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Runs a read in a transaction of its own: everything in it sees the same state.
    pub(crate) async fn read<T, E, F>(&self, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fail<E>> + Send + 'static,
    {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Failed)?;
        let this = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            this.read_now(read)
        });
        task.await.map_err(|_| StoreError::Failed)?
    }

    /// The same on this thread.
    pub(crate) fn read_now<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Fail<E>>,
    ) -> Result<T, E> {
        let mut connection = self.take().map_err(|error| Fail::<E>::Db(error).answer())?;
        let result = (|| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            let value = read(&tx)?;
            tx.finish()?;
            Ok(value)
        })();
        // A connection that failed may be in any state; another one is cheap.
        if !matches!(result, Err(Fail::Db(_))) {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
        result.map_err(Fail::answer)
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.map_or_else(|| connection::reader(&self.path), Ok)
    }
}
