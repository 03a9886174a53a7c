//! Crates that few members may link, and members that may link few crates.

use super::{graph::Graph, rules::Rules};
use crate::{report::Finding, rules::path};

/// Crates that only some members may link.
pub(super) fn few_users(graph: &Graph, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &rules.links {
        for member in graph
            .members
            .iter()
            .filter(|m| !rule.members.contains(&m.short))
        {
            for dep in member.linked().filter(|d| rule.crates.contains(&d.name)) {
                let message = format!(
                    "only {} may link `{}`: {}",
                    rule.members.join(", "),
                    dep.name,
                    rule.reason
                );
                let mend = format!("go through {} or a port", rule.members.join(" or "));
                findings.push(
                    Finding::new(&member.manifest(), "layers.link", message, mend).at(dep.line),
                );
            }
        }
    }
    findings
}

/// Members that may link only what is listed.
pub(super) fn few_crates(graph: &Graph, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &rules.directs {
        for member in graph.members.iter().filter(|m| m.short == rule.member) {
            for dep in member
                .linked()
                .filter(|d| d.member.is_none() && !rule.crates.contains(&d.name))
            {
                let message = format!(
                    "`{}` may not link `{}`: {}",
                    member.short, dep.name, rule.reason
                );
                let mend = format!(
                    "do without it, or write an ADR and add it to {}",
                    path("layers")
                );
                findings.push(
                    Finding::new(&member.manifest(), "layers.direct", message, mend).at(dep.line),
                );
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::graph::Kind::{self, Dev, Normal};

    fn good() -> Vec<(&'static str, &'static [(&'static str, Kind)])> {
        vec![
            ("core", &[("serde", Normal)]),
            ("policy", &[("p-core", Normal)]),
            ("app", &[("p-core", Normal)]),
        ]
    }

    fn rules_of(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|f| f.rule.as_str()).collect()
    }

    #[test]
    fn only_the_listed_members_link_the_client_and_core_links_only_what_is_listed() {
        let mut members = good();
        members[2].1 = &[("p-core", Normal), ("client-x", Normal)];
        let graph = Graph::made_up(&members);
        assert_eq!(few_users(&graph, &Rules::made_up()), []);
        assert_eq!(few_crates(&graph, &Rules::made_up()), []);
        members[0].1 = &[("client-x", Normal)];
        let graph = Graph::made_up(&members);
        assert_eq!(
            rules_of(&few_users(&graph, &Rules::made_up())),
            ["layers.link"]
        );
        assert_eq!(
            rules_of(&few_crates(&graph, &Rules::made_up())),
            ["layers.direct"]
        );
        members[0].1 = &[("client-x", Dev), ("other", Dev)];
        let graph = Graph::made_up(&members);
        assert_eq!(
            rules_of(&few_users(&graph, &Rules::made_up())),
            [] as [&str; 0]
        );
        assert_eq!(
            rules_of(&few_crates(&graph, &Rules::made_up())),
            [] as [&str; 0]
        );
    }
}
