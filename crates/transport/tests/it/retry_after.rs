//! What providers write into `retry-after`.

use std::time::Duration;

use handshake_core::time::UtcTime;
use handshake_transport::{MAX_RETRY_AFTER, retry_after};

#[test]
fn q107_retry_after_is_read_in_every_form_and_capped() {
    let now: UtcTime = "2026-11-22T00:00:00.000Z".parse().expect("a time");
    let secs = |s| Some(Duration::from_secs(s));
    for (millis, value, want) in [
        (None, None, None),
        (None, Some("7"), secs(7)),
        (None, Some(" 7 "), secs(7)),
        (None, Some("0"), secs(0)),
        (None, Some("1.5"), Some(Duration::from_millis(1500))),
        (Some("250"), Some("7"), Some(Duration::from_millis(250))),
        (Some("soon"), Some("7"), secs(7)),
        (None, Some("86400"), Some(MAX_RETRY_AFTER)),
        (
            None,
            Some("99999999999999999999999999"),
            Some(MAX_RETRY_AFTER),
        ),
        (
            Some("99999999999999999999999999"),
            None,
            Some(MAX_RETRY_AFTER),
        ),
        (None, Some("Sun, 22 Nov 2026 00:00:30 GMT"), secs(30)),
        (None, Some("Sat, 21 Nov 2026 00:00:30 GMT"), secs(0)),
        (
            None,
            Some("Mon, 23 Nov 2026 00:00:00 GMT"),
            Some(MAX_RETRY_AFTER),
        ),
        (None, Some("Mon, 22 Nov 2026 00:00:30 GMT"), None),
        (None, Some("-1"), None),
        (None, Some("inf"), None),
        (None, Some("1e3"), None),
        (None, Some("."), None),
        (None, Some(""), None),
        (None, Some("try again in 1.2s"), None),
    ] {
        assert_eq!(
            retry_after(millis, value, now),
            want,
            "{millis:?} {value:?}"
        );
    }
}
