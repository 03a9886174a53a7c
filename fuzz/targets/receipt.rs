//! Receipts as they are stored and exported: nothing that was not signed opens, and lines are read as they are written.
#![no_main]

use handshake_core::{attest::PublicKey, consent::SignedReceipt};
use handshake_flight_recorder::Receipt;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(receipt) = Receipt::from_line(data) {
        let line = receipt.to_line();
        let again = Receipt::from_line(&line).expect("what is written can be read");
        assert_eq!(again.to_line(), line);
        let _head = receipt.head();
    }
    if data.len() < 64 {
        return;
    }
    let (signature, payload) = data.split_at(64);
    let signed = SignedReceipt {
        payload: payload.to_vec(),
        signature: signature.try_into().expect("64 bytes"),
    };
    // A point of the curve that signs nothing for anybody here.
    if let Ok(key) = PublicKey::from_bytes(&[0x58; 32]) {
        assert!(signed.open(&key).is_err());
    }
});
