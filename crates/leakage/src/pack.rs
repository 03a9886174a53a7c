//! The rule pack of this crate: TOML files, written by us from published token formats.

use std::collections::BTreeSet;

use crate::{
    error::PackError,
    rule::{PackFile, RuleSpec},
};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// The files, by name.
        pub(crate) const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../rules/", $name, ".toml")))),*];
    };
}

files!(
    "llm", "code", "cloud", "services", "keys", "urls", "context", "generic"
);

pub(crate) fn parse(files: &[&str]) -> Result<Vec<RuleSpec>, PackError> {
    let mut rules = Vec::new();
    let mut ids = BTreeSet::new();
    for file in files {
        let pack: PackFile =
            toml::from_str(file).map_err(|e| PackError::Syntax(e.message().to_owned()))?;
        for rule in pack.rule {
            if !ids.insert(rule.id.clone()) {
                return Err(PackError::Duplicate(rule.id));
            }
            rules.push(rule);
        }
    }
    Ok(rules)
}
