//! `handshake profile`: work profiles.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use handshake_core::{
    code::{ErrorCode, Phase},
    event::{Body, WidenKind},
    ids::{ModelRef, ProfileId, ProviderId},
    ports::{ProfileStore, ProviderStore, StoreError},
    profile::{RegistryView, ResolveError, WorkProfile, apply},
    seal::{ActiveProfile, Needs, Sealable},
    tier::ModelTier,
};
use handshake_llm::parts::runtime::registry;
use serde_json::json;

use crate::{
    cmd::{provider::governance, request::read},
    context::Context,
    error::{AppError, Exit, Result},
    record::{by_person, record},
    widen::{self, Permit, Weight, widen},
    wire::App,
};

mod explain;

/// Manage work profiles.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake profile apply profile.json\n  handshake profile activate careful-1\n  handshake profile explain --role worker"
)]
pub(crate) enum Command {
    /// Check a profile and store it, without activating it.
    Apply(ApplyArgs),
    /// List all profiles.
    #[command(after_help = "Example:\n  handshake profile list")]
    List,
    /// Show a profile.
    #[command(after_help = "Example:\n  handshake profile show careful-1")]
    Show(IdArgs),
    /// Activate a profile.
    #[command(after_help = "Example:\n  handshake profile activate careful-1")]
    Activate(IdArgs),
    /// Show which model a role gets, and why, without using the network.
    Explain(explain::Args),
}

/// Which file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  handshake profile apply profile.json")]
pub(crate) struct ApplyArgs {
    /// JSON file with the profile, hsk.work_profile@0.6 or @0.5; - for standard input.
    file: PathBuf,
}

/// Which profile.
#[derive(Debug, clap::Args)]
pub(crate) struct IdArgs {
    /// Id of the profile.
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Apply(args) => apply_file(cx, args).await,
        Command::List => list(cx).await,
        Command::Show(args) => show(cx, &args.id).await,
        Command::Activate(args) => activate(cx, &args.id).await,
        Command::Explain(args) => explain::run(cx, args).await,
    }
}

/// One stored profile.
pub(crate) async fn find(app: &App, id: &ProfileId) -> Result<WorkProfile> {
    let all = ProfileStore::list(&app.store).await?;
    all.into_iter()
        .find(|profile| profile.profile_id == *id)
        .ok_or_else(|| {
            AppError::new(
                ErrorCode::Profile404,
                Phase::Resolve,
                format!("no such work profile: {id}"),
            )
        })
}

/// Everything that resolving looks at, from the stores.
async fn view(app: &App, profile: Option<WorkProfile>) -> Result<RegistryView> {
    let mut view = RegistryView {
        profile: profile.map(Arc::new),
        ..RegistryView::default()
    };
    for record in ProviderStore::list(&app.store).await? {
        let provider = record.provider_id.clone();
        for snapshot in app.store.snapshots(&provider).await? {
            let model = ModelRef {
                provider: provider.clone(),
                model: snapshot.model_id.clone(),
            };
            view.snapshots.insert(model, snapshot.into());
        }
        view.providers.insert(provider, Arc::new(record));
    }
    Ok(view)
}

/// Why a name of a profile leads nowhere, by the name and by what it could have meant.
fn unresolved(error: ResolveError, view: &RegistryView) -> AppError {
    let subject = &error.subject;
    if !error.candidates.is_empty() {
        let names: Vec<String> = error.candidates.iter().map(ToString::to_string).collect();
        return AppError::usage(
            error.code,
            format!(
                "ambiguous model name: {subject} could be any of {}",
                names.join(", ")
            ),
        )
        .next("write one of these names as PROVIDER/MODEL");
    }
    let provider = subject
        .split_once('/')
        .and_then(|(provider, _)| ProviderId::new(provider).ok());
    match (error.code, provider) {
        (ErrorCode::InvalidConfig | ErrorCode::Provider404, Some(provider))
            if !view.providers.contains_key(&provider) =>
        {
            AppError::usage(
                ErrorCode::Provider404,
                format!("no such provider: {provider}, named by {subject}"),
            )
            .next(format!(
                "correct the name, or run `handshake provider add {provider} …`"
            ))
        }
        (ErrorCode::InvalidConfig, None) => AppError::usage(
            error.code,
            format!("no registered provider is known to offer this model: {subject}"),
        )
        .next("run `handshake provider models`, or write the name as PROVIDER/MODEL"),
        (code, _) => AppError::new(code, Phase::Resolve, format!("{}: {subject}", code.title())),
    }
}

