//! What `doctor` says about the state of the home: how far it is, what its receipts say, what is sealed.

use handshake_core::seal::SealKind;
use handshake_llm::{
    Error,
    parts::{Home, policy_file::Loaded},
};

use super::Findings;
use crate::{
    cmd::init::policy::beyond,
    wire::{App, behind_by},
};

/// Which rules are in force, and what stands in the file beside them.
pub(super) fn policy(findings: &mut Findings, loaded: Result<Loaded, Error>) {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return findings.failed("policy", error.into()),
    };
    if loaded.unconfirmed {
        let missing = match loaded.missing {
            true => "policy.toml is missing, and the defaults allow more than is in force; ",
            false => "",
        };
        let wider = beyond(&loaded).join(", ");
        findings.remark(
            "policy",
            format!("{missing}not confirmed, so not in force: {wider}"),
        );
        findings.next(
            "run `handshake init` at a terminal to confirm it, or write policy.toml as it was",
        );
        return;
    }
    let redacted: Vec<_> = loaded.in_force.redact_clients.into_iter().collect();
    let redacted = match redacted.is_empty() {
        true => String::new(),
        false => format!("; redacted clients: {}", redacted.join(", ")),
    };
    let off: Vec<_> = loaded.in_force.disabled_rules.into_iter().collect();
    let locked = match loaded.in_force.locked {
        true => "; cloud calls are locked",
        false => "",
    };
    let off = match off.is_empty() {
        true => String::new(),
        false => format!("; leakage rules switched off: {}", off.join(", ")),
    };
    let file = match loaded.missing {
        true => "there is no policy.toml, so the defaults hold",
        false => "policy.toml is confirmed",
    };
    findings.ok("policy", format!("{file}{locked}{off}{redacted}"));
}

/// What was trusted in the home's place before it.
pub(super) fn displaced(findings: &mut Findings, home: &Home) {
    for (install, at) in home.displaced() {
        findings.remark(
            "home",
            format!("it took the place of another home at {at}: the one of install {install}"),
        );
        findings
            .next("if you did not replace that home yourself, find out who did, and put it back");
    }
}

/// Whether the home is as far as what is noted of it outside.
pub(super) fn behind(findings: &mut Findings, app: &App) {
    if app.behind.is_empty() {
        findings.ok(
            "anchor",
            "the home is as far as what is noted of it outside",
        );
    }
    for behind in &app.behind {
        findings.wrong("anchor", behind_by(behind)).next(
            "if you put back a backup, run `handshake init` at a terminal to say so; if not, find out who replaced files in this home",
        );
    }
}

/// Whether what receipts allow is what the log says of them.
pub(super) async fn receipts(findings: &mut Findings, app: &App) {
    let compared = app.store.reconcile(None).await;
    match compared.map(|void| void + app.revoked) {
        Ok(0) => findings.ok("receipts", "every receipt is as the log says"),
        Ok(void) => {
            findings
                .wrong(
                    "receipts",
                    format!("not as the log says, so they were revoked: {void}"),
                )
                .next("find out who changed handshake.db, and approve again what you need");
        }
        Err(error) => findings.failed("receipts", error.into()),
    }
    match app.store.log_alarms().await {
        Ok((0, _)) => {}
        Ok((count, last)) => {
            let last = last.map_or_else(String::new, |at| format!("; the last one at {at}"));
            findings.remark(
                "alarms",
                format!("something in this home was not as it was left: {count}{last}"),
            );
            findings.next("run `handshake log tail -n 1000` to see when, and what it was about");
        }
        Err(error) => findings.failed("alarms", error.into()),
    }
}

/// What blocked calls lately, and what was declassified.
pub(super) async fn leaks(findings: &mut Findings, app: &App) {
    match app.blocked().await {
        Ok(blocked) if blocked.is_empty() => {}
        Ok(blocked) => {
            let count = blocked.len();
            findings.remark(
                "leakage",
                format!("findings that blocked cloud calls in the last 24 hours: {count}"),
            );
            findings.next("run `handshake leak blocked` to see them");
        }
        Err(error) => findings.failed("leakage", error.into()),
    }
    match app
        .declassified()
        .await
        .map(|all| all.iter().filter(|it| it.in_force).count())
    {
        Ok(0) => {}
        Ok(count) => {
            findings.remark("leakage", format!("declassified by you: {count}"));
            findings.next("run `handshake leak declassified` to see them, or to take one back");
        }
        Err(error) => findings.failed("leakage", error.into()),
    }
}

/// Whether everything is as a person, or this program, left it.
pub(super) async fn seals(findings: &mut Findings, app: &App) {
    match app.unsealed().await {
        Ok(found) if found.is_empty() => {
            findings.ok("seals", "every record is as it was sealed");
        }
        Ok(found) => {
            for record in found {
                let instead = match record.kind {
                    SealKind::Pause => "cloud calls are paused",
                    _ => "it is not used",
                };
                findings.wrong(
                    "seals",
                    format!("{}: {}, so {instead}", record.says(), record.why),
                );
                let anew = record.how_to_mend();
                findings.next(match record.can_be_sealed() {
                    true => format!(
                        "if it is as it should be, run `handshake init` at a terminal to seal it; if not, {anew}"
                    ),
                    false => anew,
                });
            }
        }
        Err(error) => findings.failed("seals", error.into()),
    }
}
