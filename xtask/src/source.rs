//! What Rust files say, as plain facts: paths with their imports resolved, words, literals, modules, tests.
//!
//! Comments never count, and neither does text inside a literal as a path. Resolution is per file: imports and
//! type aliases are followed wherever in the file they stand, which over-approximates scopes and so errs on the
//! side of a finding.

mod aliases;
mod facts;
mod modules;
mod syntax;
mod tokens;

pub(crate) use facts::{Facts, Mention, Word};
pub(crate) use modules::{is_root, member_of, orphans};

use std::str::FromStr as _;

use proc_macro2::TokenStream;

use crate::{files::Tree, report::Finding};

/// Scans every `.rs` file. A file that does not parse is a finding: what cannot be read cannot be cleared.
pub(crate) fn scan_all(tree: &Tree) -> (Vec<Facts>, Vec<Finding>) {
    let (mut all, mut broken) = (Vec::new(), Vec::new());
    for (path, text) in tree.ending(".rs") {
        match scan(path, text) {
            Ok(facts) => all.push(facts),
            Err((line, why)) => broken.push(
                Finding::new(
                    path,
                    "source.parse",
                    format!("does not parse: {why}"),
                    "run `cargo check`",
                )
                .at(line),
            ),
        }
    }
    modules::mark_test_files(&mut all);
    (all, broken)
}

/// Scans one file. The error is a line and a reason.
fn scan(path: &str, text: &str) -> Result<Facts, (usize, String)> {
    let file = syn::parse_file(text).map_err(|e| (e.span().start().line, e.to_string()))?;
    let stream = TokenStream::from_str(text).map_err(|e| (e.span().start().line, e.to_string()))?;
    let syntax = syntax::read(&file);
    let tokens = tokens::read(stream);
    Ok(facts::assemble(path, text, syntax, tokens))
}

/// Scans a made-up file.
#[cfg(test)]
pub(crate) fn scan_text(path: &str, text: &str) -> Facts {
    let (mut all, broken) = scan_all(&Tree::of(&[(path, text)]));
    assert_eq!(broken, []);
    all.pop().expect("one file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_parse_is_a_finding() {
        let (all, broken) = scan_all(&Tree::of(&[("crates/core/src/x.rs", "//! x\nfn (")]));
        assert!(all.is_empty());
        assert_eq!(
            (broken[0].line, broken[0].rule.as_str()),
            (Some(2), "source.parse")
        );
    }
}
