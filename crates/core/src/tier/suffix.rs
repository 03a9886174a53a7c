//! What the tag of a model's name says about where it runs.

/// What stands behind the last `:` of a model's name, as local daemons read it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Suffix<'a> {
    /// The daemon forwards a model of this name to its vendor: the tag is `cloud` or ends in `-cloud`. Holds the name
    /// without that.
    Forwarded(&'a str),
    /// The daemon runs it itself or not at all: the tag is `local`. Holds the name without that.
    Local(&'a str),
    /// It says nothing.
    Unsaid,
}

impl<'a> Suffix<'a> {
    /// Reads a name by the daemons' own rule: without regard to case and to white space around the tag. No model of
    /// the name needs to exist for a daemon to forward it.
    #[must_use]
    pub fn of(name: &'a str) -> Self {
        let name = name.trim();
        let Some((base, suffix)) = name.rsplit_once(':') else {
            return Self::Unsaid;
        };
        let suffix = suffix.trim();
        if suffix.eq_ignore_ascii_case("cloud") {
            return Self::Forwarded(base);
        }
        if suffix.eq_ignore_ascii_case("local") {
            return Self::Local(base);
        }
        let cut = suffix.len().saturating_sub("-cloud".len());
        let dashed = suffix
            .get(cut..)
            .is_some_and(|end| end.eq_ignore_ascii_case("-cloud"));
        if dashed && !suffix.contains('/') {
            // The name without the dash and what follows it, white space included.
            let kept = name.trim_end().len() - "-cloud".len();
            return Self::Forwarded(&name[..kept]);
        }
        Self::Unsaid
    }
}

/// Whether some local daemon forwards a model of this name. A name that says `:local` behind such a tag is refused by
/// the daemon, and counts as forwarded here.
///
/// The gate asks this of every name that is sent to a server on this machine, whatever kind of server a person said it
/// is: a listing need not hold the name, and an alias, a role or a fallback may have led to it.
#[must_use]
pub fn is_forwarded_name(name: &str) -> bool {
    match Suffix::of(name) {
        Suffix::Forwarded(_) => true,
        Suffix::Local(base) => matches!(Suffix::of(base), Suffix::Forwarded(_)),
        Suffix::Unsaid => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s36_names_that_a_daemon_forwards_are_recognised_as_it_does() {
        for cloud in [
            "gpt-oss:20b:cloud",
            "gpt-oss:20b-cloud",
            "gpt-oss:120B-CLOUD",
            "x:cloud",
            "x:Cloud",
            "x: cloud ",
            " x:cloud",
            "x: 20b-cloud ",
            "x:-cloud",
            "localhost:11434/library/foo:cloud",
            "foo:local:cloud",
            "foo:cloud:local",
            "foo:1b-cloud:local",
        ] {
            assert!(is_forwarded_name(cloud), "{cloud:?}");
        }
        for local in [
            "qwen3:8b",
            "qwen3:8b:local",
            "llama3.2",
            "my-cloud-model",
            "my-cloud",
            "foo:bar-cloud/baz",
            "foo:cloudy",
            "foo:cloud-1",
            "foo:xcloud",
            "cloud",
            "cloud:8b",
            "",
            "x:ü-cloüd",
        ] {
            assert!(!is_forwarded_name(local), "{local:?}");
        }
    }
}
