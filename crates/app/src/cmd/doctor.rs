//! `handshake doctor`: checks the installation and shows how to fix it. Changes nothing, contacts no cloud.

use std::{fs, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use handshake_core::{
    code::ErrorCode,
    event::HealthState,
    ports::{ContactGrants, ProviderStore},
    provider::ProviderRecord,
    tier::ModelTier,
};
use handshake_llm::parts::runtime::registry;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    cmd::provider,
    context::Context,
    error::{AppError, Exit, Result},
    wire::{App, Wiring},
};

mod log;
mod machine;
mod state;
mod vault;

/// How one thing is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Good to know. Nothing has to be done.
    Remark,
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Check {
    check: &'static str,
    state: State,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<String>,
    /// What was not recorded, each with its place in the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<Value>,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Check>);

impl Findings {
    fn add(&mut self, check: &'static str, state: State, message: impl Into<String>) -> &mut Self {
        self.0.push(Check {
            check,
            state,
            message: message.into(),
            next_step: None,
            gaps: Vec::new(),
        });
        self
    }

    fn ok(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(check, State::Ok, message);
    }

    fn remark(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(check, State::Remark, message);
    }

    fn wrong(&mut self, check: &'static str, message: impl Into<String>) -> &mut Self {
        self.add(check, State::Wrong, message)
    }

    fn failed(&mut self, check: &'static str, error: AppError) {
        self.wrong(check, format!("{} [{}]", error.message, error.code));
        // Doctor is what its own next step would be.
        let step = error
            .next_step
            .filter(|step| step != ErrorCode::Storage.next_step());
        if let Some(step) = step {
            self.next(step);
        }
    }

    fn next(&mut self, step: impl Into<String>) {
        if let Some(last) = self.0.last_mut() {
            last.next_step = Some(step.into());
        }
    }
}

pub(crate) async fn run(cx: &Context) -> Result<Exit> {
    let mut findings = Findings::default();
    inside(&mut findings, cx).await?;
    machine::look(&mut findings);
    let ok = findings.0.iter().all(|check| check.state != State::Wrong);
    cx.out.object(&json!({ "ok": ok, "checks": findings.0 }));
    for check in &findings.0 {
        match check.state {
            State::Ok => cx
                .out
                .mark(true, format!("{}: {}", check.check, check.message)),
            State::Remark => cx
                .out
                .line(format!("  -- {}: {}", check.check, check.message)),
            State::Wrong => cx
                .out
                .mark(false, format!("{}: {}", check.check, check.message)),
        }
        if let Some(step) = &check.next_step {
            cx.out.line(format!("       help: {step}"));
        }
    }
    let remarks = findings.0.iter();
    let remarks = remarks.filter(|check| check.state == State::Remark).count();
    cx.out.line(match (ok, remarks) {
        (false, _) => "\nProblems found.".to_owned(),
        (true, 0) => "\nNo problems found.".to_owned(),
        (true, remarks) => format!("\nNo problems found. Remarks, marked --: {remarks}"),
    });
    Ok(if ok { Exit::Done } else { Exit::Failed })
}

/// Everything that needs the home. Stops at what the rest stands on.
async fn inside(findings: &mut Findings, cx: &Context) -> Result<()> {
    let path = cx.home_path()?;
    let home = match cx.open_home() {
        Ok(Some(home)) => home,
        Ok(None) => {
            findings
                .wrong("home", format!("no home at {}", path.display()))
                .next("run `handshake init`");
            return Ok(());
        }
        Err(error) => {
            findings.failed("home", error);
            return Ok(());
        }
    };
    findings.ok("home", format!("{} is trusted", home.path.display()));
    state::displaced(findings, &home);
    permissions(findings, &home.path);
    let Some(vault) = vault::look(findings, &home) else {
        return Ok(());
    };
    // Before anything is opened: a database that is missing would be made anew, and its log would be empty.
    let looked = log::look(findings, &home, &vault);
    if looked == log::Looked::Missing {
        return Ok(());
    }
    match App::wire(home, Wiring::default()).await {
        Ok(app) => {
            if looked == log::Looked::Older {
                log::look(findings, &app.home, &vault);
            }
            open(findings, &app).await;
        }
        Err(error) => {
            let damaged = error.code == ErrorCode::Storage;
            findings.failed("database", error);
            if damaged {
                findings.next(
                    "check the free space and the permissions of the disk; if handshake.db is damaged, stop everything that uses this home and restore a backup",
                );
            }
        }
    }
    Ok(())
}

/// Nobody else may read or write anything in the home.
fn permissions(findings: &mut Findings, home: &Path) {
    let account = rustix::process::geteuid().as_raw();
    let mut open = Vec::new();
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    for entry in entries {
        let private = fs::symlink_metadata(entry.path()).is_ok_and(|meta| {
            meta.uid() == account && meta.mode() & 0o077 == 0 && !meta.is_symlink()
        });
        if !private {
            open.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    if open.is_empty() {
        findings.ok("permissions", "only you can access the files in the home");
    } else {
        open.sort();
        findings.wrong(
            "permissions",
            format!("other users can access, or own: {}", open.join(", ")),
        );
        findings.next(format!("run `chmod -R go= {}`", home.display()));
    }
}

async fn open(findings: &mut Findings, app: &App) {
    findings.ok("database", "the database opens");
    match app.store.is_paused().await {
        Ok(false) => {
            if crate::serve::is_running(&app.home.path) {
                findings.ok(
                    "stop",
                    "a gateway runs; `handshake stop`, the file `run/stop` in the home or the signal USR1 to it stops cloud calls",
                );
            }
        }
        Ok(true) => {
            findings.remark("cloud", "cloud calls are paused");
            findings.next("run `handshake resume` to let them go on");
        }
        Err(error) => findings.failed("cloud", error.into()),
    }
    if app.home_file_contradicts().unwrap_or(false) {
        findings
            .wrong(
                "home",
                "home.json says that this home has no approval passphrase, but it has one, so the file counts for nothing",
            )
            .next("find out who changed home.json, and remove `can_approve` from it");
    }
    state::behind(findings, app);
    let rules = app.policy.engine().rules().len();
    let enrolled = app.enrolment.current().len();
    if rules == 0 {
        findings.wrong("leakage", "no leakage rules are loaded");
    } else {
        findings.ok(
            "leakage",
            format!("rules: {rules}; secrets that requests are searched for: {enrolled}"),
        );
    }
    secrets(findings, app);
    state::leaks(findings, app).await;
    state::seals(findings, app).await;
    state::receipts(findings, app).await;
    let records = match ProviderStore::list(&app.store).await {
        Ok(records) => records,
        Err(error) => {
            findings.failed("providers", error.into());
            return;
        }
    };
    if records.is_empty() {
        findings.remark("providers", "no providers are registered");
        findings.next(
            "run `handshake provider add ollama --kind ollama --base-url http://127.0.0.1:11434`",
        );
    }
    for record in records {
        one_provider(findings, app, &Arc::new(record)).await;
    }
    if let Err(error) = app.finish().await {
        findings.failed("log", error.into());
    }
}

/// Whether every secret is one that requests can be searched for.
fn secrets(findings: &mut Findings, app: &App) {
    match app.secrets.needles() {
        Ok(needles) => {
            let mut weak = handshake_leakage::Enrolment::new(0);
            for (name, value) in needles {
                if let Err(refused) = weak.add(&value) {
                    findings.remark(
                        "secrets",
                        format!("requests cannot be searched for {name}: {refused}"),
                    );
                }
            }
        }
        Err(error) => findings.failed("secrets", error.into()),
    }
}

async fn one_provider(findings: &mut Findings, app: &App, record: &Arc<ProviderRecord>) {
    let id = &record.provider_id;
    let secret = provider::secret_state(app, record);
    if let (Some(state @ ("unbound" | "missing" | "unusable")), Some(secret_ref)) =
        (secret, &record.secret_ref)
    {
        findings.wrong(
            "provider",
            format!("{id}: the secret {secret_ref} is {state}"),
        );
        findings.next(provider::how_to_bind(secret_ref, &record.base_url.origin()));
    }
    if record.tier == ModelTier::Cloud {
        let granted = app
            .store
            .granted(id, record.revision)
            .await
            .unwrap_or(false);
        let granted = if granted {
            "contact granted"
        } else {
            "contact not granted"
        };
        findings.ok(
            "provider",
            format!("{id}: cloud, not contacted by this check; {granted}"),
        );
        return;
    }
    let governance = match provider::governance(app).await {
        Ok(governance) => governance,
        Err(error) => {
            findings.failed("provider", error);
            return;
        }
    };
    let health = registry::check(app.runtime.ports(), record, governance).await;
    match (health.state, health.code) {
        (HealthState::Ready, _) => findings.ok(
            "provider",
            format!("{id}: ready; models: {}", health.models),
        ),
        (HealthState::Reachable, _) => {
            findings.ok(
                "provider",
                format!("{id}: reachable; models: {}, none loaded", health.models),
            );
        }
        (_, code) => {
            let why = code
                .map(|code| format!(": {} [{code}]", code.title()))
                .unwrap_or_default();
            findings.wrong(
                "provider",
                format!("{id}: no answer at {}{why}", record.base_url),
            );
            findings.next(format!(
                "start the server, or run `handshake provider edit {id} --base-url URL`"
            ));
        }
    }
}
