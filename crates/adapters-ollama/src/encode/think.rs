//! Whether the daemon is asked to think.
//!
//! Left out means *on* for models that can, and *off* puts the raw thinking of many of them into the text,
//! where no scrubber can find it: so a model that thinks is always told to, in its own channel, and *off* is
//! refused.

use handshake_core::{
    capability::{CapabilitySnapshot, Feature, Support},
    chat::Reasoning,
    code::ErrorCode,
    envelope::Adjustment,
    error::PrepareError,
};

use super::{adjustment, unsupported};
use crate::{profile::Family, wire::request::Think};

pub(super) fn decide(
    snapshot: &CapabilitySnapshot,
    family: &Family,
    asked: Option<Reasoning>,
    adjusted: &mut Vec<Adjustment>,
) -> Result<Option<Think>, PrepareError> {
    let thinks = snapshot.capabilities.supports(Feature::SupportsThinking);
    let level = match (asked, thinks) {
        (None, Support::Yes) => None,
        (None, Support::No | Support::Unknown) => return Ok(None),
        (Some(Reasoning::Off), Support::No) => return Ok(None),
        (Some(Reasoning::Off), Support::Yes) => return Err(unsupported("reasoning")),
        (Some(Reasoning::Off), Support::Unknown) => {
            return Err(PrepareError::new(
                ErrorCode::CapabilityUnknown,
                "supports_thinking",
            ));
        }
        // Admission has made sure that the model thinks.
        (Some(Reasoning::Low), _) => Some((1, "low")),
        (Some(Reasoning::Medium), _) => Some((2, "medium")),
        (Some(Reasoning::High), _) => Some((3, "high")),
    };
    Ok(Some(match level {
        Some((_, word)) if family.think_levels => Think::Level(word),
        Some((rank, _)) => {
            // Families other than these have a switch and no levels.
            adjusted.push(adjustment("reasoning", Some(rank), None));
            Think::On(true)
        }
        None => Think::On(true),
    }))
}
