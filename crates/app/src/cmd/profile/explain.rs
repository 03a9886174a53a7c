//! `handshake profile explain`.

use std::collections::BTreeSet;

use handshake_core::{
    chat::Target,
    code::{ErrorCode, Phase},
    event::Body,
    ids::{ProfileId, RoleId},
    ports::ProfileStore,
    profile::{Reason, RegistryView, Resolution, resolve},
    tier::ModelTier,
};
use serde_json::json;

use super::{find, unresolved, view};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    record::{by_person, record},
    wire::App,
};

/// Show which model each role gets, or why one gets it, without using the network.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake profile explain\n  handshake profile explain --role worker --json"
)]
pub(crate) struct Args {
    /// Role to explain: frontend, orchestrator, worker, validator, or one that the profile defines [default: all of them].
    #[arg(long)]
    role: Option<String>,
    /// Use this profile [default: the active one].
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let role = args.role.as_deref().map(RoleId::new).transpose()?;
    let app = cx.app().await?;
    let profile = match &args.profile {
        Some(id) => Some(find(&app, &ProfileId::new(id)?).await?),
        None => ProfileStore::active(&app.store).await?,
    };
    let id = profile
        .as_ref()
        .map(|profile| profile.profile_id.clone())
        .ok_or_else(|| {
            AppError::new(
                ErrorCode::Profile404,
                Phase::Resolve,
                "no work profile is active",
            )
            .next("run `handshake profile activate ID`")
        })?;
    let view = view(&app, profile).await?;
    match role {
        Some(role) => one(cx, &app, (id, role), &view).await,
        None => every(cx, &app, id, &view).await,
    }
}

/// One role, with every reason.
async fn one(
    cx: &Context,
    app: &App,
    (id, role): (ProfileId, RoleId),
    view: &RegistryView,
) -> Result<Exit> {
    let found = resolve(&Target::Role(role.clone()), view).map_err(|error| match error.code {
        ErrorCode::InvalidRequest => no_role(view, &role),
        _ => unresolved(error, view),
    })?;
    explained(app, &id, &role).await?;
    app.finish().await?;
    cx.out.object(&shown(&id, &role, &found));
    cx.out.line(format!("{role} uses {}", found.model));
    for reason in &found.because {
        cx.out.line(format!("  {reason}"));
    }
    if found.snapshot.is_none() {
        cx.out.note(format!(
            "help: its capabilities are not known; run `handshake provider models {}`",
            found.model.provider
        ));
    }
    Ok(Exit::Done)
}

/// Every role of the profile, a row each.
async fn every(cx: &Context, app: &App, id: ProfileId, view: &RegistryView) -> Result<Exit> {
    let roles: BTreeSet<RoleId> = view
        .profile
        .iter()
        .flat_map(|profile| profile.model_assignments.roles())
        .collect();
    let mut rows = Vec::new();
    for role in roles {
        let found = match resolve(&Target::Role(role.clone()), view) {
            Ok(found) => found,
            Err(error) => {
                let error = unresolved(error, view);
                cx.out
                    .object(&json!({ "profile_id": id, "role": role, "error": error }));
                rows.push(vec![role.to_string(), format!("none: {}", error.message)]);
                continue;
            }
        };
        explained(app, &id, &role).await?;
        cx.out.object(&shown(&id, &role, &found));
        let fallback = found.fallback.as_ref().map(ToString::to_string);
        rows.push(vec![
            role.to_string(),
            found.model.to_string(),
            tier(&found).as_str().to_owned(),
            fallback.unwrap_or_else(|| "-".to_owned()),
            if found.local_only { "local only" } else { "-" }.to_owned(),
        ]);
    }
    app.finish().await?;
    cx.out
        .table(&["ROLE", "MODEL", "TIER", "FALLBACK", "BOUND"], &rows);
    cx.out
        .note("help: run `handshake profile explain --role ROLE` for the reasons");
    Ok(Exit::Done)
}

async fn explained(app: &App, id: &ProfileId, role: &RoleId) -> Result<()> {
    let body = Body::WorkProfileResolved {
        profile_id: id.clone(),
        role: role.clone(),
        fallback_for: None,
    };
    record(app, by_person(), body).await.map(|_| ())
}

fn shown(id: &ProfileId, role: &RoleId, found: &Resolution) -> serde_json::Value {
    json!({
        "profile_id": id, "role": role, "model": found.model, "tier": tier(found), "because": found.because,
        "fallback": found.fallback, "local_only": found.local_only, "governance": found.governance,
    })
}

fn tier(found: &Resolution) -> ModelTier {
    let declared = found.because.iter().find_map(|reason| match reason {
        Reason::Tier { tier } => Some(*tier),
        _ => None,
    });
    declared.unwrap_or(found.record.tier)
}

fn no_role(view: &RegistryView, role: &RoleId) -> AppError {
    let roles = view
        .profile
        .iter()
        .flat_map(|profile| profile.model_assignments.roles());
    let names: BTreeSet<String> = roles.map(|role| role.to_string()).collect();
    let names: Vec<String> = names.into_iter().collect();
    AppError::usage(
        ErrorCode::InvalidRequest,
        format!("the work profile has no such role: {role}"),
    )
    .next(format!("choose one of its roles: {}", names.join(", ")))
}
