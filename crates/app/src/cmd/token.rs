//! `handshake token`: one token per client of the gateway, shown once, stored as a hash.

use std::collections::BTreeSet;

use handshake_core::{
    code::{ErrorCode, Phase},
    digest::Digest,
    event::WidenKind,
    ids::{ExternalId, ModelRef, ProfileId},
    ports::{Entropy, ProfileStore, StoreError},
};
use handshake_llm::parts::NewToken;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    cmd::{profile, provider},
    context::Context,
    error::{AppError, Exit, Result},
    record::by_person,
    widen::{Weight, widen},
    wire::App,
};

/// What every token begins with, so that people and scanners know one.
pub(crate) const PREFIX: &str = "hsk_";
/// 43 digits to base 62 hold 256 bits.
const DIGITS: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Manage client tokens for the gateway.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake token create editor --models ollama/qwen3:8b\n  handshake token list\n  handshake token revoke editor"
)]
pub(crate) enum Command {
    /// Create a token and show it once.
    Create(CreateArgs),
    /// List tokens (values are never shown).
    #[command(after_help = "Example:\n  handshake token list --json")]
    List,
    /// Revoke a token; its name cannot be used again.
    Revoke(RevokeArgs),
}

/// Create a token and show it once.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake token create editor\n  handshake token create tests --models ollama/qwen3:8b,ollama/llama3.2 --profile careful-1"
)]
pub(crate) struct CreateArgs {
    /// Name of the client, shown on every consent request.
    name: String,
    /// Allow only these models [default: every enabled model].
    #[arg(long, value_delimiter = ',', value_name = "PROVIDER/MODEL,…")]
    models: Vec<String>,
    /// Run its calls under this work profile [default: the active one].
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
}

/// Which token.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  handshake token revoke editor")]
pub(crate) struct RevokeArgs {
    /// Name of the client.
    name: String,
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Create(args) => create(cx, args).await,
        Command::List => list(cx).await,
        Command::Revoke(args) => revoke(cx, &args.name).await,
    }
}

async fn create(cx: &Context, args: CreateArgs) -> Result<Exit> {
    let name = ExternalId::new(&args.name)?;
    let models: BTreeSet<ModelRef> = args
        .models
        .iter()
        .map(|model| model.parse())
        .collect::<std::result::Result<_, _>>()?;
    let app = cx.app().await?;
    for model in &models {
        provider::find(&app, &model.provider).await?;
    }
    let profile = args.profile.map(ProfileId::new).transpose()?;
    if app
        .store
        .tokens()
        .await?
        .iter()
        .any(|known| known.name == name)
    {
        return Err(taken(&name));
    }
    if let Some(profile) = &profile {
        permitted(&app, &name, profile).await?;
    }
    let which = match models.len() {
        0 => "every enabled model".to_owned(),
        count => format!("models: {count}"),
    };
    let words = format!("create a client token for {name} ({which})");
    let opens = json!({ "name": name, "models": models, "profile": profile });
    let change = (WidenKind::Client, Weight::Local, words.as_str());
    let _permit = widen(&app, change, by_person(), None, &opens).await?;
    let token = make(app.entropy.as_ref());
    let new = NewToken {
        name: name.clone(),
        sha256: Digest::of(&[token.as_bytes()]),
        models: (!models.is_empty()).then_some(models.clone()),
        profile: profile.clone(),
    };
    app.store
        .create_token(new)
        .await
        .map_err(|error| match error {
            StoreError::Conflict => taken(&name),
            other => other.into(),
        })?;
    app.finish().await?;
    cx.out.object(&json!({
        "name": name, "token": token.as_str(), "models": (!models.is_empty()).then_some(models), "profile": profile,
    }));
    cx.out.whole(token.as_str());
    cx.out.note("This token is not shown again. Clients send it to the gateway as `Authorization: Bearer` or `x-api-key`.");
    Ok(Exit::Done)
}

fn taken(name: &ExternalId) -> AppError {
    AppError::usage(
        ErrorCode::InvalidConfig,
        format!("client name already used: {name}; receipts refer to it, so it cannot be reused"),
    )
    .next("choose another name")
}

/// A token under a profile that allows more than the active one goes around the active one.
async fn permitted(app: &App, name: &ExternalId, id: &ProfileId) -> Result<()> {
    let profile = profile::find(app, id).await?;
    let active = ProfileStore::active(&app.store).await?;
    if !profile::widens(active.as_ref(), &profile) {
        return Ok(());
    }
    let words = format!(
        "let the client {name} use the work profile {id}, which allows more than the active one"
    );
    let change = (
        WidenKind::Profile,
        profile::weight(&profile),
        words.as_str(),
    );
    let _permit = widen(app, change, by_person(), active.as_ref(), &profile).await?;
    Ok(())
}

/// Random digits. Bytes that would favour some digits are drawn again.
fn make(entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + DIGITS));
    token.push_str(PREFIX);
    let mut bytes = Zeroizing::new([0u8; 64]);
    loop {
        entropy.fill(&mut bytes[..]);
        for byte in bytes.iter().filter(|byte| **byte < 248) {
            if token.len() == PREFIX.len() + DIGITS {
                return token;
            }
            token.push(char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        }
    }
}

async fn list(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let tokens = app.store.tokens().await?;
    let mut rows = Vec::new();
    for token in &tokens {
        cx.out.object(&json!({
            "name": token.name, "models": token.models, "profile": token.profile, "created_at": token.created_at,
            "revoked_at": token.revoked_at,
        }));
        let models = token.models.as_ref().map_or_else(
            || "all enabled".to_owned(),
            |models| {
                models
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            },
        );
        rows.push(vec![
            token.name.to_string(),
            models,
            token
                .profile
                .as_ref()
                .map_or_else(|| "(active)".to_owned(), ToString::to_string),
            token.created_at.to_string(),
            token
                .revoked_at
                .map_or_else(|| "-".to_owned(), |at| at.to_string()),
        ]);
    }
    if rows.is_empty() {
        cx.out.line("There are no client tokens.");
    } else {
        cx.out.table(
            &["CLIENT", "MODELS", "PROFILE", "CREATED", "REVOKED"],
            &rows,
        );
    }
    Ok(Exit::Done)
}

async fn revoke(cx: &Context, name: &str) -> Result<Exit> {
    let name = ExternalId::new(name)?;
    let app = cx.app().await?;
    app.store
        .revoke_token(&name)
        .await
        .map_err(|error| match error {
            StoreError::Missing => AppError::new(
                ErrorCode::InvalidConfig,
                Phase::Input,
                format!("no such client: {name}"),
            )
            .next("run `handshake token list`"),
            other => other.into(),
        })?;
    app.finish().await?;
    cx.out.object(&json!({ "name": name, "revoked": true }));
    cx.out.line(format!("Revoked the token of {name}."));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    /// Counts through all bytes, the ones that are drawn again among them.
    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = self.0.fetch_add(1, Ordering::SeqCst));
        }
    }

    #[test]
    fn a_token_has_its_prefix_and_256_bits() {
        let token = make(&Counting(AtomicU8::new(240)));
        let digits = token.strip_prefix(PREFIX).expect("the prefix");
        assert_eq!(digits.len(), DIGITS);
        assert!(digits.bytes().all(|digit| ALPHABET.contains(&digit)));
        // 248 to 255 were skipped: after the digit of 247 comes the digit of 0.
        assert_eq!(&digits[..9], "stuvwxyz0", "{digits}");
        assert!(DIGITS as f64 * 62f64.log2() >= 256.0);
    }
}
