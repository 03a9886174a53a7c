//! The shape of `xtask/rules/layers.toml`; the file itself says what each rule is for.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::rules::Allow;

/// All of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) prefix: String,
    pub(super) unprefixed: Vec<String>,
    /// Packages that are not called after their folder.
    #[serde(default)]
    pub(super) named: BTreeMap<String, String>,
    pub(super) edges: BTreeMap<String, Vec<String>>,
    pub(super) dev: Dev,
    #[serde(default, rename = "closure")]
    pub(super) closures: Vec<Closure>,
    #[serde(default, rename = "link")]
    pub(super) links: Vec<Link>,
    #[serde(default, rename = "direct")]
    pub(super) directs: Vec<Direct>,
    #[serde(default)]
    pub(super) unused: Vec<Unused>,
    #[serde(default, rename = "ban")]
    pub(super) bans: Vec<Ban>,
    pub(super) names: Names,
}

/// Dev-dependencies on members.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dev {
    pub(super) folders: Vec<String>,
    pub(super) none: Vec<String>,
}

/// What members may not reach.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closure {
    pub(super) members: Vec<String>,
    pub(super) crates: Vec<String>,
    pub(super) reason: String,
}

/// Who may link these crates.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub(super) crates: Vec<String>,
    pub(super) members: Vec<String>,
    pub(super) reason: String,
}

/// What one member may link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Direct {
    pub(super) member: String,
    pub(super) crates: Vec<String>,
    pub(super) reason: String,
}

/// What members link without naming it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unused {
    pub(super) members: Vec<String>,
    pub(super) crates: Vec<String>,
    pub(super) reason: String,
}

/// Paths that may not be named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ban {
    pub(super) id: String,
    pub(super) paths: Vec<String>,
    pub(super) except: Vec<String>,
    pub(super) scope: Vec<String>,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) allow: Vec<Allow>,
}

/// Words that may not be named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    pub(super) words: Vec<String>,
    pub(super) scope: Vec<String>,
    #[serde(default)]
    pub(super) allow: Vec<Allow>,
}

impl Rules {
    /// The rules of a small made-up workspace, for tests.
    #[cfg(test)]
    pub(super) fn made_up() -> Self {
        toml::from_str(
            r#"
            prefix = "p-"
            unprefixed = ["xtask"]
            [edges]
            core = []
            policy = ["core"]
            app = ["core", "policy?"]
            [dev]
            folders = ["tests", "benches"]
            none = ["core"]
            [[closure]]
            members = ["core", "policy"]
            crates = ["runtime-x"]
            reason = "pure"
            [[link]]
            crates = ["client-x"]
            members = ["app"]
            reason = "one client"
            [[direct]]
            member = "core"
            crates = ["serde"]
            reason = "few"
            [names]
            words = []
            scope = []
            "#,
        )
        .expect("understood")
    }
}
