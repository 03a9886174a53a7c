//! Tool call ids on the wire: the provider's own, verbatim where its family allows them, otherwise mapped
//! without loss of difference.

use std::collections::BTreeMap;

use handshake_core::{chat::ToolCall, ids::ToolCallId};

use crate::dialect::IdRule;

/// The ids of one conversation.
pub(super) struct CallIds {
    rule: IdRule,
    ours: BTreeMap<ToolCallId, String>,
    taken: BTreeMap<String, ToolCallId>,
}

impl CallIds {
    pub(super) fn new(rule: IdRule) -> Self {
        Self {
            rule,
            ours: BTreeMap::new(),
            taken: BTreeMap::new(),
        }
    }

    /// The wire id of a call; calls are to be presented in the order of the conversation, so that an
    /// earlier call keeps its id when the conversation grows.
    pub(super) fn assign(&mut self, call: &ToolCall) -> String {
        if let Some(known) = self.ours.get(&call.tool_call_id) {
            return known.clone();
        }
        let theirs = call.provider_call_id.as_ref().map(|id| id.as_str());
        let own = call.tool_call_id.to_string();
        let wire = match theirs.filter(|id| self.rule.takes(id)) {
            Some(id) if self.rule == IdRule::Echo || !self.taken.contains_key(id) => id.to_owned(),
            // An id that the provider gave twice, that does not fit, or that it never gave.
            other => {
                let source = match (other, theirs) {
                    (None, Some(id)) => format!("theirs:{id}"),
                    _ => format!("ours:{own}"),
                };
                self.derive(&source, &own)
            }
        };
        self.taken.insert(wire.clone(), call.tool_call_id);
        self.ours.insert(call.tool_call_id, wire.clone());
        wire
    }

    /// The wire id of a call that was presented.
    pub(super) fn of(&self, id: ToolCallId) -> Option<&str> {
        self.ours.get(&id).map(String::as_str)
    }

    fn derive(&self, source: &str, own: &str) -> String {
        let first = self.rule.derive(source, 0);
        if !self.taken.contains_key(&first) {
            return first;
        }
        // Two calls, one id: the call's own id tells them apart, and every round is another hash.
        (1..=u32::MAX)
            .map(|round| self.rule.derive(own, round))
            .find(|id| !self.taken.contains_key(id))
            .unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use handshake_core::ids::{ProviderCallId, ToolName};
    use proptest::prelude::*;

    use super::*;

    fn call(n: u8, id: Option<&str>) -> ToolCall {
        ToolCall {
            tool_call_id: ToolCallId::from_entropy([n; 16]),
            provider_call_id: id.map(|id| ProviderCallId::new(id).expect("valid")),
            tool_id: ToolName::new("t").expect("valid"),
            arguments: serde_json::Map::new(),
        }
    }

    const RULES: [IdRule; 5] = [
        IdRule::Echo,
        IdRule::Verbatim,
        IdRule::Strict9,
        IdRule::AtMost40,
        IdRule::Word64,
    ];

    #[test]
    fn b8_an_id_that_fits_goes_as_it_is() {
        for rule in RULES {
            assert_eq!(
                CallIds::new(rule).assign(&call(1, Some("aB3dE6gH9"))),
                "aB3dE6gH9"
            );
        }
        assert_eq!(
            CallIds::new(IdRule::Echo).assign(&call(1, Some("functions.f:0"))),
            "functions.f:0"
        );
    }

    #[test]
    fn q24_kimi_gets_its_ids_back_repetitions_included() {
        let mut ids = CallIds::new(IdRule::Echo);
        assert_eq!(ids.assign(&call(1, Some("functions.f:0"))), "functions.f:0");
        assert_eq!(ids.assign(&call(2, Some("functions.f:0"))), "functions.f:0");
    }

    #[test]
    fn q25_an_id_that_the_provider_gave_twice_is_told_apart() {
        let mut ids = CallIds::new(IdRule::Verbatim);
        assert_eq!(ids.assign(&call(1, Some("call_0"))), "call_0");
        assert_ne!(ids.assign(&call(2, Some("call_0"))), "call_0");
    }

    #[test]
    fn q21_strict9_is_pinned() {
        let mut ids = CallIds::new(IdRule::Strict9);
        insta::assert_snapshot!(ids.assign(&call(1, Some("call_abcdefghijklmnop"))), @"5nJ6N8qta");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn b8_ids_are_injective_deterministic_stable_and_of_their_form(
            ids in proptest::collection::vec(proptest::option::of("[!-~]{1,60}|[a-c]{9}|call_[0-3]"), 1..24),
            rule in 1usize..5,
        ) {
            let rule = RULES[rule];
            let calls: Vec<ToolCall> =
                ids.iter().zip(1u8..).map(|(id, n)| call(n, id.as_deref())).collect();
            let assign = |calls: &[ToolCall]| {
                let mut ids = CallIds::new(rule);
                calls.iter().map(|call| ids.assign(call)).collect::<Vec<_>>()
            };
            let all = assign(&calls);
            prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), calls.len());
            prop_assert!(all.iter().all(|id| rule.takes(id)));
            // A shorter conversation gives the same ids: what was sent before is sent again.
            prop_assert_eq!(&assign(&calls[..calls.len() / 2])[..], &all[..calls.len() / 2]);
        }
    }
}
