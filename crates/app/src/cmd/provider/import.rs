//! `handshake provider import`.

use std::{path::PathBuf, sync::Arc};

use handshake_core::{
    code::ErrorCode,
    ports::RegistryFeed,
    provider::{ProviderDraft, ProviderRecord},
};
use serde_json::json;

use super::{
    add,
    draft::{at_row, read_drafts},
    server,
};
use crate::{
    cmd::request::read,
    context::Context,
    error::{AppError, Exit, Result},
    record::about,
    widen::{self, Weight},
    wire::App,
};

/// Register the providers listed in a file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  handshake provider import providers.json\n  handshake provider export --home OLD | handshake provider import -\n\nThe file holds a JSON array of providers, one provider, or one provider per line. Imported providers have no grant, no bound secret and no enabled cloud model; add each of these separately."
)]
pub(crate) struct Args {
    /// File to read; - for standard input.
    file: PathBuf,
    /// Show what would be registered, without registering anything.
    #[arg(long)]
    dry_run: bool,
}

/// What happens to one draft.
enum Step {
    Add(ProviderRecord),
    Unchanged(Arc<ProviderRecord>),
}

impl Step {
    fn record(&self) -> &ProviderRecord {
        match self {
            Self::Add(record) => record,
            Self::Unchanged(record) => record,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Unchanged(_) => "unchanged",
        }
    }
}

pub(super) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    // Everything is read and checked before anything is asked, and everything is asked before anything is written.
    let drafts = read_drafts(&read(&args.file)?)?;
    let app = cx.app().await?;
    let steps = plan(&app, drafts)?;
    let new: Vec<&ProviderRecord> = steps
        .iter()
        .filter_map(|step| {
            if let Step::Add(record) = step {
                Some(record)
            } else {
                None
            }
        })
        .collect();
    if !args.dry_run && !new.is_empty() {
        let mut weight = Weight::Nothing;
        for record in &new {
            weight = weight.and(add::weight(&app, record, None)?);
        }
        let noun = if new.len() == 1 {
            "provider"
        } else {
            "providers"
        };
        let mut words = format!("register {} {noun}:", new.len());
        for record in &new {
            words.push_str(&format!("\n  + {}", add::described(record)));
        }
        let permit = widen::ask(&app, weight, &words)?;
        // Where a person's word is needed, nobody is contacted before it.
        let mut silent = 0;
        for record in &new {
            silent += usize::from(!server::admitted(&app, record).await?);
        }
        match silent {
            0 => {}
            1 => server::nobody_there(cx, &"one of the URLs"),
            many => server::nobody_there(cx, &format!("{many} of the URLs")),
        }
        let mut events = Vec::with_capacity(2 * new.len());
        for record in &new {
            let (kind, scope) = (add::kind(record), about(&record.provider_id));
            events.push(permit.event(&app, kind, scope, None, &record.draft())?);
            events.push(add::registered(&app, record));
        }
        let records = new.iter().map(|record| (*record).clone()).collect();
        app.register_providers(records, permit.approval(), events)
            .await?;
    }
    app.finish().await?;
    for step in &steps {
        let record = step.record();
        cx.out.object(&json!({
            "provider_id": record.provider_id, "tier": record.tier, "base_url": record.base_url,
            "action": step.verb(), "dry_run": args.dry_run,
        }));
    }
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            let record = step.record();
            let cells = [step.verb(), record.provider_id.as_str()].map(str::to_owned);
            cells
                .into_iter()
                .chain([record.tier.as_str().to_owned(), record.base_url.to_string()])
                .collect()
        })
        .collect();
    cx.out.table(&["", "ID", "TIER", "BASE URL"], &rows);
    if args.dry_run {
        cx.out.line("Nothing was registered (--dry-run).");
    }
    Ok(Exit::Done)
}

fn plan(app: &App, drafts: Vec<ProviderDraft>) -> Result<Vec<Step>> {
    let view = app.store.current()?;
    let mut steps = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.into_iter().enumerate() {
        let record = add::checked(app, draft).map_err(|error| at_row(at, error))?;
        match view.providers.get(&record.provider_id) {
            None => steps.push(Step::Add(record)),
            Some(known) if known.draft() == record.draft() => {
                steps.push(Step::Unchanged(Arc::clone(known)))
            }
            Some(_) => {
                let id = &record.provider_id;
                let error = AppError::usage(
                    ErrorCode::InvalidConfig,
                    format!("provider already registered with other values, so nothing was imported: {id}"),
                )
                .next(format!("run `handshake provider edit {id}`, or remove it first"));
                return Err(at_row(at, error));
            }
        }
    }
    Ok(steps)
}
