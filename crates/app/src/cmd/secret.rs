//! `handshake secret`: the vault.

use handshake_core::{
    base_url::{BaseUrl, Origin},
    code::ErrorCode,
    event::WidenKind,
    ports::ProviderStore,
    secret::SecretRef,
    tier::ModelTier,
};
use serde_json::json;

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    out::Out,
    record::by_person,
    widen::{Weight, widen},
};

mod value;

use value::{read_value, weakness};

/// Manage the secrets in the vault.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake secret set openai --origin https://api.openai.com\n  handshake secret bind env:OPENAI_API_KEY --origin https://api.openai.com\n  handshake secret list\n\nType the value at the terminal or pass it on standard input. It is never an argument, and never shown."
)]
pub(crate) enum Command {
    /// Store a secret in the vault, bound to one origin.
    Set(SetArgs),
    /// List names, origins and times, never values.
    #[command(after_help = "Example:\n  handshake secret list --json")]
    List,
    /// Remove a secret, or the binding of a reference.
    Remove(RemoveArgs),
    /// Replace the value of a secret, for the same origin.
    Rotate(RotateArgs),
    /// Bind env:NAME, file:PATH, client: or vault:NAME to an origin.
    Bind(BindArgs),
}

/// Store a secret in the vault, bound to one origin.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake secret set openai --origin https://api.openai.com\n  pass show local | handshake secret set local --origin http://127.0.0.1:8080"
)]
pub(crate) struct SetArgs {
    /// Name of the secret, as in vault:NAME.
    name: String,
    /// The only origin it may be sent to.
    #[arg(long, value_name = "URL")]
    origin: String,
    /// Accepted only to be refused: an argument stays in the shell's history, and every process can see it.
    #[arg(hide = true)]
    value: Vec<String>,
}

/// Remove a secret, or the binding of a reference.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake secret remove openai\n  handshake secret remove env:OPENAI_API_KEY"
)]
pub(crate) struct RemoveArgs {
    /// Name of the secret, or a reference.
    name: String,
}

/// Replace the value of a secret, for the same origin.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  handshake secret rotate openai")]
pub(crate) struct RotateArgs {
    /// Name of the secret.
    name: String,
    /// Accepted only to be refused.
    #[arg(hide = true)]
    value: Vec<String>,
}

/// Bind a reference to an origin.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake secret bind env:OPENAI_API_KEY --origin https://api.openai.com\n  handshake secret bind client: --origin https://api.anthropic.com"
)]
pub(crate) struct BindArgs {
    /// Reference: env:NAME, file:PATH, client: or vault:NAME.
    #[arg(value_name = "REF")]
    secret_ref: String,
    /// The only origin it may be sent to.
    #[arg(long, value_name = "URL")]
    origin: String,
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Set(args) => set(cx, args).await,
        Command::List => list(cx).await,
        Command::Remove(args) => remove(cx, &args.name).await,
        Command::Rotate(args) => rotate(cx, args).await,
        Command::Bind(args) => bind(cx, args).await,
    }
}

fn bad(message: impl Into<String>) -> AppError {
    AppError::usage(ErrorCode::InvalidConfig, message)
}

/// Nothing of it is repeated: it is a key that stands in the shell's history now.
fn not_on_the_command_line(value: &[String]) -> Result<()> {
    if value.is_empty() {
        return Ok(());
    }
    Err(
        bad("a secret must not be an argument: the shell keeps it and every process can see it")
            .next("replace that key at its provider, then run the command without the value"),
    )
}

/// The origin of a URL, and whether it is this machine.
fn origin(text: &str) -> Result<(Origin, Weight)> {
    let url = BaseUrl::parse(text).map_err(|error| {
        let mut refused = AppError::from(error);
        refused.message = refused.message.replace("base_url", "--origin");
        refused
    })?;
    let weight = match url.lexical_tier() {
        ModelTier::Local => Weight::Local,
        ModelTier::Cloud => Weight::Cloud,
    };
    Ok((url.origin(), weight))
}

/// What a widening of a secret says: where it may go, never what it is.
fn place(secret_ref: &str, origin: &Origin) -> serde_json::Value {
    json!({ "secret_ref": secret_ref, "origin": origin })
}

