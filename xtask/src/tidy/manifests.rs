//! Rules on manifests and on the pinned toolchain.

use toml::{Table, Value};

use super::rules::Manifest;
use crate::{files::Tree, report::Finding, source};

/// What every member inherits from the workspace.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license"];
/// What a published member inherits too.
const INHERITED_PUBLISHED: &[&str] = &["repository", "authors"];
/// The registry's limits on keywords.
const MAX_KEYWORDS: usize = 5;
const MAX_KEYWORD: usize = 20;

/// Every member's manifest, and the toolchain.
pub(super) fn check(tree: &Tree, rules: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending("/Cargo.toml") {
        let Some(folder) = source::member_of(path).filter(|f| path == format!("{f}/Cargo.toml"))
        else {
            continue;
        };
        if rules.apart.iter().any(|apart| apart == folder) {
            continue;
        }
        match text.parse::<Table>() {
            Ok(manifest) => {
                let published = !rules.unpublished.iter().any(|u| u == folder);
                findings.extend(member(path, &manifest, published));
                if published {
                    findings.extend(readme(tree, path, folder, &manifest));
                }
            }
            Err(e) => findings.push(Finding::new(
                path,
                "tidy.manifest",
                e.message(),
                "run `cargo metadata`",
            )),
        }
    }
    findings.extend(toolchain(
        tree.text("rust-toolchain.toml").unwrap_or_default(),
    ));
    findings
}

fn member(path: &str, manifest: &Table, published: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong = |message: &str, mend: String| {
        findings.push(Finding::new(path, "tidy.manifest", message, mend));
    };
    let inherits = |value: Option<&Value>| {
        value.and_then(|v| v.get("workspace")) == Some(&Value::Boolean(true))
    };
    let package = |key: &str| manifest.get("package").and_then(|p| p.get(key));

    if !inherits(manifest.get("lints")) {
        wrong(
            "the lints of the workspace do not hold here",
            "add `[lints]` with `workspace = true`".to_owned(),
        );
    }
    let extra: &[&str] = if published { INHERITED_PUBLISHED } else { &[] };
    for key in INHERITED
        .iter()
        .chain(extra)
        .filter(|key| !inherits(package(key)))
    {
        wrong(
            &format!("`{key}` is not the workspace's"),
            format!("write `{key}.workspace = true`"),
        );
    }
    if package("description")
        .and_then(Value::as_str)
        .is_none_or(|text| text.trim().is_empty())
    {
        wrong("no description", "add `description = \"…\"`".to_owned());
    }
    if published {
        let keywords = package("keywords")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let fits = |k: &Value| {
            k.as_str()
                .is_some_and(|k| !k.is_empty() && k.len() <= MAX_KEYWORD)
        };
        if keywords.is_empty() || keywords.len() > MAX_KEYWORDS || !keywords.iter().all(fits) {
            let mend =
                format!("add one to {MAX_KEYWORDS} keywords of at most {MAX_KEYWORD} characters");
            wrong("no keywords that a registry takes", mend);
        }
        if package("publish") == Some(&Value::Boolean(false)) {
            wrong(
                "is not published and not listed so",
                "list it under [manifest] unpublished".to_owned(),
            );
        }
    } else if package("publish") != Some(&Value::Boolean(false)) {
        wrong("could be published", "add `publish = false`".to_owned());
    }
    findings
}

fn readme(tree: &Tree, path: &str, folder: &str, manifest: &Table) -> Option<Finding> {
    let named = manifest
        .get("package")
        .and_then(|p| p.get("readme"))
        .and_then(Value::as_str);
    let there = named.is_some_and(|file| tree.exists(&format!("{folder}/{file}")));
    (!there).then(|| {
        let mend = format!("write {folder}/README.md and `readme = \"README.md\"`");
        Finding::new(path, "tidy.manifest", "no readme", mend)
    })
}

/// The channel is one exact release, so that the same tree gives the same answer everywhere.
fn toolchain(text: &str) -> Option<Finding> {
    let channel = text.parse::<Table>().ok().and_then(|t| {
        t.get("toolchain")
            .and_then(|t| t.get("channel"))
            .and_then(Value::as_str)
            .map(str::to_owned)
    });
    let exact = |channel: &str| {
        let parts: Vec<&str> = channel.split('.').collect();
        parts.len() == 3
            && parts
                .iter()
                .all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
    };
    (!channel.as_deref().is_some_and(exact)).then(|| {
        let mend = "name one release, such as `channel = \"1.95.0\"`";
        Finding::new(
            "rust-toolchain.toml",
            "tidy.toolchain",
            "the toolchain is not pinned",
            mend,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"p-a\"\ndescription = \"d\"\nversion.workspace = true\n\
        edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
        repository.workspace = true\nauthors.workspace = true\nkeywords = [\"k\"]\nreadme = \"README.md\"\n\
        [lints]\nworkspace = true\n";
    const PINNED: (&str, &str) = ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95.0\"\n");

    fn found(path: &str, manifest: &str, toolchain: (&str, &str)) -> Vec<String> {
        let rules = Manifest {
            unpublished: vec!["xtask".to_owned()],
            apart: Vec::new(),
        };
        let tree = Tree::of(&[(path, manifest), ("crates/a/README.md", "x"), toolchain]);
        check(&tree, &rules)
            .into_iter()
            .map(|f| f.message)
            .collect()
    }

    #[test]
    fn c1_a_member_that_inherits_and_says_what_it_is_passes() {
        assert_eq!(found("crates/a/Cargo.toml", GOOD, PINNED), [] as [&str; 0]);
        let own = GOOD.replace(
            "keywords = [\"k\"]\nreadme = \"README.md\"",
            "publish = false",
        );
        assert_eq!(found("xtask/Cargo.toml", &own, PINNED), [] as [&str; 0]);
    }

    #[test]
    fn each_missing_line_is_one_finding() {
        for (line, message) in [
            ("description = \"d\"\n", "no description"),
            (
                "edition.workspace = true\n",
                "`edition` is not the workspace's",
            ),
            (
                "license.workspace = true\n",
                "`license` is not the workspace's",
            ),
            ("keywords = [\"k\"]\n", "no keywords that a registry takes"),
            ("readme = \"README.md\"\n", "no readme"),
            (
                "[lints]\nworkspace = true\n",
                "the lints of the workspace do not hold here",
            ),
        ] {
            let without = GOOD.replace(line, "");
            assert_ne!(without, GOOD);
            assert_eq!(found("crates/a/Cargo.toml", &without, PINNED), [message]);
        }
        let own = GOOD.replace("edition.workspace = true", "edition = \"2021\"");
        assert_eq!(found("crates/a/Cargo.toml", &own, PINNED).len(), 1);
        let none = GOOD.replace("workspace = true\n", "workspace = false\n");
        assert_eq!(found("crates/a/Cargo.toml", &none, PINNED).len(), 7);
        assert_eq!(
            found("xtask/Cargo.toml", GOOD, PINNED),
            ["could be published"]
        );
        assert_eq!(
            found("crates/b/Cargo.toml", GOOD, PINNED),
            ["no readme"],
            "named and not there"
        );
    }

    #[test]
    fn the_toolchain_is_one_release() {
        for bad in [
            "",
            "[toolchain]\nchannel = \"stable\"\n",
            "[toolchain]\nchannel = \"1.95\"\n",
        ] {
            let toolchain = ("rust-toolchain.toml", bad);
            assert_eq!(
                found("crates/a/Cargo.toml", GOOD, toolchain),
                ["the toolchain is not pinned"]
            );
        }
    }
}
