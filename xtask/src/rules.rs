//! Reading rules from `xtask/rules`, and the two shapes that several of them share.

use serde::{Deserialize, de::DeserializeOwned};

use crate::{files::Tree, report::CannotRun};

/// A place where something is allowed, and why. An entry that nothing uses any more is a finding, so that a
/// permit does not outlive its reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allow {
    /// A file, a folder, or a prefix that ends with `*`.
    pub(crate) path: String,
    /// Why. Never empty.
    pub(crate) reason: String,
}

/// Whether a file is the one named, in the folder named, or begins like the prefix before a final `*`.
pub(crate) fn covers(pattern: &str, file: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => file.starts_with(prefix),
        None => {
            file == pattern
                || file
                    .strip_prefix(pattern)
                    .is_some_and(|rest| rest.starts_with('/'))
        }
    }
}

/// Where the rules of a check live.
pub(crate) fn path(check: &str) -> String {
    format!("xtask/rules/{check}.toml")
}

/// Reads the rules of a check. Rules that are missing or not understood stop it: they are never taken as empty.
pub(crate) fn load<T: DeserializeOwned>(tree: &Tree, check: &str) -> Result<T, CannotRun> {
    let path = path(check);
    let text = tree
        .text(&path)
        .ok_or_else(|| CannotRun::new(format!("there is no `{path}`")))?;
    toml::from_str(text).map_err(|e| CannotRun::new(format!("`{path}`: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_files_folders_or_prefixes() {
        for (pattern, file) in [
            ("crates/app/src/main.rs", "crates/app/src/main.rs"),
            ("crates/app", "crates/app/src/main.rs"),
            ("crates/app/src/serve*", "crates/app/src/serve.rs"),
            ("crates/app/src/serve*", "crates/app/src/serve/tls.rs"),
        ] {
            assert!(covers(pattern, file), "{pattern} {file}");
        }
        for (pattern, file) in [
            ("crates/app", "crates/application/src/main.rs"),
            ("crates/app/src/main.rs", "crates/app/src/main.rs.bak"),
            ("crates/app/src/serve*", "crates/app/src/other.rs"),
        ] {
            assert!(!covers(pattern, file), "{pattern} {file}");
        }
    }

    #[test]
    fn missing_and_misspelt_rules_are_not_empty_rules() {
        assert!(load::<Allow>(&Tree::of(&[]), "x").is_err());
        let tree = Tree::of(&[(
            "xtask/rules/x.toml",
            "path = \"a\"\nreason = \"b\"\nresaon = \"c\"\n",
        )]);
        assert!(load::<Allow>(&tree, "x").is_err());
    }
}
