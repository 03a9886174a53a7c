//! Binary parts: what they are by their first bytes, and whether anybody could look into them.

/// What decoded bytes are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Text: scanned like any other.
    Text,
    /// An image that a console can show; its metadata is scanned.
    Image,
    /// A compressed stream that was inflated and scanned.
    Inflated,
    /// Audio, archives, documents, and what is not known.
    Opaque,
}

/// Reads the kind from the bytes, not from what somebody says about them.
pub(crate) fn sniff(bytes: &[u8]) -> Kind {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"\x89PNG\r\n\x1a\n")
        || starts(b"\xff\xd8\xff")
        || starts(b"GIF87a")
        || starts(b"GIF89a")
        || starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")
    {
        return Kind::Image;
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && !starts(b"%PDF")
        && !starts(b"PK\x03\x04")
        && text
            .chars()
            .all(|c| c >= ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\u{c}')
    {
        return Kind::Text;
    }
    if crate::view::inflate(bytes)
        .is_some_and(|t| t.len() < 1 << 20 && std::str::from_utf8(&t).is_ok())
    {
        return Kind::Inflated;
    }
    Kind::Opaque
}

/// Compressed text chunks of a PNG, inflated; their readable chunks are seen without help.
pub(crate) fn png_text(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let Some(mut rest) = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n") else {
        return out;
    };
    while let [a, b, c, d, t0, t1, t2, t3, tail @ ..] = rest {
        let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let Some(body) = tail.get(..len) else { break };
        if matches!(&[*t0, *t1, *t2, *t3], b"zTXt" | b"iTXt" | b"iCCP" | b"eXIf") {
            // The stream begins at the first zlib header after the keyword.
            for at in 0..body.len().min(128) {
                if let Some(text) = crate::view::inflate(&body[at..]) {
                    out.push(text);
                    break;
                }
            }
        }
        rest = tail.get(len + 4..).unwrap_or_default();
    }
    out
}

/// A `data:` URI within a text: its media type and where its base64 begins.
pub(crate) fn data_uri(text: &str) -> Option<(&str, &str)> {
    let at = text.find("data:")?;
    let rest = &text[at + 5..];
    let (head, body) = rest.split_once(',')?;
    let media = head.strip_suffix(";base64")?;
    (media.len() < 128 && media.bytes().all(|b| b.is_ascii_graphic())).then_some((media, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s30_kinds_are_read_from_the_bytes() {
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n\0\0"), Kind::Image);
        assert_eq!(sniff(b"hello there"), Kind::Text);
        assert_eq!(sniff(b"%PDF-1.7\n"), Kind::Opaque);
        assert_eq!(sniff(b"PK\x03\x04"), Kind::Opaque);
        assert_eq!(sniff(&[0, 1, 2, 3]), Kind::Opaque);
    }

    #[test]
    fn data_uris_are_split() {
        assert_eq!(
            data_uri("x data:image/png;base64,AAAA"),
            Some(("image/png", "AAAA"))
        );
        assert_eq!(data_uri("data: nothing, here"), None);
    }
}
