//! Labels through bundles: a sans-IO walk over everything that a call refers to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ArtifactMeta;
use crate::{ids::ArtifactRef, label::Label};

/// How much a walk may look at. What lies beyond is unresolved, and that blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WalkBudget {
    /// Levels of members below a root.
    pub depth: u32,
    /// Total number of artefacts.
    pub count: u32,
    /// Total bytes of content.
    pub bytes: u64,
}

impl Default for WalkBudget {
    /// 16 levels, 4096 artefacts, 256 MiB.
    fn default() -> Self {
        Self {
            depth: 16,
            count: 4096,
            bytes: 256 << 20,
        }
    }
}

/// Resolves the labels of artefacts and of their members, theirs in turn, and so on. The caller fetches:
/// [`LabelWalk::next`] says what, [`LabelWalk::resolved`] takes the answer, [`LabelWalk::finish`] judges.
///
/// Every artefact is visited once, so cycles end. The label of a composite is the join over everything
/// that is reachable from it. An artefact that is missing, unlabelled, never answered for or beyond the
/// budget has no label, and neither has anything that contains it.
#[derive(Debug)]
pub struct LabelWalk {
    budget: WalkBudget,
    waiting: VecDeque<ArtifactRef>,
    depth: BTreeMap<ArtifactRef, u32>,
    asked: BTreeSet<ArtifactRef>,
    known: BTreeMap<ArtifactRef, Node>,
    bytes: u64,
}

#[derive(Debug)]
struct Node {
    label: Option<Label>,
    members: Vec<ArtifactRef>,
}

impl LabelWalk {
    /// Starts at the artefacts that a call refers to.
    #[must_use]
    pub fn new(roots: impl IntoIterator<Item = ArtifactRef>, budget: WalkBudget) -> Self {
        let mut walk = Self {
            budget,
            waiting: VecDeque::new(),
            depth: BTreeMap::new(),
            asked: BTreeSet::new(),
            known: BTreeMap::new(),
            bytes: 0,
        };
        for root in roots {
            // A root beyond the budget stays in the answer, without a label.
            let admitted = walk.depth.len() < walk.budget.count as usize;
            if walk.depth.insert(root.clone(), 0).is_none() && admitted {
                walk.waiting.push_back(root);
            }
        }
        walk
    }

