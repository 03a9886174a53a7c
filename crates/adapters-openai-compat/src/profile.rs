//! What is known about models before any server is asked: families by name, and what a family can do at
//! those who are known to serve it well. Whatever is not said here stays unknown, and unknown denies.

mod claims;
mod families;

use handshake_core::{
    capability::Claims,
    ids::{ModelId, Token},
    provider::ProviderRecord,
};

use self::families::FAMILIES;
pub(crate) use self::families::Family;
pub(crate) use self::families::UNKNOWN;
use crate::dialect::Dialect;

/// The version of the tables behind [`handshake_core::ports::AdapterFactory::profile`]; rises with every
/// change of them.
pub const PROFILE_VERSION: u32 = 1;

/// The family of a model, by its name.
pub(crate) fn family_of(model: &ModelId) -> Option<&'static Family> {
    let name = model.as_str().to_ascii_lowercase();
    let name = name.rsplit('/').next().unwrap_or_default();
    FAMILIES.iter().find(|family| {
        family
            .prefixes
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || family.parts.iter().any(|part| name.contains(part))
    })
}

/// The rules of a model's family: the one that its snapshot names, else the one of its name.
pub(crate) fn family_rules(family: Option<&Token>, model: &ModelId) -> &'static Family {
    family
        .and_then(|token| FAMILIES.iter().find(|known| known.name == token.as_str()))
        .or_else(|| family_of(model))
        .unwrap_or(&UNKNOWN)
}

/// The family's token, by the model's name.
pub(crate) fn family_token(model: &ModelId) -> Option<Token> {
    family_of(model)
        .map(|family| Token::new(family.name).expect("the names of the table are tokens"))
}

/// The family of a model and its claims at this provider.
pub(crate) fn profile(
    record: &ProviderRecord,
    dialect: &Dialect,
    model: &ModelId,
) -> (Option<Token>, Claims) {
    (
        family_token(model),
        claims::of(record, dialect, model, family_of(model)),
    )
}

#[cfg(test)]
mod tests;
