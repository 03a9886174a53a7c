//! The headers of an answer that a client of the same shape may see.

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;

/// Response headers that a client of the provider's own shape may see. None of them sets state (`set-cookie`),
/// sends the client elsewhere (`location`), describes the server, or names an account.
pub const FORWARDED_HEADERS: &[&str] = &[
    "content-type",
    "openai-processing-ms",
    "openai-version",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-request-id",
    "x-should-retry",
];

/// Beginnings of the names of further such headers.
pub const FORWARDED_PREFIXES: &[&str] = &["anthropic-ratelimit-", "x-ratelimit-"];

/// Bytes of one value.
const MAX_VALUE: usize = 1024;
/// Headers of one answer.
const MAX_COUNT: usize = 32;

/// The headers that may be forwarded: those of [`FORWARDED_HEADERS`] first, then those under
/// [`FORWARDED_PREFIXES`] in the order of the answer. The first value of a name counts; one that is too long or
/// not visible ASCII is left out.
pub(super) fn forwarded(headers: &HeaderMap) -> BTreeMap<String, String> {
    let value = |name: &str| {
        let bytes = headers.get(name)?.as_bytes();
        let plain = bytes.iter().all(|b| (0x20..=0x7e).contains(b));
        (plain && bytes.len() <= MAX_VALUE).then(|| String::from_utf8_lossy(bytes).into_owned())
    };
    let prefixed = headers.keys().map(|name| name.as_str()).filter(|name| {
        FORWARDED_PREFIXES
            .iter()
            .any(|prefix| name.len() > prefix.len() && name.starts_with(prefix))
    });
    // Most answers hold few of them, so their names are looked for in the list, and not the other way round.
    let listed = headers.keys().map(|name| name.as_str());
    listed
        .filter(|name| FORWARDED_HEADERS.contains(name))
        .chain(prefixed)
        .filter_map(|name| Some((name.to_owned(), value(name)?)))
        .take(MAX_COUNT)
        .collect()
}
