//! Decodes a corpus of recorded exchanges and prints how many came out as their facts say, per dialect.
//!
//! `cargo run -p handshake-adapters-openai-compat --example corpus -- PATH/TO/wire.jsonl`

#![allow(clippy::print_stdout)]

#[path = "../tests/it/recording.rs"]
mod recording;

use std::collections::BTreeMap;

fn main() -> std::io::Result<()> {
    let path = std::env::args()
        .nth(1)
        .map_or_else(recording::path, std::path::PathBuf::from);
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for exchange in recording::load(&path)? {
        let (right, all) = counts.entry(exchange.dialect.clone()).or_default();
        *all += 1;
        match exchange.judge() {
            Ok(()) => *right += 1,
            Err(difference) => println!("{}: {difference}", exchange.id),
        }
    }
    let mut sum = (0, 0);
    for (dialect, (right, all)) in &counts {
        println!("{dialect:>12} {right:>4} of {all}");
        sum = (sum.0 + right, sum.1 + all);
    }
    println!("{:>12} {:>4} of {}", "all", sum.0, sum.1);
    Ok(())
}
