#![doc = include_str!("../README.md")]

mod access;
mod aliases;
mod artifacts;
mod backup;
mod claims;
mod codec;
mod connection;
mod consent;
mod contacts;
mod epochs;
mod error;
#[cfg(test)]
mod fakes;
mod feed;
mod findings;
mod halt;
mod instance;
mod ledger;
mod log;
mod migrate;
mod options;
mod profiles;
mod providers;
mod queue;
mod readers;
mod schema;
mod seals;
mod sessions;
mod shown;
mod store;
mod tokens;
mod writer;

pub use aliases::Alias;
pub use artifacts::Withheld;
pub use consent::ReceiptRecord;
pub use epochs::Epoch;
pub use error::{ExportFailed, OpenError};
pub use handshake_core::client::ClientToken;
pub use handshake_flight_recorder::Anchor;
pub use log::{LogReader, LogReport, LogTrust, Loss, Reach, Retention, Segment, SegmentState};
pub use options::StoreOptions;
pub use queue::Refusal;
pub use store::Store;
pub use tokens::NewToken;
