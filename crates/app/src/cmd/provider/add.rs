//! `handshake provider add`.

use handshake_core::{
    base_url::BaseUrl,
    code::ErrorCode,
    event::{Body, Event, WidenKind},
    ids::{ModelId, ProviderId, Token},
    ports::ProviderStore,
    provider::{ProviderDraft, ProviderRecord},
    seal::Needs,
    secret::SecretRef,
    tier::{ModelTier, Reach},
};

use super::{
    draft, server,
    words::{ReachWord, TierWord},
};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    record::{about, event},
    widen::{self, Weight},
    wire::App,
};

/// Register a provider.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake provider add ollama --kind ollama --base-url http://127.0.0.1:11434\n  handshake provider add openai --kind openai_compat --dialect openai --base-url https://api.openai.com/v1 --secret-ref vault:openai"
)]
pub(crate) struct Args {
    /// Id of the provider: at most 63 lower-case letters, digits and hyphens.
    #[arg(value_name = "ID")]
    id: String,
    /// Kind of provider: ollama or openai_compat.
    #[arg(long)]
    kind: String,
    /// URL of its API: https://…, or http:// for a server on this machine.
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// Tier [default: derived from the URL and the reach].
    #[arg(long)]
    tier: Option<TierWord>,
    /// Reach [default: direct].
    #[arg(long)]
    reach: Option<ReachWord>,
    /// Dialect of its kind, such as openai.
    #[arg(long)]
    dialect: Option<String>,
    /// Model to use when a request names none.
    #[arg(long, value_name = "MODEL")]
    default_model: Option<String>,
    /// Reference to its secret, never the secret itself: vault:NAME, env:NAME, file:PATH or client:.
    #[arg(long, value_name = "REF")]
    secret_ref: Option<String>,
}

/// A word of the command line that is not what its option takes. The word is not repeated.
pub(super) fn wrong(option: &str, rule: &str) -> AppError {
    AppError::usage(ErrorCode::InvalidConfig, format!("{option}: {rule}"))
}

/// An optional word of the command line.
pub(super) fn parsed<T>(
    text: Option<&str>,
    option: &str,
    rule: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    text.map(|text| parse(text).ok_or_else(|| wrong(option, rule)))
        .transpose()
}

pub(super) fn token(text: &str) -> Option<Token> {
    text.parse().ok()
}

pub(super) fn model(text: &str) -> Option<ModelId> {
    text.parse().ok()
}

pub(super) fn secret_ref(text: &str) -> Option<SecretRef> {
    text.parse().ok()
}

