//! The five acts.

use std::time::Duration;

use handshake_core::{
    chat::FinishReason,
    code::{ErrorCode, Phase},
    consent::DemoBinding,
    ids::{RequestId, SessionId, ToolId},
    ports::FlightRecorder,
    swap::SwapOutcome,
};
use handshake_flight_recorder::{Anchor, Status, Trust, verify_export};
use handshake_llm::parts::runtime::{CallOptions, ConsentMode, History, ToolUse};

use super::{
    Stage,
    play::{Played, denied, play, say},
};
use crate::{
    cmd::{
        log::{hex, line},
        swap::swap,
    },
    error::{AppError, Result},
    preview,
};

/// The session that the job runs in.
const JOB: &str = "demo-job";

/// One: a job on the local model, with a tool call, streamed.
pub(super) async fn one(stage: &mut Stage) -> Result<()> {
    stage
        .out
        .heading("Act 1. A job on the local model, which may call one tool.");
    let mut played = job(stage).await?;
    if !stage.local_is_simulated() && (played.tool_calls == 0 || played.end.is_err()) {
        say(stage.out, &played);
        stage
            .out
            .line("  (This model did not call the tool, so the simulator plays the act instead.)");
        stage.simulate_local().await?;
        played = job(stage).await?;
    }
    say(stage.out, &played);
    stage.check(
        played.tool_calls == 1 && played.tools_ok,
        "the model called the tool through the tool gate",
    );
    stage.check(
        played.end == Ok(FinishReason::Stop) && !played.text.is_empty(),
        "the answer was streamed to the end",
    );
    stage.check(
        !played.asked,
        "nobody was asked, because nothing left the machine",
    );
    Ok(())
}

async fn job(stage: &Stage) -> Result<Played> {
    let mut request = stage.request(
        JOB,
        &stage.local_model,
        "What is 19 + 23? Use the tool math.add, then say the sum.",
    )?;
    stage
        .out
        .line("  you: What is 19 + 23? Use the tool math.add, then say the sum.");
    let add = ToolId::new("math.add")?;
    let tools = stage.app.runtime.ports().tools.definitions(&[add]);
    request.tools =
        tools.map_err(|error| AppError::usage(ErrorCode::InvalidConfig, error.to_string()))?;
    let options = CallOptions {
        history: History::Stored,
        tools: ToolUse::Registry,
        ..CallOptions::default()
    };
    play(stage, request, options, false).await
}

/// Two: a secret in a prompt to the cloud.
pub(super) async fn two(stage: &mut Stage) -> Result<()> {
    stage
        .out
        .heading("Act 2. A prompt to the cloud that contains a secret.");
    stage.out.line("  you: Why does this fail? curl -H 'Authorization: Bearer sk-demo-…' (the real key was pasted)");
    let text = format!(
        "Why does this fail? curl -H 'Authorization: Bearer {}'",
        stage.secret
    );
    let request = stage.request("demo-leak", &stage.cloud_model, &text)?;
    let played = play(stage, request, CallOptions::default(), false).await?;
    say(stage.out, &played);
    stage.check(
        denied(&played, ErrorCode::LeakageBlocked),
        "the key was found in the prompt, so the call was blocked",
    );
    stage.check(
        !played.asked,
        "nobody was asked, because a known secret is never sent",
    );
    untouched(stage);
    Ok(())
}

fn untouched(stage: &mut Stage) {
    let (connections, bytes) = (stage.cloud.connections(), stage.cloud.bytes_received());
    stage.check(
        connections == 0 && bytes == 0,
        &format!("the cloud server received nothing (connections: {connections}, bytes: {bytes})"),
    );
}

/// Three: a cloud call without consent.
pub(super) async fn three(stage: &mut Stage) -> Result<()> {
    stage
        .out
        .heading("Act 3. A harmless prompt to the cloud, and nobody approves it.");
    stage.out.line("  you: Is 42 a good number?");
    let request = stage.request("demo-nobody", &stage.cloud_model, "Is 42 a good number?")?;
    let consent = ConsentMode::Wait(Duration::from_millis(1500));
    let played = play(
        stage,
        request,
        CallOptions {
            consent,
            ..CallOptions::default()
        },
        false,
    )
    .await?;
    say(stage.out, &played);
    stage.check(played.asked, "the call waited for approval");
    stage.check(
        denied(&played, ErrorCode::CloudConsentRequired),
        "nobody approved it, so it was blocked",
    );
    untouched(stage);
    Ok(())
}

