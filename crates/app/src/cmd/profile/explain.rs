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
};

/// Show which model a role gets, and why, without using the network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  handshake profile explain --role worker --json")]
pub(crate) struct Args {
    /// Role to explain: frontend, orchestrator, worker, validator, or one that the profile defines.
    #[arg(long)]
    role: String,
    /// Use this profile [default: the active one].
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let role = RoleId::new(&args.role)?;
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
    let found = resolve(&Target::Role(role.clone()), &view).map_err(|error| match error.code {
        ErrorCode::InvalidRequest => no_role(&view, &role),
        _ => unresolved(error, &view),
    })?;
    record(
        &app,
        by_person(),
        Body::WorkProfileResolved {
            profile_id: id.clone(),
            role: role.clone(),
            fallback_for: None,
        },
    )
    .await?;
    app.finish().await?;
    cx.out.object(&json!({
        "profile_id": id, "role": role, "model": found.model, "tier": tier(&found), "because": found.because,
        "fallback": found.fallback, "local_only": found.local_only, "governance": found.governance,
    }));
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
