//! `handshake provider edit` and `remove`.

use handshake_core::{
    base_url::BaseUrl,
    event::{Body, WidenKind},
    ids::ProviderId,
    ports::{ProfileStore, ProviderStore},
    profile::WorkProfile,
    provider::{ProviderDraft, ProviderRecord},
    tier::Reach,
};
use serde_json::json;

use super::{
    add::{self, parsed},
    draft, find, how_to_bind, secret_state, server,
    words::{Clearable, ReachWord, TierWord},
};
use crate::{
    context::Context,
    error::{Exit, Result},
    record::{about, record},
    widen::{self, Weight},
};

/// Change a provider, which voids its receipts and grants.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake provider edit ollama --base-url http://127.0.0.1:11500\n  handshake provider edit ollama --clear default_model\n  handshake provider edit ollama --accept-server"
)]
pub(crate) struct Args {
    /// Id of the provider.
    #[arg(value_name = "ID")]
    id: String,
    /// Kind of provider: ollama or openai_compat.
    #[arg(long)]
    kind: Option<String>,
    /// URL of its API.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Tier. Required when the URL or the reach changes it.
    #[arg(long)]
    tier: Option<TierWord>,
    /// Reach.
    #[arg(long)]
    reach: Option<ReachWord>,
    /// Dialect of its kind, such as openai.
    #[arg(long)]
    dialect: Option<String>,
    /// Model to use when a request names none.
    #[arg(long, value_name = "MODEL")]
    default_model: Option<String>,
    /// Reference to its secret.
    #[arg(long, value_name = "REF")]
    secret_ref: Option<String>,
    /// Clear a field (repeatable).
    #[arg(long, value_name = "FIELD")]
    clear: Vec<Clearable>,
    /// Accept the server that answers at its URL now, after another one did.
    #[arg(long)]
    accept_server: bool,
}

