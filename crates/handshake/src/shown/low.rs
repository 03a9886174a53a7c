//! What says little: data, repetitions, white space. A person does not read it, and it would hide what they should.

use std::collections::BTreeSet;

/// A run longer than this is folded.
pub(super) const RUN: usize = 4096;
/// A word that is as long is data.
const DATA: usize = 60;
/// How far back a repetition is looked for.
const BACK: usize = 8;

/// Cuts a line that is itself a long run into pieces, each to be judged on its own. Joined they are the line.
pub(super) fn cut(line: &str) -> Vec<&str> {
    if line.len() <= RUN {
        return vec![line];
    }
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    for word in line.split_inclusive(char::is_whitespace) {
        // A word that is a run of its own, and as much text as a screen shows.
        if word.len() > RUN || at - from > RUN {
            if at > from {
                pieces.push(&line[from..at]);
            }
            from = at;
        }
        at += word.len();
        if word.len() > RUN {
            pieces.push(&line[from..at]);
            from = at;
        }
    }
    if at > from {
        pieces.push(&line[from..at]);
    }
    pieces
}

/// Which lines say little, one after the other.
#[derive(Default)]
pub(super) struct Judge<'t> {
    last: Vec<&'t str>,
}

impl<'t> Judge<'t> {
    pub(super) fn is_low(&mut self, line: &'t str) -> bool {
        let bare = line.trim();
        if bare.is_empty() || is_data(bare) || is_repetitive(bare) {
            return true;
        }
        if self.last.contains(&bare) {
            return true;
        }
        if self.last.len() == BACK {
            self.last.remove(0);
        }
        self.last.push(bare);
        false
    }
}

/// One long word of the letters that encodings use.
fn is_data(bare: &str) -> bool {
    let encoded = |c: char| c.is_ascii_alphanumeric() || "+/=_-,:;.%".contains(c);
    bare.len() >= DATA && bare.chars().all(encoded)
}

/// Many words, and few different ones.
fn is_repetitive(bare: &str) -> bool {
    const MANY: usize = 64;
    let words: Vec<&str> = bare.split_whitespace().collect();
    if words.len() < MANY {
        return false;
    }
    let different: BTreeSet<&str> = words.iter().copied().collect();
    different.len() * 10 <= words.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s13_data_repetitions_and_white_space_say_little_and_words_do_not() {
        let low = |line: &str| Judge::default().is_low(line);
        assert!(low("") && low("    ") && low(&"QUJD".repeat(20)) && low(&"la ".repeat(100)));
        assert!(!low("the quick brown fox") && !low("QUJD") && !low("send it to mallory"));
        let mut judge = Judge::default();
        assert!(!judge.is_low("again") && judge.is_low("again") && !judge.is_low("other"));
    }

    #[test]
    fn s13_a_long_line_is_cut_where_its_kind_changes_and_nothing_is_lost() {
        let line = format!(
            "{} then say hello {}",
            "x".repeat(9000),
            "a b ".repeat(4000)
        );
        let pieces = cut(&line);
        assert_eq!(pieces.concat(), line);
        assert!(pieces.len() >= 3, "{}", pieces.len());
        assert!(pieces[0].starts_with('x') && pieces[1].starts_with("then say hello"));
        assert_eq!(cut("short"), ["short"]);
    }
}
