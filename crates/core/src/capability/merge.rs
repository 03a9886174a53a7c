//! The merge: a function of the set of claims, whatever their order.

use std::collections::BTreeMap;

use super::{Capabilities, Claims, Feature, Limit, Provenance, Sourced};

pub(super) fn merge(sources: &[(Provenance, Claims)]) -> Capabilities {
    let mut merged = Capabilities::default();
    for feature in Feature::ALL {
        let said = said(sources, feature);
        let (known, conflict) = decide(&said, narrow(feature));
        if let Some(known) = known {
            merged.features.insert(feature, known);
        }
        if conflict && said.get(&Provenance::Operator) == Some(&true) {
            merged.conflicts.push(feature);
        }
    }
    for limit in [Limit::MaxContextWindow, Limit::MaxOutputTokens] {
        let least = sources
            .iter()
            .filter_map(|(from, claims)| Some((*claims.limits.get(&limit)?, *from)))
            // Of those who name the same number, the strongest is named: it sorts first.
            .min();
        if let Some((value, from)) = least {
            merged.limits.insert(limit, Sourced { value, from });
        }
    }
    merged
}

/// The answer that lets less happen: no to a feature, yes to a precaution.
fn narrow(feature: Feature) -> bool {
    matches!(
        feature,
        Feature::RequiresToolIdSanitization | Feature::RequiresThinkingBlockScrubbing
    )
}

/// What each kind of source says; several of a kind that disagree give the narrow answer.
fn said(sources: &[(Provenance, Claims)], feature: Feature) -> BTreeMap<Provenance, bool> {
    let narrow = narrow(feature);
    let mut said = BTreeMap::new();
    for (from, claims) in sources {
        if let Some(answer) = claims.features.get(&feature) {
            let known = said.entry(*from).or_insert(*answer);
            if *answer == narrow {
                *known = narrow;
            }
        }
    }
    said
}