/// Four: the job moves to the cloud, with consent.
pub(super) async fn four(stage: &mut Stage) -> Result<()> {
    stage
        .out
        .heading("Act 4. The job of act 1 moves to the cloud model, with consent.");
    let session = SessionId::new(JOB)?;
    let (from, to) = (stage.local_model.clone(), stage.cloud_model.clone());
    let report = swap(
        &stage.app,
        &session,
        Some(from),
        &to,
        ("worker", "a second opinion"),
        30_000,
    )
    .await?;
    let swapped =
        matches!(report.outcome, SwapOutcome::Completed { .. }) && report.compiled.is_some();
    stage.check(
        swapped,
        "the session was moved with a freshly compiled context",
    );
    untouched(stage);
    stage.out.line("  you: Is that sum right?");
    let request = stage.request(JOB, &to, "Is that sum right?")?;
    let options = CallOptions {
        history: History::Stored,
        ..CallOptions::default()
    };
    let played = play(stage, request, options, true).await?;
    say(stage.out, &played);
    stage.check(
        played.asked,
        "the exact bytes were shown before anything left",
    );
    stage.check(
        played.end == Ok(FinishReason::Stop),
        "once approved, the call continued",
    );
    let requests = stage.cloud.requests();
    stage.check(
        requests == 1,
        &format!("the cloud server received only the approved request (requests: {requests})"),
    );
    let again = stage.request("demo-again", &to, "And once more?")?;
    let consent = ConsentMode::AnswerAtOnce;
    let again = play(
        stage,
        again,
        CallOptions {
            consent,
            ..CallOptions::default()
        },
        false,
    )
    .await?;
    stage.check(
        denied(&again, ErrorCode::CloudConsentRequired) && stage.cloud.requests() == 1,
        "the receipt covered one call; the next one needs approval again",
    );
    Ok(())
}

/// Shows the preview, and lets the person or the demo's own key say yes.
pub(super) async fn consent(stage: &Stage, request_id: RequestId) -> Result<()> {
    let preview = stage.app.approver()?.open(request_id).await?;
    let shown = preview.shown().await?;
    preview::print(stage.out, &shown, preview::Extent::New);
    if stage.ask {
        stage.out.text(
            "\n  Send this? (Outside the demo you would enter your passphrase here.) Type yes: ",
        );
        let answer = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| line)
        })
        .await;
        let yes = matches!(answer, Ok(Ok(line)) if line.trim().eq_ignore_ascii_case("yes"));
        if !yes {
            stage.out.line("  Not approved. Nothing was sent.");
            return Ok(preview.deny().await?);
        }
    } else {
        stage.out.line("\n  Nobody is at the terminal, so the demo's own key approves. It is valid for this simulator only.");
    }
    let demo = DemoBinding {
        listener: stage.cloud.addr(),
    };
    let receipt = preview
        .for_demo(demo)
        .approve_once(&stage.passphrase)
        .await?;
    stage
        .out
        .line(format!("  Receipt {}.\n", receipt.consent_receipt_id));
    Ok(())
}

/// Five: the record of it all.
pub(super) async fn five(stage: &mut Stage) -> Result<()> {
    stage
        .out
        .heading("Act 5. The log of all this, and whether it can be trusted.");
    let store = stage.app.store.clone();
    store.flush().await?;
    store.log_checkpoint().await?;
    let events = store.log_tail(1000).await?;
    for event in &events {
        stage.out.line(line(event));
    }
    let head = store.log_head().await?;
    let log_text: String = events.iter().map(line).collect();
    let silent = !log_text.contains("19 + 23") && !log_text.contains(&stage.secret);
    stage.check(
        silent,
        "the log holds ids, sizes and hashes, but no prompt text and no key",
    );
    let anchor = head.short_anchor();
    stage.out.line(format!(
        "  The log's anchor is {anchor}. Written down elsewhere, it proves everything before it."
    ));
    let root = store.log_root().await?;
    let folder = stage.path("export");
    let exported = store.export_log(&folder).await;
    exported
        .map_err(|error| AppError::new(ErrorCode::Storage, Phase::Storage, error.to_string()))?;
    stage.out.line(format!(
        "  Exported the log. Anyone can verify it: handshake-verify --root {}… DIR",
        &hex(root.as_bytes())[..16]
    ));
    let trust = || -> Result<Trust> {
        let anchor: Anchor = anchor
            .parse()
            .map_err(|_| AppError::new(ErrorCode::Storage, Phase::Storage, "malformed anchor"))?;
        Ok(Trust {
            roots: vec![root],
            anchors: vec![anchor],
            ..Trust::default()
        })
    };
    let whole = verify_export(&folder, trust()?);
    stage.check(
        whole.is_ok_and(|verdict| verdict.status == Status::Intact),
        &format!(
            "the exported log is in order and unaltered (events: {})",
            head.size
        ),
    );
    let log = folder.join("log.jsonl");
    let text = std::fs::read_to_string(&log);
    let text = text
        .map_err(|_| AppError::new(ErrorCode::Storage, Phase::Storage, "cannot read the export"))?;
    let altered = text.replacen("cloud_escalation_denied", "cloud_escalation_execut", 1);
    let changed = altered != text && std::fs::write(&log, altered).is_ok();
    stage
        .out
        .line("  Now the export is tampered with: one denial is made to look like something else.");
    let found = verify_export(&folder, trust()?);
    let found = found
        .as_ref()
        .is_ok_and(|verdict| verdict.status == Status::Tampered);
    stage.check(changed && found, "the tampering was detected");
    Ok(())
}
