//! Fields of a body that choose another recipient, or authenticate.
//!
//! A server that forwards takes them from whoever calls it, so nobody may send them, whatever tier the server has and
//! whatever a person said: no consent is for a recipient that the body names.

use crate::json::folded;

/// Their names in [plain] form, in order. At the top level of a body only: the same words are ordinary content
/// further down.
pub const ROUTING: &[&str] = &[
    "accesstoken",
    "allowfallbacks",
    "apibase",
    "apikey",
    "apikeys",
    "apiversion",
    "auth",
    "authorization",
    "awsaccesskeyid",
    "awssecretaccesskey",
    "awssessiontoken",
    "baseurl",
    "bearertoken",
    "credentials",
    "customllmprovider",
    "deploymentid",
    "endpoint",
    "extrabody",
    "extraheaders",
    "extraquery",
    "headers",
    "organization",
    "organizationid",
    "password",
    "preset",
    "project",
    "projectid",
    "provider",
    "providers",
    "proxy",
    "router",
    "routersettings",
    "vertexcredentials",
];

/// The plain form of a name: folded, without `_` and `-`, so that `apiBase`, `Api-Base` and `api_base` are the same
/// field, and a long s is an s.
#[must_use]
pub fn plain(name: &str) -> String {
    let mut plain = folded(name).into_owned();
    plain.retain(|c| !matches!(c, '_' | '-'));
    plain
}

/// Whether a member of this name routes or authenticates.
#[must_use]
pub fn is_routing(name: &str) -> bool {
    ROUTING.binary_search(&plain(name).as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s29_the_names_are_in_order_and_in_plain_form() {
        assert!(ROUTING.is_sorted());
        for name in ROUTING {
            assert_eq!(plain(name), *name);
            assert!(is_routing(&name.to_uppercase()), "{name}");
        }
        assert!(
            is_routing("api_base") && is_routing("Api-Base") && is_routing("pa\u{17f}\u{17f}word")
        );
        assert!(!is_routing("model") && !is_routing("temperature"));
    }
}
