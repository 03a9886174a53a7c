//! Lines that are longer than a terminal is wide. Left to the terminal, the rest of such a line begins where our own lines
//! begin, and whoever wrote it chooses what stands there. So it is broken here, and what follows is indented.

use std::os::fd::AsFd;

/// The least width that is believed.
const NARROW: usize = 20;

/// Columns of a terminal that a character takes, rather too many than too few.
pub(crate) fn width(c: char) -> usize {
    match c {
        '\t' => 8,
        c if (c as u32) < 0x1100 => 1,
        _ => 2,
    }
}

/// How wide the terminal is that this goes to; `None` where it goes elsewhere, or nobody knows.
pub(super) fn columns(sink: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(sink).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col).max(NARROW))
}

/// Breaks each line of a text that is longer than this, at a space where there is one late enough. What follows begins with
/// the rule.
pub(super) fn wrapped(text: &str, columns: usize, rule: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| one(line, columns, rule))
        .collect();
    lines.join("\n")
}

fn one(line: &str, columns: usize, rule: &str) -> String {
    let mut done = String::with_capacity(line.len());
    let (mut rest, mut room) = (line, columns);
    loop {
        let (mut used, mut ours) = (0, false);
        let full = rest.char_indices().find(|(_, c)| {
            // Colours are ours: what is foreign was encoded before, and holds no escape.
            ours |= *c == '\u{1b}';
            if ours {
                ours = *c != 'm';
                return false;
            }
            used += width(*c);
            used > room
        });
        let Some((end, _)) = full else {
            done.push_str(rest);
            return done;
        };
        // A space that stands in the second half: what is not to be torn apart mostly is shorter.
        let space = rest[..end].rfind(' ').filter(|at| *at > end / 2);
        // One character at least, however wide.
        let first = rest.chars().next().map_or(end, char::len_utf8);
        let at = space.map_or(end, |at| at + 1).max(first);
        done.push_str(&rest[..at]);
        done.push('\n');
        done.push_str(rule);
        rest = &rest[at..];
        room = columns.saturating_sub(rule.len()).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_what_is_longer_than_the_terminal_never_begins_a_line() {
        assert_eq!(wrapped("short", 20, "  : "), "short");
        assert_eq!(
            wrapped("  | 0123456789abcdef[new] forged", 20, "  : "),
            "  | 0123456789abcdef\n  : [new] forged"
        );
        assert_eq!(
            wrapped("a few words and no more", 12, "    "),
            "a few words \n    and no \n    more"
        );
        let coloured = "  \u{1b}[32mok\u{1b}[0m 0123456789abcde\u{1b}[0m";
        assert_eq!(
            wrapped(coloured, 20, "    "),
            coloured,
            "a colour has no width"
        );
        for text in ["日本語日本語日本語日本語", "x\ty\tz", &"\u{301}".repeat(99)] {
            let shown = wrapped(text, 20, "    ");
            let mut lines = shown.split('\n');
            let first = lines.next().expect("a line");
            assert!(first.chars().map(width).sum::<usize>() <= 20, "{shown}");
            assert!(lines.all(|line| line.starts_with("    ")), "{shown}");
            assert_eq!(shown.replace("\n    ", ""), text, "nothing is lost");
        }
    }
}