async fn apply_file(cx: &Context, args: ApplyArgs) -> Result<Exit> {
    let read = WorkProfile::read(&read(&args.file)?).map_err(|error| {
        let invalid = AppError::usage(ErrorCode::InvalidConfig, format!("invalid work profile: {error}"));
        match error.field {
            "governance" => invalid.next(
                "set automation_level to FULL_HUMAN, HYBRID, AUTONOMOUS or LOCKED, and allow_cloud_escalation to true or false",
            ),
            _ => invalid,
        }
    })?;
    let app = cx.app().await?;
    let view = view(&app, None).await?;
    let profile = apply(&read, &view).map_err(|error| unresolved(error, &view))?;
    are_there(cx, &app, &profile, &view).await?;
    let id = profile.profile_id.clone();
    ProfileStore::put(&app.store, profile.clone())
        .await
        .map_err(|error| match error {
            StoreError::Conflict => AppError::usage(
                ErrorCode::InvalidConfig,
                format!("a different work profile with this id already exists, and profiles never change: {id}"),
            )
            .next("give the changed profile a new profile_id"),
            other => other.into(),
        })?;
    app.finish().await?;
    let active = is_active(&app, &id).await?;
    cx.out.object(&summary(&profile, active));
    cx.out.line(format!("Stored the work profile {id}."));
    if !active {
        cx.out
            .note(format!("help: run `handshake profile activate {id}`"));
    }
    Ok(Exit::Done)
}

/// Asks the local servers that a profile names for what they have. Who does not answer is not asked twice, and said to be
/// unchecked; a server without a listing has said nothing.
async fn are_there(
    cx: &Context,
    app: &App,
    profile: &WorkProfile,
    view: &RegistryView,
) -> Result<()> {
    let mut wanted: BTreeMap<ProviderId, BTreeSet<ModelRef>> = BTreeMap::new();
    for model in profile.models() {
        wanted
            .entry(model.provider.clone())
            .or_default()
            .insert(model);
    }
    for (id, models) in wanted {
        let record = view.providers.get(&id);
        let Some(record) = record.filter(|record| record.tier == ModelTier::Local) else {
            continue;
        };
        let listing =
            match registry::refresh(app.runtime.ports(), record, governance(app).await?).await {
                Ok(listing) => listing,
                Err(_) => {
                    cx.out.note(format!(
                        "note: {id} does not answer; its models are not checked"
                    ));
                    continue;
                }
            };
        let has = |model: &ModelRef| listing.models.iter().any(|it| it.model_id == model.model);
        let complete = !listing.partial && !listing.models.is_empty();
        if let Some(missing) = models.iter().find(|model| complete && !has(model)) {
            return Err(AppError::usage(
                ErrorCode::InvalidConfig,
                format!("{id} has no such model: {missing}, named by the profile"),
            )
            .next(format!(
                "run `handshake provider models {id}`, and correct the name"
            )));
        }
    }
    Ok(())
}

async fn is_active(app: &App, id: &ProfileId) -> Result<bool> {
    Ok(ProfileStore::active(&app.store)
        .await?
        .is_some_and(|active| active.profile_id == *id))
}

fn summary(profile: &WorkProfile, active: bool) -> serde_json::Value {
    json!({
        "profile_id": profile.profile_id, "name": profile.name, "active": active,
        "digest": profile.digest().ok(),
        "automation_level": profile.governance.automation_level,
        "allow_cloud_escalation": profile.governance.allow_cloud_escalation,
    })
}

async fn list(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let active = ProfileStore::active(&app.store)
        .await?
        .map(|active| active.profile_id);
    let mut rows = Vec::new();
    for profile in ProfileStore::list(&app.store).await? {
        let is_active = active.as_ref() == Some(&profile.profile_id);
        cx.out.object(&summary(&profile, is_active));
        rows.push(vec![
            if is_active {
                "*".to_owned()
            } else {
                String::new()
            },
            profile.profile_id.to_string(),
            profile.governance.automation_level.as_str().to_owned(),
            if profile.governance.allow_cloud_escalation {
                "with consent".to_owned()
            } else {
                "never".to_owned()
            },
            profile.name.clone(),
        ]);
    }
    if rows.is_empty() {
        cx.out
            .line("There are no work profiles: name a model with each request, and approve every cloud call.");
    } else {
        cx.out
            .table(&["", "ID", "AUTOMATION", "CLOUD", "NAME"], &rows);
    }
    Ok(Exit::Done)
}

