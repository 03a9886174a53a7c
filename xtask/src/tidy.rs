//! `tidy`: the shape of files, manifests, documents and test names.

mod claims;
mod ids;
mod links;
mod manifests;
mod rules;
mod sources;
mod text;

use crate::{report::CheckResult, rules as rule_files, workspace::Workspace};

/// Runs every rule of `xtask/rules/tidy.toml`.
pub(crate) fn check(workspace: &Workspace) -> CheckResult {
    let tree = workspace.tree()?;
    let rules: rules::Rules = rule_files::load(tree, "tidy")?;
    let (facts, broken) = workspace.sources()?;
    let mut findings = broken.clone();
    findings.extend(text::check(tree, &rules.source));
    findings.extend(sources::check(tree, facts, &rules.source));
    findings.extend(manifests::check(tree, &rules.manifest));
    findings.extend(links::check(tree));
    findings.extend(claims::check(tree, &rules.claims));
    findings.extend(ids::check(facts, &rules.ids.required));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use crate::{files::Tree, rules};

    #[test]
    fn the_committed_rules_are_understood() {
        let text = include_str!("../rules/tidy.toml");
        let tree = Tree::of(&[("xtask/rules/tidy.toml", text)]);
        let rules: super::rules::Rules = rules::load(&tree, "tidy").expect("understood");
        assert!(rules.claims.phrases.iter().all(|p| *p == p.to_lowercase()));
        assert!(rules.ids.required.is_empty() || rules.ids.required.len() == 31);
    }
}
