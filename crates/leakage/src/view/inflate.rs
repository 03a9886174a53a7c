//! Bounded inflation of gzip, zlib and raw deflate streams.

use std::io::Read;

/// The most that one stream may become.
const LIMIT: u64 = 1 << 20;

/// Inflates a stream that begins with a gzip or zlib header. A stream that breaks off gives what it had.
pub(crate) fn inflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    // A broken end is no reason to look away from the beginning: read errors end the text.
    let result = match data {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(data)
            .take(LIMIT)
            .read_to_end(&mut out),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => flate2::read::ZlibDecoder::new(data)
            .take(LIMIT)
            .read_to_end(&mut out),
        _ => return None,
    };
    drop(result);
    (!out.is_empty()).then_some(out)
}
