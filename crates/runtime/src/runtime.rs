//! The runtime: begins calls.

use std::{collections::VecDeque, sync::Arc};

use handshake_core::{chat::ChatRequest, event::EventScope};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{CallOptions, Config, History},
    emit::Out,
    handle::{CallHandle, Rest, Work},
    ports::Ports,
    timings::Timings,
    turns::Request,
};

/// Deliveries that may wait for their reader. A reader that is slower than that holds the upstream back.
const DELIVERIES: usize = 16;

/// The governed call path. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub(crate) ports: Arc<Ports>,
    pub(crate) config: Arc<Config>,
}

impl Runtime {
    /// Wires a runtime.
    #[must_use]
    pub fn new(ports: Ports, config: Config) -> Self {
        Self {
            ports: Arc::new(ports),
            config: Arc::new(config),
        }
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

    /// Begins a call. Must run inside a tokio runtime.
    ///
    /// With [`History::Carried`] the call runs while its handle is polled, in the caller's own task; with
    /// [`History::Stored`] it has a task of its own, beside which the session's lease is renewed.
    #[must_use]
    pub fn chat(&self, request: ChatRequest, options: CallOptions) -> CallHandle {
        let (sender, deliveries) = mpsc::channel(DELIVERIES);
        let cancel = CancellationToken::new();
        let timings = Arc::new(Timings::default());
        let stored = options.history == History::Stored;
        let scope = EventScope {
            principal: Some(request.principal.clone()),
            session_id: Some(request.session_id.clone()),
            trace_id: Some(request.trace_id),
            job_id: options.job_id.clone(),
            wp_id: options.wp_id.clone(),
            mt_id: options.mt_id.clone(),
            ..EventScope::default()
        };
        let rest = Arc::new(Rest::default());
        let call = Request {
            rest: Arc::downgrade(&rest),
            log: self.ports.log(scope),
            ports: Arc::clone(&self.ports),
            config: Arc::clone(&self.config),
            options,
            out: Out(sender),
            cancel: cancel.clone(),
            timings: Arc::clone(&timings),
        };
        let work: Work = if stored {
            Box::pin(call.run_stored(request))
        } else {
            Box::pin(call.run_carried(request))
        };
        match stored {
            true => drop(tokio::spawn(work)),
            false => rest.put(work),
        }
        CallHandle {
            deliveries,
            rest,
            cancel,
            timings,
            events: VecDeque::new(),
        }
    }
}
