//! Writes cases of logs for verifiers: `log_cases FILE corpus`, or `log_cases FILE SEED FROM COUNT` for random edits.
//! With `log_cases FOLDER directories` the named cases become directories, and `answers.jsonl` says what to find.

use std::{
    fs::{self, File},
    io::{BufWriter, Error, Result, Write},
    path::Path,
};

use handshake_testkit::broken_logs;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [file, "corpus"] => {
            let mut out = BufWriter::new(File::create(file)?);
            for log in broken_logs::all() {
                out.write_all(&log.framed())?;
            }
            out.flush()
        }
        [folder, "directories"] => directories(Path::new(folder)),
        [file, seed, from, count] => {
            let number = |text: &str| text.parse::<u64>().map_err(Error::other);
            let (seed, from, count) = (number(seed)?, number(from)?, number(count)?);
            let mut out = BufWriter::new(File::create(file)?);
            for n in from..from + count {
                out.write_all(&broken_logs::edited(seed, n).framed())?;
            }
            out.flush()
        }
        _ => Err(Error::other(
            "usage: log_cases FILE corpus | FILE SEED FROM COUNT | FOLDER directories",
        )),
    }
}

fn directories(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut answers = BufWriter::new(File::create(folder.join("answers.jsonl"))?);
    for log in broken_logs::all() {
        let to = folder.join(log.name);
        fs::create_dir_all(&to)?;
        log.write(&to)?;
        let alone = log.files.len() == 1;
        let answer = serde_json::json!({
            "name": log.name, "arguments": log.arguments(), "leaves_alone": alone,
            "exit_code": log.answer.exit_code(), "verdict": log.answer.verdict(),
        });
        writeln!(answers, "{answer}")?;
    }
    answers.flush()
}
