//! What a lease can let pass again: the values that rules ask about in a call, as a person is shown them.

use std::collections::{BTreeMap, BTreeSet};

use handshake_core::{
    code::{ErrorCode, Phase},
    consent::{Asked, ProjectionPlan, Waiver},
    digest::CommitmentKey,
    finding::{FindingClass, FindingLevel},
    ids::RuleId,
    json::read_strict,
};
use serde::Serialize;

use super::{Finder, Preview};
use crate::error::{Error, Result};

/// A value that a lease can let pass again. Not the value itself: where it stands, it is shown masked.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Waivable {
    /// The rule that asks about it.
    pub rule: RuleId,
    /// The class.
    pub class: FindingClass,
    /// JSON pointer of the text that holds it.
    pub pointer: String,
    /// Whether the whole text is waived: it was seen by decoding it.
    pub whole_text: bool,
}

/// Why a lease can let nothing pass again.
type Refused = &'static str;

impl Finder {
    /// What a lease would waive, for the gate and for the person; all that is asked about in this call, or nothing of it.
    pub(super) fn waivable(
        &self,
        plan: &ProjectionPlan,
        key: &CommitmentKey,
    ) -> std::result::Result<(BTreeSet<Waiver>, Vec<Waivable>), Refused> {
        let all = self.listed();
        let asks: Vec<_> = all
            .iter()
            .filter(|finding| finding.level == FindingLevel::Ask)
            .collect();
        let mut here: BTreeMap<FindingClass, u32> = BTreeMap::new();
        for finding in &asks {
            *here.entry(finding.class).or_default() += 1;
        }
        let gate = plan.ext.findings.iter();
        let gate = gate.filter(|it| it.level == FindingLevel::Ask);
        // In a header, by rules of another day: what is not seen here cannot be shown here.
        if gate
            .map(|it| (it.class, it.count))
            .collect::<BTreeMap<_, _>>()
            != here
        {
            return Err("not all of what was found stands in its content");
        }
        let body = read_strict(&self.body);
        let body = body.as_ref().map_err(|error| *error);
        let asked = Asked::of(&all, body, key);
        if asked.blocks || asked.each_time {
            return Err("a part of what was found needs your attention each time");
        }
        let shown: BTreeSet<Waivable> = asks
            .iter()
            .map(|finding| Waivable {
                rule: finding.rule.clone(),
                class: finding.class,
                pointer: finding.pointer.clone().unwrap_or_default(),
                whole_text: !finding.views.is_empty() || finding.start.is_none(),
            })
            .collect();
        Ok((asked.values, shown.into_iter().collect()))
    }
}

fn refused(why: &str) -> Error {
    let message = format!("no lease can cover this call: {why}");
    Error::new(ErrorCode::CloudConsentMismatch, Phase::Gate, message)
        .next("approve this call only, without a lease")
}

impl Preview {
    /// Whether a lease can cover this call that waives nothing.
    ///
    /// # Errors
    /// `HSK-403-CLOUD-CONSENT-MISMATCH`, and whether one could that waives what was found.
    pub async fn can_be_leased(&self) -> Result<()> {
        let Some(why) = self.no_lease() else {
            return Ok(());
        };
        let could = self.no_lease_at_all().is_none() && self.waived().await?.is_ok();
        let error = refused(why);
        Err(match could {
            true => error.next(
                "approve this call only, or add `--waive` to let these very values pass again under the lease",
            ),
            false => error,
        })
    }

    /// What a lease would waive; nothing, where nothing is asked about.
    ///
    /// # Errors
    /// `HSK-403-CLOUD-CONSENT-MISMATCH` where no lease can cover this call whatever it waives.
    pub async fn can_be_waived(&self) -> Result<BTreeSet<Waiver>> {
        if let Some(why) = self.no_lease_at_all() {
            return Err(refused(why));
        }
        self.waived().await?.map_err(refused)
    }

    async fn waived(&self) -> Result<std::result::Result<BTreeSet<Waiver>, Refused>> {
        let (_, key) = self.parts.vault.commitment_key()?;
        let (finder, plan) = (self.finder(), self.record.plan.clone());
        self.aside(move || finder.waivable(&plan, &key).map(|(waived, _)| waived))
            .await
    }
}
