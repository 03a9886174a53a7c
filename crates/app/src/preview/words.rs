//! Words and numbers of a preview.

use handshake_core::consent::{AskReason, Assurance};
use handshake_core::time::UtcTime;

use crate::out::{printable, wrap::width};

/// A published name as people write it.
pub(super) fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// `37 B`, `3.9 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        tenth => format!("{}.{tenth} {}", tenths / 10, UNITS[unit]),
    }
}

/// `29 min`, `7 h 59 min`.
pub(crate) fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// The day and the minute, in UTC.
pub(super) fn at(time: UtcTime) -> String {
    let text = time.to_string();
    let minute = text.get(..16).unwrap_or(&text);
    format!("{} UTC", minute.replace('T', " "))
}

/// Why it is asked now.
pub(super) fn reason(reason: AskReason) -> &'static str {
    match reason {
        AskReason::NoReceipt => "no approval covers it",
        AskReason::Destination => "another destination",
        AskReason::Model => "another model",
        AskReason::NewKind => "a new kind of content",
        AskReason::SecondHand => "it reaches beyond the destination",
        AskReason::SystemChanged => "the system prompt changed",
        AskReason::ToolsChanged => "the tools changed",
        AskReason::FieldsChanged => "other fields",
        AskReason::Limit => "beyond the lease's limits",
        AskReason::Finding => "a finding",
        AskReason::Uninspectable => "a part cannot be inspected",
        AskReason::Expired => "the lease has ended",
        AskReason::Unreadable => "unreadable",
        AskReason::AfterPause => "cloud was paused since",
    }
}

/// How strong an approval is.
pub(super) fn assurance(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::A0 => "A0: any process could have given it",
        Assurance::A1 => "A1: passphrase",
        Assurance::A2 => "A2: physical gesture",
        Assurance::A3 => "A3: separate account",
    }
}

/// A text on one line, in so many columns at most, as the terminal shows it.
pub(super) fn cut(text: &str, columns: usize) -> String {
    let text = printable(&text.replace('\n', "\\n").replace('\t', " "));
    if text.chars().map(width).sum::<usize>() <= columns {
        return text;
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += width(*c);
        used <= columns
    };
    let mut short: String = text.chars().take_while(fits).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (3994, "3.9 KiB"),
            (2 << 20, "2 MiB"),
            (1_048_575, "1023.9 KiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (seconds, text) in [
            (5, "5 s"),
            (1740, "29 min"),
            (28_800, "8 h"),
            (28_740, "7 h 59 min"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn s10_a_line_stays_one_line_of_its_width() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("a\nb\u{1b}[2J", 20), "a\\nb\\u{1b}[2J");
        assert_eq!(cut("0123456789", 5), "0123…");
        assert_eq!(cut("日本語", 5), "日本…");
    }
}
