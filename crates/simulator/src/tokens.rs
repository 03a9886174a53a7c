//! A stand-in for a tokenizer: four bytes are a token.

/// Bytes that count as one token.
pub(crate) const BYTES_PER_TOKEN: usize = 4;

/// Tokens in `bytes` bytes, rounded up.
pub(crate) fn count(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

/// The longest prefix of `text` within `tokens` tokens that ends at a character boundary.
pub(crate) fn prefix(text: &str, tokens: u64) -> &str {
    let limit = usize::try_from(tokens)
        .unwrap_or(usize::MAX)
        .saturating_mul(BYTES_PER_TOKEN);
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A vector for `text`: the same for the same text, every part in -1..1, a multiple of 1/128.
pub(crate) fn embedding(text: &str, length: usize) -> Vec<f32> {
    use sha2::Digest as _;
    let mut vector = Vec::with_capacity(length);
    let mut block = 0_u64;
    while vector.len() < length {
        let digest = sha2::Sha256::new()
            .chain_update(block.to_be_bytes())
            .chain_update(text.as_bytes())
            .finalize();
        for byte in digest.iter().take(length - vector.len()) {
            vector.push((f32::from(*byte) - 128.0) / 128.0);
        }
        block += 1;
    }
    vector
}
