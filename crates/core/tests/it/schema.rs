//! Published schemas describe what the types accept.

use handshake_core::profile::WorkProfile;
use schemars::schema_for;

#[test]
fn the_four_roles_of_a_profile_are_not_read_as_extensions() {
    let schema = schema_for!(WorkProfile);
    let roles = schema
        .as_value()
        .pointer("/$defs/ModelAssignments")
        .expect("a definition");
    assert!(
        roles.get("patternProperties").is_none(),
        "a pattern would bind the four roles too"
    );
    let extension = roles
        .pointer("/additionalProperties/$ref")
        .and_then(|target| target.as_str());
    assert_eq!(extension, Some("#/$defs/RoleExtension"));
    for role in ["frontend", "orchestrator", "worker", "validator"] {
        let target = roles.pointer(&format!("/properties/{role}/$ref"));
        assert_eq!(
            target.and_then(|target| target.as_str()),
            Some("#/$defs/ModelAssignment"),
            "{role}"
        );
    }
}
