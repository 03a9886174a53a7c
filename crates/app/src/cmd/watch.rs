//! `handshake watch`: what waits, what runs, what was decided, as it happens. Reads the log and the queue, so it needs no
//! gateway and no factor; a yes asks for one.

use std::time::Duration;

use handshake_core::{
    code::ErrorCode,
    ports::{ApprovalQueue, PendingRecord, SinkFilter},
};
use serde_json::{Value, json};

use super::{consent, status::Standing};
use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    factor,
    keys::{Keys, Pressed},
    out::Out,
    preview::{self, size, span},
    timeline::Timeline,
    wire::App,
};

/// How often is looked for new events.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// As many looks without an event, and the screen is drawn anew: time passes too.
const QUIET_LOOKS: u32 = 10;

pub(crate) async fn run(cx: &Context) -> Result<Exit> {
    let app = cx.app().await?;
    if cx.out.json {
        return stream(&app, cx.out).await;
    }
    if !(cx.out.is_seen() && factor::at_terminal()) {
        return follow(&app, cx.out).await;
    }
    pane(&app, cx.out).await
}

/// What is told of a question. No content.
fn waits(record: &PendingRecord) -> Value {
    json!({
        "type": "waiting", "request": record.request, "plan": record.plan,
        "submitted_at": record.submitted_at, "deadline": record.deadline, "live": record.live,
    })
}

/// One object a line: how things stand, then each event as it is recorded, and each question as it comes.
async fn stream(app: &App, out: Out) -> Result<Exit> {
    let mut timeline = Timeline::begin(&app.store).await?;
    let mut object = Standing::of(app).await?.json();
    object["type"] = json!("status");
    out.object(&object);
    let mut said: Vec<String> = Vec::new();
    loop {
        for record in app.store.pending().await? {
            let id = record.request.request_id.to_string();
            if !said.contains(&id) {
                out.object(&waits(&record));
                said.push(id);
            }
        }
        let events = loop {
            if !pause().await {
                return Ok(Exit::Done);
            }
            let events = timeline.look(&app.store).await?;
            if !events.is_empty() {
                break events;
            }
        };
        for event in &events {
            super::log::show_json(out, &app.guard, event);
        }
    }
}

/// Lines, where there is no terminal to draw on.
async fn follow(app: &App, out: Out) -> Result<Exit> {
    let mut timeline = Timeline::begin(&app.store).await?;
    out.line(Standing::of(app).await?.line());
    loop {
        if !pause().await {
            return Ok(Exit::Done);
        }
        for event in timeline.look(&app.store).await? {
            out.line(app.guard.clean(&super::log::line(&event)));
        }
    }
}

/// Waits for the next look. False at Ctrl-C.
async fn pause() -> bool {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => false,
        () = tokio::time::sleep(LOOK_EVERY) => true,
    }
}

async fn pane(app: &App, out: Out) -> Result<Exit> {
    let mut timeline = Timeline::begin(&app.store).await?;
    loop {
        let pending = app.store.pending().await?;
        draw(app, out, &timeline, &pending).await?;
        match key(app, &mut timeline, pending.is_empty()).await? {
            None => {}
            Some('q') => return Ok(Exit::Done),
            Some(key) => {
                let Some(record) = pending.first() else {
                    continue;
                };
                out.clear();
                let decided = answer(app, out, record, key).await;
                // What was said last is read before the screen is drawn anew.
                match decided {
                    Ok(()) => {}
                    Err(error) => {
                        out.fail(&error);
                    }
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
}

/// Decides the question that stands on top.
async fn answer(app: &App, out: Out, record: &PendingRecord, key: char) -> Result<()> {
    let waiting = app.approver()?.open(record.request.request_id).await?;
    match consent::decide(out, &waiting, Some(key)).await? {
        consent::Decision::Approved(receipt) => {
            out.line(format!("Approved. Receipt {}.", receipt.consent_receipt_id));
        }
        consent::Decision::Denied => out.line("Denied. Nothing was sent."),
        consent::Decision::Left => out.line("Not decided. The call is still pending."),
    }
    Ok(())
}

async fn draw(app: &App, out: Out, timeline: &Timeline, pending: &[PendingRecord]) -> Result<()> {
    let now = app.clock.now();
    let standing = Standing::of(app).await?;
    out.clear();
    out.line(standing.line());
    out.heading("Waiting");
    if pending.is_empty() {
        out.line("  nothing");
    }
    for record in pending {
        let ext = &record.plan.ext;
        out.line(format!(
            "  {}  {} → {}, {} ({} new), {} left",
            &record.request.request_id.to_string()[..8],
            ext.principal,
            record.request.requested_model_id,
            size(record.plan.max_bytes),
            size(ext.new_bytes),
            span(record.deadline.since(now).as_secs())
        ));
    }
    let mut lease = "l lease";
    if let Some(record) = pending.first() {
        match app.approver()?.open(record.request.request_id).await {
            Ok(waiting) => {
                let shown = waiting.shown().await?;
                if consent::can_waive(&shown) {
                    lease = "w lease with what was found";
                }
                out.line("");
                for line in preview::first(&shown.summary, preview::Extent::New) {
                    out.line(line);
                }
            }
            // It was decided meanwhile.
            Err(_) => out.line("  …"),
        }
    }
    out.heading("Running");
    if timeline.running.is_empty() {
        out.line("  nothing");
    }
    for running in timeline.running.values() {
        let since = span(now.since(running.since).as_secs());
        out.line(format!("  {} → {}, {since}", running.who, running.model));
    }
    out.heading("Decided");
    for (when, what) in &timeline.decisions {
        let time = when.to_string();
        out.line(format!("  {}  {what}", time.get(11..19).unwrap_or(&time)));
    }
    out.text(&match pending.is_empty() {
        true => "\nq leave: ".to_owned(),
        false => {
            format!("\ny this call · {lease} · n deny · s show everything · q leave: ")
        }
    });
    Ok(())
}

/// A key that means something now, or `None` where there is something new to be drawn.
async fn key(app: &App, timeline: &mut Timeline, idle: bool) -> Result<Option<char>> {
    let Some(mut keys) = Keys::open() else {
        return Ok(Some('q'));
    };
    for _ in 0..QUIET_LOOKS {
        let waited = tokio::task::spawn_blocking(move || {
            let pressed = keys.wait(LOOK_EVERY);
            (keys, pressed)
        });
        let pressed;
        (keys, pressed) = waited.await.map_err(|_| {
            AppError::usage(ErrorCode::InvalidRequest, "the terminal cannot be read")
        })?;
        match pressed {
            Some(Pressed::Leave | Pressed::Key('q')) => return Ok(Some('q')),
            Some(Pressed::Key(key @ ('y' | 'l' | 'w' | 'n' | 's'))) if !idle => {
                return Ok(Some(key));
            }
            _ => {}
        }
        if !timeline.look(&app.store).await?.is_empty() {
            return Ok(None);
        }
    }
    Ok(None)
}
