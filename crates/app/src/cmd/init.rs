//! `handshake init`: makes the home, trusts one, confirms a changed policy.

mod enter;
pub(crate) mod policy;
mod words;

use handshake_core::event::WidenKind;
use serde_json::{Value, json};

pub(crate) use self::words::seal_what_is_right;
use self::{enter::How, policy::Policy};
use crate::{
    cmd::home::first_passphrase,
    context::Context,
    error::{Exit, Result},
    factor, home,
    record::by_person,
    widen,
    wire::{App, Wiring},
};

/// Create the home. In an existing home, confirm a changed policy.toml; trust a home from elsewhere.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake init\n  handshake init --home ./scratch --headless\n\nAt a terminal you choose an approval passphrase of at least 12 characters, which every approval asks for, and are shown a recovery code, once. In a home without a passphrase nothing can be approved, so only local models work. Running it again changes nothing."
)]
pub(crate) struct Args {
    /// Create a home without an approval passphrase, in which nothing can be approved until one is set.
    #[arg(long)]
    headless: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let (mut home, mut vault, how) = enter::enter(cx, &args)?;
    let offered = how == How::Existed && !args.headless && factor::code::can_be_shown(cx.out);
    if offered && !vault.has_factor()? {
        let app = App::wire(home, Wiring::default()).await?;
        offer_a_passphrase(cx, &app).await?;
        app.finish().await?;
        drop(app);
        home = home::open_or_make(cx)?;
        vault = home::vault(&home)?;
    }
    let app = App::wire(home, Wiring::default()).await?;
    if how == How::Trusted {
        // The person's word stands in the log of the home that it is about.
        let after = json!({ "approval_key": vault.summary()?.approval_key.id() });
        widen::confirmed_in_person()
            .record(&app, WidenKind::Home, by_person(), None, &after)
            .await?;
    }
    words::say_why_behind(cx, &app).await?;
    let policy = policy::look(cx, &app).await?;
    seal_what_is_right(cx, &app).await?;
    app.finish().await?;
    report(cx, &app, how, &policy).await?;
    Ok(Exit::Done)
}

/// A home that was made without a terminal gets its approval passphrase where somebody sits at one now.
async fn offer_a_passphrase(cx: &Context, app: &App) -> Result<()> {
    cx.out
        .note("This home has no approval passphrase, so nothing can be approved in it.");
    if factor::word("Type `set` to set one now, or press Enter to leave it so: ") != "set" {
        return Ok(());
    }
    let passphrase = factor::ask_new(factor::NEW)?;
    let code = first_passphrase(app, &passphrase).await?;
    factor::code::show(&code);
    Ok(())
}

async fn report(cx: &Context, app: &App, how: How, policy: &Policy) -> Result<()> {
    let (home, out) = (&app.home, cx.out);
    let readable = app.vault.keys_readable_by_account()?;
    let summary = app.vault.summary()?;
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
        "unsealed": unsealed, "home": home.path, "made": how == How::Made, "trusted_now": how == How::Trusted, "install_id": home.install_id,
        "approval_key": summary.approval_key.id(), "can_approve": summary.has_factor, "recovery_code": summary.has_recovery,
        "keys_readable_by_account": readable, "key_file": home.key_file(), "policy": word, "unconfirmed": wider,
    }));
    if out.json {
        return Ok(());
    }
    let at = home.path.display();
    out.line(match how {
        How::Made => format!("Created the home {at}:"),
        How::Trusted => format!("The home {at} is now trusted:"),
        How::Existed => format!("The home {at} already exists:"),
    });
    out.line("  handshake.db   providers, work profiles, approvals and the log; pending prompts are sealed in it");
    out.line("  vault.hskv     secrets and keys, encrypted");
    out.line("  policy.toml    your rules, if you write any; run this command to confirm a change that allows more");
    out.line("Outside the home, so that a copy of it is not trusted:");
    out.line(format!("  {}", home.key_file().display()));
    let list = cx.trust_dir()?.join("homes.json");
    out.line(format!("  {}", list.display()));
    if readable {
        out.note("Keys readable by this account: any program you run can open the vault with the key file.");
        out.note("The key file cannot approve anything: that needs the approval passphrase.");
    }
    if !summary.has_factor {
        out.note("This home has no approval passphrase, so cloud calls cannot be approved. Local models work.");
        out.note("help: run `handshake home passphrase` at a terminal to set one");
    } else if !summary.has_recovery {
        out.note("This home has no recovery code: a forgotten passphrase or a lost key file cannot be mended.");
        out.note("help: run `handshake home recovery-code` at a terminal");
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
    if how == How::Made {
        out.note(
            "help: run `handshake provider add ollama --kind ollama --base-url http://127.0.0.1:11434`",
        );
    }
    Ok(())
}