async fn set(cx: &Context, args: SetArgs) -> Result<Exit> {
    not_on_the_command_line(&args.value)?;
    let (origin, weight) = origin(&args.origin)?;
    let secret_ref = vault_ref(&args.name)?;
    let app = cx.app().await?;
    let before = app
        .vault
        .list()?
        .into_iter()
        .find(|known| known.name == args.name);
    let before = before.map(|known| place(&secret_ref, &known.origin));
    let words = format!("store the secret {secret_ref} for {origin}");
    let after = place(&secret_ref, &origin);
    let _permit = widen(
        &app,
        (WidenKind::Secret, weight, &words),
        by_person(),
        before.as_ref(),
        &after,
    )
    .await?;
    let value = read_value(&args.name)?;
    let info = app.vault.put_secret(&args.name, origin, &value)?;
    app.enrolled_again().await?;
    app.finish().await?;
    let weak = weakness(&value);
    cx.out.object(&json!({
        "secret_ref": secret_ref, "origin": info.origin, "version": info.version, "created_at": info.created_at,
        "updated_at": info.updated_at, "searched_for": weak.is_none(), "warning": weak,
    }));
    cx.out.line(format!(
        "Stored {secret_ref}. It can be sent only to {}.",
        info.origin
    ));
    warn(cx.out, weak.as_deref());
    Ok(Exit::Done)
}

async fn rotate(cx: &Context, args: RotateArgs) -> Result<Exit> {
    not_on_the_command_line(&args.value)?;
    let secret_ref = vault_ref(&args.name)?;
    let app = cx.app().await?;
    let known = app
        .vault
        .list()?
        .into_iter()
        .find(|known| known.name == args.name);
    let known = known.ok_or_else(|| unknown(&secret_ref))?;
    let (_, weight) = origin(known.origin.as_str())?;
    let words = format!("replace the value of {secret_ref} for {}", known.origin);
    let place = place(&secret_ref, &known.origin);
    // Another value for the same origin is another account there: whose, a person has to say.
    let _permit = widen(
        &app,
        (WidenKind::Secret, weight, &words),
        by_person(),
        Some(&place),
        &place,
    )
    .await?;
    let value = read_value(&args.name)?;
    let info = app.vault.rotate(&args.name, &value)?;
    app.enrolled_again().await?;
    app.finish().await?;
    let weak = weakness(&value);
    cx.out.object(&json!({
        "secret_ref": secret_ref, "origin": info.origin, "version": info.version, "created_at": info.created_at,
        "updated_at": info.updated_at, "searched_for": weak.is_none(), "warning": weak,
    }));
    cx.out.line(format!(
        "Replaced the value of {secret_ref}: version {}.",
        info.version
    ));
    warn(cx.out, weak.as_deref());
    Ok(Exit::Done)
}

async fn bind(cx: &Context, args: BindArgs) -> Result<Exit> {
    let secret_ref: SecretRef = args
        .secret_ref
        .parse()
        .map_err(|error| bad(format!("REF: {error}")))?;
    let (origin, weight) = origin(&args.origin)?;
    let app = cx.app().await?;
    let name = secret_ref.to_string();
    let bound = app
        .secrets
        .bindings()?
        .into_iter()
        .find(|binding| binding.secret_ref == secret_ref);
    let before = bound.map(|binding| place(&name, &binding.origin));
    let words = format!("bind {name} to {origin}");
    let after = place(&name, &origin);
    let _permit = widen(
        &app,
        (WidenKind::Secret, weight, &words),
        by_person(),
        before.as_ref(),
        &after,
    )
    .await?;
    let binding = app.secrets.bind(&secret_ref, &origin).map_err(|error| {
        let error = AppError::from(error);
        match secret_ref {
            SecretRef::Env(_) => error.next("set the variable for this command, to at least 8 visible ASCII characters"),
            SecretRef::File(_) => error.next("put the file into the home or the credentials directory, with mode 0600 and one line"),
            _ => error,
        }
    })?;
    app.enrolled_again().await?;
    app.finish().await?;
    let value = app
        .secrets
        .needles()?
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value);
    let weak = value.and_then(|value| weakness(&value));
    cx.out.object(&json!({
        "secret_ref": binding.secret_ref, "origin": binding.origin, "searched_for": weak.is_none(), "warning": weak,
    }));
    cx.out.line(format!(
        "Bound {name} to {origin}. Bind it again when its value changes."
    ));
    warn(cx.out, weak.as_deref());
    Ok(Exit::Done)
}

