//! `handshake init`: makes the home, trusts one, confirms a changed policy.

use std::{
    fs,
    io::{BufRead, Write},
    path::Path,
    sync::Arc,
};

use handshake_core::{
    code::{ErrorCode, Phase},
    event::WidenKind,
    ports::Signer,
    secret::Secret,
};
use handshake_llm::parts::{
    ApprovalSigner, Home, KdfParams, Making, Rules, Unsealed, Vault, config_dir,
    policy_file::{self, POLICY_DOMAIN},
};
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    factor, home,
    out::printable,
    record::by_person,
    widen,
    wire::{App, Wiring, behind_by},
};

/// Create the home. In an existing home, confirm a changed policy.toml; trust a home from elsewhere.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake init\n  handshake init --home ./scratch --headless\n\nAt a terminal you choose an approval passphrase of at least 12 characters, which every approval asks for. In a home without one nothing can be approved, so only local models work. Running it again changes nothing."
)]
pub(crate) struct Args {
    /// Create a home without an approval passphrase, in which nothing can ever be approved.
    #[arg(long)]
    headless: bool,
}

/// How `policy.toml` stands.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Policy {
    /// It allows nothing beyond what was confirmed.
    Confirmed,
    /// A person confirmed it just now.
    NowConfirmed,
    /// It allows more; that part does not count.
    Unconfirmed(Vec<String>),
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let path = cx.home_path()?;
    let (home, made, trusted_now) = match Home::open(&path) {
        Ok(Some(home)) => (home, false, false),
        Ok(None) => (make(&path, &args)?, true, false),
        Err(error)
            if error.code == ErrorCode::HomeUntrusted && factor::at_terminal() && !cx.out.json =>
        {
            (trust_it(&path, error.into())?, false, true)
        }
        Err(error) => return Err(error.into()),
    };
    let vault = home::vault(&home).map_err(|error| elsewhere(&home, error))?;
    let before = confirmed_digest(&home.path);
    let (policy, passphrase) = policy(cx, &home, &vault)?;
    let app = App::wire(home, Wiring::default()).await?;
    if trusted_now {
        // The person's word stands in the log of the home that it is about.
        let after = json!({ "approval_key": vault.summary()?.approval_key.id() });
        widen::confirmed_in_person()
            .record(&app, WidenKind::Home, by_person(), None, &after)
            .await?;
    }
    if let Some(passphrase) = passphrase {
        let permit = widen::with_passphrase(&app, &passphrase)?;
        let after = json!({ "policy": app.policy.rules().digest() });
        permit
            .record(&app, WidenKind::Policy, by_person(), Some(&before), &after)
            .await?;
    }
    say_why_behind(cx, &app).await?;
    seal_what_is_right(cx, &app).await?;
    app.finish().await?;
    report(cx, &app, made, trusted_now, &policy).await?;
    Ok(Exit::Done)
}

fn make(path: &Path, args: &Args) -> Result<Home> {
    if args.headless {
        return Ok(Home::make(
            path,
            &Making {
                approval: None,
                kdf: KdfParams::STANDARD,
            },
        )?);
    }
    home::open_or_make(path)
}

/// Asks whether a home that this account did not make, or does not know, is trusted.
fn trust_it(path: &Path, error: AppError) -> Result<Home> {
    let Ok(summary) = Vault::inspect(&path.join("vault.hskv")) else {
        return Err(error);
    };
    let question = format!(
        "{}.\nIts approval key is {}. Whoever created it knows its approval passphrase and chose its providers.\n\
         Type `trust` to trust it, or anything else to cancel: ",
        error.message,
        summary.approval_key.id()
    );
    if typed(&question) != "trust" {
        return Err(error);
    }
    Home::trust(path)?;
    Home::open(path)?.ok_or(error)
}

/// The vault of a home that came from elsewhere opens with a key that did not come with it.
fn elsewhere(home: &Home, error: AppError) -> AppError {
    if error.code != ErrorCode::VaultLocked && error.code != ErrorCode::FactorRequired {
        return error;
    }
    let step = format!(
        "copy the key file of the account that created it to {}",
        home.key_file().display()
    );
    AppError {
        message: "the key file that opens this home's vault is missing".to_owned(),
        ..error
    }
    .next(step)
}

