//! `permits`: which files may build a gate or a clearance, or take a secret out of its type.

use serde::Deserialize;

use crate::{
    report::{CheckResult, Finding},
    rules::{self, Allow, covers},
    source::Facts,
    workspace::Workspace,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(rename = "permit")]
    permits: Vec<Permit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Permit {
    id: String,
    kind: Kind,
    what: Vec<String>,
    why: String,
    #[serde(default)]
    allow: Vec<Allow>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// A path that ends so, imports and aliases followed.
    Path,
    /// An identifier, whatever it is.
    Name,
    /// A struct literal.
    Literal,
}

/// Runs every permit of `xtask/rules/permits.toml`.
pub(crate) fn check(workspace: &Workspace) -> CheckResult {
    let rules: Rules = rules::load(workspace.tree()?, "permits")?;
    let (sources, broken) = workspace.sources()?;
    let mut findings = broken.clone();
    findings.extend(
        rules
            .permits
            .iter()
            .flat_map(|permit| evaluate(sources, permit)),
    );
    Ok(findings)
}

/// A finding per use outside of the permits, and per permit that nothing uses.
fn evaluate(sources: &[Facts], permit: &Permit) -> Vec<Finding> {
    let rule = format!("permits.{}", permit.id);
    let mut findings = Vec::new();
    let mut used = vec![false; permit.allow.len()];
    for facts in sources {
        let allowed = permit
            .allow
            .iter()
            .position(|allow| covers(&allow.path, &facts.file));
        for (what, line) in uses(facts, permit) {
            match allowed {
                Some(at) => used[at] = true,
                None => {
                    let places: Vec<&str> = permit.allow.iter().map(|a| a.path.as_str()).collect();
                    let message = format!("uses `{what}` without a permit: {}", permit.why);
                    let mend = format!("leave it to {}", places.join(", "));
                    findings.push(Finding::new(&facts.file, &rule, message, mend).at(line));
                }
            }
        }
    }
    for (allow, _) in permit.allow.iter().zip(used).filter(|(_, used)| !used) {
        let message = format!(
            "the permit for `{}` ({}) is used by nothing",
            allow.path, allow.reason
        );
        findings.push(Finding::new(
            &rules::path("permits"),
            &rule,
            message,
            "remove the permit",
        ));
    }
    findings
}

