//! Imports and type aliases of one file, and the paths they lead to.

use std::collections::{BTreeMap, BTreeSet};

/// How often an import is followed through another import.
const DEPTH: usize = 6;

/// Names that stand for longer paths. One name may stand for several, in different scopes: all are followed.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    by_name: BTreeMap<String, Vec<(Vec<String>, bool)>>,
}

impl Aliases {
    /// `name` stands for `target`; with `test_only`, only in tests.
    pub(super) fn add(&mut self, name: &str, target: &[String], test_only: bool) {
        // `use tokio;` leads nowhere new, and `use a::{self}` where `a` is itself would never end.
        if !target.is_empty() && target != [name] {
            self.by_name
                .entry(name.to_owned())
                .or_default()
                .push((target.to_vec(), test_only));
        }
    }

    /// Every full path that `path` may mean: itself where nothing stands for its first segment.
    pub(super) fn expand(&self, path: &[String], in_test: bool) -> BTreeSet<Vec<String>> {
        let mut done = BTreeSet::new();
        self.follow(path.to_vec(), in_test, DEPTH, &mut done);
        done
    }

    fn follow(
        &self,
        path: Vec<String>,
        in_test: bool,
        depth: usize,
        done: &mut BTreeSet<Vec<String>>,
    ) {
        let targets = path.first().and_then(|first| self.by_name.get(first));
        let mut followed = false;
        for (target, test_only) in targets.into_iter().flatten() {
            // An import whose own path begins with its name (`use serde::de::{self}; use de::x`) is not a step.
            if depth == 0 || (*test_only && !in_test) || path.starts_with(target) {
                continue;
            }
            followed = true;
            let mut longer = target.clone();
            longer.extend_from_slice(&path[1..]);
            self.follow(longer, in_test, depth - 1, done);
        }
        if !followed {
            done.insert(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split("::").map(str::to_owned).collect()
    }

    fn expand(aliases: &Aliases, text: &str, in_test: bool) -> Vec<String> {
        aliases
            .expand(&path(text), in_test)
            .into_iter()
            .map(|p| p.join("::"))
            .collect()
    }

    #[test]
    fn imports_are_followed_through_imports() {
        let mut aliases = Aliases::default();
        aliases.add("net", &path("std::net"), false);
        aliases.add("T", &path("net::TcpStream"), false);
        assert_eq!(
            expand(&aliases, "T::connect", false),
            ["std::net::TcpStream::connect"]
        );
        assert_eq!(expand(&aliases, "other::T", false), ["other::T"]);
    }

    #[test]
    fn a_name_with_two_meanings_has_both_and_a_test_import_counts_in_tests_only() {
        let mut aliases = Aliases::default();
        aliases.add("Command", &path("clap::Command"), false);
        aliases.add("Command", &path("std::process::Command"), true);
        assert_eq!(
            expand(&aliases, "Command::new", false),
            ["clap::Command::new"]
        );
        assert_eq!(
            expand(&aliases, "Command::new", true),
            ["clap::Command::new", "std::process::Command::new"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn expansion_always_ends_and_keeps_the_last_segment(
            edges in proptest::collection::vec(("[a-d]", "[a-d](::[a-d]){0,2}"), 0..8),
            start in "[a-d](::[a-d]){1,2}",
        ) {
            let mut aliases = Aliases::default();
            for (name, target) in &edges {
                aliases.add(name, &path(target), false);
            }
            let last = path(&start).pop();
            for found in aliases.expand(&path(&start), false) {
                prop_assert_eq!(found.last(), last.as_ref());
            }
        }
    }
}
