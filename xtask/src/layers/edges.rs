//! Edges between members: exactly those that the rules list.

use std::collections::BTreeSet;

use super::{
    graph::{Graph, Member},
    rules::Rules,
};
use crate::report::Finding;

const RULES: &str = "xtask/rules/layers.toml";

/// Member edges are exactly those listed, packages are named after their folder, and every member has its line.
pub(super) fn check(graph: &Graph, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &graph.members {
        let want = if let Some(named) = rules.named.get(&member.short) {
            named.clone()
        } else if rules.unprefixed.contains(&member.short) {
            member.short.clone()
        } else {
            format!("{}{}", rules.prefix, member.short)
        };
        if member.package != want {
            let message = format!("package `{}` in folder `{}`", member.package, member.folder);
            findings.push(Finding::new(
                &member.manifest(),
                "layers.name",
                message,
                format!("name it `{want}`"),
            ));
        }
        let Some(listed) = rules.edges.get(&member.short) else {
            let message = format!("`{}` has no line under [edges]", member.short);
            let mend = format!("decide its edges, write an ADR, add a line to {RULES}");
            findings.push(Finding::new(
                &member.manifest(),
                "layers.member",
                message,
                mend,
            ));
            continue;
        };
        findings.extend(edges_of(member, listed, graph));
    }
    let shorts: BTreeSet<&str> = graph.members.iter().map(|m| m.short.as_str()).collect();
    for gone in rules
        .named
        .keys()
        .filter(|short| !shorts.contains(short.as_str()))
    {
        let message = format!("[named] lists `{gone}`, which is no member");
        findings.push(Finding::new(
            RULES,
            "layers.member",
            message,
            "remove its line",
        ));
    }
    for gone in rules
        .edges
        .keys()
        .filter(|short| !shorts.contains(short.as_str()))
    {
        let message = format!("[edges] lists `{gone}`, which is no member");
        findings.push(Finding::new(
            RULES,
            "layers.member",
            message,
            "remove its line",
        ));
    }
    findings
}

fn edges_of(member: &Member, listed: &[String], graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    for dep in member.linked() {
        if let Some(target) = &dep.member {
            used.insert(target.as_str());
            if !listed
                .iter()
                .any(|edge| edge.trim_end_matches('?') == target)
            {
                let message = format!("`{}` may not depend on `{target}`", member.short);
                let mend = format!("remove it, or write an ADR and add the edge to {RULES}");
                findings.push(
                    Finding::new(&member.manifest(), "layers.edge", message, mend).at(dep.line),
                );
            }
        } else if graph.members.iter().any(|m| m.package == dep.name) {
            let message = format!(
                "`{}` comes from a registry and has the name of a member",
                dep.name
            );
            findings.push(
                Finding::new(
                    &member.manifest(),
                    "layers.namesake",
                    message,
                    "use `{ workspace = true }`",
                )
                .at(dep.line),
            );
        }
    }
    for edge in listed
        .iter()
        .filter(|edge| !edge.ends_with('?') && !used.contains(edge.as_str()))
    {
        let message = format!("the edge {} -> {edge} is listed and not used", member.short);
        let mend = format!("remove it from {RULES}, or mark it `{edge}?`");
        findings.push(Finding::new(
            &member.manifest(),
            "layers.edge-unused",
            message,
            mend,
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layers::graph::Kind;
    use Kind::{Build, Normal};

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
    fn c1_the_listed_edges_pass_with_and_without_the_optional_one() {
        let mut members = good();
        assert_eq!(check(&Graph::made_up(&members), &Rules::made_up()), []);
        members[2].1 = &[("p-core", Normal), ("p-policy", Normal)];
        assert_eq!(check(&Graph::made_up(&members), &Rules::made_up()), []);
    }

    #[test]
    fn c1_an_edge_that_is_not_listed_fails_as_normal_and_as_build_dependency() {
        for kind in [Normal, Build] {
            let deps = [("serde", Normal), ("p-policy", kind)];
            let mut members = good();
            members[0].1 = &deps;
            let findings = check(&Graph::made_up(&members), &Rules::made_up());
            assert_eq!(rules_of(&findings), ["layers.edge"]);
            assert_eq!(
                (findings[0].file.as_str(), findings[0].line),
                ("crates/core/Cargo.toml", Some(1))
            );
        }
    }

    #[test]
    fn a_listed_edge_that_is_gone_a_new_member_and_a_lost_one_fail() {
        let mut members = good();
        members[1].1 = &[];
        assert_eq!(
            rules_of(&check(&Graph::made_up(&members), &Rules::made_up())),
            ["layers.edge-unused"]
        );
        let mut members = good();
        members.push(("extra", &[]));
        assert_eq!(
            rules_of(&check(&Graph::made_up(&members), &Rules::made_up())),
            ["layers.member"]
        );
        let mut members = good();
        members.remove(2);
        let findings = check(&Graph::made_up(&members), &Rules::made_up());
        assert_eq!(
            (rules_of(&findings), findings[0].file.as_str()),
            (vec!["layers.member"], RULES)
        );
    }

    #[test]
    fn a_namesake_from_a_registry_and_a_wrong_name_fail() {
        let mut graph = Graph::made_up(&good());
        graph.members[2].deps[0].member = None;
        let findings = check(&graph, &Rules::made_up());
        assert_eq!(
            rules_of(&findings),
            ["layers.namesake", "layers.edge-unused"]
        );
        let mut graph = Graph::made_up(&good());
        graph.members[2].package = "app".to_owned();
        assert_eq!(rules_of(&check(&graph, &Rules::made_up())), ["layers.name"]);
        // A package that the rules name otherwise has that name and no other; a name for no member is one too many.
        let mut rules = Rules::made_up();
        rules.named = [("app".to_owned(), "app".to_owned())].into();
        assert_eq!(check(&graph, &rules), []);
        graph.members[2].package = "p-app".to_owned();
        assert_eq!(rules_of(&check(&graph, &rules)), ["layers.name"]);
        rules.named = [("gone".to_owned(), "app".to_owned())].into();
        assert_eq!(rules_of(&check(&graph, &rules)), ["layers.member"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Against the naive reading: one finding per pair on which the manifest and the list differ.
        #[test]
        fn c1_findings_are_exactly_the_difference_of_the_two_sets(
            listed in proptest::collection::btree_set((0usize..3, 0usize..3), 0..6),
            used in proptest::collection::btree_set((0usize..3, 0usize..3), 0..6),
        ) {
            const SHORT: [&str; 3] = ["a", "b", "c"];
            const NAME: [&str; 3] = ["p-a", "p-b", "p-c"];
            let deps: Vec<Vec<(&str, Kind)>> = (0..3)
                .map(|from| used.iter().filter(|(f, _)| *f == from).map(|(_, to)| (NAME[*to], Normal)).collect())
                .collect();
            let members: Vec<(&str, &[(&str, Kind)])> = (0..3).map(|i| (SHORT[i], deps[i].as_slice())).collect();
            let mut rules = Rules::made_up();
            rules.edges = (0..3)
                .map(|from| {
                    let to = listed.iter().filter(|(f, _)| *f == from).map(|(_, to)| SHORT[*to].to_owned());
                    (SHORT[from].to_owned(), to.collect())
                })
                .collect();
            let findings = check(&Graph::made_up(&members), &rules);
            let count = |rule: &str| findings.iter().filter(|f| f.rule == rule).count();
            prop_assert_eq!(count("layers.edge"), used.difference(&listed).count());
            prop_assert_eq!(count("layers.edge-unused"), listed.difference(&used).count());
        }
    }
}