impl Args {
    fn draft(&self) -> Result<ProviderDraft> {
        let kind = parsed(
            Some(&self.kind),
            "--kind",
            "expected a word such as ollama or openai_compat",
            token,
        )?;
        let id = self.id.parse::<ProviderId>();
        let id = id.map_err(|_| wrong("ID", "expected [a-z0-9][a-z0-9-]{0,62}, such as ollama"))?;
        Ok(ProviderDraft {
            provider_kind: kind.ok_or_else(|| wrong("--kind", "missing"))?,
            tier: self.tier.map(Into::into),
            base_url: BaseUrl::parse(&self.base_url)
                .map_err(|e| draft::refused_url(&format!("provider {id}"), e))?,
            reach: self.reach.map(Into::into).unwrap_or_default(),
            dialect: parsed(
                self.dialect.as_deref(),
                "--dialect",
                "expected a word such as openai",
                token,
            )?,
            default_model: parsed(
                self.default_model.as_deref(),
                "--default-model",
                "expected the name of a model",
                model,
            )?,
            secret_ref: parsed(
                self.secret_ref.as_deref(),
                "--secret-ref",
                draft::SECRET_REF,
                secret_ref,
            )?,
            provider_id: id,
        })
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let draft = args.draft()?;
    let app = cx.app().await?;
    let known = ProviderStore::list(&app.store).await?;
    if known
        .iter()
        .any(|record| record.provider_id == draft.provider_id)
    {
        let id = &draft.provider_id;
        return Err(AppError::usage(
            ErrorCode::InvalidConfig,
            format!("provider already registered: {id}"),
        )
        .next(format!("run `handshake provider edit {id}` to change it")));
    }
    let record = checked(&app, draft)?;
    let weight = weight(&app, &record, None)?;
    let permit = widen::ask(&app, weight, &format!("register {}", described(&record)))?;
    // Where a person's word is needed, nobody is contacted before it.
    if !server::admitted(&app, &record).await? {
        server::nobody_there(cx, &record.base_url);
    }
    let (kind, scope) = (kind(&record), about(&record.provider_id));
    permit
        .record(&app, kind, scope, None, &record.draft())
        .await?;
    let registered = registered(&app, &record);
    app.register_providers(vec![record.clone()], permit.approval(), vec![registered])
        .await?;
    app.finish().await?;
    super::show::shown(cx.out, &app, &record).await?;
    cx.out.line(format!(
        "Registered {} ({}).",
        record.provider_id,
        record.tier.as_str()
    ));
    hints(cx, &app, &record);
    Ok(Exit::Done)
}

/// Makes the record of a draft, by every rule that needs no network.
pub(super) fn checked(app: &App, draft: ProviderDraft) -> Result<ProviderRecord> {
    let (id, derived) = (draft.provider_id.clone(), draft.derived_tier());
    let record = draft
        .into_record(app.clock.now())
        .map_err(|error| mismatched(&id, derived, error.into()))?;
    valid(app, &record)?;
    Ok(record)
}

/// A refused draft, and how to say what was meant.
pub(super) fn mismatched(id: &ProviderId, derived: ModelTier, error: AppError) -> AppError {
    let error = named(id, error);
    match (error.code, derived) {
        (ErrorCode::TierMismatch, ModelTier::Local) => error.next(
            "leave `--tier` out, or add `--reach relay` if that server forwards requests elsewhere",
        ),
        (ErrorCode::TierMismatch, ModelTier::Cloud) => {
            error.next("add `--tier cloud` if that is what you mean")
        }
        _ => error,
    }
}

/// What its adapter says about a record.
pub(super) fn valid(app: &App, record: &ProviderRecord) -> Result<()> {
    let adapters = &app.runtime.ports().adapters;
    let id = &record.provider_id;
    let Some(factory) = adapters.get(&record.provider_kind) else {
        let kinds: Vec<&str> = adapters.kinds().map(Token::as_str).collect();
        let error = wrong("provider_kind", "no adapter for this kind of provider");
        return Err(named(
            id,
            error.next(format!("choose one of {}", kinds.join(", "))),
        ));
    };
    factory
        .validate(record)
        .map_err(|error| named(id, error.into()))
}

pub(super) fn named(id: &ProviderId, mut error: AppError) -> AppError {
    error.message = format!("provider {id}: {}", error.message);
    error
}

/// What the log says about a new record.
pub(super) fn registered(app: &App, new: &ProviderRecord) -> Event {
    let body = Body::ProviderRegistered {
        revision: new.revision,
        tier: new.tier,
    };
    event(app, about(&new.provider_id), body)
}

pub(super) fn kind(record: &ProviderRecord) -> WidenKind {
    match record.reach {
        Reach::Relay => WidenKind::Relay,
        Reach::Direct => WidenKind::Provider,
    }
}

/// How far registering it, or putting it in the place of another, reaches.
pub(super) fn weight(
    app: &App,
    record: &ProviderRecord,
    before: Option<&ProviderRecord>,
) -> Result<Weight> {
    Ok(match (app.needed_for(record, before)?, record.tier) {
        (Needs::Mac, _) => Weight::Nothing,
        (Needs::Signature, ModelTier::Local) => Weight::Local,
        (Needs::Signature, ModelTier::Cloud) => Weight::Cloud,
    })
}

/// A provider in a few words.
pub(super) fn described(record: &ProviderRecord) -> String {
    let reach = if record.reach == Reach::Relay {
        " (a relay)"
    } else {
        ""
    };
    format!(
        "the {} provider {}{reach} at {}",
        record.tier.as_str(),
        record.provider_id,
        record.base_url
    )
}

/// What is still to do before it can be called.
pub(super) fn hints(cx: &Context, app: &App, record: &ProviderRecord) {
    let id = &record.provider_id;
    if let (Some("unbound" | "missing"), Some(secret_ref)) =
        (super::secret_state(app, record), &record.secret_ref)
    {
        cx.out.note(format!(
            "help: its secret is not bound to this origin; {}",
            super::how_to_bind(secret_ref, &record.base_url.origin())
        ));
    }
    if super::is_private(&record.base_url) {
        cx.out.note(format!("help: {}", super::HOW_TO_ALLOW_A_HOST));
    }
    match record.tier {
        ModelTier::Local => cx
            .out
            .note(format!("help: run `handshake provider check {id}`")),
        ModelTier::Cloud => {
            cx.out.note(format!(
                "help: run `handshake provider check {id} --grant`, `handshake provider models {id}`"
            ));
            cx.out
                .note(format!("      and `handshake provider enable {id} MODEL`"));
        }
    }
}
