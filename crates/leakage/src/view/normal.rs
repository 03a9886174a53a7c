//! Unicode: compatibility forms, marks, invisible characters, look-alikes, tag characters.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

use super::View;

/// Characters that show nothing and that renderers skip.
fn ignorable(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
        | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
        | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// The ASCII character that a look-alike is read as. Facts of UTS #39, restricted to ASCII targets.
fn skeleton(c: char) -> Option<char> {
    Some(match c {
        // Cyrillic
        'А' => 'A',
        'В' => 'B',
        'С' | 'Ϲ' => 'C',
        'Е' => 'E',
        'Н' => 'H',
        'І' | 'Ӏ' => 'I',
        'Ј' => 'J',
        'К' => 'K',
        'М' => 'M',
        'О' => 'O',
        'Р' => 'P',
        'Ѕ' => 'S',
        'Т' => 'T',
        'Х' => 'X',
        'Ү' | 'У' => 'Y',
        'Ԝ' => 'W',
        'Ԛ' => 'Q',
        'Ԍ' => 'G',
        'Ѵ' => 'V',
        'З' | 'Ӡ' => '3',
        'б' => '6',
        'Ь' => 'b',
        'а' => 'a',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' => 'e',
        'һ' => 'h',
        'і' => 'i',
        'ј' | 'ϳ' => 'j',
        'к' => 'k',
        'ӏ' => 'l',
        'м' => 'm',
        'п' => 'n',
        'о' => 'o',
        'р' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'т' => 't',
        'ѵ' => 'v',
        'ԝ' => 'w',
        'х' => 'x',
        'у' | 'ү' => 'y',
        'в' => 'B',
        'н' => 'H',
        // Greek
        'Α' => 'A',
        'Β' => 'B',
        'Ε' => 'E',
        'Ζ' => 'Z',
        'Η' => 'H',
        'Ι' => 'I',
        'Κ' => 'K',
        'Μ' => 'M',
        'Ν' => 'N',
        'Ο' => 'O',
        'Ρ' => 'P',
        'Τ' => 'T',
        'Υ' => 'Y',
        'Χ' => 'X',
        'α' => 'a',
        'γ' => 'y',
        'ε' => 'e',
        'ι' => 'i',
        'κ' => 'k',
        'ν' => 'v',
        'ο' => 'o',
        'ρ' => 'p',
        'σ' => 'o',
        'τ' => 't',
        'υ' => 'u',
        'χ' => 'x',
        'ω' => 'w',
        'η' => 'n',
        'Ϝ' => 'F',
        'Ϳ' => 'J',
        // Armenian
        'ո' => 'n',
        'ս' => 'u',
        'օ' => 'o',
        'ց' => 'g',
        'հ' => 'h',
        'զ' => 'q',
        'յ' => 'j',
        'ք' => 'p',
        'Տ' => 'S',
        'Օ' => 'O',
        'Լ' => 'L',
        'Ս' => 'U',
        'ւ' => 'i',
        'ա' => 'w',
        'ռ' => 'n',
        'ԍ' => 'G',
        // Latin beyond ASCII
        'ɡ' => 'g',
        'ɑ' => 'a',
        'ı' | 'ɩ' | 'ɪ' => 'i',
        'ȷ' => 'j',
        'ʀ' => 'R',
        'ɴ' => 'N',
        'ɢ' => 'G',
        'ʏ' => 'Y',
        'ʟ' => 'L',
        'ʙ' => 'B',
        'ʜ' => 'H',
        'ᴀ' => 'A',
        'ᴄ' => 'c',
        'ᴅ' => 'D',
        'ᴇ' => 'E',
        'ᴊ' => 'J',
        'ᴋ' => 'k',
        'ᴍ' => 'M',
        'ᴏ' => 'o',
        'ᴘ' => 'P',
        'ᴛ' => 'T',
        'ᴜ' => 'u',
        'ᴠ' => 'v',
        'ᴡ' => 'w',
        'ᴢ' => 'z',
        'ꜱ' => 's',
        'ꜰ' => 'F',
        'ł' => 'l',
        'Ł' => 'L',
        'ø' => 'o',
        'Ø' => 'O',
        'đ' => 'd',
        'Đ' => 'D',
        'ħ' => 'h',
        'Ħ' => 'H',
        'ŧ' => 't',
        'ƀ' => 'b',
        'ɓ' => 'b',
        'ɗ' => 'd',
        'ƒ' => 'f',
        'ɠ' => 'g',
        'ƙ' => 'k',
        'ɲ' | 'ŋ' => 'n',
        'ƥ' => 'p',
        'ʂ' => 's',
        'ƭ' => 't',
        'ʋ' => 'u',
        'ʐ' => 'z',
        'ɨ' => 'i',
        'ǀ' | 'Ɩ' => 'l',
        'ß' => 'B',
        'æ' => 'a',
        'ℓ' => 'l',
        '℮' => 'e',
        // Cherokee and others
        'Ꭺ' => 'A',
        'Ᏼ' => 'B',
        'Ꮯ' => 'C',
        'Ꭰ' => 'D',
        'Ꭼ' => 'E',
        'Ꮐ' => 'G',
        'Ꮋ' => 'H',
        'Ꮖ' => 'I',
        'Ꭻ' => 'J',
        'Ꮶ' => 'K',
        'Ꮮ' => 'L',
        'Ꮇ' => 'M',
        'Ꮲ' => 'P',
        'Ꮪ' => 'S',
        'Ꭲ' => 'T',
        'Ꮩ' => 'V',
        'Ꮃ' => 'W',
        'Ꮓ' => 'Z',
        'Ꮁ' => 'r',
        'ꓐ' => 'B',
        'ꓑ' => 'P',
        'ꓓ' => 'D',
        'ꓔ' => 'T',
        'ꓖ' => 'G',
        'ꓗ' => 'K',
        'ꓙ' => 'J',
        'ꓚ' => 'C',
        'ꓜ' => 'Z',
        'ꓝ' => 'F',
        'ꓟ' => 'M',
        'ꓠ' => 'N',
        'ꓡ' => 'L',
        'ꓢ' => 'S',
        'ꓣ' => 'R',
        'ꓦ' => 'V',
        'ꓧ' => 'H',
        'ꓪ' => 'W',
        'ꓫ' => 'X',
        'ꓬ' => 'Y',
        'ꓮ' => 'A',
        'ꓰ' => 'E',
        'ꓲ' => 'I',
        'ꓳ' => 'O',
        'ꓴ' => 'U',
        // Punctuation
        '‐'..='―' | '−' | '﹘' | '﹣' | '➖' | '─' | '━' => '-',
        '⁄' | '∕' | '╱' => '/',
        '․' | '·' | '。' => '.',
        'ˍ' | '‗' | '＿' => '_',
        '‘' | '’' | '‚' | 'ʼ' => '\'',
        '“' | '”' | '„' => '"',
        '꞉' | '∶' | 'ː' => ':',
        '⁎' | '∗' => '*',
        _ => return None,
    })
}

/// One character, as it would be read. Pushes nothing for what shows nothing.
fn fold(c: char, out: &mut Vec<u8>, nested: bool) {
    match u32::from(c) {
        code @ 0..=0x7f => out.push(code as u8),
        code @ 0xE0020..=0xE007E => out.push((code - 0xE0000) as u8),
        // Regional indicators and the enclosed letters that have no decomposition.
        code @ 0x1F1E6..=0x1F1FF => out.push((code - 0x1F1E6) as u8 + b'A'),
        code @ 0x1F150..=0x1F169 => out.push((code - 0x1F150) as u8 + b'A'),
        code @ 0x1F170..=0x1F189 => out.push((code - 0x1F170) as u8 + b'A'),
        // Ideographs, kana, Hangul: no ASCII look-alike, no work.
        0x3041..=0x30FF | 0x3400..=0x9FFF | 0xAC00..=0xD7A3 | 0x20000..=0x3FFFF => push(c, out),
        _ if ignorable(c) || is_combining_mark(c) => {}
        _ => {
            if let Some(ascii) = skeleton(c) {
                out.push(ascii as u8);
            } else if nested {
                push(c, out);
            } else {
                decompose_compatible(c, |d| fold(d, out, true));
            }
        }
    }
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The text as a reader (or a model) would take it, around the places where that differs.
pub(super) fn normalise(data: &[u8], out: &mut Vec<View>) {
    let text = String::from_utf8_lossy(data);
    let mut places = Vec::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if !c.is_ascii() && !is_plain(c) && (before.is_ascii_graphic() || !is_dash_or_quote(c)) {
            places.push((at, at + c.len_utf8()));
        }
        before = c;
    }
    for window in super::windows(&places, text.len()) {
        let (mut start, mut end) = (window.start, window.end);
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let stretch = &text[start..end];
        let mut folded = Vec::with_capacity(stretch.len());
        stretch.chars().for_each(|c| fold(c, &mut folded, false));
        if folded != stretch.as_bytes() {
            out.push(View::written("normalised", folded));
        }
    }
}

/// Scripts without ASCII look-alikes: nothing to fold.
fn is_plain(c: char) -> bool {
    matches!(u32::from(c), 0x600..=0x6FF | 0x900..=0xDFF | 0x2190..=0x23FF | 0x2500..=0x27BF | 0x3001..=0x30FF
        | 0x3400..=0x9FFF | 0xAC00..=0xD7A3 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFF)
        && !is_combining_mark(c)
        && c != '➖'
        && skeleton(c).is_none()
}

/// Typography that stands between words in honest text.
fn is_dash_or_quote(c: char) -> bool {
    matches!(
        u32::from(c),
        0x2010..=0x201F | 0x2026 | 0xB7 | 0xA0 | 0x2022 | 0xA7 | 0xB0
    )
}

/// Text that a reader does not see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hidden {
    /// Tag characters outside a flag emoji: a channel with no honest use.
    Tags,
    /// Variation selectors in a row: bytes in disguise.
    Selectors,
    /// Invisible characters between letters and digits, or forced direction.
    Invisible,
}

