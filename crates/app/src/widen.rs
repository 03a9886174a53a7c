//! Widening: whatever lets more happen than before needs the approval factor, and is an event with keyed
//! hashes of what was and what is. Narrowing needs nothing.

use handshake_core::{
    code::{ErrorCode, Phase},
    event::{Event, EventScope, WidenKind},
    ports::FlightRecorderExt,
    secret::Secret,
};
use handshake_llm::parts::Approval;
use serde::Serialize;

use crate::{
    error::{AppError, Result},
    factor,
    out::printable,
    record,
    wire::App,
};

/// How far a widening reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Weight {
    /// Nothing could leave by it that a person has to know of. No factor.
    Nothing,
    /// Something could leave this machine by it. The factor, always.
    Cloud,
    /// It concerns this machine only, and could be somebody's loss all the same. The factor where the home has one. A
    /// home that was made without a terminal has none, and nothing can leave by it: there it goes through, or such a
    /// home were of no use.
    Local,
}

impl Weight {
    /// The heavier of two.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, heavier) => heavier,
            (Self::Local, Self::Cloud) => other,
            _ => self,
        }
    }
}

/// That the factor was given, or that none is needed. Nobody else can make one.
#[must_use]
#[derive(Debug)]
pub(crate) struct Permit(Option<Approval>);

/// Asks for the approval factor and records the widening. The caller makes the change afterwards, and has
/// checked before that it can: nobody is asked about what would fail.
///
/// # Errors
/// `HSK-403-FACTOR-REQUIRED`; nothing was changed then.
pub(crate) async fn widen<T: Serialize>(
    app: &App,
    (kind, weight, words): (WidenKind, Weight, &str),
    scope: EventScope,
    before: Option<&T>,
    after: &T,
) -> Result<Permit> {
    let permit = ask(app, weight, words)?;
    permit.record(app, kind, scope, before, after).await?;
    Ok(permit)
}

/// Asks for the approval factor.
///
/// # Errors
/// `HSK-403-FACTOR-REQUIRED` without a terminal, with a wrong passphrase, and in a home that has none.
pub(crate) fn ask(app: &App, weight: Weight, words: &str) -> Result<Permit> {
    if weight == Weight::Nothing {
        return Ok(Permit(None));
    }
    // The error is one line: what stands below it is for the one who is asked.
    let short = words
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches(':');
    if !app.has_factor()? {
        return match weight {
            Weight::Nothing | Weight::Local => Ok(Permit(None)),
            Weight::Cloud => Err(AppError::new(
                ErrorCode::FactorRequired,
                Phase::Gate,
                format!("cannot {short}: this home has no approval passphrase"),
            )
            .next("run `handshake home passphrase` at a terminal to set one")),
        };
    }
    // Chosen a moment ago, in this process, twice: asking a third time would tell nothing more.
    if let Some(approval) = app.home.just_chosen() {
        return Ok(Permit(Some(approval)));
    }
    if !factor::at_terminal() {
        return Err(AppError::new(
            ErrorCode::FactorRequired,
            Phase::Gate,
            format!("the approval passphrase is required to {short}"),
        ));
    }
    // In the question itself: whoever answers it has read what it is about, whatever else is printed.
    let mut tries = factor::Tries::new(printable(&format!(
        "About to {words}\nApproval passphrase: "
    )));
    loop {
        let passphrase = tries.ask()?;
        match app.vault.approve(Some(&passphrase)) {
            Ok(approval) => return Ok(Permit(Some(approval))),
            Err(error) => tries.wrong(error.into())?,
        }
    }
}

/// The same where the passphrase is at hand already, because something is signed with it too.
///
/// # Errors
/// `HSK-403-FACTOR-REQUIRED` for a wrong one.
pub(crate) fn with_passphrase(app: &App, passphrase: &Secret) -> Result<Permit> {
    Ok(Permit(Some(app.vault.approve(Some(passphrase))?)))
}

/// What a person gave was asked for and checked by whoever calls this: the factor of another home, or of this one where
/// it does not seal anything, or their word where nobody holds a factor.
pub(crate) fn confirmed_in_person() -> Permit {
    Permit(None)
}

impl Permit {
    /// The approval key, where the factor was given: to seal what it was given for.
    pub(crate) fn approval(&self) -> Option<&Approval> {
        self.0.as_ref()
    }

    /// Records one widening under this permit.
    ///
    /// # Errors
    /// The log's; the change must not be made then.
    pub(crate) async fn record<T: Serialize>(
        &self,
        app: &App,
        kind: WidenKind,
        scope: EventScope,
        before: Option<&T>,
        after: &T,
    ) -> Result<()> {
        let event = self.event(app, kind, scope, before, after)?;
        app.store.append(event).await?;
        Ok(())
    }

    /// The event of one widening under this permit, to be recorded with the change or before it.
    ///
    /// # Errors
    /// The vault's; the change must not be made then.
    pub(crate) fn event<T: Serialize>(
        &self,
        app: &App,
        kind: WidenKind,
        scope: EventScope,
        before: Option<&T>,
        after: &T,
    ) -> Result<Event> {
        let body = app.widened(kind, before, after)?;
        Ok(record::event(app, scope, body))
    }
}

#[cfg(test)]
mod tests {
    use super::Weight;

    #[test]
    fn s08_the_heavier_weight_decides() {
        assert_eq!(Weight::Local.and(Weight::Cloud), Weight::Cloud);
        assert_eq!(Weight::Cloud.and(Weight::Local), Weight::Cloud);
        assert_eq!(Weight::Local.and(Weight::Local), Weight::Local);
        assert_eq!(Weight::Nothing.and(Weight::Local), Weight::Local);
        assert_eq!(Weight::Local.and(Weight::Nothing), Weight::Local);
        assert_eq!(Weight::Cloud.and(Weight::Nothing), Weight::Cloud);
    }
}
