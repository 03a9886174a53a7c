//! The shape of `xtask/rules/tidy.toml`; the file itself says what each rule is for.

use serde::Deserialize;

use crate::rules::Allow;

/// All of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) source: Source,
    pub(super) manifest: Manifest,
    pub(super) claims: Claims,
    pub(super) ids: Ids,
}

/// Files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) max_lines: usize,
    pub(super) forbidden_words: Vec<String>,
    pub(super) forbidden_macros: Vec<String>,
    pub(super) forbidden_attributes: Vec<String>,
    pub(super) fixtures: Vec<String>,
    pub(super) trimmed: Vec<String>,
    #[serde(default)]
    pub(super) long: Vec<Allow>,
}

impl Source {
    /// Whether the file lies in a folder of fixtures.
    pub(super) fn is_fixture(&self, file: &str) -> bool {
        file.split('/')
            .any(|part| self.fixtures.iter().any(|f| f == part))
    }
}

/// Manifests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) unpublished: Vec<String>,
    /// Workspaces of their own: nothing is inherited there.
    #[serde(default)]
    pub(super) apart: Vec<String>,
}

/// Documents.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) phrases: Vec<String>,
    #[serde(default)]
    pub(super) allow: Vec<Allow>,
}

/// Test names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ids {
    pub(super) required: Vec<String>,
}

#[cfg(test)]
impl Source {
    /// Rules for made-up sources. The words are made up too, so that the checks of this very crate pass.
    pub(super) fn made_up() -> Self {
        toml::from_str(
            r#"
            max_lines = 4
            forbidden_words = ["MENDME"]
            forbidden_macros = ["later"]
            forbidden_attributes = ["skip"]
            fixtures = ["ui"]
            trimmed = [".rs", ".md"]
            [[long]]
            path = "crates/a/src/table.rs"
            reason = "one table"
            "#,
        )
        .expect("understood")
    }
}
