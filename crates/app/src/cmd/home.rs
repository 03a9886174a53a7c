//! `handshake home`: the approval passphrase and the recovery code.

use handshake_core::{
    code::{ErrorCode, Phase},
    event::WidenKind,
    secret::Secret,
};
use handshake_llm::parts::{Approval, KdfParams, RecoveryCode};
use serde_json::json;

use crate::{
    cmd::init,
    context::Context,
    error::{AppError, Exit, Result},
    factor,
    out::Out,
    record::by_person,
    widen,
    wire::{App, Wiring},
};

/// Set the approval passphrase and the recovery code of the home.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  handshake home passphrase\n  handshake home recovery-code\n\nTo create a home, run `handshake init`."
)]
pub(crate) enum Command {
    /// Set the approval passphrase, or change it.
    #[command(
        after_help = "Example:\n  handshake home passphrase\n\nIn a home that was created without a terminal this sets the first approval passphrase. In any other it needs the present one, or the recovery code. It shows a new recovery code; the one before is void."
    )]
    Passphrase,
    /// Make a new recovery code; the one before is void.
    #[command(
        after_help = "Example:\n  handshake home recovery-code\n\nThe recovery code sets a new approval passphrase when you forgot yours, and opens the home when its key file is lost. It is shown once, at a terminal, and needs the approval passphrase or the code before."
    )]
    RecoveryCode,
}

pub(crate) async fn run(cx: &Context, command: Command) -> Result<Exit> {
    only_where_a_code_can_be_shown(cx.out)?;
    let home = cx.open_home()?.ok_or_else(|| {
        let message = "there is no home here yet";
        AppError::usage(ErrorCode::InvalidConfig, message).next("run `handshake init`")
    })?;
    let app = App::wire(home, Wiring::default()).await?;
    match (command, app.has_factor()?) {
        (Command::Passphrase, false) => set_first(cx, app).await?,
        (Command::Passphrase, true) => change(cx, &app).await?,
        (Command::RecoveryCode, true) => renew(cx, &app).await?,
        (Command::RecoveryCode, false) => {
            return Err(AppError::new(
                ErrorCode::FactorRequired,
                Phase::Gate,
                "this home has no approval passphrase for a code to recover",
            )
            .next("run `handshake home passphrase` to set one"));
        }
    }
    Ok(Exit::Done)
}

fn only_where_a_code_can_be_shown(out: Out) -> Result<()> {
    if factor::code::can_be_shown(out) {
        return Ok(());
    }
    Err(AppError::new(
        ErrorCode::FactorRequired,
        Phase::Input,
        "this command shows a recovery code, so it must be run at a terminal, without `--json` and without a redirection",
    )
    .next("run it at a terminal"))
}

async fn set_first(cx: &Context, app: App) -> Result<()> {
    cx.out
        .note("This home has no approval passphrase yet: whoever sets it decides what may leave this machine.");
    let passphrase = factor::ask_new(factor::NEW)?;
    let code = first_passphrase(&app, &passphrase).await?;
    drop(app);
    factor::code::show(&code);
    cx.out
        .line("The approval passphrase is set. A `handshake serve` that is running starts again by itself.");
    // Opened with it, some of what is stored here may want the person's word.
    let app = cx.app().await?;
    init::seal_what_is_right(cx, &app).await?;
    app.finish().await.map_err(Into::into)
}

/// Sets the first passphrase of a home. What is open with the old approval key has to be opened again.
pub(crate) async fn first_passphrase(app: &App, passphrase: &Secret) -> Result<RecoveryCode> {
    // It stands in the log before it is so.
    let permit = widen::confirmed_in_person();
    let after = json!({ "approval_passphrase": "set" });
    permit
        .record(app, WidenKind::Home, by_person(), None, &after)
        .await?;
    let code = app.set_passphrase(None, passphrase, KdfParams::STANDARD)?;
    app.finish().await?;
    Ok(code)
}

async fn change(cx: &Context, app: &App) -> Result<()> {
    let approval = present_factor(app, "About to change the approval passphrase")?;
    let passphrase = factor::ask_new(factor::NEW)?;
    recorded(app, "changed").await?;
    let code = app.set_passphrase(Some(&approval), &passphrase, KdfParams::STANDARD)?;
    app.finish().await?;
    factor::code::show(&code);
    cx.out
        .line("The approval passphrase is changed. The recovery code of before is void.");
    Ok(())
}

async fn renew(cx: &Context, app: &App) -> Result<()> {
    let approval = present_factor(app, "About to make a new recovery code")?;
    recorded(app, "new recovery code").await?;
    let code = app.renew_recovery_code(&approval)?;
    app.finish().await?;
    factor::code::show(&code);
    cx.out
        .line("There is a new recovery code. The one before is void.");
    Ok(())
}

fn present_factor(app: &App, about: &str) -> Result<Approval> {
    let question = format!("{about}.\nApproval passphrase");
    factor::either(&question, |given| app.vault.approve_with(given))
}

async fn recorded(app: &App, what: &str) -> Result<()> {
    let permit = widen::confirmed_in_person();
    let after = json!({ "approval_passphrase": what });
    permit
        .record(app, WidenKind::Home, by_person(), None, &after)
        .await
}
