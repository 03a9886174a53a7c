//! Spans and events of the process, on standard error and through the matcher.

use std::{
    io::{self, Write},
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use clap::ValueEnum;
use handshake_core::ports::SinkFilter;
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

/// How the process tells what it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The matcher, once a home is open. Before that there is nothing enrolled, and nothing is written.
static FILTER: OnceLock<RwLock<Option<Arc<dyn SinkFilter>>>> = OnceLock::new();

fn filter() -> &'static RwLock<Option<Arc<dyn SinkFilter>>> {
    FILTER.get_or_init(RwLock::default)
}

/// From now on lines are written, through this matcher.
pub(crate) fn guard(with: Arc<dyn SinkFilter>) {
    *filter().write().unwrap_or_else(PoisonError::into_inner) = Some(with);
}

/// Installs the subscriber: the steps of each call, as spans that are written when they close.
pub(crate) fn install(format: LogFormat) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(
            "off,handshake_runtime=debug",
        ))
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(Guarded);
    // A second subscriber is a mistake of ours that costs nothing.
    let _installed = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Writes whole lines to standard error, cleaned.
struct Guarded;

impl<'a> MakeWriter<'a> for Guarded {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Vec::new())
    }
}

/// One line: the formatter writes it in one piece, and it is cleaned as a whole.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let held = filter().read().unwrap_or_else(PoisonError::into_inner);
        let Some(filter) = &*held else { return };
        let text = String::from_utf8_lossy(&self.0);
        // Nobody is told that standard error is gone.
        let _gone = io::stderr()
            .lock()
            .write_all(filter.clean(&text).as_bytes());
    }
}