async fn list(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let readable = app.vault.keys_readable_by_account()?;
    let mut rows = Vec::new();
    for known in app.vault.list()? {
        let secret_ref = format!("vault:{}", known.name);
        cx.out.object(&json!({
            "secret_ref": secret_ref, "origin": known.origin, "version": known.version,
            "created_at": known.created_at, "updated_at": known.updated_at, "keys_readable_by_account": readable,
        }));
        rows.push(vec![
            secret_ref,
            known.origin.to_string(),
            known.version.to_string(),
            known.created_at.to_string(),
            known.updated_at.to_string(),
        ]);
    }
    for binding in app.secrets.bindings()? {
        cx.out.object(&json!({
            "secret_ref": binding.secret_ref, "origin": binding.origin, "keys_readable_by_account": readable,
        }));
        let dash = || "-".to_owned();
        rows.push(vec![
            binding.secret_ref.to_string(),
            binding.origin.to_string(),
            dash(),
            dash(),
            dash(),
        ]);
    }
    if rows.is_empty() {
        cx.out.line("There are no secrets.");
        cx.out
            .note("help: run `handshake secret set NAME --origin URL`");
    } else {
        cx.out.table(
            &["SECRET", "ORIGIN", "VERSION", "CREATED", "CHANGED"],
            &rows,
        );
    }
    if readable {
        cx.out
            .note("Keys readable by this account: any program you run can open this vault.");
    }
    Ok(Exit::Done)
}

async fn remove(cx: &Context, name: &str) -> Result<Exit> {
    let secret_ref: SecretRef = match name.parse() {
        Ok(secret_ref) => secret_ref,
        Err(_) => vault_ref(name)?
            .parse()
            .map_err(|_| bad("invalid NAME: expected the name of a secret or a reference"))?,
    };
    let app = cx.app().await?;
    match &secret_ref {
        SecretRef::Vault(name) => app.vault.remove(name)?,
        other => {
            let bound: Vec<Origin> = app
                .secrets
                .bindings()?
                .into_iter()
                .filter(|binding| binding.secret_ref == *other)
                .map(|binding| binding.origin)
                .collect();
            if bound.is_empty() {
                return Err(unknown(&other.to_string()));
            }
            for origin in bound {
                app.secrets.unbind(other, &origin)?;
            }
        }
    }
    app.enrolled_again().await?;
    app.finish().await?;
    cx.out
        .object(&json!({ "secret_ref": secret_ref, "removed": true }));
    cx.out.line(format!(
        "Removed {secret_ref}. Requests are no longer searched for its value."
    ));
    for record in ProviderStore::list(&app.store).await? {
        if record.secret_ref.as_ref() == Some(&secret_ref) {
            cx.out.note(format!(
                "note: the provider {} still refers to it",
                record.provider_id
            ));
        }
    }
    Ok(Exit::Done)
}

fn vault_ref(name: &str) -> Result<String> {
    let plain = !name.is_empty()
        && name.len() <= 128
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if plain {
        Ok(format!("vault:{name}"))
    } else {
        Err(bad(
            "invalid NAME: expected 1 to 128 characters of A-Z a-z 0-9 . _ -",
        ))
    }
}

fn unknown(secret_ref: &str) -> AppError {
    bad(format!("no such secret: {secret_ref}")).next("run `handshake secret list`")
}

fn warn(out: Out, weak: Option<&str>) {
    if let Some(weak) = weak {
        out.note(format!(
            "warning: requests cannot be searched for this value: {weak}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a2_a_value_on_the_command_line_is_refused_and_not_repeated() {
        let error =
            not_on_the_command_line(&["sk-live-0123456789abcdef".to_owned()]).expect_err("refused");
        assert!(!format!("{error:?}").contains("0123456789"));
        assert!(not_on_the_command_line(&[]).is_ok());
    }

    #[test]
    fn a2_an_origin_is_taken_from_a_base_url_and_weighed() {
        assert_eq!(
            origin("http://127.0.0.1:8080/v1").expect("ok").1,
            Weight::Local
        );
        let (origin_of, weight) = origin("https://api.openai.com/v1").expect("ok");
        assert_eq!(
            (origin_of.as_str(), weight),
            ("https://api.openai.com", Weight::Cloud)
        );
        assert_eq!(
            origin("http://api.openai.com").expect_err("refused").code,
            ErrorCode::SsrfBlocked
        );
    }
}
