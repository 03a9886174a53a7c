//! What a person is asked about a home that is open: why it is behind, and whether its records are right.

use handshake_core::event::WidenKind;
use handshake_llm::parts::Unsealed;
use serde_json::json;

use crate::{
    context::Context,
    error::Result,
    factor,
    out::printable,
    record::by_person,
    widen,
    wire::{App, behind_by},
};

/// A home that was put back is asked about once, at a terminal, of the person who holds the factor, or of whoever sits
/// there where nobody does.
pub(super) async fn say_why_behind(cx: &Context, app: &App) -> Result<()> {
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
    } else if factor::word(question) == "restored" {
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

/// Shows what is not sealed: records of a version that had no seals, or that somebody changed. At a terminal a person
/// who finds them right seals them as they stand.
pub(crate) async fn seal_what_is_right(cx: &Context, app: &App) -> Result<()> {
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