async fn show(cx: &Context, id: &str) -> Result<Exit> {
    let app = cx.app().await?;
    let profile = find(&app, &ProfileId::new(id)?).await?;
    cx.out.object(&profile);
    let text = serde_json::to_string_pretty(&profile).map_err(|_| {
        AppError::new(
            ErrorCode::Storage,
            Phase::Storage,
            "cannot write the profile as JSON",
        )
    })?;
    cx.out.line(text);
    Ok(Exit::Done)
}

/// Whether `next` allows anything that holds no longer, or not yet, without it. Where no profile is active, a
/// person decides everything and may say yes.
pub(crate) fn widens(active: Option<&WorkProfile>, next: &WorkProfile) -> bool {
    match active {
        Some(active) => active.is_widened_by(next),
        None => next.allows_more_than_none(),
    }
}

/// How far a profile reaches: one under which nothing may ask for Cloud concerns this machine only.
pub(crate) fn weight(profile: &WorkProfile) -> Weight {
    let roles = &profile.model_assignments;
    let local = roles.roles().all(|role| {
        roles
            .of(&role)
            .is_none_or(|assignment| assignment.local_only)
    });
    if local || !profile.governance.allow_cloud_escalation {
        Weight::Local
    } else {
        Weight::Cloud
    }
}

async fn activate(cx: &Context, id: &str) -> Result<Exit> {
    let app = cx.app().await?;
    let next = find(&app, &ProfileId::new(id)?).await?;
    let (active, withheld) = match ProfileStore::active(&app.store).await {
        // What was active is not known any more: whatever comes in its place may allow more.
        Err(StoreError::Untrusted) => (None, true),
        active => (active?, false),
    };
    let (from, to) = (
        active.as_ref().map(|active| active.profile_id.clone()),
        next.profile_id.clone(),
    );
    if from.as_ref() == Some(&to) {
        cx.out
            .object(&json!({ "profile_id": to, "active": true, "from": from }));
        cx.out.line(format!("{to} is already active."));
        return Ok(Exit::Done);
    }
    let widened = withheld || widens(active.as_ref(), &next);
    let needs = ActiveProfile(&next).needs(app.has_factor()?);
    let words = match widened {
        true => format!("activate the work profile {to}, which allows more than before"),
        // It allows no more than the one before it, and more than holds without any.
        false => format!("activate the work profile {to}"),
    };
    let mut permit = None;
    if widened {
        let change = (WidenKind::Profile, weight(&next), words.as_str());
        permit = Some(widen(&app, change, by_person(), active.as_ref(), &next).await?);
    } else if needs == Needs::Signature {
        permit = Some(widen::ask(&app, weight(&next), &words)?);
    }
    let approval = permit.as_ref().and_then(Permit::approval);
    app.activate_profile(&next, approval).await?;
    record(
        &app,
        by_person(),
        Body::WorkProfileSelected {
            profile_id: to.clone(),
        },
    )
    .await?;
    if from.is_some() {
        record(
            &app,
            by_person(),
            Body::WorkProfileChanged {
                from: from.clone(),
                to: to.clone(),
            },
        )
        .await?;
    }
    app.finish().await?;
    cx.out
        .object(&json!({ "profile_id": to, "active": true, "from": from, "widened": widened }));
    cx.out.line(format!("{to} is now active."));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(level: &str, cloud: bool, local_only: bool) -> WorkProfile {
        let role = json!({ "primary_model_id": "a/m", "local_only": local_only });
        let text = json!({
            "schema": "hsk.work_profile@0.6", "profile_id": "p", "name": "P",
            "model_assignments": { "frontend": role, "orchestrator": role, "worker": role, "validator": role },
            "governance": { "automation_level": level, "allow_cloud_escalation": cloud },
        });
        WorkProfile::read(text.to_string().as_bytes()).expect("a profile")
    }

    #[test]
    fn s08_a_profile_is_compared_with_what_holds_without_one() {
        assert!(!widens(None, &profile("FULL_HUMAN", true, false)));
        assert!(!widens(None, &profile("LOCKED", false, true)));
        assert!(widens(None, &profile("AUTONOMOUS", true, false)));
        let locked = profile("LOCKED", false, true);
        assert!(widens(Some(&locked), &profile("FULL_HUMAN", true, false)));
        assert!(!widens(Some(&profile("AUTONOMOUS", true, false)), &locked));
    }

    #[test]
    fn s08_a_profile_that_keeps_everything_here_weighs_less() {
        assert_eq!(weight(&profile("HYBRID", false, false)), Weight::Local);
        assert_eq!(weight(&profile("HYBRID", true, true)), Weight::Local);
        assert_eq!(weight(&profile("HYBRID", true, false)), Weight::Cloud);
    }
}
