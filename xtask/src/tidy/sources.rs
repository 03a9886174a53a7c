//! Rules on Rust files: a header, a length, a module tree without gaps, one test binary, nothing left undone.

use std::collections::BTreeMap;

use super::rules::Source;
use crate::{
    files::Tree,
    report::Finding,
    rules::{self as rule_files, covers},
    source::{self, Facts, Word},
};

/// Every rule on every file.
pub(super) fn check(tree: &Tree, all: &[Facts], rules: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for facts in all.iter().filter(|f| !rules.is_fixture(&f.file)) {
        findings.extend(header(facts, tree.text(&facts.file).unwrap_or_default()));
        findings.extend(place(facts));
    }
    for facts in all {
        findings.extend(undone(facts, rules));
    }
    findings.extend(lengths(all, rules));
    findings.extend(orphans(all, rules));
    findings
}

fn header(facts: &Facts, text: &str) -> Option<Finding> {
    let first = text.lines().next().unwrap_or_default();
    let opens = first.starts_with("//!") || first.starts_with("#![doc = include_str!(");
    (!opens).then(|| {
        let mend = "begin with a `//!` sentence that says what the file is for";
        Finding::new(
            &facts.file,
            "tidy.header",
            "the file does not say what it is for",
            mend,
        )
        .at(1)
    })
}

/// No `mod.rs`; one integration binary per crate.
fn place(facts: &Facts) -> Option<Finding> {
    let file = facts.file.as_str();
    let (folder, name) = file.rsplit_once('/')?;
    if name == "mod.rs" {
        let mend = format!("git mv {file} {folder}.rs");
        return Some(Finding::new(
            file,
            "tidy.mod-rs",
            "a tab named mod.rs says nothing",
            mend,
        ));
    }
    let inside = file.strip_prefix(source::member_of(file)?)?;
    if inside.starts_with("/tests/")
        && source::is_root(file)
        && !matches!(inside, "/tests/it.rs" | "/tests/it/main.rs")
    {
        let mend = "move it under tests/it and declare it there";
        return Some(Finding::new(
            file,
            "tidy.one-test-binary",
            "each test binary links the whole crate again",
            mend,
        ));
    }
    None
}

fn undone(facts: &Facts, rules: &Source) -> Vec<Finding> {
    let among = |words: &[Word], forbidden: &[String], what: &str| -> Vec<Finding> {
        let hits = words.iter().filter(|w| forbidden.contains(&w.text));
        hits.map(|w| {
            let message = format!("the {what} `{}`: work that is not done", w.text);
            Finding::new(
                &facts.file,
                "tidy.undone",
                message,
                "finish it, or remove it",
            )
            .at(w.line)
        })
        .collect()
    };
    let mut findings = among(&facts.macros, &rules.forbidden_macros, "macro");
    findings.extend(among(
        &facts.attributes,
        &rules.forbidden_attributes,
        "attribute",
    ));
    findings
}

fn lengths(all: &[Facts], rules: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines: BTreeMap<&str, usize> = all
        .iter()
        .map(|f| (f.file.as_str(), f.code_lines))
        .collect();
    for (file, lines) in lines.iter().filter(|(_, lines)| **lines > rules.max_lines) {
        if !rules.long.iter().any(|long| covers(&long.path, file)) {
            let message = format!(
                "{lines} lines outside of tests, {} at most",
                rules.max_lines
            );
            let mend = "split it by concept, or list it under [[source.long]] with its reason";
            findings.push(Finding::new(file, "tidy.length", message, mend));
        }
    }
    for long in &rules.long {
        if !lines
            .iter()
            .any(|(file, lines)| covers(&long.path, file) && *lines > rules.max_lines)
        {
            let message = format!(
                "`{}` is listed as long ({}) and is not",
                long.path, long.reason
            );
            findings.push(Finding::new(
                &rule_files::path("tidy"),
                "tidy.length",
                message,
                "remove the entry",
            ));
        }
    }
    findings
}

