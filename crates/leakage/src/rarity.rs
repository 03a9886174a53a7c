//! How surprising a value is: what tells a credential from a word, a name or a placeholder.

/// Shannon entropy in bits per byte.
pub(crate) fn entropy(value: &[u8]) -> f32 {
    if value.is_empty() {
        return 0.0;
    }
    let mut counts = [0u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let total = value.len() as f32;
    counts
        .iter()
        .filter(|n| **n > 0)
        .map(|n| {
            let p = *n as f32 / total;
            -p * p.log2()
        })
        .sum()
}

/// Words by which documentation marks a value as not real.
const MARKS: &[&str] = &[
    "example",
    "xxxx",
    "yyyy",
    "placeholder",
    "redacted",
    "your_",
    "your-",
    "yourapi",
    "yourkey",
    "yourtoken",
    "yoursecret",
    "changeme",
    "change_me",
    "change-me",
    "replace_",
    "replace-",
    "insert_",
    "dummy",
    "sample",
    "000000000000",
    "111111111111",
    "****",
    "....",
    "${",
    "{{",
    "<your",
    "#####",
    "todo_",
    "fake_",
    "_here",
    "-here",
    "put_your",
    "enter_your",
    "123456789012345678",
];

/// Whether a value is a template or a documented stand-in rather than a credential.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let has = |mark: &str| lower.windows(mark.len()).any(|w| w == mark.as_bytes());
    if let Some(mark) = MARKS.iter().find(|mark| has(mark)) {
        // A mark beside a whole token does not make the token an example.
        let rest = without(value, &lower, mark.as_bytes());
        return rest.len() < 24 || entropy(&rest) < 3.8 || wordiness(&rest) >= 40;
    }
    // One character repeated through most of the value.
    let mut counts = [0usize; 256];
    lower.iter().for_each(|b| counts[usize::from(*b)] += 1);
    counts
        .iter()
        .max()
        .is_some_and(|most| *most * 10 >= value.len() * 6)
}

fn without(value: &[u8], lower: &[u8], mark: &[u8]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        if lower[at..].starts_with(mark) {
            at += mark.len();
        } else {
            rest.push(value[at]);
            at += 1;
        }
    }
    rest
}

/// The share of the value, in percent, that reads like words: runs of five letters or more, all lower
/// case but the first, that hold a vowel among any four.
pub(crate) fn wordiness(value: &[u8]) -> usize {
    if value.is_empty() {
        return 0;
    }
    let mut wordy = 0;
    let mut at = 0;
    while at < value.len() {
        let mut end = at + 1;
        if value[at].is_ascii_alphabetic() {
            let upper = value[at].is_ascii_uppercase()
                && value.get(at + 1).is_some_and(u8::is_ascii_uppercase);
            while end < value.len()
                && if upper {
                    value[end].is_ascii_uppercase()
                } else {
                    value[end].is_ascii_lowercase()
                }
            {
                end += 1;
            }
            if end - at >= 4 && reads_like_a_word(&value[at..end]) {
                wordy += end - at;
            }
        }
        at = end;
    }
    wordy * 100 / value.len()
}

fn reads_like_a_word(run: &[u8]) -> bool {
    let (mut gap, mut vowels) = (0, 0);
    for byte in run {
        if b"aeiouy".contains(&byte.to_ascii_lowercase()) {
            gap = 0;
            vowels += 1;
        } else {
            gap += 1;
            if gap > 4 {
                return false;
            }
        }
    }
    vowels
        * if run[run.len() - 1].is_ascii_uppercase() {
            4
        } else {
            6
        }
        >= run.len()
}

/// The number of character classes: lower, upper, digit, other.
pub(crate) fn classes(value: &[u8]) -> usize {
    let mut seen = [false; 4];
    for byte in value {
        let class = match byte {
            b'a'..=b'z' => 0,
            b'A'..=b'Z' => 1,
            b'0'..=b'9' => 2,
            _ => 3,
        };
        seen[class] = true;
    }
    seen.iter().filter(|s| **s).count()
}

/// Whether a piece looks machine-made rather than like prose: for tokens put together from pieces.
pub(crate) fn is_random_piece(value: &[u8]) -> bool {
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let switches = value
        .windows(2)
        .filter(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase())
        .count();
    // Prose has few digits; base 36 has many, and many chance words.
    let limit = if digits * 6 >= value.len() { 70 } else { 45 };
    prose(value) < limit && (digits > 0 && letters > 0 || switches > 1 || value.len() < 6)
}

/// As [`wordiness`], over lower-case words alone: upper-case base 32 is full of chance words.
fn prose(value: &[u8]) -> usize {
    let mut words = 0;
    for run in value.split(|b| !b.is_ascii_lowercase()) {
        if run.len() >= 4 && reads_like_a_word(run) {
            words += run.len();
        }
    }
    words * 100 / value.len().max(1)
}

/// What the rarity model says about a generic value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rarity {
    /// A word, a name, a template, a path.
    Common,
    /// Could be a credential.
    Odd,
    /// Machine-made.
    Rare,
}

