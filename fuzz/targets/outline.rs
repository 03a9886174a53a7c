//! Outlines of bodies: total, the same each time, and every byte of content is somewhere in it.
#![no_main]

use handshake_core::{consent::Outline, digest::CommitmentKey};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let key = CommitmentKey::new([7; 32]).expect("a key");
    let outline = Outline::of(body, &key);
    assert_eq!(
        format!("{outline:?}"),
        format!("{:?}", Outline::of(body, &key))
    );
    if let Some(outline) = outline {
        assert!(serde_json::from_slice::<serde_json::Value>(body).is_ok());
        let bytes: u64 = outline.blocks.iter().map(|block| block.bytes).sum();
        // A number is counted as it is written out: `1E308` is 309 digits.
        assert!(bytes <= body.len() as u64 * 64 + 512, "more content than body");
    }
});
