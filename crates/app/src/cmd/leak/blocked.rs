//! `handshake leak blocked`, `declassify`, `declassified`: what blocked a call, and that a rule is wrong about it.

use handshake_core::{
    code::{ErrorCode, Phase},
    event::WidenKind,
    ids::TraceId,
    ports::BlockedFinding,
};
use handshake_leakage::Engine;
use handshake_llm::parts::DeclassifiedFinding;
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    preview::size,
    record::about,
    widen::{Weight, widen},
    wire::App,
};

/// Which blocked finding.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Only this very text passes then, under this rule, to this provider as it is now. A text that differs in one character, another rule, another provider and an edited one are blocked as before; enrolled secrets always are.\n\nExample:\n  handshake leak blocked\n  handshake leak declassify 1a2b3c4d"
)]
pub(crate) struct DeclassifyArgs {
    /// Id from `handshake leak blocked`, or its first characters (at least 4), or the id of the call that the client was
    /// told.
    id: String,
}

/// What was declassified.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake leak declassified\n  handshake leak declassified --remove 1a2b3c4d"
)]
pub(crate) struct DeclassifiedArgs {
    /// Take one back: its id, or its first characters (at least 4). Needs no passphrase.
    #[arg(long, value_name = "ID")]
    remove: Option<String>,
}

const LEAST: usize = 4;

pub(super) async fn list(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    let all = app.blocked().await?;
    for one in &all {
        cx.out.object(&told(one));
    }
    if all.is_empty() {
        cx.out
            .line("No finding blocked a cloud call in the last 24 hours.");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            vec![
                one.handle(),
                one.at.to_string(),
                one.principal.to_string(),
                to(one),
                one.rule.to_string(),
                one.place.clone().unwrap_or_else(|| "-".to_owned()),
                match is_declassifiable(one) {
                    true => "yes",
                    false => "no",
                }
                .to_owned(),
            ]
        })
        .collect();
    cx.out.table(
        &[
            "ID",
            "WHEN",
            "REQUESTED BY",
            "MODEL",
            "RULE",
            "PLACE",
            "DECLASSIFIABLE",
        ],
        &rows,
    );
    Ok(Exit::Done)
}

fn is_declassifiable(one: &BlockedFinding) -> bool {
    one.class.is_declassifiable() && one.leaf.is_some()
}

fn to(one: &BlockedFinding) -> String {
    match &one.model_id {
        Some(model) => format!("{}/{model}", one.provider_id),
        None => one.provider_id.to_string(),
    }
}

fn told(one: &BlockedFinding) -> Value {
    json!({
        "kind": "blocked", "id": one.handle(), "trace_id": one.trace_id, "at": one.at,
        "principal": one.principal, "provider_id": one.provider_id,
        "revision": one.provider_revision, "origin": one.origin, "model_id": one.model_id,
        "rule": one.rule, "class": one.class, "place": one.place, "bytes": one.bytes,
        "count": one.count, "declassifiable": is_declassifiable(one),
    })
}

/// The one that a person means.
fn meant<'a, T>(
    word: &str,
    all: &'a [T],
    id: impl Fn(&T) -> String,
    is_call: impl Fn(&T, TraceId) -> bool,
    list: &str,
) -> Result<&'a T> {
    let usage = |message: String| {
        AppError::usage(ErrorCode::InvalidRequest, message).next(format!("run `{list}`"))
    };
    let lower = word.to_ascii_lowercase();
    let call: Option<TraceId> = word.parse().ok();
    if call.is_none() && word.len() < LEAST {
        return Err(usage(format!(
            "an id needs at least {LEAST} characters: {word}"
        )));
    }
    let mut fitting = all.iter().filter(|one| match call {
        Some(call) => is_call(one, call),
        None => id(one).starts_with(&lower),
    });
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(usage(format!("more than one finding is meant by {word}"))),
        (None, _) => Err(usage(format!("no such finding: {word}"))),
    }
}

