//! What differs between the daemons that speak this API: where their models run, and how those are named.

use handshake_core::{
    capability::CapabilitySnapshot, ids::ModelId, ids::Token, provider::ProviderRecord,
    tier::ModelTier,
};

/// The dialect of answers that must not come from elsewhere: `remote_host` in one is an error.
pub const DIALECT_LOCAL: &str = "ollama";
/// The dialect of answers of a provider that is Cloud: it may say where they come from.
pub const DIALECT_FORWARDING: &str = "ollama_forwarding";

/// The first daemon that takes `:local` behind a model's name, as (major, minor).
const LOCAL_SUFFIX_SINCE: (u64, u64) = (0, 18);

/// The dialect of a provider's answers.
pub(crate) fn of(record: &ProviderRecord) -> Token {
    let name = match record.tier {
        ModelTier::Local => DIALECT_LOCAL,
        ModelTier::Cloud => DIALECT_FORWARDING,
    };
    Token::new(name).expect("both are tokens")
}

/// Whether the daemon itself reads a name as one of its vendor's cloud: what stands behind the last `:`,
/// trimmed and without regard to case, is `cloud` or ends in `-cloud`. No model of that name needs to exist
/// for the daemon to call its vendor.
///
/// A name that says `:local` behind such a suffix is refused by the daemon, and is a cloud name here.
#[must_use]
pub fn is_cloud_name(name: &str) -> bool {
    match source(name) {
        Source::Cloud(_) => true,
        Source::Local(base) => matches!(source(base), Source::Cloud(_)),
        Source::Unsaid => false,
    }
}

enum Source<'a> {
    Cloud(&'a str),
    Local(&'a str),
    Unsaid,
}

/// The suffix rule, as the daemon has it.
fn source(name: &str) -> Source<'_> {
    let name = name.trim();
    let Some((base, suffix)) = name.rsplit_once(':') else {
        return Source::Unsaid;
    };
    let suffix = suffix.trim();
    if suffix.eq_ignore_ascii_case("cloud") {
        return Source::Cloud(base);
    }
    if suffix.eq_ignore_ascii_case("local") {
        return Source::Local(base);
    }
    let cut = suffix.len().saturating_sub("-cloud".len());
    let dashed = suffix
        .get(cut..)
        .is_some_and(|end| end.eq_ignore_ascii_case("-cloud"));
    if dashed && !suffix.contains('/') {
        // The name without the dash and what follows it, white space included.
        let kept = name.trim_end().len() - "-cloud".len();
        return Source::Cloud(&name[..kept]);
    }
    Source::Unsaid
}

/// The name that is sent: towards a Local provider the daemon's `:local` form, where the daemon is known to
/// have it, so that a model that was exchanged meanwhile for one that forwards is not found instead.
pub(crate) fn sent_name(
    record: &ProviderRecord,
    snapshot: &CapabilitySnapshot,
    model: &ModelId,
) -> String {
    let name = model.as_str();
    let knows = record.tier == ModelTier::Local
        && snapshot
            .server_version
            .as_deref()
            .is_some_and(knows_local_suffix);
    if knows && matches!(source(name), Source::Unsaid) {
        format!("{name}:local")
    } else {
        name.to_owned()
    }
}

fn knows_local_suffix(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
    // A build from source says 0.0.0 and may be anything.
    matches!((number(), number()), (Some(major), Some(minor)) if (major, minor) >= LOCAL_SUFFIX_SINCE)
}

/// Whether an answer's model is the one that was asked for. The daemon repeats the name as asked; a proxy
/// may add the default tag or leave the source suffix out.
pub(crate) fn same_model(asked: &str, answered: &str) -> bool {
    fn plain(name: &str) -> &str {
        let name = match source(name) {
            Source::Cloud(base) | Source::Local(base) => base,
            Source::Unsaid => name,
        };
        name.strip_suffix(":latest").unwrap_or(name)
    }
    plain(asked) == plain(answered)
}

#[cfg(test)]
mod tests;