/// What was confirmed before, for the log.
fn confirmed_digest(home: &Path) -> Value {
    let file = fs::read(home.join("policy.confirmed.json")).ok();
    json!({ "policy": file.map(|bytes| handshake_core::digest::Digest::of(&[&bytes])) })
}

/// Looks at `policy.toml`; at a terminal a person confirms what it allows beyond what was confirmed. Gives the
/// passphrase back where that happened.
fn policy(cx: &Context, home: &Home, vault: &Arc<Vault>) -> Result<(Policy, Option<Secret>)> {
    let signer = ApprovalSigner::new(Arc::clone(vault));
    let (written, wider) = match policy_file::load(&home.path, &signer.public_key()) {
        Ok(loaded) if !loaded.unconfirmed => return Ok((Policy::Confirmed, None)),
        Ok(loaded) => {
            let wider = differing(&loaded.written, &loaded.in_force);
            (loaded.written, wider)
        }
        // The confirmation itself is damaged: it is given again, or nothing of this home is used.
        Err(error) if error.code == ErrorCode::HomeUntrusted && factor::at_terminal() => {
            let written = written(&home.path)?;
            let wider = differing(&written, &Rules::default());
            (written, wider)
        }
        Err(error) => return Err(error.into()),
    };
    if !vault.has_factor()? || !factor::at_terminal() {
        return Ok((Policy::Unconfirmed(wider), None));
    }
    cx.out.note("policy.toml allows more than was confirmed:");
    for line in &wider {
        cx.out.note(format!("  {line}"));
    }
    let passphrase = factor::ask("Approval passphrase to confirm it: ")?;
    let signature = signer.sign(
        POLICY_DOMAIN,
        written.digest().as_bytes(),
        Some(&passphrase),
    )?;
    policy_file::confirm(&home.path, &written, &signature)?;
    Ok((Policy::NowConfirmed, Some(passphrase)))
}

fn written(home: &Path) -> Result<Rules> {
    match fs::read_to_string(home.join("policy.toml")) {
        Ok(text) => Ok(Rules::read(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Rules::default()),
        Err(_) => Err(AppError::new(
            ErrorCode::Storage,
            Phase::Storage,
            "cannot read policy.toml",
        )),
    }
}

/// The fields in which two sets of rules differ, as `name = value` of the first.
pub(crate) fn differing(written: &Rules, other: &Rules) -> Vec<String> {
    let members = |rules: &Rules| match serde_json::to_value(rules) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let other = members(other);
    members(written)
        .into_iter()
        .filter(|(name, value)| other.get(name) != Some(value))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect()
}

/// A home that was put back is asked about once, at a terminal, of the person who holds the factor, or of whoever sits
/// there where nobody does.
async fn say_why_behind(cx: &Context, app: &App) -> Result<()> {
    if app.behind.is_empty() || cx.out.json || !factor::at_terminal() {
        return Ok(());
    }
    for behind in &app.behind {
        cx.out.note(behind_by(behind));
    }
    let question = match app.has_factor()? {
        true => {
            "Approval passphrase to say that you put it back yourself (leave empty to cancel): "
        }
        false => "Type `restored` to say that you put it back yourself: ",
    };
    let permit = if app.has_factor()? {
        let passphrase = factor::ask(question)?;
        if passphrase.is_empty() {
            return Ok(());
        }
        widen::with_passphrase(app, &passphrase)?
    } else if typed(question) == "restored" {
        widen::confirmed_in_person()
    } else {
        return Ok(());
    };
    let after = json!({ "behind": app.behind.len() });
    permit
        .record(app, WidenKind::Home, by_person(), None, &after)
        .await?;
    app.finish().await?;
    app.acknowledge_behind().await?;
    cx.out.line("Noted: this home was put back by its owner.");
    Ok(())
}

/// What somebody types at the terminal, without the line's end.
fn typed(question: &str) -> String {
    let mut stderr = std::io::stderr().lock();
    // A terminal that cannot be written to cannot answer either.
    let _asked = stderr
        .write_all(printable(question).as_bytes())
        .and_then(|()| stderr.flush());
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(_) => answer.trim().to_owned(),
        Err(_) => String::new(),
    }
}

