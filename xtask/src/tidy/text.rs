//! Rules on the text of any file: trailing white space, words that stand for work not done.

use super::rules::Source;
use crate::{files::Tree, report::Finding};

/// A finding per line.
pub(super) fn check(tree: &Tree, rules: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ending in &rules.trimmed {
        for (path, text) in tree.ending(ending) {
            findings.extend(trailing(path, text));
            // The rules have to name the words that they forbid.
            if !path.starts_with("xtask/rules/") {
                findings.extend(words(path, text, &rules.forbidden_words));
            }
        }
    }
    findings
}

fn trailing(path: &str, text: &str) -> Vec<Finding> {
    let ends = |line: &str| line.ends_with([' ', '\t', '\r']);
    let lines = text.split('\n').enumerate().filter(|(_, line)| ends(line));
    let mut findings: Vec<Finding> = lines
        .map(|(n, _)| {
            let mend = format!("sed -i 's/[[:space:]]*$//' {path}");
            Finding::new(
                path,
                "tidy.trailing-space",
                "the line ends with white space",
                mend,
            )
            .at(n + 1)
        })
        .collect();
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::new(
            path,
            "tidy.final-newline",
            "no newline at the end",
            format!("echo >> {path}"),
        ));
    }
    findings
}

fn words(path: &str, text: &str, words: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (n, line) in text.lines().enumerate() {
        for word in words.iter().filter(|word| is_word_of(line, word)) {
            let message = format!("says `{word}`: work that is not done");
            findings.push(
                Finding::new(path, "tidy.word", message, "do it, or write down why not").at(n + 1),
            );
        }
    }
    findings
}

/// As a whole word, so that an identifier or a digest that happens to hold it is fine.
fn is_word_of(line: &str, word: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        !inside(line[..at].chars().next_back()) && !inside(line[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_at(path: &str, text: &str) -> Vec<(String, Option<usize>)> {
        let findings = check(&Tree::of(&[(path, text)]), &Source::made_up());
        findings.into_iter().map(|f| (f.rule, f.line)).collect()
    }

    #[test]
    fn trailing_space_and_a_missing_newline_are_found() {
        assert_eq!(rules_at("a.rs", "a\nb \nc\t\nd\r\n").len(), 3);
        assert_eq!(
            rules_at("a.rs", "a\nb \n"),
            [("tidy.trailing-space".to_owned(), Some(2))]
        );
        assert_eq!(
            rules_at("a.md", "a"),
            [("tidy.final-newline".to_owned(), None)]
        );
        assert_eq!(rules_at("a.rs", "a\n  b\n\n"), []);
        assert_eq!(rules_at("a.rs", ""), []);
        assert_eq!(rules_at("a.snap", "a \n"), [], "recorded answers are bytes");
    }

    #[test]
    fn a_word_for_unfinished_work_is_found_as_a_word() {
        assert_eq!(
            rules_at("a.rs", "x\n// MENDME: y\n"),
            [("tidy.word".to_owned(), Some(2))]
        );
        assert_eq!(rules_at("a.rs", "// MENDMENT, AMENDME, MENDME_X\n"), []);
        assert_eq!(rules_at("xtask/rules/a.md", "MENDME\n"), []);
    }
}
