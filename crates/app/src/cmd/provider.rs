//! `handshake provider`: the registry.

use handshake_core::{
    base_url::Origin,
    code::{ErrorCode, Phase},
    ids::ProviderId,
    policy::Governance,
    ports::{ProfileStore, ProviderStore, SecretError, SecretStore, SecretUse},
    provider::ProviderRecord,
    secret::SecretRef,
};

use crate::{
    cx::Cx,
    error::{AppError, Exit, Result},
    wire::App,
};

mod add;
mod check;
pub(crate) mod draft;
mod edit;
mod enable;
mod import;
mod models;
mod show;
mod url;

/// Providers.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Example:\n  handshake provider add ollama --kind ollama --base-url http://127.0.0.1:11434\n  handshake provider check ollama\n  handshake provider models ollama --capabilities"
)]
pub(crate) enum Command {
    /// Registers a provider.
    Add(add::Args),
    /// All providers.
    #[command(after_help = "Example:\n  handshake provider list --json")]
    List,
    /// One provider.
    #[command(after_help = "Example:\n  handshake provider show ollama")]
    Show(IdArgs),
    /// Changes a provider. What changes its bytes or its destination voids its receipts and grants.
    Edit(edit::Args),
    /// Removes a provider, with what is known about its models, its grants and its receipts.
    #[command(after_help = "Example:\n  handshake provider remove ollama")]
    Remove(IdArgs),
    /// Whether a provider is there: configured, reachable, ready. Never a completion.
    Check(check::Args),
    /// The models of a provider.
    Models(models::Args),
    /// Enables a model, or says what it can do.
    Enable(enable::Args),
    /// Disables a model.
    Disable(enable::DisableArgs),
    /// Registers the providers of a file.
    Import(import::Args),
    /// The providers as a file for `import`, without any secret.
    #[command(after_help = "Example:\n  handshake provider export > providers.json")]
    Export,
    /// What the rules say about a URL. No network, no home.
    CheckUrl(url::Args),
}

/// Which provider.
#[derive(Debug, clap::Args)]
pub(crate) struct IdArgs {
    /// Its id.
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) async fn run(cx: &Cx, command: Command) -> Result<Exit> {
    match command {
        Command::Add(args) => add::run(cx, args).await,
        Command::List => show::list(cx).await,
        Command::Show(args) => show::show(cx, &args.id).await,
        Command::Edit(args) => edit::run(cx, args).await,
        Command::Remove(args) => edit::remove(cx, &args.id).await,
        Command::Check(args) => check::run(cx, args).await,
        Command::Models(args) => models::run(cx, args).await,
        Command::Enable(args) => enable::run(cx, args).await,
        Command::Disable(args) => enable::disable(cx, args).await,
        Command::Import(args) => import::run(cx, args).await,
        Command::Export => show::export(cx).await,
        Command::CheckUrl(args) => url::run(cx, args).await,
    }
}

/// One registered provider.
pub(crate) async fn find(app: &App, id: &ProviderId) -> Result<ProviderRecord> {
    ProviderStore::list(&app.store)
        .await?
        .into_iter()
        .find(|record| record.provider_id == *id)
        .ok_or_else(|| {
            AppError::new(
                ErrorCode::Provider404,
                Phase::Resolve,
                format!("no provider {id} is registered"),
            )
        })
}

/// One, or all.
async fn chosen(app: &App, id: Option<&str>) -> Result<Vec<ProviderRecord>> {
    match id {
        Some(id) => Ok(vec![find(app, &ProviderId::new(id)?).await?]),
        None => Ok(ProviderStore::list(&app.store).await?),
    }
}

/// What the active work profile says about how far work may go.
pub(crate) async fn governance(app: &App) -> Result<Governance> {
    Ok(ProfileStore::active(&app.store)
        .await?
        .map_or(Governance::NO_PROFILE, |profile| profile.governance))
}

/// Whether the secret of a provider can be used, in a word. `None` where it has none.
pub(crate) fn secret_state(app: &App, record: &ProviderRecord) -> Option<&'static str> {
    let secret_ref = record.secret_ref.clone()?;
    if secret_ref == SecretRef::Client {
        return Some("client");
    }
    let wanted = SecretUse {
        secret_ref,
        origin: record.base_url.origin(),
    };
    Some(match app.secrets.check(&wanted) {
        Ok(()) => "bound",
        Err(SecretError::Unbound) => "unbound",
        Err(SecretError::Missing) => "missing",
        Err(SecretError::Locked) => "locked",
        Err(SecretError::Unusable) => "unusable",
    })
}

/// How a person binds a reference to an origin.
pub(crate) fn how_to_bind(secret_ref: &SecretRef, origin: &Origin) -> String {
    match secret_ref {
        SecretRef::Vault(name) => format!("handshake secret set {name} --origin {origin}"),
        other => format!("handshake secret bind {other} --origin {origin}"),
    }
}

/// An enum's published word.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}
