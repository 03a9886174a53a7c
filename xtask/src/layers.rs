//! `layers`: the dependency rules of the workspace, from manifests, the resolved graph and the sources.

mod bans;
mod closure;
mod dev;
mod edges;
mod graph;
mod links;
mod metadata;
mod names;
mod rules;
mod unused;

use crate::{report::CheckResult, rules as rule_files, workspace::Workspace};

/// Runs every rule of `xtask/rules/layers.toml`.
pub(crate) fn check(workspace: &Workspace) -> CheckResult {
    let tree = workspace.tree()?;
    let rules: rules::Rules = rule_files::load(tree, "layers")?;
    let host = workspace.cargo.host()?;
    let args = [
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        &host,
    ];
    let graph = metadata::graph(&workspace.cargo.output(&args)?, tree)?;
    let (sources, broken) = workspace.sources()?;

    let mut findings = broken.clone();
    findings.extend(edges::check(&graph, &rules));
    findings.extend(dev::check(&graph, &rules, sources));
    findings.extend(unused::check(&graph, &rules, sources));
    findings.extend(links::few_users(&graph, &rules));
    findings.extend(links::few_crates(&graph, &rules));
    findings.extend(closure::check(&graph, &rules));
    for ban in &rules.bans {
        findings.extend(bans::check(sources, ban));
    }
    findings.extend(names::check(sources, &rules.names));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use crate::{files::Tree, rules};

    #[test]
    fn c1_the_committed_rules_are_understood_and_every_exception_has_a_reason() {
        let text = include_str!("../rules/layers.toml");
        let rules: super::rules::Rules =
            rules::load(&Tree::of(&[("xtask/rules/layers.toml", text)]), "layers")
                .expect("understood");
        let allows = rules
            .bans
            .iter()
            .flat_map(|ban| &ban.allow)
            .chain(&rules.names.allow);
        assert!(
            allows
                .into_iter()
                .all(|allow| !allow.reason.trim().is_empty())
        );
        assert!(
            rules
                .unused
                .iter()
                .all(|rule| !rule.reason.trim().is_empty())
        );
        assert!(rules.edges["core"].is_empty() && rules.edges["xtask"].is_empty());
        assert!(!rules.edges["app"].contains(&"testkit".to_owned()));
    }
}
