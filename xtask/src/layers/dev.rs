//! Dev-dependencies on members: by path, without a version, used from tests only.

use std::collections::BTreeSet;

use super::{
    graph::{Dep, Graph, Kind, Member},
    rules::Rules,
};
use crate::{report::Finding, source::Facts};

/// Dev-dependencies on members are by path only, and the sources use them in the folders for that.
pub(super) fn check(graph: &Graph, rules: &Rules, sources: &[Facts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &graph.members {
        let normal: BTreeSet<&str> = member.linked().map(|d| d.code_name.as_str()).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files::Tree, source::scan_all};
    use Kind::{Dev, Normal};

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
    fn dev_dependencies_on_members_carry_no_version_and_some_members_have_none() {
        let mut members = good();
        members[1].1 = &[("p-core", Normal), ("p-app", Dev)];
        let mut graph = Graph::made_up(&members);
        assert_eq!(check(&graph, &Rules::made_up(), &[]), []);
        graph.members[1].deps[1].versioned = true;
        let findings = check(&graph, &Rules::made_up(), &[]);
        assert_eq!(rules_of(&findings), ["layers.dev-version"]);
        assert_eq!(findings[0].mend, "write `p-app = { path = \"../app\" }`");
        let mut members = good();
        members[0].1 = &[("serde", Normal), ("p-app", Dev)];
        assert_eq!(
            rules_of(&check(&Graph::made_up(&members), &Rules::made_up(), &[])),
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
            assert_eq!(
                check(&graph, &Rules::made_up(), &sources(fine)),
                [],
                "{fine}"
            );
        }
        let findings = check(
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
            rules_of(&check(&graph, &Rules::made_up(), &facts)),
            ["layers.dev-use"],
            "unit tests too"
        );
    }
}