/// Shows what is not sealed: records of a version that had no seals, or that somebody changed. At a terminal a person
/// who finds them right seals them as they stand.
async fn seal_what_is_right(cx: &Context, app: &App) -> Result<()> {
    let mut found = app.unsealed().await?;
    found.retain(Unsealed::can_be_sealed);
    if found.is_empty() || cx.out.json || !app.has_factor()? || !factor::at_terminal() {
        return Ok(());
    }
    cx.out
        .note("These records are not sealed, so they are not used:");
    let mut question = String::new();
    for record in &found {
        question.push_str(&format!("  {} ({})\n", record.says(), record.why));
    }
    question.push_str("Approval passphrase to use them as they are (leave empty to cancel): ");
    let passphrase = factor::ask(&printable(&question))?;
    if passphrase.is_empty() {
        return Ok(());
    }
    let permit = widen::with_passphrase(app, &passphrase)?;
    let Some(approval) = permit.approval() else {
        return Ok(());
    };
    for record in &found {
        let after = json!({ "kind": record.kind, "id": record.id, "says": record.says() });
        permit
            .record(app, record.widens(), by_person(), None, &after)
            .await?;
    }
    app.seal_again(&found, approval).await?;
    cx.out.line(format!("Sealed records: {}.", found.len()));
    Ok(())
}

async fn report(
    cx: &Context,
    app: &App,
    made: bool,
    trusted_now: bool,
    policy: &Policy,
) -> Result<()> {
    let (home, out) = (&app.home, cx.out);
    let readable = app.vault.keys_readable_by_account()?;
    let (word, wider) = match policy {
        Policy::Confirmed => ("confirmed", Vec::new()),
        Policy::NowConfirmed => ("now_confirmed", Vec::new()),
        Policy::Unconfirmed(wider) => ("unconfirmed", wider.clone()),
    };
    let unsealed: Vec<Value> = app
        .unsealed()
        .await?
        .iter()
        .map(|record| json!({ "kind": record.kind, "id": record.id }))
        .collect();
    out.object(&json!({
        "unsealed": unsealed, "home": home.path, "made": made, "trusted_now": trusted_now, "install_id": home.install_id,
        "approval_key": app.vault.summary()?.approval_key.id(), "can_approve": app.has_factor()?,
        "keys_readable_by_account": readable, "key_file": home.key_file(), "policy": word, "unconfirmed": wider,
    }));
    if out.json {
        return Ok(());
    }
    let at = home.path.display();
    match (made, trusted_now) {
        (true, _) => out.line(format!("Created the home {at}:")),
        (_, true) => out.line(format!("The home {at} is now trusted:")),
        _ => out.line(format!("The home {at} already exists:")),
    }
    out.line("  handshake.db   providers, work profiles, approvals and the log; pending prompts are sealed in it");
    out.line("  vault.hskv     secrets and keys, encrypted");
    out.line("  policy.toml    your rules, if you write any; run this command to confirm a change that allows more");
    out.line("Outside the home, so that a copy of it is not trusted:");
    out.line(format!("  {}", home.key_file().display()));
    if let Ok(dir) = config_dir() {
        out.line(format!("  {}", dir.join("homes.json").display()));
    }
    if readable {
        out.note("Keys readable by this account: any program you run can open the vault with the key file.");
        out.note("The key file cannot approve anything: that needs the approval passphrase.");
    }
    if !app.has_factor()? {
        out.note("This home has no approval passphrase, so cloud calls cannot be approved. Local models work.");
    }
    match policy {
        Policy::Confirmed => {}
        Policy::NowConfirmed => out.line("policy.toml is confirmed."),
        Policy::Unconfirmed(wider) => {
            out.note(
                "policy.toml allows more than was confirmed. These settings are not in force:",
            );
            wider.iter().for_each(|line| out.note(format!("  {line}")));
            out.note("help: run `handshake init` at a terminal");
        }
    }
    if !unsealed.is_empty() {
        out.note(format!(
            "Records that are not sealed, and not used: {}. help: run `handshake doctor`",
            unsealed.len()
        ));
    }
    if made {
        out.note(
            "help: run `handshake provider add ollama --kind ollama --base-url http://127.0.0.1:11434`",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s08_the_fields_that_widen_are_named() {
        let wider = Rules {
            max_body_bytes: 99 << 20,
            locked: true,
            ..Rules::default()
        };
        assert_eq!(
            differing(&wider, &Rules::default()),
            ["locked = true", "max_body_bytes = 103809024"]
        );
        assert!(differing(&wider, &wider).is_empty());
    }
}
