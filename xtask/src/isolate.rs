//! `isolate`: each published crate compiles alone, so that no crate lives on the features of another.

use toml::{Table, Value};

use crate::{
    files::Tree,
    report::{CannotRun, CheckResult, Finding},
    source,
    workspace::Workspace,
};

/// A member that other teams may take.
#[derive(Debug, Eq, PartialEq)]
struct Published {
    manifest: String,
    package: String,
    has_features: bool,
}

/// Checks one crate after the other, without features and with all of them.
pub(crate) fn run(workspace: &Workspace) -> CheckResult {
    let mut findings = Vec::new();
    for member in published(workspace.tree()?)? {
        for features in switches(&member) {
            workspace.say(&format!("isolate: {} {features}", member.package));
            let args = [
                "check",
                "--quiet",
                "--locked",
                "--package",
                member.package.as_str(),
                features,
            ];
            if let Some(how) = workspace.cargo.run(&args, &[])? {
                let message = format!("does not compile alone with {features} ({how})");
                let mend = format!("cargo {}, and name the features it needs", args.join(" "));
                findings.push(Finding::new(
                    &member.manifest,
                    "isolate.check",
                    message,
                    mend,
                ));
            }
        }
    }
    Ok(findings)
}

/// All features are no features where there are none.
fn switches(member: &Published) -> &'static [&'static str] {
    if member.has_features {
        &["--no-default-features", "--all-features"]
    } else {
        &["--no-default-features"]
    }
}

fn published(tree: &Tree) -> Result<Vec<Published>, CannotRun> {
    let mut members = Vec::new();
    for (path, text) in tree.ending("/Cargo.toml") {
        if source::member_of(path).is_none_or(|folder| path != format!("{folder}/Cargo.toml")) {
            continue;
        }
        let manifest: Table = text
            .parse()
            .map_err(|e: toml::de::Error| CannotRun::new(format!("`{path}`: {}", e.message())))?;
        let package = |key: &str| manifest.get("package").and_then(|p| p.get(key));
        if package("publish") == Some(&Value::Boolean(false)) {
            continue;
        }
        let name = package("name").and_then(Value::as_str);
        let optional = |table: &Value| {
            let deps = table.as_table().into_iter().flat_map(Table::values);
            deps.into_iter()
                .any(|dep| dep.get("optional") == Some(&Value::Boolean(true)))
        };
        members.push(Published {
            manifest: path.to_owned(),
            package: name
                .ok_or_else(|| CannotRun::new(format!("`{path}` names no package")))?
                .to_owned(),
            has_features: manifest.contains_key("features")
                || manifest.get("dependencies").is_some_and(optional),
        });
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_members_are_checked_once_or_twice() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\n"),
            (
                "crates/a/Cargo.toml",
                "[package]\nname = \"p-a\"\n[features]\nx = []\n",
            ),
            (
                "crates/b/Cargo.toml",
                "[package]\nname = \"p-b\"\n[dependencies]\ny = { version = \"1\", optional = true }\n",
            ),
            (
                "crates/c/Cargo.toml",
                "[package]\nname = \"p-c\"\n[dependencies]\ny = \"1\"\n",
            ),
            (
                "crates/c/tests/fixture/Cargo.toml",
                "[package]\nname = \"no\"\n",
            ),
            (
                "xtask/Cargo.toml",
                "[package]\nname = \"xtask\"\npublish = false\n",
            ),
        ]);
        let got: Vec<_> = published(&tree)
            .expect("read")
            .iter()
            .map(|m| (m.package.clone(), switches(m).len()))
            .collect();
        assert_eq!(
            got,
            [
                ("p-a".to_owned(), 2),
                ("p-b".to_owned(), 2),
                ("p-c".to_owned(), 1)
            ]
        );
        assert!(published(&Tree::of(&[("crates/a/Cargo.toml", "[package]\n")])).is_err());
    }
}
