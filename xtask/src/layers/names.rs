//! B14: nothing above the adapters names a provider.

use super::rules::Names;
use crate::{
    report::Finding,
    rules::{self, covers},
    source::Facts,
};

const RULE: &str = "layers.provider-name";

/// A finding per identifier or string literal that names a provider, and per exception that nothing uses.
pub(super) fn check(sources: &[Facts], names: &Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = vec![false; names.allow.len()];
    for facts in sources
        .iter()
        .filter(|f| names.scope.iter().any(|scope| covers(scope, &f.file)))
    {
        let allowed = names
            .allow
            .iter()
            .position(|allow| covers(&allow.path, &facts.file));
        for word in facts
            .idents
            .iter()
            .chain(&facts.literals)
            .filter(|w| !w.in_test)
        {
            let plain = plain(&word.text);
            let Some(name) = names
                .words
                .iter()
                .find(|name| plain.contains(name.as_str()))
            else {
                continue;
            };
            match allowed {
                Some(at) => used[at] = true,
                None => findings.push(
                    Finding::new(
                        &facts.file,
                        RULE,
                        format!("names the provider `{name}`"),
                        "move it into an adapter, or make it data that an adapter or a configuration supplies",
                    )
                    .at(word.line),
                ),
            }
        }
    }
    for (allow, _) in names.allow.iter().zip(used).filter(|(_, used)| !used) {
        let message = format!(
            "the exception for `{}` ({}) is used by nothing",
            allow.path, allow.reason
        );
        findings.push(Finding::new(
            &rules::path("layers"),
            RULE,
            message,
            "remove the exception",
        ));
    }
    findings
}

/// Without case and without what separates words, so that `OpenAi`, `open_ai` and `open-ai` are one.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::scan_text;

    fn names(allow: &str) -> Names {
        let text =
            format!("words = [\"openai\", \"ollama\"]\nscope = [\"crates/core/src\"]\n{allow}");
        toml::from_str(&text).expect("understood")
    }

    const ALLOW: &str = "[[allow]]\npath = \"crates/core/src/shape.rs\"\nreason = \"a shape\"\n";

    fn lines(path: &str, body: &str) -> Vec<Option<usize>> {
        check(&[scan_text(path, &format!("//! x\n{body}\n"))], &names(""))
            .into_iter()
            .map(|f| f.line)
            .collect()
    }

    #[test]
    fn b14_identifiers_and_literals_that_name_a_provider_are_found() {
        for body in [
            "enum E { OllamaChat }",
            "fn open_ai() {}",
            "const X: &str = \"the Open-AI way\";",
            "fn f() { format!(\"{}\", \"ollama\"); }",
            "#[serde(rename = \"openai\")] struct S;",
            "use x::openai_compat;",
        ] {
            assert_eq!(lines("crates/core/src/x.rs", body), [Some(2)], "{body}");
        }
    }

    #[test]
    fn b14_documentation_tests_and_other_crates_are_fine() {
        for body in [
            "/// For OpenAI.\n// ollama\nfn f() {}",
            "#[cfg(test)]\nmod tests { fn ollama() {} }",
        ] {
            assert_eq!(lines("crates/core/src/x.rs", body), [], "{body}");
        }
        assert_eq!(
            lines("crates/adapters-ollama/src/x.rs", "fn ollama() {}"),
            []
        );
    }

    #[test]
    fn b14_an_exception_holds_while_it_is_used() {
        let facts = [scan_text(
            "crates/core/src/shape.rs",
            "//! x\nenum Shape { OpenAi }\n",
        )];
        assert_eq!(check(&facts, &names(ALLOW)), []);
        let facts = [scan_text(
            "crates/core/src/shape.rs",
            "//! x\nenum Shape { A }\n",
        )];
        assert_eq!(
            check(&facts, &names(ALLOW))[0].file,
            "xtask/rules/layers.toml"
        );
    }
}
