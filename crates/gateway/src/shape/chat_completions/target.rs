//! The name that a client gave, and what it leads to: `provider/model`, an alias, or `role:NAME`.

use handshake_core::{
    chat::Target,
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{ModelId, ModelRef, ProviderId},
    profile::{RegistryView, resolve},
};

use super::bad;
use crate::auth::Client;

/// The kind whose wire is the same shape as this route.
const SAME_SHAPE: &str = "openai_compat";

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) target: Target,
    /// The provider, where the registry has it.
    pub(super) provider: Option<ProviderId>,
    /// The model that it resolves to; `None` where it does not.
    pub(super) model: Option<ModelId>,
    /// Whether the client's own bytes go there. So they do where nothing resolves: the runtime refuses the call,
    /// and records that, before anything is rendered.
    pub(super) same_shape: bool,
}

/// Finds the target of a name, within what the client's token opens.
pub(super) fn find(client: &Client, name: &str) -> Result<Found, CallError> {
    let unknown = || CallError::new(ErrorCode::Model404, Phase::Resolve);
    let target = match name.strip_prefix("role:") {
        // A role may lead to any model, so a token that names models opens none through it.
        Some(_) if client.token.models.is_some() => return Err(unknown()),
        Some(role) => Target::Role(role.parse().map_err(|_| bad("model"))?),
        None => {
            let model = model(&client.view, name).ok_or_else(|| {
                unknown().about("model must be PROVIDER/MODEL, role:NAME or an alias")
            })?;
            if !client.opens(&model) {
                return Err(unknown());
            }
            Target::Model(model)
        }
    };
    Ok(match resolve(&target, &client.view) {
        Ok(resolution) => Found {
            target,
            provider: Some(resolution.model.provider.clone()),
            same_shape: resolution.record.provider_kind.as_str() == SAME_SHAPE,
            model: Some(resolution.model.model),
        },
        Err(_) => Found {
            target,
            provider: None,
            model: None,
            same_shape: true,
        },
    })
}

/// An alias that is this name, then a registered provider's model, then the alias whose pattern says most.
fn model(view: &RegistryView, name: &str) -> Option<ModelRef> {
    if let Some(model) = view.aliases.get(name) {
        return Some(model.clone());
    }
    let named: Option<ModelRef> = name.parse().ok();
    if let Some(model) = &named
        && view.providers.contains_key(&model.provider)
    {
        return named;
    }
    let by_pattern = view
        .aliases
        .iter()
        .filter(|(pattern, _)| matches(pattern, name))
        .max_by_key(|(pattern, _)| pattern.len());
    by_pattern.map(|(_, model)| model.clone()).or(named)
}

/// Whether a pattern with `*` matches a name. Linear: each piece is taken where it first fits.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return false;
    };
    let Some(mut left) = name.strip_prefix(head) else {
        return false;
    };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return left.ends_with(piece);
        }
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_in_linear_time() {
        for (pattern, name) in [
            ("claude-*", "claude-opus"),
            ("*", "anything"),
            ("*-mini", "gpt-mini"),
            ("a*b*c", "a-b-b-c"),
            ("a*", "a"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("claude-*", "gpt"),
            ("a*b*c", "acb"),
            ("ab*ba", "aba"),
            ("plain", "plain"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn an_alias_is_exact_before_it_is_a_pattern() {
        let of = |name: &str| name.parse::<ModelRef>().expect("a model");
        let aliases = [
            ("gpt-*".to_owned(), of("a/any")),
            ("gpt-5*".to_owned(), of("a/five")),
            ("gpt-5".to_owned(), of("a/exact")),
        ];
        let view = RegistryView {
            aliases: aliases.into(),
            ..RegistryView::default()
        };
        let found = |name: &str| model(&view, name).map(|model| model.to_string());
        assert_eq!(found("gpt-5").as_deref(), Some("a/exact"));
        assert_eq!(found("gpt-5-mini").as_deref(), Some("a/five"));
        assert_eq!(found("gpt-4").as_deref(), Some("a/any"));
        assert_eq!(found("x/y").as_deref(), Some("x/y"));
        assert_eq!(found("other"), None);
    }
}
