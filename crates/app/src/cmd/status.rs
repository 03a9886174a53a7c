//! `handshake status`: what is going on, in one line. Reads, and asks for nothing.

use handshake_core::{
    event::Body,
    policy::Governance,
    ports::{ApprovalQueue, EgressPolicy, RegistryFeed},
};
use handshake_flight_recorder::Status;
use handshake_llm::{
    LeaseLeft,
    parts::{LogTrust, verify_log},
};
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::Exit,
    error::Result,
    preview::{size, span},
    serve,
    wire::App,
};

/// Events of the log that what is counted is taken from.
const LATELY: u32 = 1000;

/// Events of a log that is verified for one line.
const VERIFIED: u64 = 100_000;

/// How things stand.
pub(crate) struct Standing {
    pub(crate) gateway: bool,
    pub(crate) waiting: usize,
    leases: Vec<(String, LeaseLeft)>,
    leases_json: Vec<Value>,
    paused: bool,
    locked: bool,
    /// Calls that were redacted, of what the log says lately, and values that were replaced in them.
    redacted: (u64, u64),
}

impl Standing {
    pub(crate) async fn of(app: &App) -> Result<Self> {
        let receipts = app.store.receipts(1000).await?;
        let now = app.clock.now();
        let (mut leases, mut leases_json) = (Vec::new(), Vec::new());
        for record in &receipts {
            let Some(left) = LeaseLeft::of(record, now) else {
                continue;
            };
            let ext = &record.receipt.ext;
            leases.push((ext.principal.to_string(), left));
            leases_json.push(json!({
                "receipt_id": record.receipt.consent_receipt_id, "principal": ext.principal,
                "provider_id": ext.destination.provider_id, "left": left,
            }));
        }
        let governance = app.store.current()?.governance();
        let mut redacted = (0, 0u64);
        for recorded in app.store.log_tail(LATELY).await? {
            if let Body::ContentRedacted { values, .. } = recorded.event.body {
                redacted.0 += 1;
                redacted.1 += u64::from(values);
            }
        }
        Ok(Self {
            gateway: serve::is_running(&app.home.path),
            waiting: app.store.pending().await?.len(),
            leases,
            leases_json,
            paused: app.store.is_paused().await?,
            locked: app.policy.posture().locked
                || governance.automation_level == Governance::LOCKED.automation_level,
            redacted,
        })
    }

    /// One line but for the log.
    pub(crate) fn line(&self) -> String {
        let mut said = vec![
            match self.gateway {
                true => "gateway running".to_owned(),
                false => "no gateway".to_owned(),
            },
            format!("{} waiting", self.waiting),
        ];
        match self.leases.as_slice() {
            [] => said.push("no lease".to_owned()),
            all => said.extend(all.iter().map(|(who, left)| {
                format!(
                    "lease {who}: {} of {} calls, {} new, {} left",
                    left.uses,
                    left.max_uses,
                    size(left.new_bytes),
                    span(left.seconds)
                )
            })),
        }
        match self.redacted {
            (0, _) => {}
            (1, values) => said.push(format!("1 call redacted lately ({values} values)")),
            (calls, values) => {
                said.push(format!("{calls} calls redacted lately ({values} values)"));
            }
        }
        if self.paused {
            said.push("cloud PAUSED".to_owned());
        }
        if self.locked {
            said.push("cloud LOCKED".to_owned());
        }
        said.join(" · ")
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "gateway": self.gateway, "waiting": self.waiting, "leases": self.leases_json,
            "paused": self.paused, "locked": self.locked,
            "redacted": { "calls": self.redacted.0, "values": self.redacted.1 },
        })
    }
}

pub(crate) async fn run(cx: &Context) -> Result<Exit> {
    let path = cx.home_path()?;
    if !path.exists() {
        cx.out.object(&json!({ "home": null }));
        cx.out
            .line("no home yet · run `handshake init`, or any command that needs one");
        return Ok(Exit::Done);
    }
    let app = cx.app().await?;
    let standing = Standing::of(&app).await?;
    let head = app.store.log_head().await?;
    let (status, words) = if head.size > VERIFIED {
        ("not_verified", "too long to verify here".to_owned())
    } else {
        match verify_log(&app.home, &app.vault, LogTrust::default()) {
            Ok(report) => match report.verdict.status {
                Status::Tampered => (
                    "tampered",
                    "TAMPERED WITH: run `handshake log verify`".to_owned(),
                ),
                Status::Intact => ("intact", "verified".to_owned()),
                Status::SelfConsistentOnly => (
                    "self_consistent_only",
                    "consistent, not anchored".to_owned(),
                ),
            },
            Err(_) => (
                "unreadable",
                "CANNOT BE READ: run `handshake doctor`".to_owned(),
            ),
        }
    };
    let mut object = standing.json();
    object["log"] = json!({
        "status": status, "size": head.size, "anchor": head.short_anchor(),
    });
    cx.out.object(&object);
    cx.out.line(format!(
        "{} · log {words}, {}",
        standing.line(),
        head.short_anchor()
    ));
    Ok(Exit::Done)
}
