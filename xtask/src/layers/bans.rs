//! Paths that may be named only where the rules say so.

use super::rules::Ban;
use crate::{
    report::Finding,
    rules::{self, covers},
    source::{Facts, Mention},
};

/// A finding per mention outside of the allowed places, per re-export inside of them, and per place that no longer
/// needs its exception.
pub(super) fn check(sources: &[Facts], ban: &Ban) -> Vec<Finding> {
    let rule = format!("layers.{}", ban.id);
    let mut findings = Vec::new();
    let mut used = vec![false; ban.allow.len()];
    for facts in sources
        .iter()
        .filter(|f| ban.scope.iter().any(|scope| covers(scope, &f.file)))
    {
        let allowed = ban
            .allow
            .iter()
            .position(|allow| covers(&allow.path, &facts.file));
        for mention in facts
            .paths
            .iter()
            .filter(|m| !m.in_test && is_banned(m, ban))
        {
            match allowed {
                Some(at) => {
                    used[at] = true;
                    if mention.reexport {
                        let message = format!(
                            "re-exports `{}`, which then could be used anywhere",
                            mention.path
                        );
                        findings.push(
                            Finding::new(&facts.file, &rule, message, "import it without `pub`")
                                .at(mention.line),
                        );
                    }
                }
                None => {
                    let message = format!("names `{}`: {}", mention.path, ban.reason);
                    let mend = format!("go through a port, or through {}", places(ban));
                    findings.push(Finding::new(&facts.file, &rule, message, mend).at(mention.line));
                }
            }
        }
    }
    for (allow, _) in ban.allow.iter().zip(used).filter(|(_, used)| !used) {
        let message = format!(
            "the exception for `{}` ({}) is used by nothing",
            allow.path, allow.reason
        );
        findings.push(Finding::new(
            &rules::path("layers"),
            &rule,
            message,
            "remove the exception",
        ));
    }
    findings
}

fn places(ban: &Ban) -> String {
    let places: Vec<&str> = ban.allow.iter().map(|a| a.path.as_str()).collect();
    if places.is_empty() {
        "the composition root".to_owned()
    } else {
        places.join(", ")
    }
}

fn is_banned(mention: &Mention, ban: &Ban) -> bool {
    let below = |path: &str, parent: &str| {
        path == parent
            || path
                .strip_prefix(parent)
                .is_some_and(|rest| rest.starts_with("::"))
    };
    let path = mention.path.as_str();
    if ban.except.iter().any(|except| below(path, except)) {
        return false;
    }
    ban.paths.iter().any(|banned| {
        if path == banned {
            // `use std::net;` alone brings in a module that holds plain data too: what is then named decides.
            return mention.glob || !ban.except.iter().any(|except| below(except, banned));
        }
        // `use std::*` would bring the module in unseen.
        below(path, banned) || (mention.glob && below(banned, path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files::Tree, source::scan_all};

    fn ban() -> Ban {
        toml::from_str(
            r#"
            id = "sockets"
            paths = ["std::net", "std::process", "tokio::net"]
            except = ["std::net::IpAddr", "std::process::ExitCode"]
            scope = ["crates"]
            reason = "r"
            [[allow]]
            path = "crates/transport/src"
            reason = "sends"
            "#,
        )
        .expect("understood")
    }

    const USED: (&str, &str) = (
        "crates/transport/src/lib.rs",
        "//! t\nuse tokio::net::TcpStream;\n",
    );

    fn found(path: &str, body: &str) -> Vec<(String, Option<usize>)> {
        let (facts, broken) = scan_all(&Tree::of(&[USED, (path, &format!("//! x\n{body}\n"))]));
        assert_eq!(broken, []);
        check(&facts, &ban())
            .into_iter()
            .map(|f| (f.file, f.line))
            .collect()
    }

    #[test]
    fn every_way_to_name_a_socket_is_found() {
        for body in [
            "use std::net::TcpStream;",
            "use std::{fs, net::{IpAddr, UdpSocket as U}};",
            "fn f() { ::std::net::TcpListener::bind(1); }",
            "use std::net; fn f() { let x = net::TcpStream::connect(1); }",
            "use std::net::*;",
            "use std::*;",
            "use std as s; fn f() { s::process::Command::new(1); }",
            "extern crate std as s; fn f() { s::process::Command::new(1); }",
            "use tokio::net;",
            "fn f() { tokio::select! { x = tokio::net::TcpStream::connect(1) => {} } }",
            "type S = tokio::net::TcpStream;",
            "fn f(x: impl std::net::ToSocketAddrs) {}",
            "fn f() { <std::net::TcpStream>::connect(1); }",
        ] {
            assert!(!found("crates/core/src/x.rs", body).is_empty(), "{body}");
        }
    }

    #[test]
    fn plain_addresses_comments_literals_and_tests_are_fine() {
        for body in [
            "use std::net::IpAddr;",
            "use std::{net, process::ExitCode}; fn f(x: net::IpAddr) {}",
            "// std::net::TcpStream\n/// tokio::net\nfn f() { let x = \"std::process::Command\"; }",
            "#[cfg(test)]\nmod tests { use std::net::TcpStream; }",
            "use clap::Command; fn f() { Command::new(1); }",
            "mod net {} use crate::net::TcpStream;",
        ] {
            assert_eq!(found("crates/core/src/x.rs", body), [], "{body}");
        }
        assert_eq!(
            found("crates/core/tests/it.rs", "use std::net::TcpStream;"),
            []
        );
    }

    #[test]
    fn an_allowed_place_may_use_it_but_not_hand_it_on() {
        assert_eq!(
            found("crates/transport/src/x.rs", "use std::net::TcpStream;"),
            []
        );
        let handed = found("crates/transport/src/x.rs", "pub use std::net::TcpStream;");
        assert_eq!(handed, [("crates/transport/src/x.rs".to_owned(), Some(2))]);
    }

    #[test]
    fn an_exception_that_nothing_uses_fails() {
        let findings = check(&[], &ban());
        assert_eq!(
            (findings.len(), findings[0].file.as_str()),
            (1, "xtask/rules/layers.toml")
        );
    }
}
