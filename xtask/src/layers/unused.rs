//! Links that no source uses: they cost every build and every reader, and hide which edges are real.

use std::collections::BTreeSet;

use super::{
    graph::{Dep, Graph, Kind, Member},
    rules::Rules,
};
use crate::{
    report::Finding,
    rules::path,
    source::{Facts, Word},
};

/// A finding per dependency that the member's own sources never name, and per exception that nothing needs any more.
/// A normal dependency is used by what ships (`src`, outside of tests), a build dependency by the build script, a
/// dev-dependency anywhere in the member.
pub(super) fn check(graph: &Graph, rules: &Rules, sources: &[Facts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut needed = BTreeSet::new();
    for member in &graph.members {
        let shipped: BTreeSet<&str> = member.linked().map(|d| d.name.as_str()).collect();
        for dep in &member.deps {
            // A second line for the same crate only turns on features of it for tests.
            let again = dep.kind == Kind::Dev && shipped.contains(dep.name.as_str());
            if again || is_used(member, dep, sources) {
                continue;
            }
            let excepted = rules.unused.iter().position(|rule| {
                rule.members.contains(&member.short) && rule.crates.contains(&dep.name)
            });
            match excepted {
                Some(at) => {
                    needed.insert((at, member.short.as_str(), dep.name.as_str()));
                }
                None => findings.push(finding(member, dep)),
            }
        }
    }
    for (at, rule) in rules.unused.iter().enumerate() {
        for member in &rule.members {
            for name in &rule.crates {
                if !needed.contains(&(at, member.as_str(), name.as_str())) {
                    let message = format!(
                        "the exception for {member} -> {name} ({}) is used by nothing",
                        rule.reason
                    );
                    let mend = "remove the exception";
                    findings.push(Finding::new(
                        &path("layers"),
                        "layers.unused",
                        message,
                        mend,
                    ));
                }
            }
        }
    }
    findings
}

fn finding(member: &Member, dep: &Dep) -> Finding {
    let (kind, place) = match dep.kind {
        Kind::Normal => ("dependency", format!("{}/src", member.folder)),
        Kind::Build => ("build dependency", format!("{}/build.rs", member.folder)),
        Kind::Dev => ("dev-dependency", member.folder.clone()),
    };
    let rule = if dep.member.is_some() {
        "layers.edge-unused"
    } else {
        "layers.link-unused"
    };
    let message = format!("the {kind} `{}` is named nowhere in {place}", dep.name);
    let mend = match &dep.member {
        Some(target) if dep.kind == Kind::Normal => format!(
            "remove it and its edge in {}, or make it a dev-dependency: `{} = {{ path = \"../{target}\" }}`",
            path("layers"),
            dep.name
        ),
        _ => format!(
            "remove it, or list it under [[unused]] in {} with the reason that it is linked for",
            path("layers")
        ),
    };
    Finding::new(&member.manifest(), rule, message, mend).at(dep.line)
}

fn is_used(member: &Member, dep: &Dep, sources: &[Facts]) -> bool {
    let src = format!("{}/src/", member.folder);
    let build = format!("{}/build.rs", member.folder);
    let all = format!("{}/", member.folder);
    let counts = |facts: &Facts| match dep.kind {
        Kind::Normal => facts.file.starts_with(&src),
        Kind::Build => facts.file == build,
        Kind::Dev => facts.file.starts_with(&all),
    };
    // What only tests compile does not ship.
    let ships = |in_test: bool| dep.kind == Kind::Dev || !in_test;
    sources.iter().filter(|facts| counts(facts)).any(|facts| {
        let named = facts
            .paths
            .iter()
            .any(|mention| ships(mention.in_test) && begins(&mention.path, &dep.code_name));
        // `#[serde(with = "a::b")]` names a path inside of a literal.
        let quoted = |word: &Word| {
            ships(word.in_test) && word.text.contains("::") && begins(&word.text, &dep.code_name)
        };
        named || facts.literals.iter().any(quoted)
    })
}

fn begins(path: &str, name: &str) -> bool {
    path.split("::").next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files::Tree, source::scan_all};
    use Kind::{Build, Dev, Normal};

    fn found(deps: &[(&str, Kind)], files: &[(&str, &str)]) -> Vec<String> {
        found_with(deps, files, "")
    }

    /// Of a member `app` beside a member `core`, which has nothing.
    fn found_with(deps: &[(&str, Kind)], files: &[(&str, &str)], unused: &str) -> Vec<String> {
        let graph = Graph::made_up(&[("core", &[]), ("app", deps)]);
        let mut rules = Rules::made_up();
        if !unused.is_empty() {
            rules
                .unused
                .push(toml::from_str(unused).expect("understood"));
        }
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(file, text)| (format!("crates/app/{file}"), format!("//! x\n{text}\n")))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(f, t)| (f.as_str(), t.as_str()))
            .collect();
        let (sources, broken) = scan_all(&Tree::of(&files));
        assert_eq!(broken, []);
        let name = |f: Finding| format!("{} {}", f.file, f.rule);
        check(&graph, &rules, &sources)
            .into_iter()
            .map(name)
            .collect()
    }

    const MANIFEST: &str = "crates/app/Cargo.toml";

    #[test]
    fn d10_an_edge_that_is_listed_and_linked_and_used_by_tests_alone_fails() {
        let deps = [("p-core", Normal)];
        let unit = "#[cfg(test)]\nmod tests { use p_core::X; }";
        for files in [
            &[][..],
            &[("src/lib.rs", "use other::p_core;")],
            &[("src/lib.rs", "// p_core::X\nfn f() { \"see p_core::X\"; }")],
            &[("src/lib.rs", unit), ("tests/it.rs", "use p_core::X;")],
        ] {
            assert_eq!(
                found(&deps, files),
                [format!("{MANIFEST} layers.edge-unused")],
                "{files:?}"
            );
        }
        for used in [
            "use p_core::X;",
            "fn f(x: p_core::X) {}",
            "fn f() { vec![p_core::x()]; }",
        ] {
            assert_eq!(
                found(&deps, &[("src/deep/x.rs", used)]),
                [] as [&str; 0],
                "{used}"
            );
        }
    }

    #[test]
    fn d10_a_linked_crate_without_a_use_fails() {
        let deps = [("serde", Normal), ("tracing", Normal)];
        let serde = ("src/lib.rs", "#[derive(serde::Serialize)]\nstruct X;");
        assert_eq!(
            found(&deps, &[serde]),
            [format!("{MANIFEST} layers.link-unused")]
        );
        for used in [
            "use tracing;",
            "#[tracing::instrument]\nfn f() {}",
            "fn f() { tracing::debug!(1); }",
            "extern crate tracing as t;",
            "struct S { #[serde(with = \"tracing::x\")] a: u8 }",
        ] {
            let files = [serde, ("src/x.rs", used)];
            assert_eq!(found(&deps, &files), [] as [&str; 0], "{used}");
        }
    }

    #[test]
    fn d10_build_and_dev_dependencies_are_used_where_they_may_be() {
        let link = [format!("{MANIFEST} layers.link-unused")];
        let using = "use x::Y;";
        assert_eq!(found(&[("x", Build)], &[("src/lib.rs", using)]), link);
        assert_eq!(
            found(&[("x", Build)], &[("build.rs", using)]),
            [] as [&str; 0]
        );
        assert_eq!(found(&[("x", Dev)], &[]), link);
        for place in ["tests/it.rs", "benches/b.rs", "examples/e.rs", "src/lib.rs"] {
            assert_eq!(
                found(&[("x", Dev)], &[(place, using)]),
                [] as [&str; 0],
                "{place}"
            );
        }
        // More features for tests of what ships anyway.
        let both = [("x", Normal), ("x", Dev)];
        assert_eq!(found(&both, &[("src/lib.rs", using)]), [] as [&str; 0]);
    }

    #[test]
    fn d10_an_exception_has_a_reason_and_fails_when_nothing_needs_it() {
        let listed = "members = [\"app\"]\ncrates = [\"x\"]\nreason = \"its feature\"";
        assert_eq!(found_with(&[("x", Normal)], &[], listed), [] as [&str; 0]);
        let stale = ["xtask/rules/layers.toml layers.unused"];
        let used = [("src/lib.rs", "use x::Y;")];
        assert_eq!(found_with(&[("x", Normal)], &used, listed), stale);
        assert_eq!(found_with(&[], &[], listed), stale);
        let unreasoned = "members = [\"app\"]\ncrates = [\"x\"]";
        assert!(toml::from_str::<super::super::rules::Unused>(unreasoned).is_err());
    }
}
