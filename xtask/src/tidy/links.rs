//! Relative links of the documents lead somewhere.

use crate::{files::Tree, report::Finding, source};

/// A finding per link of a README or of a file under `docs` whose target is not in the tree.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".md").filter(|(path, _)| is_document(path)) {
        for (line, link) in links(text) {
            let Some(target) = relative(path, &link) else {
                continue;
            };
            if !target.is_some_and(|target| tree.exists(&target)) {
                let message = format!("`{link}` leads nowhere");
                findings.push(
                    Finding::new(
                        path,
                        "tidy.link",
                        message,
                        "mend the link, or write the file",
                    )
                    .at(line),
                );
            }
        }
    }
    findings
}

fn is_document(path: &str) -> bool {
    !path.contains('/')
        || path.starts_with("docs/")
        || source::member_of(path).is_some_and(|member| path == format!("{member}/README.md"))
}

/// The targets of `[text](target)` and `[name]: target` outside of code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    for (n, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if let Some(open) = fence {
            if start.starts_with(open) {
                fence = None;
            }
            continue;
        }
        fence = ["```", "~~~"].into_iter().find(|f| start.starts_with(f));
        if fence.is_some() {
            continue;
        }
        let line = without_code(line);
        let mut rest = line.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            if let Some(target) = rest.split([')', ' ']).next().filter(|t| !t.is_empty()) {
                found.push((n + 1, target.trim_matches(['<', '>']).to_owned()));
            }
        }
        let definition = start.strip_prefix('[').and_then(|s| s.split_once("]:"));
        if let Some((_, target)) = definition.filter(|(name, _)| !name.contains(']')) {
            found.extend(
                target
                    .split_whitespace()
                    .next()
                    .map(|t| (n + 1, t.to_owned())),
            );
        }
    }
    found
}

/// The line without what stands between back quotes.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let paired = parts.len() % 2 == 1;
    parts
        .iter()
        .enumerate()
        .filter(|(i, _)| !paired || i % 2 == 0)
        .map(|(_, part)| *part)
        .collect()
}

/// `None`: not a link to a file of ours. `Some(None)`: one that leaves the tree. Else the file it means.
fn relative(from: &str, link: &str) -> Option<Option<String>> {
    let path = link.split(['#', '?']).next().unwrap_or_default();
    let item = link.contains("::") || !link.contains(['/', '.', '#']);
    let scheme = link
        .split(['/', '#'])
        .next()
        .is_some_and(|first| first.contains(':'));
    if path.is_empty() || scheme || item {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Some(None),
            ".." => {}
            part => parts.push(part),
        }
    }
    Some(Some(parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<Option<usize>> {
        let tree = Tree::of(&[
            ("docs/a.md", "x"),
            ("crates/core/src/lib.rs", "x"),
            ("README.md", "x"),
            (path, text),
        ]);
        check(&tree).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn links_to_files_and_folders_of_the_tree_pass() {
        for text in [
            "[a](a.md) and [b](a.md#part) and ![c](../README.md \"title\")",
            "[core](../crates/core) [core](../crates/core/)",
            "[x]: a.md",
            "[web](https://example.com/x.md) [mail](mailto:a@b.c) [here](#part)",
            "[item](crate::gate::Gate) [`Gate`](Gate)",
            "`[code](nowhere.md)`\n```\n[code](nowhere.md)\n```",
        ] {
            assert_eq!(broken("docs/b.md", text), [], "{text}");
        }
    }

    #[test]
    fn links_to_nothing_are_found_where_they_stand() {
        for text in [
            "\n[a](nowhere.md)",
            "\n[a](a.md) [b](nowhere.md#x)",
            "\n[x]: nowhere.md",
            "\n[up](../../README.md)",
            "\n`x` [a](nowhere.md) `y`",
            "\n[dir](../crates/cor)",
        ] {
            assert_eq!(broken("docs/b.md", text), [Some(2)], "{text}");
        }
        assert_eq!(broken("crates/core/README.md", "[a](docs/a.md)"), [Some(1)]);
        assert_eq!(
            broken("crates/core/tests/data/x.md", "[a](nowhere.md)"),
            [],
            "data of a test is no document"
        );
    }
}
