//! No text of the product claims more than it holds.

use super::rules::Claims;
use crate::{
    files::Tree,
    report::Finding,
    rules::{self, covers},
};

/// A finding per line of a document or a source that uses a forbidden phrase, and per exception nothing uses.
pub(super) fn check(tree: &Tree, rules: &Claims) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = vec![false; rules.allow.len()];
    for (path, text) in tree.ending(".md").chain(tree.ending(".rs")) {
        let allowed = rules
            .allow
            .iter()
            .position(|allow| covers(&allow.path, path));
        for (line, phrase) in claims(text, &rules.phrases) {
            match allowed {
                Some(at) => used[at] = true,
                None => {
                    let message = format!("claims `{phrase}`");
                    let mend = "say what holds, against whom, and what does not";
                    findings.push(Finding::new(path, "tidy.claim", message, mend).at(line));
                }
            }
        }
    }
    for (allow, _) in rules.allow.iter().zip(used).filter(|(_, used)| !used) {
        let message = format!(
            "the exception for `{}` ({}) is used by nothing",
            allow.path, allow.reason
        );
        findings.push(Finding::new(
            &rules::path("tidy"),
            "tidy.claim",
            message,
            "remove the exception",
        ));
    }
    findings
}

/// Phrases are found across a line break too, and named at the line on which they begin.
fn claims<'a>(text: &str, phrases: &'a [String]) -> Vec<(usize, &'a str)> {
    let mut flat = String::new();
    let mut starts = Vec::new();
    for (n, line) in text.lines().enumerate() {
        starts.push((flat.len(), n + 1));
        let bare = line.trim_start_matches([' ', '\t', '/', '!', '*', '>', '#']);
        flat.push_str(&bare.trim_end().to_lowercase());
        flat.push(' ');
    }
    let mut found = Vec::new();
    for phrase in phrases {
        for (at, _) in flat.match_indices(phrase.as_str()) {
            let line = starts
                .iter()
                .rev()
                .find(|(start, _)| *start <= at)
                .map_or(1, |(_, line)| *line);
            found.push((line, phrase.as_str()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &str) -> Claims {
        toml::from_str(&format!("phrases = [\"wholly safe\"]\n{allow}")).expect("understood")
    }

    const ALLOW: &str = "[[allow]]\npath = \"docs/words.md\"\nreason = \"names it\"\n";

    #[test]
    fn a_claim_is_found_in_any_case_and_across_lines() {
        let at = |path: &str, text: &str| -> Vec<Option<usize>> {
            check(&Tree::of(&[(path, text)]), &rules(""))
                .into_iter()
                .map(|f| f.line)
                .collect()
        };
        assert_eq!(at("README.md", "x\nIt is Wholly Safe.\n"), [Some(2)]);
        assert_eq!(at("a.rs", "//! It is wholly\n//! safe.\n"), [Some(1)]);
        assert_eq!(at("a.rs", "/// It is safe, wholly.\n"), []);
        assert_eq!(at("a.toml", "wholly safe\n"), []);
    }

    #[test]
    fn an_exception_holds_while_it_is_used() {
        let named = Tree::of(&[("docs/words.md", "never say wholly safe\n")]);
        assert_eq!(check(&named, &rules(ALLOW)), []);
        assert_eq!(
            check(&Tree::of(&[]), &rules(ALLOW))[0].file,
            "xtask/rules/tidy.toml"
        );
    }
}
