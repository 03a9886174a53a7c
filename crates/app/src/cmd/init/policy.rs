//! `init` and `policy.toml`: a person is shown what it allows beyond what is in force, and confirms it.

use handshake_core::event::WidenKind;
use handshake_llm::parts::{Rules, policy_file::Loaded};
use serde_json::{Value, json};

use crate::{context::Context, error::Result, factor, record::by_person, widen, wire::App};

/// How `policy.toml` stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Policy {
    /// It allows nothing beyond what is in force.
    Confirmed,
    /// A person confirmed it just now.
    NowConfirmed,
    /// It allows more; that part does not count.
    Unconfirmed(Vec<String>),
}

/// Looks at `policy.toml`; at a terminal a person confirms what it allows beyond what is in force.
pub(super) async fn look(cx: &Context, app: &App) -> Result<Policy> {
    let loaded = app.policy.written()?;
    if !loaded.unconfirmed {
        return Ok(Policy::Confirmed);
    }
    let wider = beyond(&loaded);
    if !app.has_factor()? || !factor::at_terminal() {
        return Ok(Policy::Unconfirmed(wider));
    }
    cx.out.note(match loaded.missing {
        true => "policy.toml is missing. The defaults allow more than is in force:",
        false => "policy.toml allows more than was confirmed:",
    });
    for line in &wider {
        cx.out.note(format!("  {line}"));
    }
    let passphrase =
        factor::ask("Approval passphrase to confirm it (leave empty to keep what is in force): ")?;
    if passphrase.is_empty() {
        return Ok(Policy::Unconfirmed(wider));
    }
    let permit = widen::with_passphrase(app, &passphrase)?;
    let Some(approval) = permit.approval() else {
        return Ok(Policy::Unconfirmed(wider));
    };
    let [before, after] =
        [&loaded.in_force, &loaded.written].map(|rules| json!({ "policy": rules.digest() }));
    permit
        .record(app, WidenKind::Policy, by_person(), Some(&before), &after)
        .await?;
    // What was shown, and not what stands in the file by now.
    app.confirm_policy(&loaded.written, approval).await?;
    Ok(Policy::NowConfirmed)
}

/// What is written and does not count, as `name = value`, with what is in force in its place.
pub(crate) fn beyond(loaded: &Loaded) -> Vec<String> {
    let (written, in_force) = (members(&loaded.written), members(&loaded.in_force));
    written
        .into_iter()
        .filter_map(|(name, value)| {
            // What is empty by default is left out where it is.
            match in_force.get(&name) {
                Some(counts) if *counts == value => None,
                Some(counts) => Some(format!("{name} = {value} (in force: {counts})")),
                None => Some(format!("{name} = {value} (in force: none)")),
            }
        })
        .collect()
}

fn members(rules: &Rules) -> serde_json::Map<String, Value> {
    match serde_json::to_value(rules) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rt_b09_what_does_not_count_is_named_beside_what_does() {
        let loaded = Loaded {
            in_force: Rules {
                locked: true,
                ..Rules::default()
            },
            written: Rules {
                max_body_bytes: 1,
                redact_clients: ["editor".to_owned()].into(),
                ..Rules::default()
            },
            missing: false,
            unconfirmed: true,
        };
        assert_eq!(
            beyond(&loaded),
            [
                "locked = false (in force: true)",
                "max_body_bytes = 1 (in force: 16777216)",
                "redact_clients = [\"editor\"] (in force: none)"
            ]
        );
    }
}
