//! The graph that the rules are evaluated on: plain structs, made from `cargo metadata` or made up in a test.

use std::collections::{BTreeMap, VecDeque};

/// What a dependency is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// A dependency as a manifest declares it, optional ones and those of other platforms included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Dep {
    /// The package's name, never what it is renamed to.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The folder of the member that its path leads to.
    pub(crate) member: Option<String>,
    /// Whether a version is asked for.
    pub(crate) versioned: bool,
    /// The name that code calls it by.
    pub(crate) code_name: String,
    /// Where the manifest says so.
    pub(crate) line: Option<usize>,
}

/// A member of the workspace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Member {
    /// The last part of its folder, the name that rules use.
    pub(crate) short: String,
    /// `crates/core`.
    pub(crate) folder: String,
    pub(crate) package: String,
    /// Its id in the resolved graph.
    pub(crate) id: String,
    pub(crate) deps: Vec<Dep>,
}

impl Member {
    /// The path of its manifest.
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// What ends up in what it ships: optional dependencies and those of other platforms too, dev ones not.
    pub(crate) fn linked(&self) -> impl Iterator<Item = &Dep> {
        self.deps.iter().filter(|d| d.kind != Kind::Dev)
    }
}

/// A package of the resolved graph.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Ids of its normal dependencies.
    pub(crate) normal: Vec<String>,
}

/// Members and the resolved graph.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Graph {
    pub(crate) members: Vec<Member>,
    pub(crate) nodes: BTreeMap<String, Node>,
}

impl Graph {
    /// A shortest chain of package names from `from` (an id) to each package that it reaches, itself included.
    pub(crate) fn chains(&self, from: &str) -> BTreeMap<String, Vec<String>> {
        let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut queue = VecDeque::from([(from.to_owned(), Vec::new())]);
        while let Some((id, before)) = queue.pop_front() {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            if chains.contains_key(&id) {
                continue;
            }
            let mut chain = before;
            chain.push(node.name.clone());
            queue.extend(node.normal.iter().map(|next| (next.clone(), chain.clone())));
            chains.insert(id, chain);
        }
        chains
    }

    /// A made-up graph: `("core", [(name, kind)])`. A dependency whose name is `p-` and a member is on that member.
    #[cfg(test)]
    pub(crate) fn made_up(members: &[(&str, &[(&str, Kind)])]) -> Self {
        let shorts: Vec<&str> = members.iter().map(|(short, _)| *short).collect();
        let dep = |(name, kind): &(&str, Kind)| {
            let member = name
                .strip_prefix("p-")
                .filter(|short| shorts.contains(short));
            Dep {
                name: (*name).to_owned(),
                kind: *kind,
                member: member.map(str::to_owned),
                versioned: *kind != Kind::Dev,
                code_name: name.replace('-', "_"),
                line: Some(1),
            }
        };
        let member = |(short, deps): &(&str, &[(&str, Kind)])| Member {
            short: (*short).to_owned(),
            folder: format!("crates/{short}"),
            package: format!("p-{short}"),
            id: format!("p-{short}"),
            deps: deps.iter().map(dep).collect(),
        };
        let members: Vec<Member> = members.iter().map(member).collect();
        let mut nodes = BTreeMap::new();
        for member in &members {
            let normal: Vec<String> = member
                .deps
                .iter()
                .filter(|d| d.kind == Kind::Normal)
                .map(|d| d.name.clone())
                .collect();
            for name in &normal {
                nodes.entry(name.clone()).or_insert_with(|| Node {
                    name: name.clone(),
                    normal: Vec::new(),
                });
            }
            nodes.insert(
                member.id.clone(),
                Node {
                    name: member.package.clone(),
                    normal,
                },
            );
        }
        Self { members, nodes }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nodes(edges: &[(u8, u8)]) -> Graph {
        let mut graph = Graph::default();
        for n in edges.iter().flat_map(|(a, b)| [*a, *b]).chain([0]) {
            graph.nodes.entry(n.to_string()).or_insert_with(|| Node {
                name: n.to_string(),
                normal: vec![],
            });
        }
        for (a, b) in edges {
            graph
                .nodes
                .get_mut(&a.to_string())
                .expect("made")
                .normal
                .push(b.to_string());
        }
        graph
    }

    #[test]
    fn the_chain_is_the_shortest() {
        let graph = nodes(&[(0, 1), (1, 2), (2, 3), (0, 3)]);
        assert_eq!(graph.chains("0")["3"], ["0", "3"]);
        assert_eq!(graph.chains("0")["2"], ["0", "1", "2"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn chains_agree_with_a_fixed_point(edges in proptest::collection::vec((0u8..8, 0u8..8), 0..20)) {
            let graph = nodes(&edges);
            let mut reached = std::collections::BTreeSet::from([0u8]);
            while let Some(next) = edges.iter().find(|(a, b)| reached.contains(a) && !reached.contains(b)) {
                reached.insert(next.1);
            }
            let chains = graph.chains("0");
            let got: Vec<String> = chains.keys().cloned().collect();
            let want: Vec<String> = reached.iter().map(u8::to_string).collect();
            prop_assert_eq!(got, want);
            for chain in chains.values() {
                for pair in chain.windows(2) {
                    prop_assert!(graph.nodes[&pair[0]].normal.contains(&pair[1]));
                }
            }
        }
    }
}