fn uses<'a>(facts: &'a Facts, permit: &'a Permit) -> Vec<(&'a str, usize)> {
    let is = |text: &str| permit.what.iter().any(|what| what == text);
    match permit.kind {
        Kind::Path => {
            let ends = |path: &str| {
                permit.what.iter().any(|what| {
                    path == what
                        || path
                            .strip_suffix(what.as_str())
                            .is_some_and(|before| before.ends_with("::"))
                })
            };
            let live = facts.paths.iter().filter(|m| !m.in_test && ends(&m.path));
            live.map(|m| (m.path.as_str(), m.line)).collect()
        }
        Kind::Name | Kind::Literal => {
            let words = if permit.kind == Kind::Name {
                &facts.idents
            } else {
                &facts.built
            };
            let live = words.iter().filter(|w| !w.in_test && is(&w.text));
            live.map(|w| (w.text.as_str(), w.line)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files::Tree, source::scan_all};

    fn committed(id: &str) -> Permit {
        let text = include_str!("../rules/permits.toml");
        let rules: Rules = rules::load(&Tree::of(&[("xtask/rules/permits.toml", text)]), "permits")
            .expect("understood");
        assert!(
            rules
                .permits
                .iter()
                .flat_map(|p| &p.allow)
                .all(|a| !a.reason.trim().is_empty())
        );
        rules
            .permits
            .into_iter()
            .find(|p| p.id == id)
            .expect("there")
    }

    /// Findings that are about a source, not about a permit that this little tree does not use.
    fn found(id: &str, path: &str, body: &str) -> Vec<(String, Option<usize>)> {
        let (facts, broken) = scan_all(&Tree::of(&[(path, &format!("//! x\n{body}\n"))]));
        assert_eq!(broken, []);
        let findings = evaluate(&facts, &committed(id));
        findings
            .into_iter()
            .filter(|f| f.line.is_some())
            .map(|f| (f.file, f.line))
            .collect()
    }

    fn at(path: &str) -> Vec<(String, Option<usize>)> {
        vec![(path.to_owned(), Some(2))]
    }

    #[test]
    fn a_gate_is_built_by_the_composition_root_and_testkit_only() {
        for body in [
            "fn f() { Gate::new(yes) }",
            "fn f() { handshake_core::gate::Gate::new(yes) }",
            "use handshake_core::gate::Gate as G; fn f() { G::new(yes) }",
            "type G = handshake_core::gate::Gate; fn f() { let make = G::new; }",
            "fn f() { <Gate>::new(yes) }",
            "fn f() { vec![Gate::<X>::new(yes)] }",
        ] {
            assert_eq!(
                found("gate", "crates/runtime/src/x.rs", body),
                at("crates/runtime/src/x.rs"),
                "{body}"
            );
            assert_eq!(
                found("gate", "crates/handshake/src/wire.rs", body),
                [],
                "{body}"
            );
            assert_eq!(
                found("gate", "crates/app/src/wire.rs", body),
                at("crates/app/src/wire.rs"),
                "{body}"
            );
            assert_eq!(
                found("gate", "crates/runtime/tests/it/x.rs", body),
                [],
                "{body}"
            );
        }
        for body in [
            "fn f() { Aggregate::new() }",
            "fn f() { FloodGate::new() }",
            "// Gate::new\nfn f() {}",
        ] {
            assert_eq!(found("gate", "crates/runtime/src/x.rs", body), [], "{body}");
        }
    }

    #[test]
    fn a_secret_is_exposed_where_permitted_only() {
        for body in [
            "fn f(s: &Secret) { s.expose_secret(); }",
            "fn f(s: &Secret) { Secret::expose_secret(s); }",
            "fn f(s: &Secret) { format!(\"{:?}\", s.expose_secret()); }",
            "fn f() { map(ExposeSecret::expose_secret) }",
        ] {
            assert_eq!(
                found("expose-secret", "crates/policy/src/x.rs", body),
                at("crates/policy/src/x.rs"),
                "{body}"
            );
            for fine in [
                "crates/transport/src/x.rs",
                "crates/leakage/src/enroll/hash.rs",
                "crates/core/src/secret.rs",
            ] {
                assert_eq!(found("expose-secret", fine, body), [], "{fine} {body}");
            }
            assert_ne!(
                found("expose-secret", "crates/leakage/src/scan.rs", body),
                []
            );
        }
        let comment =
            "/// `expose_secret` is for transport.\nfn f() { let x = \"expose_secret\"; }";
        assert_eq!(
            found("expose-secret", "crates/policy/src/x.rs", comment),
            []
        );
    }

    #[test]
    fn a_clearance_is_built_in_the_gate_only() {
        for body in [
            "fn f() { Cleared { a } }",
            "impl Cleared { fn f() -> Self { Self { a } } }",
        ] {
            assert_eq!(
                found("clearance", "crates/core/src/envelope.rs", body),
                at("crates/core/src/envelope.rs")
            );
            assert_eq!(
                found("clearance", "crates/core/src/gate/decide.rs", body),
                []
            );
            assert_eq!(found("clearance", "crates/core/src/gate.rs", body), []);
        }
        for body in [
            "fn f(c: Cleared) { let Cleared { a, .. } = c; }",
            "struct Cleared { a: u8 }",
        ] {
            assert_eq!(
                found("clearance", "crates/core/src/envelope.rs", body),
                [],
                "{body}"
            );
        }
    }

    #[test]
    fn a_permit_that_nothing_uses_fails() {
        let findings = evaluate(&[], &committed("gate"));
        let files: Vec<_> = findings.iter().map(|f| f.file.as_str()).collect();
        assert_eq!(files, ["xtask/rules/permits.toml"; 2]);
    }
}
