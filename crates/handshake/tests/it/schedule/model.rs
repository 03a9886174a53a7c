//! What may leave, by rules that fit on one page. It knows nothing of how the program keeps them.

use handshake_core::ids::{ReceiptId, RequestId};

const SECOND: i64 = 1000;
/// A yes to one call: for so long, and no longer than this after its last asker left.
const ONCE: i64 = 600 * SECOND;
const LEFT: i64 = 60 * SECOND;
/// A lease: so long without use, and so long in all.
const IDLE: i64 = 30 * 60 * SECOND;
const LIFE: i64 = 8 * 60 * 60 * SECOND;
/// A clock may be corrected by so much before it counts as set back.
const TOLERATED: i64 = 5 * SECOND;

/// What a person gave.
#[derive(Debug)]
pub(super) struct Receipt {
    pub(super) id: ReceiptId,
    /// What it answered.
    pub(super) asked: RequestId,
    pub(super) session: u8,
    /// For this text alone; `None` is a lease.
    pub(super) once: Option<u8>,
    pub(super) uses_left: u32,
    pub(super) given_at: i64,
    pub(super) used_at: i64,
    pub(super) left_at: Option<i64>,
    /// Revoked, from another run, for another revision.
    pub(super) over: bool,
    /// Nothing happened that a program may take for the end of it.
    pub(super) sure: bool,
}

/// The reference.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) receipts: Vec<Receipt>,
    /// The wall clock, and how far it was set from where it would be.
    pub(super) now: i64,
    set: i64,
    /// The furthest that it was set in this run.
    furthest: i64,
    pub(super) paused: bool,
    pub(super) paused_at: Option<i64>,
    /// The home was put back, and no person knows.
    pub(super) behind: bool,
    /// The provider is not what a person wrote.
    pub(super) forged: bool,
    /// What is allowed does leave: nothing happened after which a program may refuse more than it must.
    pub(super) sure: bool,
    /// Somebody wrote over it in the database whether it is paused.
    pub(super) pause_edited: bool,
    /// Somebody wrote into the database that everybody still waits.
    pub(super) waits: bool,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            sure: true,
            ..Self::default()
        }
    }

    pub(super) fn passes(&mut self, milliseconds: i64) {
        self.now += milliseconds;
    }

    /// The clock is set, and every process looks at it.
    pub(super) fn sets(&mut self, seconds: i64) {
        self.now += seconds * SECOND;
        self.set += seconds * SECOND;
        if self.set < self.furthest - TOLERATED {
            self.ends_all();
            self.furthest = self.set;
        }
        self.furthest = self.furthest.max(self.set);
    }

    /// Everything that was given is over.
    pub(super) fn ends_all(&mut self) {
        for receipt in &mut self.receipts {
            receipt.over = true;
        }
    }

    /// Paused again, it counts from then.
    pub(super) fn pauses(&mut self) {
        self.paused_at = Some(self.now);
        self.paused = true;
    }

    /// Whether a receipt covers a call with this text now.
    fn covers(&self, receipt: &Receipt, session: u8, text: u8) -> bool {
        let age = self.now - receipt.given_at;
        let idle = self.now - receipt.used_at.max(receipt.given_at);
        let alone = receipt
            .left_at
            .is_some_and(|left| !self.waits && self.now - left.max(receipt.given_at) >= LEFT);
        let alive = match receipt.once {
            Some(only) => only == text && age < ONCE && !alone,
            None => {
                idle <= IDLE
                    && age < LIFE
                    && self
                        .paused_at
                        .is_none_or(|paused| receipt.given_at > paused)
            }
        };
        alive
            && age >= 0
            && idle >= 0
            && !receipt.over
            && receipt.uses_left > 0
            && receipt.session == session
    }

    fn open(&self) -> bool {
        !self.paused && !self.behind && !self.forged
    }

    /// How many calls with this text may leave.
    pub(super) fn allowed(&self, session: u8, text: u8) -> u32 {
        let covering = self
            .receipts
            .iter()
            .filter(|it| self.covers(it, session, text));
        match self.open() {
            true => covering.map(|it| it.uses_left).sum(),
            false => 0,
        }
    }

    /// Whether one must leave, and not only may.
    pub(super) fn leaves_for_sure(&self, session: u8, text: u8) -> bool {
        let fresh = |it: &Receipt| it.once.is_none() || self.now - it.given_at < LEFT;
        let sure = |it: &&Receipt| it.sure && fresh(it) && self.covers(it, session, text);
        self.sure && !self.pause_edited && self.open() && self.receipts.iter().any(|it| sure(&it))
    }

    /// A call with this text left under this receipt.
    pub(super) fn spends(&mut self, id: ReceiptId, session: u8, text: u8) {
        let at = self.receipts.iter().position(|it| it.id == id);
        let at = at.unwrap_or_else(|| panic!("a call left under {id}, which nobody gave"));
        let covered = self.open() && self.covers(&self.receipts[at], session, text);
        let (now, receipt) = (self.now, &mut self.receipts[at]);
        assert!(
            covered,
            "a call left under what does not cover it: {receipt:?}"
        );
        receipt.uses_left -= 1;
        receipt.used_at = now;
    }

    /// What was given so far may be refused from now on.
    pub(super) fn doubts(&mut self) {
        for receipt in &mut self.receipts {
            receipt.sure = false;
        }
    }
}
