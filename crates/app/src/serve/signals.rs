//! What a running gateway does at a signal. The handlers stand when these return, before anybody can know that it runs.

use std::{sync::Arc, time::Duration};

use handshake_core::code::{ErrorCode, Phase};
use serde_json::json;

use crate::{
    error::{AppError, Result},
    keys::kept::ends_itself,
    out::Out,
    wire::App,
};

/// How soon a stop is tried again that the store did not take.
const AGAIN: Duration = Duration::from_millis(250);

#[cfg(unix)]
type Signal = tokio::signal::unix::Signal;

#[cfg(unix)]
fn listen(kind: tokio::signal::unix::SignalKind) -> Result<Signal> {
    tokio::signal::unix::signal(kind).map_err(|_| {
        AppError::new(
            ErrorCode::InvalidConfig,
            Phase::Input,
            "cannot listen for signals",
        )
    })
}

/// Resolves at Ctrl-C, or at what service managers and containers send.
#[cfg(unix)]
pub(super) fn end() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::SignalKind;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    ends_itself();
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub(super) fn end() -> Result<impl Future<Output = ()>> {
    Ok(async {
        let _told = tokio::signal::ctrl_c().await;
    })
}

/// `SIGUSR1`: what `handshake stop` does, for whoever has only the process at hand. It only narrows, and whoever may send
/// it may end the process too.
pub(super) struct Halt(#[cfg(unix)] Signal);

impl Halt {
    #[cfg(unix)]
    pub(super) fn listen() -> Result<Self> {
        listen(tokio::signal::unix::SignalKind::user_defined1()).map(Self)
    }

    /// There is no such signal: the file `run/stop` does the same.
    #[cfg(not(unix))]
    pub(super) fn listen() -> Result<Self> {
        Ok(Self())
    }

    #[cfg(unix)]
    async fn told(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }

    #[cfg(not(unix))]
    async fn told(&mut self) {
        std::future::pending().await
    }

    /// Stops Cloud at each signal, however often it has to be tried.
    pub(super) async fn obey(mut self, app: Arc<App>, out: Out) {
        loop {
            self.told().await;
            let revoked = loop {
                match app.stop().await {
                    Ok(revoked) => break revoked,
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            };
            out.object(&json!({ "stopped": true, "paused": true, "revoked": revoked }));
            out.line(format!(
                "Stopped by a signal: cloud calls in progress end; receipts revoked: {revoked}. New ones wait until `handshake resume`."
            ));
        }
    }
}