    /// What to fetch next; `None` when nothing is left.
    #[expect(
        clippy::should_implement_trait,
        reason = "answers change what comes next; it is no iterator"
    )]
    pub fn next(&mut self) -> Option<ArtifactRef> {
        let artifact = self.waiting.pop_front()?;
        self.asked.insert(artifact.clone());
        Some(artifact)
    }

    /// Takes what the store knows about an artefact; `None` when it is not there or the store cannot say.
    /// Answers to what was not asked, second answers and answers about something else count for nothing.
    pub fn resolved(&mut self, artifact: ArtifactRef, meta: Option<ArtifactMeta>) {
        if !self.asked.remove(&artifact) {
            return;
        }
        let Some(meta) = meta.filter(|meta| meta.artifact == artifact) else {
            return;
        };
        let depth = self.depth.get(&artifact).copied().unwrap_or(u32::MAX);
        self.bytes = self.bytes.saturating_add(meta.bytes);
        let fresh: BTreeSet<_> = meta
            .members
            .iter()
            .filter(|member| !self.depth.contains_key(*member))
            .cloned()
            .collect();
        let fits = self.bytes <= self.budget.bytes
            && (fresh.is_empty() || depth < self.budget.depth)
            && (fresh.is_empty() || self.depth.len() + fresh.len() <= self.budget.count as usize)
            && meta.members.len() <= self.budget.count as usize;
        if !fits {
            return;
        }
        for member in fresh {
            self.depth.insert(member.clone(), depth + 1);
            self.waiting.push_back(member);
        }
        self.known.insert(
            artifact,
            Node {
                label: meta.label,
                members: meta.members,
            },
        );
    }

    /// Everything that was found, in order of reference, with its label; `None` blocks.
    #[must_use]
    pub fn finish(self) -> Vec<(ArtifactRef, Option<Label>)> {
        let mut labels: BTreeMap<ArtifactRef, Option<Label>> = self
            .depth
            .keys()
            .map(|artifact| {
                (
                    artifact.clone(),
                    self.known.get(artifact).and_then(|node| node.label),
                )
            })
            .collect();
        let mut holders: BTreeMap<&ArtifactRef, Vec<&ArtifactRef>> = BTreeMap::new();
        for (artifact, node) in &self.known {
            for member in &node.members {
                holders.entry(member).or_default().push(artifact);
            }
        }
        // Labels only rise and the lattice is small, so each artefact is revisited a few times at most.
        let mut changed: Vec<&ArtifactRef> = self.depth.keys().collect();
        while let Some(member) = changed.pop() {
            let label = labels.get(member).copied().flatten();
            for holder in holders.get(member).into_iter().flatten() {
                let own = labels.get(*holder).copied().flatten();
                let joined = own.zip(label).map(|(own, label)| own.join(label));
                if joined != own {
                    labels.insert((*holder).clone(), joined);
                    changed.push(holder);
                }
            }
        }
        labels.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{digest::Digest, label::Sensitivity};

    fn name(n: usize) -> ArtifactRef {
        ArtifactRef::new(format!("a{n:03}")).expect("valid")
    }

    fn meta(n: usize, label: Option<Label>, members: &[usize]) -> ArtifactMeta {
        ArtifactMeta {
            artifact: name(n),
            content_hash: Digest::of(&[b"x"]),
            bytes: 10,
            label,
            members: members.iter().map(|m| name(*m)).collect(),
        }
    }

    fn run(graph: &[ArtifactMeta], root: usize, budget: WalkBudget) -> (Option<Label>, usize) {
        let mut walk = LabelWalk::new([name(root)], budget);
        let mut fetched = 0;
        while let Some(artifact) = walk.next() {
            fetched += 1;
            let meta = graph.iter().find(|meta| meta.artifact == artifact).cloned();
            walk.resolved(artifact, meta);
        }
        let found = walk.finish();
        let of_root = found.iter().find(|(artifact, _)| *artifact == name(root));
        (of_root.expect("a root is always in the answer").1, fetched)
    }

    const LOW: Option<Label> = Some(Label::INLINE);
    const HIGH: Option<Label> = Some(Label {
        sensitivity: Sensitivity::High,
        exportable: true,
    });

    #[test]
    fn a9_a_bundle_is_as_sensitive_as_its_worst_member_however_deep() {
        let graph = [
            meta(0, LOW, &[1, 2]),
            meta(1, LOW, &[3]),
            meta(2, LOW, &[]),
            meta(3, HIGH, &[]),
        ];
        assert_eq!(run(&graph, 0, WalkBudget::default()).0, HIGH);
        assert_eq!(run(&graph, 2, WalkBudget::default()).0, LOW);
    }

    #[test]
    fn a9_missing_and_unlabelled_members_block_the_whole() {
        assert_eq!(
            run(&[meta(0, LOW, &[1])], 0, WalkBudget::default()).0,
            None,
            "missing"
        );
        let graph = [meta(0, LOW, &[1]), meta(1, None, &[])];
        assert_eq!(run(&graph, 0, WalkBudget::default()).0, None, "unlabelled");
        assert_eq!(run(&[], 0, WalkBudget::default()).0, None, "missing root");
    }

    #[test]
    fn a9_a_cycle_ends_and_shares_one_label() {
        let graph = [meta(0, LOW, &[1]), meta(1, LOW, &[2]), meta(2, HIGH, &[0])];
        for root in 0..3 {
            assert_eq!(run(&graph, root, WalkBudget::default()), (HIGH, 3));
        }
    }

    #[test]
    fn s20_whatever_lies_beyond_the_budget_blocks() {
        let chain: Vec<_> = (0..6)
            .map(|n| meta(n, LOW, if n < 5 { &[1, 2, 3, 4, 5][n..=n] } else { &[] }))
            .collect();
        let wide = WalkBudget::default();
        assert_eq!(run(&chain, 0, wide).0, LOW);
        assert_eq!(run(&chain, 0, WalkBudget { depth: 5, ..wide }).0, LOW);
        assert_eq!(run(&chain, 0, WalkBudget { depth: 4, ..wide }).0, None);
        assert_eq!(run(&chain, 0, WalkBudget { count: 6, ..wide }).0, LOW);
        assert_eq!(run(&chain, 0, WalkBudget { count: 5, ..wide }).0, None);
        assert_eq!(run(&chain, 0, WalkBudget { bytes: 60, ..wide }).0, LOW);
        assert_eq!(run(&chain, 0, WalkBudget { bytes: 59, ..wide }).0, None);
        let mut walk = LabelWalk::new([name(0), name(1)], WalkBudget { count: 1, ..wide });
        while let Some(artifact) = walk.next() {
            walk.resolved(
                artifact.clone(),
                Some(ArtifactMeta {
                    artifact,
                    ..meta(0, LOW, &[])
                }),
            );
        }
        assert_eq!(walk.finish(), [(name(0), LOW), (name(1), None)]);
    }

    #[test]
    fn a9_answers_about_something_else_count_for_nothing() {
        let mut walk = LabelWalk::new([name(0)], WalkBudget::default());
        walk.resolved(name(0), Some(meta(0, LOW, &[])));
        assert_eq!(walk.next(), Some(name(0)));
        walk.resolved(name(0), Some(meta(1, LOW, &[])));
        walk.resolved(name(0), Some(meta(0, LOW, &[])));
        assert_eq!(walk.finish(), [(name(0), None)]);
    }

    #[test]
    fn a9_an_unfinished_walk_blocks() {
        assert_eq!(
            LabelWalk::new([name(0)], WalkBudget::default()).finish(),
            [(name(0), None)]
        );
    }

    fn any_label() -> impl Strategy<Value = Option<Label>> {
        use Sensitivity::{High, Low, Medium, Unknown};
        let sensitivity = proptest::sample::select(vec![Low, Low, Low, Medium, High, Unknown]);
        let label =
            (sensitivity, proptest::bool::weighted(0.9)).prop_map(|(sensitivity, exportable)| {
                Label {
                    sensitivity,
                    exportable,
                }
            });
        proptest::option::weighted(0.95, label)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Against a plain depth-first reachability on random graphs with cycles.
        #[test]
        fn a9_a_walk_ends_and_equals_the_join_over_everything_reachable(
            nodes in proptest::collection::vec((any_label(), proptest::collection::vec(0_usize..12, 0..4)), 1..10)
        ) {
            let graph: Vec<_> =
                nodes.iter().enumerate().map(|(n, (label, members))| meta(n, *label, members)).collect();
            let mut reachable = BTreeSet::new();
            let mut stack = vec![0];
            while let Some(n) = stack.pop() {
                if reachable.insert(n) {
                    stack.extend(nodes.get(n).map(|(_, members)| members.clone()).unwrap_or_default());
                }
            }
            let expected = reachable
                .iter()
                .map(|n| nodes.get(*n).and_then(|(label, _)| *label))
                .reduce(|a, b| a.zip(b).map(|(a, b)| a.join(b)))
                .expect("the root is reachable");
            let (label, fetched) = run(&graph, 0, WalkBudget::default());
            prop_assert_eq!(label, expected);
            prop_assert_eq!(fetched, reachable.len());
        }
    }
}
