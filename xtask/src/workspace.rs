//! The workspace at hand: where it is, and what of it has been read so far.

use std::{cell::OnceCell, path::PathBuf};

use crate::{
    files::Tree,
    process::Cargo,
    report::{CannotRun, Finding},
    source::{self, Facts},
};

/// Reads lazily and once, so that the checks of one `ci` share their reading.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    /// Starts cargo there.
    pub(crate) cargo: Cargo,
    /// Whether stdout is kept for one JSON object.
    pub(crate) json: bool,
    tree: OnceCell<Tree>,
    sources: OnceCell<(Vec<Facts>, Vec<Finding>)>,
}

impl Workspace {
    /// The workspace around the current folder.
    pub(crate) fn find(json: bool) -> Result<Self, CannotRun> {
        let here = std::env::current_dir()
            .map_err(|e| CannotRun::new(format!("no current folder: {e}")))?;
        let root = here
            .ancestors()
            .find(|dir| {
                std::fs::read_to_string(dir.join("Cargo.toml"))
                    .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
            })
            .ok_or_else(|| CannotRun::new("no Cargo.toml with [workspace] here or above"))?;
        Ok(Self {
            cargo: Cargo::new(root, json),
            root: root.to_owned(),
            json,
            tree: OnceCell::new(),
            sources: OnceCell::new(),
        })
    }

    /// Every file.
    pub(crate) fn tree(&self) -> Result<&Tree, CannotRun> {
        if let Some(tree) = self.tree.get() {
            return Ok(tree);
        }
        let tree = Tree::read(&self.root)?;
        Ok(self.tree.get_or_init(|| tree))
    }

    /// What the Rust files say, and a finding for each that does not parse.
    pub(crate) fn sources(&self) -> Result<&(Vec<Facts>, Vec<Finding>), CannotRun> {
        let tree = self.tree()?;
        Ok(self.sources.get_or_init(|| source::scan_all(tree)))
    }

    /// A line about how things get on, where it does not disturb the answer.
    pub(crate) fn say(&self, line: &str) {
        if self.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }
}
