//! The development corpus, where it is present beside the workspace: recall and false alarms.

use std::{collections::BTreeMap, fs, path::Path};

use handshake_leakage::{Engine, Verdict};

#[derive(serde::Deserialize)]
struct Row {
    text: String,
    label: String,
    source: String,
}

#[test]
fn a9_recall_on_the_development_corpus() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/leak-dev.jsonl");
    let Ok(text) = fs::read_to_string(path) else {
        return;
    };
    let engine = Engine::builtin();
    let mut counts: BTreeMap<(String, String), [usize; 3]> = BTreeMap::new();
    for line in text.lines() {
        let row: Row = serde_json::from_str(line).expect("a row");
        let verdict = Verdict::of(&engine.scan_text(&row.text).expect("within budget"));
        counts.entry((row.label, row.source)).or_default()[verdict as usize] += 1;
    }
    let share = |label: &str, source: &str, upto: usize| {
        let [block, warn, clean] = counts[&(label.to_owned(), source.to_owned())];
        [block, block + warn][upto] * 1000 / (block + warn + clean)
    };
    assert!(share("positive", "evasion", 0) >= 995);
    assert!(share("positive", "gitleaks", 0) >= 900);
    assert!(share("positive", "gitleaks", 1) >= 970);
    assert!(share("positive", "noseyparker", 1) >= 840);
    assert_eq!(share("benign", "promptforge", 1), 0);
    assert_eq!(share("benign", "humaneval", 1), 0);
}
