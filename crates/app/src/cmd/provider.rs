//! `handshake provider`: the registry.

use handshake_core::{
    base_url::{BaseUrl, Host, Origin},
    code::{ErrorCode, Phase},
    ids::ProviderId,
    net::AddressClass,
    policy::Governance,
    ports::{ProviderStore, RegistryFeed, SecretError, SecretStore, SecretUse},
    provider::ProviderRecord,
    secret::SecretRef,
    tier::ModelTier,
};

use crate::{
    context::Context,
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
mod server;
mod show;
mod url;
mod words;

/// Register providers and manage their models.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake provider add ollama --kind ollama --base-url http://127.0.0.1:11434\n  handshake provider check ollama\n  handshake provider models ollama --capabilities"
)]
pub(crate) enum Command {
    /// Register a provider.
    Add(add::Args),
    /// List all providers.
    #[command(after_help = "Example:\n  handshake provider list --json")]
    List,
    /// Show a provider.
    #[command(after_help = "Example:\n  handshake provider show ollama")]
    Show(IdArgs),
    /// Change a provider, which voids its receipts and grants.
    Edit(edit::Args),
    /// Remove a provider with its models, grants and receipts.
    #[command(after_help = "Example:\n  handshake provider remove ollama")]
    Remove(IdArgs),
    /// Check whether a provider is reachable and ready, without sending a prompt.
    Check(check::Args),
    /// List the models of a provider.
    Models(models::Args),
    /// Enable a model, or declare what it can do.
    Enable(enable::Args),
    /// Disable a model.
    Disable(enable::DisableArgs),
    /// Register the providers listed in a file.
    Import(import::Args),
    /// Print the providers as a file for `import`, without secrets.
    #[command(after_help = "Example:\n  handshake provider export > providers.json")]
    Export,
    /// Check a URL against the rules, without a home or the network.
    CheckUrl(url::Args),
}

/// Which provider.
#[derive(Debug, clap::Args)]
pub(crate) struct IdArgs {
    /// Id of the provider.
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
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
                format!("no such provider: {id}"),
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
    Ok(app.store.current()?.governance())
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

/// How a person allows a host in a private network.
const HOW_TO_ALLOW_A_HOST: &str = "add the host to private_hosts in policy.toml, then run `handshake init` at a terminal to confirm it";

/// Whether a URL itself leads into a private network. Of a name only the resolver can say.
fn is_private(url: &BaseUrl) -> bool {
    matches!(url.host(), Host::Ip(ip) if AddressClass::of(*ip) == AddressClass::Private)
}

/// How a person binds a reference to an origin.
pub(crate) fn how_to_bind(secret_ref: &SecretRef, origin: &Origin) -> String {
    match secret_ref {
        SecretRef::Vault(name) => format!("run `handshake secret set {name} --origin {origin}`"),
        other => format!("run `handshake secret bind {other} --origin {origin}`"),
    }
}

/// What to do about a failure at this provider, with its own names filled in. `None` where nothing helps.
pub(crate) fn help_for(record: &ProviderRecord, code: ErrorCode) -> Option<String> {
    let id = &record.provider_id;
    match (code, &record.secret_ref) {
        (ErrorCode::SecretUnbound, Some(secret_ref)) => {
            Some(how_to_bind(secret_ref, &record.base_url.origin()))
        }
        // The code's own step is `provider check`, which is where this is shown.
        (ErrorCode::NotReady | ErrorCode::Timeout, _) => Some(format!(
            "start the server, or run `handshake provider edit {id} --base-url URL`"
        )),
        (ErrorCode::TierMismatch, _) if record.tier == ModelTier::Local => Some(format!(
            "if another server answers there by your wish, run `handshake provider edit {id} --accept-server`"
        )),
        _ => Some(code.next_step())
            .filter(|step| !step.is_empty())
            .map(|step| step.replace(" ID", &format!(" {id}"))),
    }
}
