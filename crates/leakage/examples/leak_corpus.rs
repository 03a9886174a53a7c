//! Reads a JSONL corpus (`{id, text, label, source, transform?}`) and prints recall and false positives.
//!
//! `cargo run --release -p handshake-leakage --example leak_corpus -- FILE [misses|alarms] [SOURCE]`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::{collections::BTreeMap, error::Error, fs, time::Instant};

use handshake_leakage::{Engine, Verdict};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    id: String,
    text: String,
    label: String,
    source: String,
    transform: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("give the path of a JSONL corpus")?;
    let list = args.next();
    let only = args.next();
    let engine = Engine::builtin();
    let mut table: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    let text = fs::read_to_string(path)?;
    let (mut bytes, started) = (0usize, Instant::now());
    for line in text.lines() {
        let row: Row = serde_json::from_str(line)?;
        bytes += row.text.len();
        let findings = engine.scan_text(&row.text);
        let (verdict, rules) = match &findings {
            Ok(found) => {
                let rules: Vec<String> = found
                    .iter()
                    .map(|f| format!("{}:{:?}:{}", f.rule, f.level, f.views.join("+")))
                    .collect();
                (Verdict::of(found), rules.join(" "))
            }
            Err(error) => (Verdict::Block, error.to_string()),
        };
        let mut keys = vec![format!("{} {}", row.label, row.source)];
        keys.extend(
            row.transform
                .map(|t| format!("{} {} {t}", row.label, row.source)),
        );
        for key in keys {
            let counts = table.entry(key).or_default();
            counts[0] += 1;
            counts[verdict as usize + 1] += 1;
        }
        let shown = match list.as_deref() {
            Some("misses") => row.label == "positive" && verdict != Verdict::Block,
            Some("clean") => row.label == "positive" && verdict == Verdict::Clean,
            Some("alarms") => row.label != "positive" && verdict != Verdict::Clean,
            Some("blocks") => row.label != "positive" && verdict == Verdict::Block,
            _ => false,
        };
        if shown && only.as_ref().is_none_or(|s| *s == row.source) {
            let short: String = row.text.chars().take(160).collect();
            println!(
                "{} {} [{}] {:?}\n    {rules}",
                verdict.as_str(),
                row.label,
                row.id,
                short
            );
        }
    }
    println!(
        "{:<52} {:>6} {:>6} {:>6} {:>6}",
        "label source transform", "all", "block", "warn", "clean"
    );
    for (key, [all, block, warn, clean]) in table {
        println!("{key:<52} {all:>6} {block:>6} {warn:>6} {clean:>6}");
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{:.1} MB in {seconds:.2} s", bytes as f64 / 1e6);
    Ok(())
}
