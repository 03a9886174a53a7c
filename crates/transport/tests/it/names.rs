//! Names and ids on the wire.

use std::collections::BTreeSet;

use handshake_core::ids::ToolName;
use handshake_transport::names::{
    Collision, call_seed, tool_call_id, wire_name, wire_name_in, wire_names,
};
use proptest::prelude::*;

fn tools(names: &[&str]) -> Vec<ToolName> {
    names
        .iter()
        .map(|name| ToolName::new(name).expect("valid"))
        .collect()
}

#[test]
fn b8_dotted_ids_map_to_names_and_back() {
    let tools = tools(&["file.read", "web.search.v2", "Bash", "mcp__x-y"]);
    let names = wire_names(tools.iter()).expect("distinct");
    let wires: Vec<&str> = names.keys().map(String::as_str).collect();
    assert_eq!(wires, ["Bash", "file__read", "mcp__x-y", "web__search__v2"]);
    for tool in &tools {
        assert_eq!(names[&wire_name_in(&names, tool)], *tool);
    }
}

#[test]
fn q27_names_that_would_collide_are_told_apart_and_a_clients_own_name_stands() {
    let tools = tools(&["a.b", "a__b", "a:b", "a/b"]);
    let names = wire_names(tools.iter()).expect("distinct");
    assert_eq!(names.len(), 4);
    assert_eq!(names["a__b"].as_str(), "a__b");
    assert_eq!(
        names.values().collect::<BTreeSet<_>>(),
        tools.iter().collect::<BTreeSet<_>>()
    );
}

#[test]
fn b8_a_tool_named_twice_is_a_collision() {
    assert_eq!(wire_names(tools(&["a.b", "a.b"]).iter()), Err(Collision));
}

#[test]
fn q22_long_names_are_shortened_and_stay_distinct() {
    let (a, b) = ("x".repeat(127) + "a", "x".repeat(127) + "b");
    let tools = tools(&[&a, &b]);
    let names = wire_names(tools.iter()).expect("distinct");
    assert_eq!(names.len(), 2);
    assert!(names.keys().all(|name| name.len() == 64));
    assert_eq!(wire_name(&tools[0]), wire_name_in(&names, &tools[0]));
}

#[test]
fn q25_our_call_ids_differ_by_request_and_by_place() {
    let (one, two) = (call_seed(&[b"s", b"ab"]), call_seed(&[b"sa", b"b"]));
    assert_ne!(one, two, "parts are framed");
    assert_eq!(one, call_seed(&[b"s", b"ab"]));
    let ids: BTreeSet<_> = (0..100)
        .flat_map(|i| [tool_call_id(&one, i), tool_call_id(&two, i)])
        .collect();
    assert_eq!(ids.len(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn q27_names_are_injective_short_and_independent_of_order(
        set in prop::collection::btree_set("[ab._:/-]{1,6}|[a-z.]{60,128}", 1..12),
    ) {
        let tools: Vec<ToolName> = set.iter().map(|n| ToolName::new(n).expect("valid")).collect();
        let names = wire_names(tools.iter()).expect("distinct");
        prop_assert_eq!(&wire_names(tools.iter().rev()).expect("distinct"), &names);
        prop_assert_eq!(names.len(), tools.len());
        for (wire, tool) in &names {
            prop_assert!(!wire.is_empty() && wire.len() <= 64);
            prop_assert!(wire.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            prop_assert_eq!(&wire_name_in(&names, tool), wire);
        }
    }
}
