//! How long, and how much.

use std::time::Duration;

use crate::framing::FrameLimits;

/// The bounds of one call, all of which end in a typed error and none of which can be switched off, and of the
/// connections that are kept between calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// For the connection, TLS included, over all addresses.
    pub connect_timeout: Duration,
    /// From the start to the response head.
    pub head_timeout: Duration,
    /// Between two pieces of the body. Comments and blank lines count as life here.
    pub idle_timeout: Duration,
    /// Between two *events* of a stream: a server that only keeps the connection alive is not answering.
    pub progress_timeout: Duration,
    /// Bytes of one response body.
    pub max_body_bytes: usize,
    /// Bytes of one line.
    pub max_line_bytes: usize,
    /// Bytes of one event's data.
    pub max_event_bytes: usize,
    /// Header fields of one response.
    pub max_headers: usize,
    /// When an idle connection of a Local call is closed at the latest. It is used again within the first half.
    pub keep_local: Duration,
    /// The same for Cloud.
    pub keep_cloud: Duration,
    /// Idle connections to one clearance set.
    pub max_idle_connections: usize,
    /// Clearance sets whose connections are kept.
    pub max_clients: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let frames = FrameLimits::default();
        Self {
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(120),
            progress_timeout: Duration::from_secs(600),
            max_body_bytes: frames.total,
            max_line_bytes: frames.line,
            max_event_bytes: frames.event,
            max_headers: 64,
            keep_local: Duration::from_secs(30),
            keep_cloud: Duration::from_secs(10),
            max_idle_connections: 64,
            max_clients: 256,
        }
    }
}

impl Limits {
    /// The part of them that framers take.
    #[must_use]
    pub fn frames(&self) -> FrameLimits {
        FrameLimits {
            line: self.max_line_bytes,
            event: self.max_event_bytes,
            total: self.max_body_bytes,
        }
    }
}
