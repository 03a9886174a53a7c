//! Floods of denials. Whoever is denied again and again for the same reason fills no log: the first few are recorded
//! one by one, the rest are counted, and the count is recorded.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::Gate;
use crate::{
    code::ErrorCode,
    event::{Actor, Body, EgressCode, Event, EventScope},
    ids::{Principal, ProviderId},
    ports::RecordError,
    tier::ModelTier,
};

/// So many of the same are recorded one by one, in each window.
const EACH: u32 = 5;
/// After so long they are recorded one by one again.
const WINDOW: Duration = Duration::from_secs(60);
/// More askers and reasons than this are not told apart: what no longer has a place is recorded one by one.
const PLACES: usize = 1024;

/// Denials of the same principal, for the same reason.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
struct Same {
    principal: Option<Principal>,
    provider_id: Option<ProviderId>,
    step: EgressCode,
    code: ErrorCode,
    cloud: bool,
}

struct Seen {
    since: Duration,
    each: u32,
    counted: u64,
}

/// What was denied lately.
#[derive(Default)]
pub(super) struct Floods(Mutex<BTreeMap<Same, Seen>>);

impl Gate {
    /// Whether a denial is one of a flood: then it is counted, and is not to be recorded. Whoever is told so has
    /// [`record_floods`](Self::record_floods) called soon.
    #[must_use]
    pub fn is_flood(
        &self,
        scope: &EventScope,
        step: EgressCode,
        code: ErrorCode,
        tier: ModelTier,
    ) -> bool {
        let same = Same {
            principal: scope.principal.clone(),
            provider_id: scope.provider_id.clone(),
            step,
            code,
            cloud: tier == ModelTier::Cloud,
        };
        let now = self.ports.clock.monotonic();
        let mut seen = self.floods.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= PLACES && !seen.contains_key(&same) {
            seen.retain(|_, seen| seen.counted > 0 || now.saturating_sub(seen.since) < WINDOW);
            if seen.len() >= PLACES {
                return false;
            }
        }
        let seen = seen.entry(same).or_insert(Seen {
            since: now,
            each: 0,
            counted: 0,
        });
        if now.saturating_sub(seen.since) >= WINDOW {
            (seen.since, seen.each) = (now, 0);
        }
        if seen.each < EACH {
            seen.each += 1;
            return false;
        }
        seen.counted += 1;
        true
    }

    /// Whether this principal was denied so often lately, towards this provider, that the next denial would be counted:
    /// what is only worth recording of a call that is not denied waits until that is known.
    #[must_use]
    pub fn in_flood(&self, scope: &EventScope) -> bool {
        let seen = self.floods.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_empty() {
            return false;
        }
        let first = Same {
            principal: scope.principal.clone(),
            provider_id: scope.provider_id.clone(),
            step: EgressCode::Governance,
            code: ErrorCode::ALL[0],
            cloud: false,
        };
        let now = self.ports.clock.monotonic();
        let (principal, provider) = (first.principal.clone(), first.provider_id.clone());
        seen.range(first..)
            .take_while(|(same, _)| same.principal == principal && same.provider_id == provider)
            .any(|(_, seen)| seen.each >= EACH && now.saturating_sub(seen.since) < WINDOW)
    }

    /// Records what was counted since the last time: one event for each principal and reason.
    ///
    /// # Errors
    /// The recorder's; what was counted is kept then, for the next time.
    pub async fn record_floods(&self) -> Result<(), RecordError> {
        let counted: Vec<(Same, u64)> = {
            let mut seen = self.floods.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.iter_mut()
                .filter(|(_, seen)| seen.counted > 0)
                .map(|(same, seen)| (same.clone(), std::mem::take(&mut seen.counted)))
                .collect()
        };
        if counted.is_empty() {
            return Ok(());
        }
        let events = counted
            .iter()
            .map(|(same, count)| self.counted(same, *count));
        let recorded = self.ports.recorder.append_all(events.collect()).await;
        if recorded.is_err() {
            let mut seen = self.floods.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (same, count) in counted {
                let again = seen.entry(same).or_insert(Seen {
                    since: self.ports.clock.monotonic(),
                    each: EACH,
                    counted: 0,
                });
                again.counted += count;
            }
        }
        recorded.map(|_| ())
    }

    fn counted(&self, same: &Same, count: u64) -> Event {
        let scope = EventScope {
            principal: same.principal.clone(),
            provider_id: same.provider_id.clone(),
            ..EventScope::default()
        };
        let body = Body::GateDenied {
            step: same.step,
            code: same.code,
            count: Some(count),
        };
        self.event(&scope, Actor::System, body)
    }
}