/// The merged answer, and whether operator and server contradict each other.
fn decide(said: &BTreeMap<Provenance, bool>, narrow: bool) -> (Option<Sourced<bool>>, bool) {
    use Provenance::{Family, Operator, Probe, Server};
    let from = |source: Provenance| {
        said.get(&source).map(|value| Sourced {
            value: *value,
            from: source,
        })
    };
    let narrows = |source: Provenance| said.get(&source) == Some(&narrow);
    if let Some(operator) = from(Operator) {
        let contradicted = operator.value != narrow && narrows(Server);
        // A precaution that the server asks for is taken, whatever the operator says. A feature stays the
        // operator's word, contested; family and probe do not outweigh a person.
        return match contradicted && narrow {
            true => (from(Server), false),
            false => (Some(operator), contradicted),
        };
    }
    if let Some(server) = from(Server) {
        // A server's yes may be no more than a substring of a template; the family profile knows better.
        let narrowed = server.value != narrow && narrows(Family);
        return (if narrowed { from(Family) } else { Some(server) }, false);
    }
    (from(Family).or_else(|| from(Probe)), false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capability::Support;

    fn claims(feature: Feature, yes: bool) -> Claims {
        Claims {
            features: BTreeMap::from([(feature, yes)]),
            ..Claims::default()
        }
    }

    #[test]
    fn b1_silence_is_unknown() {
        let merged = Capabilities::merge(&[]);
        assert!(
            Feature::ALL
                .iter()
                .all(|f| merged.supports(*f) == Support::Unknown)
        );
        assert_eq!(
            merged,
            Capabilities::merge(&[(Provenance::Server, Claims::default())])
        );
    }

    #[test]
    fn b1_the_strongest_source_wins_and_weaker_ones_narrow() {
        use Provenance::{Family, Operator, Probe, Server};
        let tools = Feature::SupportsToolCalling;
        type Case<'a> = (&'a [(Provenance, bool)], bool, Provenance, bool);
        let cases: &[Case<'_>] = &[
            (&[(Operator, true)], true, Operator, false),
            (&[(Operator, true), (Server, false)], true, Operator, true),
            (&[(Operator, false), (Server, true)], false, Operator, false),
            (&[(Operator, true), (Family, false)], true, Operator, false),
            (
                &[(Operator, true), (Server, true), (Family, false)],
                true,
                Operator,
                false,
            ),
            (&[(Server, true), (Family, false)], false, Family, false),
            (&[(Server, false), (Family, true)], false, Server, false),
            (&[(Server, true), (Probe, false)], true, Server, false),
            (&[(Family, true), (Probe, false)], true, Family, false),
            (&[(Probe, true)], true, Probe, false),
        ];
        for (sources, value, from, conflict) in cases {
            let sources: Vec<_> = sources
                .iter()
                .map(|(p, yes)| (*p, claims(tools, *yes)))
                .collect();
            let merged = Capabilities::merge(&sources);
            assert_eq!(
                merged.features.get(&tools),
                Some(&Sourced {
                    value: *value,
                    from: *from
                }),
                "{sources:?}"
            );
            assert_eq!(merged.conflicts.contains(&tools), *conflict, "{sources:?}");
        }
    }

    #[test]
    fn b8_a_precaution_is_taken_when_the_server_or_the_family_asks_for_it() {
        let feature = Feature::RequiresToolIdSanitization;
        for (strong, weak) in [
            (Provenance::Operator, Provenance::Server),
            (Provenance::Server, Provenance::Family),
        ] {
            let merged = Capabilities::merge(&[
                (strong, claims(feature, false)),
                (weak, claims(feature, true)),
            ]);
            assert_eq!(
                merged.features.get(&feature),
                Some(&Sourced {
                    value: true,
                    from: weak
                })
            );
            assert!(merged.conflicts.is_empty());
        }
    }

    #[test]
    fn b1_numbers_take_the_minimum_and_name_the_strongest_source() {
        let limit = |n| Claims {
            limits: BTreeMap::from([(Limit::MaxContextWindow, n)]),
            ..Claims::default()
        };
        let merged = Capabilities::merge(&[
            (Provenance::Probe, limit(8)),
            (Provenance::Server, limit(8)),
            (Provenance::Operator, limit(32)),
        ]);
        let known = merged.limits.get(&Limit::MaxContextWindow);
        assert_eq!(
            known,
            Some(&Sourced {
                value: 8,
                from: Provenance::Server
            })
        );
        assert_eq!(merged.limit(Limit::MaxOutputTokens), None);
    }

    fn any_source() -> impl Strategy<Value = (Provenance, Claims)> {
        use Provenance::{Family, Operator, Probe, Server};
        let features = proptest::collection::btree_map(
            proptest::sample::select(Feature::ALL.to_vec()),
            any::<bool>(),
            0..5,
        );
        let limits = proptest::collection::btree_map(
            proptest::sample::select(vec![Limit::MaxContextWindow, Limit::MaxOutputTokens]),
            0_u64..9,
            0..3,
        );
        let from = proptest::sample::select(vec![Operator, Server, Family, Probe]);
        (from, features, limits).prop_map(|(p, features, limits)| (p, Claims { features, limits }))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn b1_the_merge_depends_on_neither_order_nor_repetition(
            (sources, shuffled) in proptest::collection::vec(any_source(), 0..7)
                .prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle()))
        ) {
            let merged = merge(&sources);
            prop_assert_eq!(&merged, &merge(&shuffled));
            prop_assert_eq!(&merged, &merge(&[sources, shuffled].concat()));
        }

        #[test]
        fn b1_no_source_raises_what_the_operator_denies(
            sources in proptest::collection::vec(any_source(), 0..7)
        ) {
            let merged = merge(&sources);
            for (from, claims) in &sources {
                for feature in Feature::ALL.iter().filter(|f| !narrow(**f)) {
                    if *from == Provenance::Operator && claims.features.get(feature) == Some(&false) {
                        prop_assert_eq!(merged.supports(*feature), Support::No);
                    }
                }
                for (limit, value) in &claims.limits {
                    prop_assert!(merged.limit(*limit).is_some_and(|merged| merged <= *value));
                }
            }
        }
    }
}
