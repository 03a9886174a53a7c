//! The tree of files: read once, then a plain value that evaluators take.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use crate::report::CannotRun;

/// Folders that hold no source of ours.
const SKIPPED: &[&str] = &[".git", "target", "wip", "node_modules"];
/// Endings (and names) of files whose text some check reads.
const TEXTS: &[&str] = &[
    ".rs", ".toml", ".md", ".json", ".sql", ".sh", ".yml", ".yaml", ".ci/run",
];

/// Every file of the workspace by its relative path, and the text of those that are text.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    paths: BTreeSet<String>,
    texts: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the tree under `root`. Links are not followed.
    pub(crate) fn read(root: &Path) -> Result<Self, CannotRun> {
        let mut tree = Self::default();
        tree.walk(root, "")
            .map_err(|(path, e)| CannotRun::new(format!("reading `{path}`: {e}")))?;
        Ok(tree)
    }

    /// A made-up tree.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let texts: BTreeMap<String, String> = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        Self {
            paths: texts.keys().cloned().collect(),
            texts,
        }
    }

    /// The texts whose path ends so, in order.
    pub(crate) fn ending<'a>(
        &'a self,
        ending: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts
            .iter()
            .filter(move |(path, _)| path.ends_with(ending))
            .map(|(p, t)| (p.as_str(), t.as_str()))
    }

    /// One text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether there is such a file, or a folder with anything in it.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.paths.contains(path)
            || self
                .paths
                .range(folder.clone()..)
                .next()
                .is_some_and(|first| first.starts_with(&folder))
    }

    fn walk(&mut self, dir: &Path, relative: &str) -> Result<(), (String, io::Error)> {
        let at = |e| (relative.to_owned(), e);
        for entry in fs::read_dir(dir).map_err(at)? {
            let entry = entry.map_err(at)?;
            let kind = entry.file_type().map_err(at)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let path = if relative.is_empty() {
                name.to_owned()
            } else {
                format!("{relative}/{name}")
            };
            if kind.is_dir() && !SKIPPED.contains(&name) {
                self.walk(&entry.path(), &path)?;
            } else if kind.is_file() {
                if TEXTS.iter().any(|ending| path.ends_with(ending)) {
                    let text = fs::read_to_string(entry.path()).map_err(|e| (path.clone(), e))?;
                    self.texts.insert(path.clone(), text);
                }
                self.paths.insert(path);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_exists_through_its_files_and_a_prefix_does_not() {
        let tree = Tree::of(&[("docs/adr/0001-x.md", ""), ("docs-old.md", "")]);
        for there in ["docs", "docs/adr", "docs/adr/0001-x.md", ""] {
            assert!(tree.exists(there), "{there}");
        }
        for not in ["doc", "docs/ad", "docs/adr/0001-x.md/y"] {
            assert!(!tree.exists(not), "{not}");
        }
    }

    #[test]
    fn reads_texts_and_skips_build_outputs() {
        let dir = tempfile::tempdir().expect("a folder");
        for (path, text) in [
            ("src/a.rs", "//! a"),
            ("target/b.rs", "b"),
            ("x.bin", "\u{1}"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        let tree = Tree::read(dir.path()).expect("reads");
        assert_eq!(
            tree.ending(".rs").collect::<Vec<_>>(),
            [("src/a.rs", "//! a")]
        );
        assert!(tree.exists("x.bin") && !tree.exists("target"));
    }
}
