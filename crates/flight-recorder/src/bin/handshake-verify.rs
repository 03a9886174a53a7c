//! `handshake-verify`: checks an exported log without a database, a network or a home.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use handshake_flight_recorder::{Evidence, Status, Trust, Verdict, verify_path};

const USAGE: &str = "\
Verify an exported log offline.

usage: handshake-verify --root KEY [--root KEY]... [--approver KEY]... [--anchor SIZE:HASH]...
                        [--json] DIR_OR_FILE

  --root KEY          public key that the log began with, 64 hex digits; from you, never from
                      the export
  --approver KEY      public key of the person who approves; receipts in the export that it
                      signed count as anchors
  --anchor SIZE:HASH  anchor written down elsewhere: 12 hex digits, as shown after an approval,
                      or all 64
  --json              print one JSON object
  DIR_OR_FILE         export directory, or its log.jsonl alone

exit codes: 0 intact and anchored, 1 cannot be read, 2 usage, 4 self-consistent only: no anchor,
            5 tampered

example: handshake-verify --root 3b6a...29 --anchor 412:abcdef012345 ./export
";

struct Args {
    trust: Trust,
    json: bool,
    input: PathBuf,
}

enum Parsed {
    Help,
    Run(Args),
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let json = words.iter().any(|word| word == "--json");
    let (text, code) = match parse(words) {
        Ok(Parsed::Help) => (USAGE.to_owned(), 0),
        Ok(Parsed::Run(args)) => run(args),
        Err(message) => {
            return fail(
                json,
                [
                    "HSK-400-INVALID-REQUEST",
                    "input",
                    "run `handshake-verify --help`",
                ],
                &message,
                2,
            );
        }
    };
    match text {
        text if code == u8::MAX => fail(
            json,
            ["HSK-500-STORAGE", "storage", "export the log again"],
            &text,
            1,
        ),
        // A reader that went away must not turn a verdict of tampering into a success.
        text => match io::stdout().lock().write_all(text.as_bytes()) {
            Err(_) if code == 0 => ExitCode::from(1),
            _ => ExitCode::from(code),
        },
    }
}

fn parse(words: Vec<OsString>) -> Result<Parsed, String> {
    let mut trust = Trust::default();
    let (mut json, mut input, mut options) = (false, None, true);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (word, attached) = split(word, options);
        let mut value = |name: &str| {
            let next = attached.clone().map(OsString::from);
            let value = next
                .or_else(|| words.next())
                .and_then(|value| value.into_string().ok());
            value.ok_or_else(|| format!("{name} needs a value"))
        };
        match word.to_str() {
            Some("--help" | "-h") if options => return Ok(Parsed::Help),
            Some("--json") if options => json = true,
            Some("--") if options => options = false,
            Some(flag @ ("--root" | "--approver")) if options => {
                let key = value(flag)?.parse().map_err(|e| format!("{flag}: {e}"))?;
                match flag {
                    "--root" => trust.roots.push(key),
                    _ => trust.approvers.push(key),
                }
            }
            Some("--anchor") if options => {
                let anchor = value("--anchor")?
                    .parse()
                    .map_err(|e| format!("--anchor: {e}"))?;
                trust.anchors.push(anchor);
            }
            Some(flag) if options && flag.starts_with('-') => {
                return Err("unknown option".to_owned());
            }
            _ if input.is_some() => return Err("more than one export given".to_owned()),
            _ => input = Some(PathBuf::from(word)),
        }
    }
    if trust.roots.is_empty() {
        return Err(
            "--root is required: a key inside an export proves nothing about it".to_owned(),
        );
    }
    let input = input.ok_or("no export given")?;
    Ok(Parsed::Run(Args { trust, json, input }))
}

/// `--name=value` as its two parts.
fn split(word: OsString, options: bool) -> (OsString, Option<String>) {
    let parts = word.to_str().and_then(|text| {
        let names = ["--root=", "--approver=", "--anchor="];
        let named = options && names.iter().any(|name| text.starts_with(name));
        let (name, value) = text.split_once('=').filter(|_| named)?;
        Some((OsString::from(name), value.to_owned()))
    });
    match parts {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    }
}

/// The text for stdout and the exit code; `u8::MAX` when the text says why there is no verdict.
fn run(args: Args) -> (String, u8) {
    match verify_path(&args.input, args.trust) {
        Err(error) => (error.to_string(), u8::MAX),
        Ok(verdict) if args.json => match to_json(&verdict) {
            Some(text) => (text, verdict.exit_code()),
            None => ("cannot write the verdict as JSON".to_owned(), u8::MAX),
        },
        Ok(verdict) => (to_text(&verdict), verdict.exit_code()),
    }
}

fn to_json(verdict: &Verdict) -> Option<String> {
    let mut text = serde_json::to_string(verdict).ok()?;
    text.push('\n');
    Some(text)
}

fn to_text(verdict: &Verdict) -> String {
    let head = verdict
        .head
        .map_or_else(|| "-".to_owned(), |head| head.short());
    let mut lines = vec![
        format!(
            "log         {}",
            verdict
                .log_id
                .as_ref()
                .map_or("unknown (leaves alone)", |id| id.as_str())
        ),
        format!(
            "leaves      {} verified, head {}:{head}",
            verdict.size, verdict.size
        ),
    ];
    lines.extend(
        verdict
            .pruned
            .map(|size| format!("pruned      up to {size}, signed; the log continues from there")),
    );
    lines.push(match verdict.checkpointed_size {
        Some(size) => format!(
            "signed      up to {size}; epoch keys: {}",
            verdict.epoch_keys
        ),
        None => "signed      nothing".to_owned(),
    });
    let anchored = verdict.anchored_size.zip(verdict.anchored_by);
    lines.push(match (anchored, verdict.anchor_bits) {
        (Some((size, by)), Some(bits)) => {
            format!(
                "anchored    up to {size} by {} {} ({bits} bits); the last {} unanchored",
                if by == Evidence::Receipt { "a" } else { "an" },
                by.as_str(),
                verdict.unanchored
            )
        }
        _ => format!("anchored    nothing; all {} unanchored", verdict.unanchored),
    });
    for tampering in &verdict.tampering {
        let place = if tampering.exact { "at" } else { "at or after" };
        let (kind, by) = (tampering.kind.as_str(), tampering.shown_by.as_str());
        lines.push(format!(
            "fault       {kind} {place} {}, shown by {by}",
            tampering.first_bad_seq
        ));
    }
    lines.push(format!(
        "verdict     {}",
        match verdict.status {
            Status::Intact => "intact, as far as it is anchored",
            Status::SelfConsistentOnly =>
                "self-consistent only: give an --anchor written down elsewhere, or the --approver",
            Status::Tampered => "TAMPERED",
        }
    ));
    lines.push(String::new());
    lines.join("\n")
}

fn fail(json: bool, [code, phase, next_step]: [&str; 3], message: &str, exit: u8) -> ExitCode {
    let text = if json {
        let error = serde_json::json!({
            "code": code, "class": "permanent", "phase": phase,
            "message": message, "next_step": next_step,
        });
        format!("{}\n", serde_json::json!({ "error": error }))
    } else {
        format!("error: {message} [{code}]\nhelp: {next_step}\n")
    };
    // Nothing is left to do when stderr is gone; the exit code still says it.
    let written = io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(if written.is_err() { 1.max(exit) } else { exit })
}