/// Judges the value of a `name = value` pair whose name speaks of a key or token.
pub(crate) fn judge_key(value: &[u8]) -> Rarity {
    let lower = value.to_ascii_lowercase();
    let counted = [&b"abcdefghijklmnop"[..], b"0123456789abcdef"]
        .iter()
        .any(|run| lower.windows(run.len()).any(|w| w == *run));
    if is_placeholder(value) || value.len() < 10 || value.ends_with(b"...") || counted {
        return Rarity::Common;
    }
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let bits = entropy(value);
    if digits == 0 && is_random_piece(value) && bits > 3.8 && value.len() >= 24 {
        return Rarity::Odd;
    }
    if digits < 2 || letters == 0 || bits < 2.8 {
        return Rarity::Common;
    }
    if value.iter().all(u8::is_ascii_hexdigit) {
        return if value.len() >= 20 && bits >= 3.0 {
            Rarity::Rare
        } else {
            Rarity::Odd
        };
    }
    let words = wordiness(value);
    if words >= 50 || words >= 40 && classes(value) < 3 {
        return Rarity::Common;
    }
    let mixed = classes(value) >= 3 && bits >= 3.9;
    if value.len() >= 20 && bits >= 3.2 && digits >= 3 && (words < 25 || mixed) {
        return Rarity::Rare;
    }
    Rarity::Odd
}

/// Judges the value of a `password = value` pair. Passwords are often words: nearly all count as odd.
pub(crate) fn judge_password(value: &[u8]) -> Rarity {
    const NOT_VALUES: &[&str] = &[
        "null",
        "none",
        "true",
        "false",
        "undefined",
        "string",
        "password",
        "passwd",
        "secret",
        "required",
        "optional",
        "hidden",
        "str",
        "text",
        "input",
        "env",
        "process.env",
        "getenv",
        "self",
        "this",
        "bool",
        "boolean",
        "number",
        "varchar",
        "incorrect",
        "invalid",
        "forgot",
        "reset",
        "token",
        "value",
        "empty",
        "username",
        "description",
        "label",
        "type",
        "unknown",
        "config",
        "credentials",
    ];
    let lower = value.to_ascii_lowercase();
    let template = is_placeholder(value)
        || value.len() < 5
        || NOT_VALUES.iter().any(|word| lower == word.as_bytes())
        || b"$<{%[(#*&".contains(&value[0])
        || lower
            .windows(2)
            .any(|w| w == b"${" || w == b"#{" || w == b"()" || w == b"{{" || w == b"$(")
        || lower.starts_with(b"process.env")
        || lower.starts_with(b"os.")
        || lower.starts_with(b"var.");
    if template {
        return Rarity::Common;
    }
    let rare = value.len() >= 10 && classes(value) >= 3 && wordiness(value) < 50;
    if rare || judge_key(value) == Rarity::Rare {
        Rarity::Rare
    } else {
        Rarity::Odd
    }
}

/// Whether a password is machine-made beyond doubt.
pub(crate) fn is_strong(value: &[u8]) -> bool {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    judge_key(value) == Rarity::Rare
        || value.len() >= 12 && classes(value) >= 3 && digits >= 2 && wordiness(value) < 50
}

/// Judges what stands at a password's place in a URL or connection string.
pub(crate) fn judge_url_password(value: &[u8]) -> Rarity {
    const STAND_INS: &[&str] = &[
        "pass", "secret", "pwd", "your", "user", "admin", "root", "postgres", "test", "guest",
        "token", "mysql",
    ];
    let lower = value.to_ascii_lowercase();
    let template = value.len() < 3
        || b"$<{%[(#".contains(&value[0])
        || lower
            .windows(2)
            .any(|w| w == b"${" || w == b"#{" || w == b"{{" || w == b"$(")
        || lower.windows(4).any(|w| w == b"xxxx" || w == b"****");
    if template {
        return Rarity::Common;
    }
    let stand_in = is_placeholder(value)
        || STAND_INS.iter().any(|word| lower == word.as_bytes())
        || value.len() < 16
            && STAND_INS
                .iter()
                .any(|word| lower.starts_with(word.as_bytes()))
        || lower.windows(8).any(|w| w == b"password");
    if stand_in { Rarity::Odd } else { Rarity::Rare }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_templates_are_common() {
        for common in [
            "your_api_key_goes_here",
            "getPagesInConfluenceSpace",
            "xxxxxxxxxxxxxxxxxxxxxxxx",
        ] {
            assert_eq!(judge_key(common.as_bytes()), Rarity::Common, "{common}");
        }
        assert_eq!(judge_key(b"q7Zk2Lw9Tf4Vb8Nc3Xd6"), Rarity::Rare);
    }

    #[test]
    fn entropy_is_bounded_by_the_alphabet() {
        assert!(entropy(b"aaaa") < 0.01);
        assert!((entropy(b"abcd") - 2.0).abs() < 0.01);
    }
}