pub(super) async fn declassify(cx: &Context, args: &DeclassifyArgs) -> Result<Exit> {
    let app = cx.app().await?;
    let all = app.blocked().await?;
    let one = meant(
        &args.id,
        &all,
        BlockedFinding::handle,
        |one, call| one.trace_id == Some(call),
        "handshake leak blocked",
    )?;
    let what = app.declassifies(one).await?;
    let words = words(one);
    let permit = widen(
        &app,
        (WidenKind::Declassified, Weight::Cloud, &words),
        about(&one.provider_id),
        None,
        &what,
    )
    .await?;
    let stored = app.declassify(&what, permit.approval()).await;
    stored.map_err(|error| match error.code {
        ErrorCode::InvalidConfig => AppError::new(
            ErrorCode::Revision,
            Phase::Storage,
            "the provider changed in the meantime, so nothing was declassified",
        ),
        _ => AppError::from(error),
    })?;
    app.finish().await?;
    let mut value = told(one);
    value["kind"] = json!("declassified");
    cx.out.object(&value);
    let id = what.handle();
    cx.out.line(format!(
        "Declassified {id}. Let the client send the request again; you are asked about it as about any other."
    ));
    cx.out.line(format!(
        "To take it back: `handshake leak declassified --remove {id}`"
    ));
    Ok(Exit::Done)
}

/// What a person reads before they say so. The text itself is kept nowhere.
fn words(one: &BlockedFinding) -> String {
    let place = one.place.as_deref().unwrap_or("-");
    let bytes = size(one.bytes.unwrap_or(0));
    let times = match one.count {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    };
    let service = Engine::builtin()
        .explain(one.rule.as_str())
        .map_or_else(String::new, |rule| format!(", {}", rule.service));
    let call = one
        .trace_id
        .map_or_else(String::new, |id| format!(", call {id}"));
    format!(
        "declassify a finding of {rule} for the provider {provider}:
  found      {rule} ({class}{service}), {times}, in a text of {bytes} at {place}
  asked by   {who} at {at}{call}
  would go   to {origin}, to every model of {provider} (revision {revision})
The text is not kept and cannot be shown: look at it where it came from. Exactly this text passes then, with all that this
rule finds in it; if it holds a real secret, that secret leaves.",
        rule = one.rule,
        class = one.class.as_str().replace('_', " "),
        who = one.principal,
        at = one.at,
        origin = one.origin,
        provider = one.provider_id,
        revision = one.provider_revision,
    )
}

pub(super) async fn declassified(cx: &Context, args: &DeclassifiedArgs) -> Result<Exit> {
    let app = cx.app().await?;
    let all = app.declassified().await?;
    match &args.remove {
        Some(word) => remove(cx, &app, &all, word).await,
        None => {
            show(cx, &all);
            Ok(Exit::Done)
        }
    }
}

async fn remove(cx: &Context, app: &App, all: &[DeclassifiedFinding], word: &str) -> Result<Exit> {
    let one = meant(
        word,
        all,
        |one| one.id.clone(),
        |_, _| false,
        "handshake leak declassified",
    )?;
    app.classify_again(one).await?;
    app.finish().await?;
    cx.out.object(&json!({ "removed": one.id }));
    cx.out
        .line("Removed. The finding blocks again, from the next call on.");
    Ok(Exit::Done)
}

fn show(cx: &Context, all: &[DeclassifiedFinding]) {
    for one in all {
        cx.out.object(&json!(one));
    }
    if all.is_empty() {
        cx.out.line("Nothing is declassified.");
        return;
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            vec![
                one.id.clone(),
                one.at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
                format!("{} (revision {})", one.provider_id, one.revision),
                one.rule.to_string(),
                one.class.as_str().replace('_', " "),
                match one.in_force {
                    true => "in force",
                    false => "not believed",
                }
                .to_owned(),
            ]
        })
        .collect();
    cx.out.table(
        &["ID", "DECLASSIFIED", "PROVIDER", "RULE", "CLASS", "STATE"],
        &rows,
    );
}
