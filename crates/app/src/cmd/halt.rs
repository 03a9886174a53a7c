//! `handshake pause`, `resume`, `stop`. Stopping never asks; resuming always does.

use handshake_core::event::WidenKind;
use serde_json::json;

use crate::{
    context::Context,
    error::{Exit, Result},
    record::by_person,
    widen::{self, Weight},
};

pub(crate) async fn pause(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let changed = app.pause().await?;
    cx.out
        .object(&json!({ "paused": true, "changed": changed }));
    cx.out.line(match changed {
        true => "Paused. Cloud calls wait until `handshake resume`.",
        false => "Cloud calls were paused already.",
    });
    Ok(Exit::Done)
}

pub(crate) async fn stop(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let revoked = app.stop().await?;
    cx.out
        .object(&json!({ "paused": true, "revoked": revoked }));
    cx.out.line(format!(
        "Stopped. Cloud calls in progress end; receipts revoked: {revoked}."
    ));
    cx.out
        .line("New cloud calls wait until `handshake resume`.");
    Ok(Exit::Done)
}

pub(crate) async fn resume(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    if !app.store.is_paused().await? {
        cx.out.object(&json!({ "paused": false, "changed": false }));
        cx.out.line("Cloud calls are not paused.");
        return Ok(Exit::Done);
    }
    let permit = widen::ask(&app, Weight::Local, "resume cloud calls")?;
    let event = permit.event(
        &app,
        WidenKind::Resume,
        by_person(),
        Some(&"paused"),
        &"running",
    )?;
    let changed = app.store.resume_cloud(event).await?;
    cx.out
        .object(&json!({ "paused": false, "changed": changed }));
    cx.out
        .line("Resumed. Leases from before the pause are asked about again.");
    Ok(Exit::Done)
}
