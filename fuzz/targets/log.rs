//! The reader of logs: a verdict or an error for whatever lies there, and none that calls it intact.
#![no_main]

use handshake_flight_recorder::{Trust, verify_leaves};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let trust = Trust {
        roots: Vec::new(),
        present: None,
        approvers: Vec::new(),
        anchors: Vec::new(),
    };
    if let Ok(verdict) = verify_leaves(data, trust) {
        assert_ne!(verdict.exit_code(), 0, "intact by nobody's word");
    }
});
