//! What the log says about receipts. The tables are a cache of it: where they differ, the log is believed as far as it is
//! the stricter of the two, and the receipt is void.

use std::{collections::BTreeMap, path::Path};

use handshake_core::{
    event::{Body, RecordedEvent},
    ids::ReceiptId,
    ports::StoreError,
};
use handshake_flight_recorder::{Leaf, LogHead, LogId, leaf_hash};
use rusqlite::Connection;

use crate::{error::Fail, log};

/// What every event about a receipt holds. A hint where to look; what is found is read strictly.
const MARK: &[u8] = b"\"consent_receipt_id\"";

/// What the log says about one receipt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Said {
    /// Uses that were begun.
    pub(crate) uses: u32,
    pub(crate) revoked: bool,
    /// The log after the last event about it.
    pub(crate) last: LogHead,
}

/// The log is not one chain from where it was signed to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Broken;

/// A part of the log, read once and then kept up with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book(Option<Pages>);

#[derive(Clone, Debug)]
struct Pages {
    from: LogHead,
    to: LogHead,
    receipts: BTreeMap<ReceiptId, Said>,
}

type Result<T> = std::result::Result<T, Fail<StoreError>>;

/// Where a log is read.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) folder: &'a Path,
    pub(crate) log_id: &'a LogId,
}

impl Book {
    /// Reads on, to the end, and from `from` at the latest, each leaf against the one before it. Called with a
    /// transaction that began after everything that is in the book was committed.
    pub(crate) fn keep_up(
        &mut self,
        source: Source<'_>,
        from: LogHead,
    ) -> Result<std::result::Result<(), Broken>> {
        let mut earlier = self.0.take();
        let known = earlier.take_if(|pages| pages.from.size <= from.size);
        let goes_on = known.is_some();
        let mut pages = known.unwrap_or_else(|| Pages {
            from,
            to: from,
            receipts: BTreeMap::new(),
        });
        let read_on = read_on(source, &mut pages);
        if !matches!(read_on, Ok(true)) {
            // What was read stays what the log said. A log that said more once is broken for good, and one page that
            // leads nowhere takes no other with it.
            self.0 = earlier.or_else(|| goes_on.then_some(pages));
            return read_on.map(|_| Err(Broken));
        }
        self.0 = Some(pages);
        Ok(Ok(()))
    }

    /// What it says; `None` for a receipt that it has not heard of.
    pub(crate) fn says(&self, receipt: &ReceiptId) -> Option<Said> {
        self.0.as_ref()?.receipts.get(receipt).copied()
    }
}

fn read_on(source: Source<'_>, pages: &mut Pages) -> Result<bool> {
    let end = log::head(source.conn, source.log_id)?;
    let mut whole = end.size >= pages.to.size;
    if whole {
        let after = pages.to.size;
        log::leaves_after(source.conn, source.folder, after, |leaf| {
            whole = whole && pages.turn(leaf);
        })?;
    }
    // Nobody took the end away, and nobody put another one in its place.
    Ok(whole && pages.to == end)
}

impl Pages {
    /// Takes one leaf, if it follows.
    fn turn(&mut self, leaf: &Leaf) -> bool {
        let follows = leaf.seq == self.to.size + 1
            && leaf.prev == self.to.hash
            && leaf.hash == leaf_hash(leaf.seq, &leaf.prev, &leaf.payload);
        if !follows {
            return false;
        }
        self.to = LogHead {
            size: leaf.seq,
            hash: leaf.hash,
        };
        if !leaf.payload.windows(MARK.len()).any(|part| part == MARK) {
            return true;
        }
        let Ok(recorded) = RecordedEvent::read(&leaf.payload) else {
            return false;
        };
        let (receipt, begins, revoked) = match recorded.event.body {
            Body::CloudEscalationApproved {
                consent_receipt_id, ..
            } => (consent_receipt_id, false, false),
            Body::CallAttempt {
                consent_receipt_id: Some(receipt),
                attempt,
                ..
            } => (receipt, attempt == 1, false),
            // A pause revokes none, and a stop says so of each in an event of its own.
            Body::Revoked {
                consent_receipt_id: Some(receipt),
                ..
            } => (receipt, false, true),
            _ => return true,
        };
        let said = self.receipts.entry(receipt).or_insert(Said {
            uses: 0,
            revoked: false,
            last: self.to,
        });
        said.uses = said.uses.saturating_add(u32::from(begins));
        said.revoked |= revoked;
        said.last = self.to;
        true
    }
}