fn orphans(all: &[Facts], rules: &Source) -> Vec<Finding> {
    let lost = source::orphans(all)
        .into_iter()
        .filter(|file| !rules.is_fixture(file));
    lost.map(|file| {
        let message = "no `mod` declares the file: nothing compiles it, and its tests never run";
        Finding::new(file, "tidy.orphan", message, "declare it, or remove it")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::scan_all;

    const TABLE: (&str, &str) = ("crates/a/src/table.rs", "//! t\n\n\n\n\n");
    const LIB: (&str, &str) = ("crates/a/src/lib.rs", "//! a\nmod table;\n");

    fn found(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let tree = Tree::of(files);
        let (facts, broken) = scan_all(&tree);
        assert_eq!(broken, []);
        check(&tree, &facts, &Source::made_up())
            .into_iter()
            .map(|f| (f.rule, f.file))
            .collect()
    }

    fn with(path: &str, text: &str) -> Vec<(String, String)> {
        found(&[LIB, TABLE, (path, text)])
    }

    fn one(rule: &str, path: &str) -> Vec<(String, String)> {
        vec![(rule.to_owned(), path.to_owned())]
    }

    #[test]
    fn a_tree_in_order_passes() {
        assert_eq!(found(&[LIB, TABLE]), []);
        assert_eq!(with("crates/a/tests/it.rs", "//! t\n"), []);
        assert_eq!(with("crates/a/tests/ui/x.rs", "fn main() {}\n"), []);
        assert_eq!(
            with("crates/a/build.rs", "#![doc = include_str!(\"x\")]\n"),
            []
        );
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert_eq!(
            with("crates/a/build.rs", "// no\n"),
            one("tidy.header", "crates/a/build.rs")
        );
        assert_eq!(
            with("crates/a/build.rs", "\n//! late\n"),
            one("tidy.header", "crates/a/build.rs")
        );
    }

    #[test]
    fn no_mod_rs_and_one_test_binary() {
        let found = with("crates/a/src/x/mod.rs", "//! x\n");
        assert!(found.contains(&one("tidy.mod-rs", "crates/a/src/x/mod.rs")[0]));
        assert_eq!(
            with("crates/a/tests/b.rs", "//! x\n"),
            one("tidy.one-test-binary", "crates/a/tests/b.rs")
        );
        assert_eq!(with("crates/a/tests/it/main.rs", "//! x\n"), []);
    }

    #[test]
    fn macros_and_attributes_that_stand_for_undone_work_are_found_and_comments_are_not() {
        for body in [
            "fn f() { later!() }",
            "#[test]\n#[skip = \"x\"]\nfn f() {}",
            "proptest! { #[skip] fn f() {} }",
        ] {
            let text = format!("//! x\n{body}\n");
            assert_eq!(
                with("crates/a/build.rs", &text),
                one("tidy.undone", "crates/a/build.rs"),
                "{body}"
            );
        }
        assert_eq!(
            with(
                "crates/a/build.rs",
                "//! later!()\nconst X: &str = \"later!()\";\n"
            ),
            []
        );
    }

    #[test]
    fn long_files_are_listed_and_tests_do_not_count() {
        let long = "//! x\n\n\n\nfn f() {}\n";
        assert_eq!(
            with("crates/a/build.rs", long),
            one("tidy.length", "crates/a/build.rs")
        );
        let tests = "//! x\n#[cfg(test)]\nmod tests {\n\n\n\n\n}\n";
        assert_eq!(with("crates/a/build.rs", tests), []);
        let short = ("crates/a/src/table.rs", "//! t\n");
        assert_eq!(
            found(&[LIB, short]),
            one("tidy.length", "xtask/rules/tidy.toml"),
            "a listed file that is short"
        );
    }

    #[test]
    fn a_forgotten_test_file_is_found() {
        let it = (
            "crates/a/tests/it.rs",
            "//! t\nmod it {\n    mod known;\n}\n",
        );
        let known = ("crates/a/tests/it/known.rs", "//! k\n");
        let lost = ("crates/a/tests/it/lost.rs", "//! l\n");
        assert_eq!(found(&[LIB, TABLE, it, known]), []);
        assert_eq!(
            found(&[LIB, TABLE, it, known, lost]),
            one("tidy.orphan", "crates/a/tests/it/lost.rs")
        );
    }
}
