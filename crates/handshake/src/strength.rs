//! How easy a passphrase is to guess, as far as its form tells.

use std::collections::BTreeSet;

/// The fewest characters of an approval passphrase.
const LEAST: usize = 12;
/// The fewest different ones.
const DIFFERENT: usize = 6;
/// What everybody tries first. They add nothing to the length.
const WORDS: [&str; 8] = [
    "passphrase",
    "password",
    "handshake",
    "letmein",
    "qwertyuiop",
    "qwerty",
    "iloveyou",
    "welcome",
];

/// Why a passphrase is too weak; `None` when nothing speaks against it.
#[must_use]
pub fn weakness(text: &str) -> Option<&'static str> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() < LEAST {
        return Some("it has fewer than 12 characters");
    }
    // "again again" and "again-again" are as good as "againagain".
    let letters: Vec<char> = chars
        .iter()
        .copied()
        .filter(|c| c.is_alphanumeric())
        .collect();
    if chars.iter().collect::<BTreeSet<_>>().len() < DIFFERENT
        || repeats(&chars)
        || repeats(&letters)
    {
        return Some("it repeats itself");
    }
    if 2 * steps(&chars) > chars.len() {
        return Some("it follows the alphabet or a number sequence");
    }
    let mut rest = text.to_lowercase();
    for word in WORDS {
        rest = rest.replace(word, "");
    }
    if rest.chars().count() < LEAST / 2 {
        return Some("it consists of the words that are guessed first");
    }
    None
}

/// Whether it is one piece, again and again.
fn repeats(chars: &[char]) -> bool {
    (1..=chars.len() / 2).any(|size| chars.iter().zip(&chars[size..]).all(|(a, b)| a == b))
}

/// How many characters are the neighbour, in the alphabet or among the digits, of the one before.
fn steps(chars: &[char]) -> usize {
    chars
        .windows(2)
        .filter(|pair| u32::from(pair[0]).abs_diff(u32::from(pair[1])) == 1)
        .count()
}

#[cfg(test)]
mod tests {
    use super::weakness;

    #[test]
    fn weak_passphrases_are_told_from_others() {
        for weak in [
            "",
            "short",
            "elevenchars",
            "aaaaaaaaaaaaaaaa",
            "abcabcabcabcabc",
            "correct correct",
            "abcdefghijklmnop",
            "1234567890123",
            "password1234",
            "Handshake-Password1",
            "ababababababx",
        ] {
            assert!(weakness(weak).is_some(), "{weak}");
        }
        for good in [
            "correct horse battery staple",
            "Mx4!vq-09Lw_tt",
            "vier kleine Gänse im Wald",
        ] {
            assert_eq!(weakness(good), None, "{good}");
        }
    }
}
