//! The facts of one file, and how they are put together from its syntax and its tokens.

use super::{
    aliases::Aliases,
    modules,
    syntax::{ModDecl, Syntax},
    tokens::{RawPath, Tokens},
};

/// A path of at least two segments as it stands in code, imports followed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mention {
    /// `std::net::TcpStream`.
    pub(crate) path: String,
    /// From one.
    pub(crate) line: usize,
    /// Whether only tests compile it.
    pub(crate) in_test: bool,
    /// `use path::*`.
    pub(crate) glob: bool,
    /// `pub use path`.
    pub(crate) reexport: bool,
}

/// A word of some kind at a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Word {
    /// The word itself.
    pub(crate) text: String,
    /// From one.
    pub(crate) line: usize,
    /// Whether only tests compile it.
    pub(crate) in_test: bool,
}

/// What one file says.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Relative to the root.
    pub(crate) file: String,
    /// Paths, imports among them.
    pub(crate) paths: Vec<Mention>,
    /// Every identifier.
    pub(crate) idents: Vec<Word>,
    /// The value of every string literal outside documentation.
    pub(crate) literals: Vec<Word>,
    /// Types built by a struct literal: the last segment, `Self` resolved.
    pub(crate) built: Vec<Word>,
    /// Names after `fn`, inside macros too.
    pub(crate) fns: Vec<Word>,
    /// Names before `!`.
    pub(crate) macros: Vec<Word>,
    /// Names of attributes, those inside `cfg_attr` too.
    pub(crate) attributes: Vec<Word>,
    /// `mod name;`.
    pub(crate) mods: Vec<ModDecl>,
    /// Lines that are not inside test-only items.
    pub(crate) code_lines: usize,
}

impl Facts {
    /// Marks everything as compiled by tests only.
    pub(super) fn mark_test(&mut self) {
        self.code_lines = 0;
        self.paths.iter_mut().for_each(|m| m.in_test = true);
        self.mods.iter_mut().for_each(|m| m.test_only = true);
        for words in [
            &mut self.idents,
            &mut self.literals,
            &mut self.built,
            &mut self.fns,
            &mut self.macros,
            &mut self.attributes,
        ] {
            words.iter_mut().for_each(|w| w.in_test = true);
        }
    }
}

pub(super) fn assemble(path: &str, text: &str, syntax: Syntax, tokens: Tokens) -> Facts {
    let whole = modules::is_test_path(path);
    let in_test = |line: usize| {
        whole
            || syntax
                .tests
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&line))
    };
    let words = |raw: Vec<(String, usize)>| -> Vec<Word> {
        raw.into_iter()
            .map(|(text, line)| Word {
                in_test: in_test(line),
                text,
                line,
            })
            .collect()
    };

    let mut aliases = Aliases::default();
    for import in &tokens.imports {
        aliases.add(&import.alias, &import.path, in_test(import.line));
    }
    for (alias, target, line) in &syntax.type_aliases {
        aliases.add(alias, target, in_test(*line));
    }

    let mut paths = Vec::new();
    let mut mention = |raw: &[String], line: usize, glob: bool, reexport: bool| {
        let in_test = in_test(line);
        for path in aliases.expand(raw, in_test) {
            let one = Mention {
                path: path.join("::"),
                line,
                in_test,
                glob,
                reexport,
            };
            if !paths.contains(&one) {
                paths.push(one);
            }
        }
    };
    for import in &tokens.imports {
        mention(&import.path, import.line, import.glob, import.public);
    }
    for RawPath { path, line } in tokens.paths.iter().chain(&syntax.paths) {
        mention(path, *line, false, false);
    }

    let lines = text.lines().count();
    let test_lines = (1..=lines).filter(|line| in_test(*line)).count();
    Facts {
        file: path.to_owned(),
        paths,
        idents: words(tokens.idents),
        literals: words(tokens.literals),
        built: words(syntax.built.clone()),
        fns: words(tokens.fns),
        macros: words(tokens.macros),
        attributes: words(tokens.attributes),
        mods: syntax.mods.clone(),
        code_lines: lines - test_lines,
    }
}

#[cfg(test)]
mod tests {
    use crate::source::scan_text;

    const TEXT: &str = r#"//! A file about std::net::TcpStream, which is a comment.
/// And `tokio::net` too.
use std::{fs, net::{self, IpAddr}};
type Stream = tokio::io::Stream;
fn live() {
    let _ = net::TcpListener::bind("std::process::Command");
    let _ = vec![fs::read("x"), Stream::new()];
    let _ = Cleared { a: 1 };
}
impl Cleared {
    fn make() -> Self { Self { a: 2 } }
}
#[cfg(test)]
mod tests {
    use std::process::Command;
    #[test]
    fn q1_runs() { Command::new("ls"); }
}
"#;

    #[test]
    fn paths_are_resolved_through_imports_and_macros_and_comments_do_not_count() {
        let facts = scan_text("crates/core/src/x.rs", TEXT);
        let of = |path: &str| {
            facts
                .paths
                .iter()
                .find(|m| m.path == path)
                .map(|m| (m.line, m.in_test))
        };
        assert_eq!(of("std::net::TcpListener::bind"), Some((6, false)));
        assert_eq!(of("std::fs::read"), Some((7, false)));
        assert_eq!(of("tokio::io::Stream::new"), Some((7, false)));
        assert_eq!(of("std::process::Command::new"), Some((17, true)));
        assert!(of("std::net::TcpStream").is_none(), "a comment is not code");
        assert!(of("tokio::net").is_none(), "a doc comment is not code");
        assert!(
            !facts
                .paths
                .iter()
                .any(|m| m.path.contains("Command") && !m.in_test),
            "a literal is not a path"
        );
    }

    #[test]
    fn struct_literals_tests_and_lines_are_known() {
        let facts = scan_text("crates/core/src/x.rs", TEXT);
        let built: Vec<_> = facts
            .built
            .iter()
            .map(|w| (w.text.as_str(), w.line))
            .collect();
        assert_eq!(built, [("Cleared", 8), ("Cleared", 11)]);
        assert!(facts.fns.iter().any(|w| w.text == "q1_runs" && w.in_test));
        assert!(facts.fns.iter().any(|w| w.text == "live" && !w.in_test));
        assert_eq!(facts.code_lines, 12);
    }

    #[test]
    fn everything_under_tests_is_a_test() {
        let facts = scan_text(
            "crates/core/tests/it.rs",
            "//! t\nfn x() { std::net::TcpStream::connect(1) }\n",
        );
        assert!(facts.paths.iter().all(|m| m.in_test));
        assert_eq!(facts.code_lines, 0);
    }
}