impl Args {
    fn change(&self, mut draft: ProviderDraft) -> Result<ProviderDraft> {
        for field in &self.clear {
            match field {
                Clearable::Dialect => draft.dialect = None,
                Clearable::DefaultModel => draft.default_model = None,
                Clearable::SecretRef => draft.secret_ref = None,
            }
        }
        if let Some(kind) = parsed(
            self.kind.as_deref(),
            "--kind",
            "expected a word such as ollama",
            add::token,
        )? {
            draft.provider_kind = kind;
        }
        if let Some(url) = &self.base_url {
            let who = format!("provider {}", draft.provider_id);
            draft.base_url =
                BaseUrl::parse(url).map_err(|error| draft::refused_url(&who, error))?;
        }
        if let Some(reach) = self.reach {
            draft.reach = reach.into();
        }
        let tier = self.tier.map(Into::into);
        let dialect = parsed(
            self.dialect.as_deref(),
            "--dialect",
            "expected a word such as openai",
            add::token,
        )?;
        let model = parsed(
            self.default_model.as_deref(),
            "--default-model",
            "expected the name of a model",
            add::model,
        )?;
        let secret = parsed(
            self.secret_ref.as_deref(),
            "--secret-ref",
            draft::SECRET_REF,
            add::secret_ref,
        )?;
        Ok(ProviderDraft {
            tier: tier.or(draft.tier),
            dialect: dialect.or(draft.dialect),
            default_model: model.or(draft.default_model),
            secret_ref: secret.or(draft.secret_ref),
            ..draft
        })
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let id = ProviderId::new(&args.id)?;
    let app = cx.app().await?;
    let before = find(&app, &id).await?;
    let draft = args.change(before.draft())?;
    let derived = draft.derived_tier();
    let changed = before.changed(draft, app.clock.now());
    let mut next = changed.map_err(|error| add::mismatched(&id, derived, error.into()))?;
    if args.accept_server && next.revision == before.revision {
        // What is known of the server goes with the revision.
        next.revision += 1;
    }
    add::valid(&app, &next)?;
    if next.revision == before.revision {
        super::show::shown(cx.out, &app, &before).await?;
        cx.out
            .line(format!("Nothing to change: {id} already has these values."));
        return Ok(Exit::Done);
    }
    let weight = add::weight(&app, &next, Some(&before))?;
    // Another server there is for a person to accept, however little could leave by it.
    let accepted = args.accept_server.then(|| add::kind(&next));
    let weight = match accepted {
        Some(_) => weight.and(Weight::Local),
        None => weight,
    };
    let words = format!(
        "change {} to {}",
        add::described(&before),
        add::described(&next)
    );
    // The whole record is sealed anew, whatever part of it changed.
    let permit = widen::ask(&app, weight, &words)?;
    // Where a person's word is needed, nobody is contacted before it.
    if !server::admitted(&app, &next).await? {
        server::nobody_there(cx, &next.base_url);
    }
    if let Some(kind) = widened(&before, &next).or(accepted) {
        let (was, will) = (before.draft(), next.draft());
        permit
            .record(&app, kind, about(&id), Some(&was), &will)
            .await?;
    }
    app.replace_provider(next.clone(), before.revision, permit.approval())
        .await?;
    record(
        &app,
        about(&id),
        Body::ProviderChanged {
            from: before.revision,
            to: next.revision,
        },
    )
    .await?;
    app.finish().await?;
    super::show::shown(cx.out, &app, &next).await?;
    cx.out.line(format!(
        "Changed {id}: revision {} → {}.",
        before.revision, next.revision
    ));
    if before.base_url.origin() != next.base_url.origin()
        && let Some(secret_ref) = &next.secret_ref
        && secret_state(&app, &next) != Some("bound")
    {
        let origin = next.base_url.origin();
        cx.out.note(format!(
            "note: the secret {secret_ref} was bound to {}",
            before.base_url.origin()
        ));
        cx.out.note(format!(
            "help: to send it to {origin}, {}",
            how_to_bind(secret_ref, &origin)
        ));
    }
    Ok(Exit::Done)
}

/// What a change widens, if it does.
fn widened(before: &ProviderRecord, next: &ProviderRecord) -> Option<WidenKind> {
    if before.reach == Reach::Direct && next.reach == Reach::Relay {
        // Attesting that a server here forwards elsewhere opens the way there, for whoever is asked to consent.
        return Some(WidenKind::Relay);
    }
    before.is_widened_by(next).then(|| add::kind(next))
}

pub(super) async fn remove(cx: &Context, id: &str) -> Result<Exit> {
    let id = ProviderId::new(id)?;
    let app = cx.app().await?;
    let gone = find(&app, &id).await?;
    ProviderStore::remove(&app.store, &id).await?;
    record(
        &app,
        about(&id),
        Body::ProviderRemoved {
            revision: gone.revision,
        },
    )
    .await?;
    app.finish().await?;
    cx.out
        .object(&json!({ "provider_id": id, "removed": true, "revision": gone.revision }));
    cx.out.line(format!(
        "Removed {id} with its models, grants and receipts."
    ));
    if let Some(secret_ref) = &gone.secret_ref {
        cx.out.note(format!(
            "help: its secret is kept; run `handshake secret remove {secret_ref}` to remove it"
        ));
    }
    let active = ProfileStore::active(&app.store).await?;
    if let Some(profile) = active.filter(|profile| names(profile, &id)) {
        cx.out.note(format!(
            "  the active work profile {} names it still",
            profile.profile_id
        ));
    }
    Ok(Exit::Done)
}

/// Whether a role of the profile uses the provider.
fn names(profile: &WorkProfile, id: &ProviderId) -> bool {
    profile.model_assignments.roles().any(|role| {
        profile
            .model_assignments
            .of(&role)
            .is_some_and(|assignment| {
                [
                    Some(assignment.primary_model_id),
                    assignment.fallback_model_id,
                ]
                .into_iter()
                .flatten()
                .any(|name| name.qualified().is_some_and(|model| model.provider == *id))
            })
    })
}
