//! What a member may not reach through any chain of normal dependencies.

use super::{graph::Graph, rules::Rules};
use crate::report::Finding;

/// One finding per forbidden package that is reached, with a shortest chain to it.
pub(super) fn check(graph: &Graph, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &rules.closures {
        for short in &rule.members {
            let Some(member) = graph.members.iter().find(|m| m.short == *short) else {
                continue;
            };
            for chain in graph.chains(&member.id).into_values() {
                if chain.last().is_some_and(|last| rule.crates.contains(last)) {
                    let message = format!("reaches {}: {}", chain.join(" -> "), rule.reason);
                    let mend = format!(
                        "cut the chain; see `cargo tree -e normal -p {}`",
                        member.package
                    );
                    findings.push(Finding::new(
                        &member.manifest(),
                        "layers.closure",
                        message,
                        mend,
                    ));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::graph::{Kind, Node};

    #[test]
    fn c1_a_forbidden_crate_is_found_at_any_depth_and_dev_dependencies_do_not_count() {
        let dev = [("serde", Kind::Normal), ("runtime-x", Kind::Dev)];
        let mut graph = Graph::made_up(&[("core", &dev), ("policy", &[("p-core", Kind::Normal)])]);
        assert_eq!(check(&graph, &Rules::made_up()), []);
        let chain = [("serde", "deep"), ("deep", "runtime-x"), ("runtime-x", "")];
        for (name, next) in chain {
            let normal = if next.is_empty() {
                vec![]
            } else {
                vec![next.to_owned()]
            };
            graph.nodes.insert(
                name.to_owned(),
                Node {
                    name: name.to_owned(),
                    normal,
                },
            );
        }
        let findings = check(&graph, &Rules::made_up());
        let files: Vec<_> = findings.iter().map(|f| f.file.as_str()).collect();
        assert_eq!(
            files,
            ["crates/core/Cargo.toml", "crates/policy/Cargo.toml"]
        );
        assert!(
            findings[0]
                .message
                .starts_with("reaches p-core -> serde -> deep -> runtime-x:")
        );
    }
}
