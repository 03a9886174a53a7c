//! Coming into a home: one that is trusted, one that is made, or one that a person has to vouch for first.

use std::sync::Arc;

use handshake_llm::parts::{Handover, Holder, Home, Place, Vault};

use super::Args;
use crate::{
    context::Context,
    error::{AppError, Result},
    factor, home,
};

/// How the home came to be open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum How {
    Existed,
    Made,
    /// A person vouched for it just now.
    Trusted,
}

/// Opens the home, or makes it. Where another one is trusted at its path, whoever holds that one is asked first.
pub(super) fn enter(cx: &Context, args: &Args) -> Result<(Home, Arc<Vault>, How)> {
    let place = cx.place()?;
    let asks = factor::at_terminal() && !cx.out.json;
    let refused = (place.has_home() && !place.is_trusted()) || held(&place);
    if refused && !asks {
        // Opening it says why not, and remembers what stands there.
        return Err(cx
            .open_home()
            .err()
            .unwrap_or_else(|| place.refusal().into()));
    }
    let handover = match held(&place) {
        true => Some(handed_over(&place)?),
        false => None,
    };
    let (mut home, how) = match (place.has_home(), place.is_trusted()) {
        (false, _) if args.headless => (home::make_with(cx, None, handover)?, How::Made),
        (false, _) => (home::make(cx, handover)?, How::Made),
        (true, true) => (opened(cx, &place)?, How::Existed),
        (true, false) => (place.claim(handover)?, How::Trusted),
    };
    let vault = home::vault_or_recover(cx.out, &home)?;
    if how == How::Trusted {
        vouch(&place, &mut home, &vault)?;
    }
    Ok((home, vault, how))
}

/// Whether somebody holds the home that is trusted there, and it is not the one that is there.
fn held(place: &Place) -> bool {
    !place.is_trusted() && place.holder() != Holder::Nobody
}

fn opened(cx: &Context, place: &Place) -> Result<Home> {
    cx.open_home()?.ok_or_else(|| place.refusal().into())
}

/// The leave of whoever holds the home that was trusted there.
fn handed_over(place: &Place) -> Result<Handover> {
    let refusal: AppError = place.refusal().into();
    if place.holder() == Holder::Unknown {
        return Err(refusal);
    }
    let question = format!(
        "{}.\nIf you replaced it yourself, enter the approval passphrase of the home that was trusted here",
        sentence(&refusal.message)
    );
    factor::either(&question, |given| place.hand_over(given))
}

/// What makes a home trusted that was not made here: its own factor, or, where nobody holds one, a person's word.
fn vouch(place: &Place, home: &mut Home, vault: &Vault) -> Result<()> {
    let refusal: AppError = place.refusal().into();
    let mut question = format!("{}.\n", sentence(&refusal.message));
    if let Some(key) = place.approval_key() {
        question.push_str(&format!("Its approval key is {key}. "));
    }
    question.push_str("Whoever created it chose its providers");
    if vault.has_factor()? {
        question.push_str(" and its approval passphrase.\nIts approval passphrase, to trust it");
        return factor::either(&question, |given| home.shows_factor(vault, given));
    }
    question.push_str(", and it has no approval passphrase.\nType `trust` to trust it, or anything else to cancel: ");
    match factor::word(&question).as_str() {
        "trust" => Ok(home.shows_word(vault)?),
        _ => Err(refusal),
    }
}

fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("another home: x"), "Another home: x");
        assert_eq!(sentence(""), "");
    }
}
