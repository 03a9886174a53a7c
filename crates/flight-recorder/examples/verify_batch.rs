//! Verifies many exports from one file and answers each with a line of JSON: `verify_batch CASES`.
//!
//! A case is a number of named parts: numbers are `u32` in big-endian; of each part the length and the bytes of its
//! name and of what it holds. A part is a file of the export, or `root`, `approver`, `anchor`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, BufWriter, Error, ErrorKind, Read, Result, Write},
};

use handshake_flight_recorder::{
    ExportParts, Trust, Verdict, VerifyError, verify_leaves, verify_parts,
};
use serde_json::{Value, json};

type Parts = BTreeMap<String, Vec<u8>>;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or(ErrorKind::InvalidInput)?;
    let mut input = BufReader::new(File::open(path)?);
    let mut out = BufWriter::new(std::io::stdout().lock());
    while let Some((trust, files)) = next(&mut input)? {
        let answer = match trust.map(|trust| verify(&files, trust)) {
            None => json!({ "error": "usage" }),
            Some(Ok(verdict)) => serde_json::to_value(verdict).map_err(Error::other)?,
            Some(Err(error)) => json!({ "error": word(&error) }),
        };
        writeln!(out, "{}", common(answer))?;
    }
    out.flush()
}

/// What every verifier says. Which kind of tampering it was is each one's own matter.
fn common(mut answer: Value) -> Value {
    if let Some(members) = answer.as_object_mut() {
        members.remove("tampering");
    }
    answer
}

fn word(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::UnknownFormat => "unknown_format",
        VerifyError::TooMany { .. } => "too_many",
        _ => "unreadable",
    }
}

fn verify(files: &Parts, trust: Trust) -> std::result::Result<Verdict, VerifyError> {
    let file = |name: &str| files.get(name).map(Vec::as_slice);
    let there = |name: &'static str| {
        file(name).ok_or(VerifyError::Unreadable {
            file: name,
            source: ErrorKind::NotFound.into(),
        })
    };
    if let (1, Some(log)) = (files.len(), file("log.jsonl")) {
        return verify_leaves(log, trust);
    }
    let parts = ExportParts {
        manifest: there("manifest.json")?,
        handovers: there("handovers.jsonl")?,
        checkpoints: there("checkpoints.jsonl")?,
        seams: file("seams.jsonl"),
        receipts: file("receipts.jsonl"),
        log: there("log.jsonl")?,
    };
    verify_parts(parts, trust)
}

/// The next case: what is trusted (`None` where it cannot be read) and the files.
fn next(input: &mut impl Read) -> Result<Option<(Option<Trust>, Parts)>> {
    let count = match number(input) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let (mut trust, mut files) = (Some(Trust::default()), Parts::new());
    for _ in 0..count {
        let name = text(sized(input)?)?;
        let value = sized(input)?;
        if !["root", "approver", "anchor"].contains(&&*name) {
            files.insert(name, value);
            continue;
        }
        let value = text(value)?;
        trust = trust.and_then(|mut trust| {
            match &*name {
                "root" => trust.roots.push(value.parse().ok()?),
                "approver" => trust.approvers.push(value.parse().ok()?),
                _ => trust.anchors.push(value.parse().ok()?),
            }
            Some(trust)
        });
    }
    Ok(Some((trust, files)))
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(Error::other)
}

fn number(input: &mut impl Read) -> Result<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn sized(input: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = u64::from(number(input)?);
    let read = input.take(length).read_to_end(&mut bytes)?;
    if read as u64 == length {
        Ok(bytes)
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}
