//! What the head of an answer announces.

use handshake_core::reply::ResponseHead;

/// What kind of body a response head announces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyKind {
    /// Frames, one after the other.
    Stream,
    /// One JSON value.
    Json,
    /// A failure: the bytes decide, whatever the head says about their type.
    Failure,
    /// Something that is not the API.
    Unexpected,
}

impl BodyKind {
    /// The kind of body that `head` announces. `streams` are the media types of the API's streams, in lower case.
    #[must_use]
    pub fn of(head: &ResponseHead, streams: &[&str]) -> Self {
        if !(200..300).contains(&head.status) {
            return Self::Failure;
        }
        // The transport hands heads over without parameters and in lower case; recordings may not.
        let media = head.content_type.as_deref().unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        let is = |known: &str| media.eq_ignore_ascii_case(known);
        if streams.iter().any(|known| is(known)) {
            Self::Stream
        } else if is("application/json") || is_suffixed(media) {
            Self::Json
        } else {
            Self::Unexpected
        }
    }
}

/// Whether a media type is `application/…+json`.
fn is_suffixed(media: &str) -> bool {
    let (start, end) = ("application/", "+json");
    let of = |part: Option<&str>, known: &str| part.is_some_and(|p| p.eq_ignore_ascii_case(known));
    of(media.get(..start.len()), start)
        && of(
            media
                .len()
                .checked_sub(end.len())
                .and_then(|at| media.get(at..)),
            end,
        )
}
