//! Files that an example of core prints: compared with what is committed, or written.

use std::{collections::BTreeMap, fs};

use crate::{
    files::Tree,
    report::{CannotRun, CheckResult, Finding},
    workspace::Workspace,
};

/// Paths and contents.
pub(crate) type Files = BTreeMap<String, String>;

/// One kind of generated file.
#[derive(Debug)]
pub(crate) struct Artefact {
    /// The command that checks it, `schema`.
    pub(crate) check: &'static str,
    /// The example of core that prints it.
    pub(crate) example: &'static str,
    /// Which committed paths belong to it: begin, end.
    pub(crate) place: (&'static str, &'static str),
    /// From what the example prints to files.
    pub(crate) files: fn(&str) -> Result<Files, CannotRun>,
}

impl Artefact {
    fn owns(&self, path: &str) -> bool {
        path.starts_with(self.place.0) && path.ends_with(self.place.1)
    }
}

/// Compares, or with `write` makes the comparison true.
pub(crate) fn run(workspace: &Workspace, artefact: &Artefact, write: bool) -> CheckResult {
    let args = [
        "run",
        "--quiet",
        "--locked",
        "--package",
        "handshake-core",
        "--example",
        artefact.example,
    ];
    let wanted = (artefact.files)(&workspace.cargo.output(&args)?)?;
    let committed = committed(workspace.tree()?, artefact);
    if !write {
        return Ok(compare(artefact, &wanted, &committed));
    }
    let failed = |path: &str, e: std::io::Error| CannotRun::new(format!("writing `{path}`: {e}"));
    for (path, text) in wanted
        .iter()
        .filter(|(path, text)| committed.get(*path) != Some(text))
    {
        let target = workspace.root.join(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|e| failed(path, e))?;
        }
        fs::write(target, text).map_err(|e| failed(path, e))?;
        workspace.say(&format!("wrote {path}"));
    }
    for path in committed.keys().filter(|path| !wanted.contains_key(*path)) {
        fs::remove_file(workspace.root.join(path)).map_err(|e| failed(path, e))?;
        workspace.say(&format!("removed {path}"));
    }
    Ok(Vec::new())
}

fn committed(tree: &Tree, artefact: &Artefact) -> Files {
    let ours = tree
        .ending(artefact.place.1)
        .filter(|(path, _)| artefact.owns(path));
    ours.map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

/// A finding per file that is missing, different or no longer made.
fn compare(artefact: &Artefact, wanted: &Files, committed: &Files) -> Vec<Finding> {
    let mend = format!("cargo xtask {} --write", artefact.check);
    let rule = |what: &str| format!("{}.{what}", artefact.check);
    let mut findings = Vec::new();
    for (path, text) in wanted {
        match committed.get(path) {
            None => findings.push(Finding::new(
                path,
                &rule("missing"),
                "is not committed",
                &mend,
            )),
            Some(old) if old != text => {
                let line = first_difference(old, text);
                let message = "differs from what the code says";
                findings.push(Finding::new(path, &rule("differs"), message, &mend).at(line));
            }
            Some(_) => {}
        }
    }
    for path in committed.keys().filter(|path| !wanted.contains_key(*path)) {
        findings.push(Finding::new(
            path,
            &rule("stale"),
            "nothing makes it any more",
            &mend,
        ));
    }
    findings
}

fn first_difference(old: &str, new: &str) -> usize {
    old.lines()
        .zip(new.lines())
        .take_while(|(a, b)| a == b)
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARTEFACT: Artefact = Artefact {
        check: "schema",
        example: "x",
        place: ("schemas/", ".json"),
        files: |_| Ok(Files::new()),
    };

    fn files(files: &[(&str, &str)]) -> Files {
        files
            .iter()
            .map(|(p, t)| ((*p).to_owned(), (*t).to_owned()))
            .collect()
    }

    #[test]
    fn equal_files_pass_and_each_difference_is_one_finding() {
        let wanted = files(&[("schemas/a.json", "1\n2\n"), ("schemas/b.json", "1\n")]);
        assert_eq!(compare(&ARTEFACT, &wanted, &wanted), []);
        let found = compare(
            &ARTEFACT,
            &wanted,
            &files(&[("schemas/a.json", "1\n3\n"), ("schemas/c.json", "")]),
        );
        let got: Vec<_> = found
            .iter()
            .map(|f| (f.rule.as_str(), f.file.as_str(), f.line))
            .collect();
        let want = [
            ("schema.differs", "schemas/a.json", Some(2)),
            ("schema.missing", "schemas/b.json", None),
            ("schema.stale", "schemas/c.json", None),
        ];
        assert_eq!(got, want);
        assert!(found.iter().all(|f| f.mend == "cargo xtask schema --write"));
    }

    #[test]
    fn only_its_own_files_are_looked_at() {
        let tree = Tree::of(&[
            ("schemas/a.json", "1"),
            ("schemas/README.md", "x"),
            ("other/a.json", "2"),
        ]);
        assert_eq!(
            committed(&tree, &ARTEFACT),
            files(&[("schemas/a.json", "1")])
        );
    }
}