/// Looks for hidden text; also gives the bytes that variation selectors spell.
pub(crate) fn hidden(text: &str) -> (Option<Hidden>, Option<Vec<u8>>) {
    let (mut tags, mut invisible, mut forced) = (0usize, 0usize, 0usize);
    let (mut spelled, mut run) = (Vec::new(), Vec::new());
    let (mut flag, mut before) = (0usize, ' ');
    for c in text.chars() {
        let code = u32::from(c);
        if code < 0x80 {
            flush(&mut run, &mut spelled);
            flag = 0;
            before = c;
            continue;
        }
        match code {
            0x1F3F4 => flag = 8,
            0xE0001..=0xE007F => {
                // A flag is a black flag, at most six tag letters and a cancel tag.
                tags += usize::from(flag == 0);
                flag = flag.saturating_sub(1);
            }
            0xFE00..=0xFE0F => run.push((code - 0xFE00) as u8),
            0xE0100..=0xE01EF => run.push((code - 0xE0100 + 16) as u8),
            0x202D | 0x202E | 0x2066..=0x2068 => forced += 1,
            _ if ignorable(c) => invisible += usize::from(before.is_ascii_alphanumeric()),
            _ => {
                flush(&mut run, &mut spelled);
                flag = 0;
                before = c;
            }
        }
    }
    flush(&mut run, &mut spelled);
    let kind = if tags > 0 {
        Some(Hidden::Tags)
    } else if !spelled.is_empty() {
        Some(Hidden::Selectors)
    } else if invisible >= 8 || forced > 0 {
        Some(Hidden::Invisible)
    } else {
        None
    };
    (kind, (!spelled.is_empty()).then_some(spelled))
}

fn flush(run: &mut Vec<u8>, spelled: &mut Vec<u8>) {
    if run.len() >= 4 {
        spelled.append(run);
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let mut out = Vec::new();
        normalise(text.as_bytes(), &mut out);
        String::from_utf8(out.remove(0).text).expect("utf-8")
    }

    #[test]
    fn look_alikes_marks_and_invisibles_read_as_ascii() {
        assert_eq!(read("ｇｈｐ＿Ｌ２"), "ghp_L2");
        assert_eq!(read("ɡһр_Кѕ"), "ghp_Ks");
        assert_eq!(read("g\u{200b}h\u{ad}p\u{301}"), "ghp");
        assert_eq!(read("\u{E0067}\u{E0068}"), "gh");
        assert_eq!(read("𝗀𝗁𝗉"), "ghp");
        assert_eq!(read("🇬🇭ⓟ"), "GHp");
    }

    #[test]
    fn a_flag_is_not_hidden_text_and_tags_are() {
        let flag = "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}";
        assert_eq!(hidden(flag).0, None);
        assert_eq!(hidden("hello\u{E0067}\u{E0068}").0, Some(Hidden::Tags));
        assert_eq!(hidden("می\u{200c}خواهم").0, None);
    }
}
