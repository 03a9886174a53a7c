//! The runtime: one task per call.

use std::sync::Arc;

use handshake_core::{chat::ChatRequest, event::EventScope};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{CallOptions, Config},
    emit::{Log, Out},
    handle::CallHandle,
    ports::Ports,
    turns::Request,
};

/// The governed call path. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub(crate) ports: Ports,
    pub(crate) config: Config,
}

impl Runtime {
    /// Wires a runtime.
    #[must_use]
    pub fn new(ports: Ports, config: Config) -> Self {
        Self { ports, config }
    }

    /// The ports that it was wired to.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The bounds.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Starts a call in a task of its own. Must run inside a tokio runtime.
    #[must_use]
    pub fn chat(&self, request: ChatRequest, options: CallOptions) -> CallHandle {
        let (sender, events) = mpsc::channel(64);
        let cancel = CancellationToken::new();
        let work = Request {
            ports: self.ports.clone(),
            config: self.config.clone(),
            log: Log {
                recorder: Arc::clone(&self.ports.recorder),
                clock: Arc::clone(&self.ports.clock),
                entropy: Arc::clone(&self.ports.entropy),
                scope: EventScope {
                    job_id: options.job_id.clone(),
                    wp_id: options.wp_id.clone(),
                    mt_id: options.mt_id.clone(),
                    ..EventScope::default()
                },
            },
            options,
            out: Out(sender),
            cancel: cancel.clone(),
        };
        tokio::spawn(work.run(request));
        CallHandle {
            events,
            cancel: cancel.clone(),
            _guard: cancel.drop_guard(),
        }
    }
}
