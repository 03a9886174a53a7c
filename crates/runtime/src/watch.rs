//! Consent that is taken back ends what runs under it, in whatever process that happens, and so do rules that let
//! nothing leave any more.
//!
//! One task looks for all calls of a runtime, and only while there is one. It looks at the rules, and at the registry's
//! view, which moves with every revocation; it reads receipts only where that did.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use handshake_core::{
    gate::Gate,
    ids::ReceiptId,
    ports::{Clock, ConsentStore, RegistryFeed},
    profile::RegistryView,
    time::UtcTime,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handle::Rest;

/// How often is looked while a call runs under a receipt.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Where nobody can say for so long whether a receipt still holds, it does not.
const BLIND_AT_MOST: Duration = Duration::from_secs(1);
/// How long a caller may take to notice that its call is over. After that it is ended for them: one who reads nothing,
/// such as a client that does not take its answer, would never notice.
const UNPOLLED: Duration = Duration::from_millis(250);
/// What differs between the clocks of two looks, or of two processes, hides no revocation.
const SLACK: Duration = Duration::from_secs(24 * 60 * 60);

/// The calls that run under receipts.
#[derive(Default)]
pub(crate) struct Watch(Mutex<State>);

#[derive(Default)]
struct State {
    live: BTreeMap<u64, Live>,
    next: u64,
    /// Whether somebody looks.
    looking: bool,
    /// Whether a call came since the last look: its receipt may have been revoked before.
    fresh: bool,
}

struct Live {
    receipt: ReceiptId,
    since: UtcTime,
    over: Arc<Over>,
    rest: Weak<Rest>,
}

/// Why a call is over before its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TakenBack {
    /// Its receipt does not hold any more.
    Consent,
    /// The rules let nothing leave any more.
    Locked,
}

/// That a call is over, and why.
#[derive(Default)]
struct Over {
    told: CancellationToken,
    why: OnceLock<TakenBack>,
}

impl Live {
    /// Tells whoever polls the call that it is over; where nobody does, it is ended for them.
    fn end(&self, why: TakenBack) {
        if self.over.told.is_cancelled() {
            return;
        }
        self.over.why.get_or_init(|| why);
        self.over.told.cancel();
        let rest = Weak::clone(&self.rest);
        // Without a runtime nobody polls it, nor reads from its provider.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(end_unpolled(rest));
        }
    }
}

async fn end_unpolled(rest: Weak<Rest>) {
    tokio::time::sleep(UNPOLLED).await;
    let left = rest.upgrade().and_then(|rest| rest.take());
    if let Some(left) = left {
        left.await;
    }
}

/// Where is looked.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) feed: Arc<dyn RegistryFeed>,
    pub(crate) consent: Arc<dyn ConsentStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gate: Arc<Gate>,
}

impl Sources {
    /// Whether the rules let nothing leave.
    fn locked(&self) -> bool {
        let posture = self.gate.posture();
        posture.locked || !posture.cloud_allowed
    }
}

/// A call under a receipt. Dropping it is its end.
pub(crate) struct Watched {
    watch: Arc<Watch>,
    id: u64,
    over: Arc<Over>,
}

impl Watched {
    /// Resolves when the call may not go on.
    pub(crate) async fn revoked(&self) -> TakenBack {
        self.over.told.cancelled().await;
        *self.over.why.get_or_init(|| TakenBack::Consent)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.state().live.remove(&self.id);
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches over a call. `since` is before its receipt was judged.
    pub(crate) fn over(
        self: &Arc<Self>,
        receipt: ReceiptId,
        (since, rest): (UtcTime, Weak<Rest>),
        sources: impl FnOnce() -> Sources,
    ) -> Watched {
        let over = Arc::new(Over::default());
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.fresh = true;
        state.live.insert(
            id,
            Live {
                receipt,
                since,
                over: Arc::clone(&over),
                rest,
            },
        );
        if !std::mem::replace(&mut state.looking, true) {
            tokio::spawn(look_after(Arc::clone(self), sources()));
        }
        Watched {
            watch: Arc::clone(self),
            id,
            over,
        }
    }

    /// Since when revocations matter, and whether a call came meanwhile. `None`, and nobody looks any more, where no
    /// call runs.
    fn wanted(&self) -> Option<(UtcTime, bool)> {
        let mut state = self.state();
        let Some(since) = state.live.values().map(|live| live.since).min() else {
            state.looking = false;
            return None;
        };
        Some((since, std::mem::take(&mut state.fresh)))
    }

    fn end(&self, why: TakenBack, ends: impl Fn(&ReceiptId) -> bool) {
        let state = self.state();
        let over = state.live.values().filter(|live| ends(&live.receipt));
        over.for_each(|live| live.end(why));
    }
}

/// However a look ends: where nobody looks any more, nobody can say that a receipt still holds.
struct Looking(Option<Arc<Watch>>);

impl Drop for Looking {
    fn drop(&mut self) {
        let Some(watch) = self.0.take() else { return };
        let mut state = watch.state();
        state.looking = false;
        state
            .live
            .values()
            .for_each(|live| live.end(TakenBack::Consent));
    }
}

async fn look_after(watch: Arc<Watch>, sources: Sources) {
    let mut looking = Looking(Some(Arc::clone(&watch)));
    let mut seen: Option<Arc<RegistryView>> = None;
    let mut saw = Instant::now();
    while let Some((since, fresh)) = watch.wanted() {
        if sources.locked() {
            watch.end(TakenBack::Locked, |_| true);
        }
        let looked = match sources.feed.current() {
            Ok(view) if !fresh && seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &view)) => {
                Ok(view)
            }
            Ok(view) => {
                // Where the clock was set back, what is revoked now was revoked before the call began.
                let since = since.min(sources.clock.now());
                let back = UtcTime::from_unix_millis(
                    since
                        .unix_millis()
                        .saturating_sub(i64::try_from(SLACK.as_millis()).unwrap_or(i64::MAX)),
                );
                let revoked = sources.consent.revoked_since(back).await;
                revoked.map(|revoked| {
                    watch.end(TakenBack::Consent, |receipt| revoked.contains(receipt));
                    view
                })
            }
            Err(error) => Err(error),
        };
        match looked {
            Ok(view) => {
                seen = Some(view);
                saw = Instant::now();
            }
            Err(_) => {
                seen = None;
                if saw.elapsed() > BLIND_AT_MOST {
                    watch.end(TakenBack::Consent, |_| true);
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    // No call ran, and who comes now starts another look.
    looking.0 = None;
}
