//! Direct edges: between members, to crates that few may link, and of members that may link few.

use std::collections::BTreeSet;

use super::{
    graph::{Dep, Graph, Kind, Member},
    rules::Rules,
};
use crate::{report::Finding, source::Facts};

const RULES: &str = "xtask/rules/layers.toml";

/// Member edges are exactly those listed, packages are named after their folder, and every member has its line.
pub(super) fn between_members(graph: &Graph, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &graph.members {
        let want = if rules.unprefixed.contains(&member.short) {
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
    for dep in linked(member) {
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

/// Dev-dependencies on members are by path only, and the sources use them in the folders for that.
pub(super) fn dev(graph: &Graph, rules: &Rules, sources: &[Facts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &graph.members {
        let normal: BTreeSet<&str> = linked(member).map(|d| d.code_name.as_str()).collect();
        for dep in member.deps.iter().filter(|d| d.kind == Kind::Dev) {
            let Some(target) = &dep.member else { continue };
            let finding = |rule: &str, message: String, mend: String| {
                Finding::new(&member.manifest(), rule, message, mend).at(dep.line)
            };
            if rules.dev.none.contains(&member.short) {
                let message = format!(
                    "`{}` depends on no member, not even for tests",
                    member.short
                );
                findings.push(finding(
                    "layers.dev-edge",
                    message,
                    format!("remove `{}`", dep.name),
                ));
            }
            if dep.versioned {
                let message = format!("the dev-dependency on `{target}` carries a version");
                let mend = format!("write `{} = {{ path = \"../{target}\" }}`", dep.name);
                findings.push(finding("layers.dev-version", message, mend));
            }
            if !normal.contains(dep.code_name.as_str()) {
                findings.extend(uses_outside(member, dep, rules, sources));
            }
        }
    }
    findings
}

fn uses_outside(member: &Member, dep: &Dep, rules: &Rules, sources: &[Facts]) -> Vec<Finding> {
    let folders: Vec<String> = rules
        .dev
        .folders
        .iter()
        .map(|f| format!("{}/{f}/", member.folder))
        .collect();
    let inside = format!("{}/", member.folder);
    let outside = sources
        .iter()
        .filter(|f| f.file.starts_with(&inside) && !folders.iter().any(|d| f.file.starts_with(d)));
    outside
        .flat_map(|facts| {
            let first = |path: &str| path.split("::").next() == Some(dep.code_name.as_str());
            facts
                .paths
                .iter()
                .filter(move |m| first(&m.path))
                .map(move |mention| {
                    let message = format!(
                        "uses the dev-dependency `{}` outside of {:?}",
                        dep.name, rules.dev.folders
                    );
                    let mend = format!("move the test to {}/tests", member.folder);
                    Finding::new(&facts.file, "layers.dev-use", message, mend).at(mention.line)
                })
        })
        .collect()
}

/// Crates that only some members may link.
pub(super) fn links(graph: &Graph, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &rules.links {
        for member in graph
            .members
            .iter()
            .filter(|m| !rule.members.contains(&m.short))
        {
            for dep in linked(member).filter(|d| rule.crates.contains(&d.name)) {
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
pub(super) fn direct(graph: &Graph, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &rules.directs {
        for member in graph.members.iter().filter(|m| m.short == rule.member) {
            for dep in
                linked(member).filter(|d| d.member.is_none() && !rule.crates.contains(&d.name))
            {
                let message = format!(
                    "`{}` may not link `{}`: {}",
                    member.short, dep.name, rule.reason
                );
                let mend = format!("do without it, or write an ADR and add it to {RULES}");
                findings.push(
                    Finding::new(&member.manifest(), "layers.direct", message, mend).at(dep.line),
                );
            }
        }
    }
    findings
}

/// What ends up in what the member ships, optional dependencies and other platforms included.
fn linked(member: &Member) -> impl Iterator<Item = &Dep> {
    member.deps.iter().filter(|d| d.kind != Kind::Dev)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{files::Tree, source::scan_all};
    use Kind::{Build, Dev, Normal};

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
        assert_eq!(
            between_members(&Graph::made_up(&members), &Rules::made_up()),
            []
        );
        members[2].1 = &[("p-core", Normal), ("p-policy", Normal)];
        assert_eq!(
            between_members(&Graph::made_up(&members), &Rules::made_up()),
            []
        );
    }

    #[test]
    fn c1_an_edge_that_is_not_listed_fails_as_normal_and_as_build_dependency() {
        for kind in [Normal, Build] {
            let deps = [("serde", Normal), ("p-policy", kind)];
            let mut members = good();
            members[0].1 = &deps;
            let findings = between_members(&Graph::made_up(&members), &Rules::made_up());
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
            rules_of(&between_members(
                &Graph::made_up(&members),
                &Rules::made_up()
            )),
            ["layers.edge-unused"]
        );
        let mut members = good();
        members.push(("extra", &[]));
        assert_eq!(
            rules_of(&between_members(
                &Graph::made_up(&members),
                &Rules::made_up()
            )),
            ["layers.member"]
        );
        let mut members = good();
        members.remove(2);
        let findings = between_members(&Graph::made_up(&members), &Rules::made_up());
        assert_eq!(
            (rules_of(&findings), findings[0].file.as_str()),
            (vec!["layers.member"], RULES)
        );
    }

    #[test]
    fn a_namesake_from_a_registry_and_a_wrong_name_fail() {
        let mut graph = Graph::made_up(&good());
        graph.members[2].deps[0].member = None;
        let findings = between_members(&graph, &Rules::made_up());
        assert_eq!(
            rules_of(&findings),
            ["layers.namesake", "layers.edge-unused"]
        );
        let mut graph = Graph::made_up(&good());
        graph.members[2].package = "app".to_owned();
        assert_eq!(
            rules_of(&between_members(&graph, &Rules::made_up())),
            ["layers.name"]
        );
    }

    #[test]
    fn dev_dependencies_on_members_carry_no_version_and_some_members_have_none() {
        let mut members = good();
        members[1].1 = &[("p-core", Normal), ("p-app", Dev)];
        let mut graph = Graph::made_up(&members);
        assert_eq!(dev(&graph, &Rules::made_up(), &[]), []);
        graph.members[1].deps[1].versioned = true;
        let findings = dev(&graph, &Rules::made_up(), &[]);
        assert_eq!(rules_of(&findings), ["layers.dev-version"]);
        assert_eq!(findings[0].mend, "write `p-app = { path = \"../app\" }`");
        let mut members = good();
        members[0].1 = &[("serde", Normal), ("p-app", Dev)];
        assert_eq!(
            rules_of(&dev(&Graph::made_up(&members), &Rules::made_up(), &[])),
            ["layers.dev-edge"]
        );
    }

    #[test]
    fn a_dev_dependency_is_used_from_tests_and_benches_only() {
        let mut members = good();
        members[1].1 = &[("p-core", Normal), ("p-app", Dev)];
        let graph = Graph::made_up(&members);
        let used = "//! x\nuse p_app::X;\n";
        let sources = |path: &str| scan_all(&Tree::of(&[(path, used)])).0;
        for fine in [
            "crates/policy/tests/it.rs",
            "crates/policy/benches/b.rs",
            "crates/core/src/lib.rs",
        ] {
            assert_eq!(dev(&graph, &Rules::made_up(), &sources(fine)), [], "{fine}");
        }
        let findings = dev(
            &graph,
            &Rules::made_up(),
            &sources("crates/policy/src/x.rs"),
        );
        assert_eq!(
            (rules_of(&findings), findings[0].line),
            (vec!["layers.dev-use"], Some(2))
        );
        let unit = "//! x\n#[cfg(test)]\nmod tests {\n    use p_app::X;\n}\n";
        let (facts, _) = scan_all(&Tree::of(&[("crates/policy/src/x.rs", unit)]));
        assert_eq!(
            rules_of(&dev(&graph, &Rules::made_up(), &facts)),
            ["layers.dev-use"],
            "unit tests too"
        );
    }

    #[test]
    fn only_the_listed_members_link_the_client_and_core_links_only_what_is_listed() {
        let mut members = good();
        members[2].1 = &[("p-core", Normal), ("client-x", Normal)];
        let graph = Graph::made_up(&members);
        assert_eq!(links(&graph, &Rules::made_up()), []);
        assert_eq!(direct(&graph, &Rules::made_up()), []);
        members[0].1 = &[("client-x", Normal)];
        let graph = Graph::made_up(&members);
        assert_eq!(rules_of(&links(&graph, &Rules::made_up())), ["layers.link"]);
        assert_eq!(
            rules_of(&direct(&graph, &Rules::made_up())),
            ["layers.direct"]
        );
        members[0].1 = &[("client-x", Dev), ("other", Dev)];
        let graph = Graph::made_up(&members);
        assert_eq!(rules_of(&links(&graph, &Rules::made_up())), [] as [&str; 0]);
        assert_eq!(
            rules_of(&direct(&graph, &Rules::made_up())),
            [] as [&str; 0]
        );
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
            let findings = between_members(&Graph::made_up(&members), &rules);
            let count = |rule: &str| findings.iter().filter(|f| f.rule == rule).count();
            prop_assert_eq!(count("layers.edge"), used.difference(&listed).count());
            prop_assert_eq!(count("layers.edge-unused"), listed.difference(&used).count());
        }
    }
}
