//! Tokens cut into pieces: spaced, interleaved, concatenated, one per line or per cell.

use super::View;
use crate::bytes::{GLUE, JOINT};

/// The most that is read from an anchor on when its token is put together.
const REACH: usize = 640;

#[inline]
fn is_glue(byte: u8) -> bool {
    GLUE.has(byte)
}

/// The text from an anchor on without white space and the punctuation of split literals.
pub(crate) fn head(data: &[u8], at: usize) -> Vec<u8> {
    let end = data.len().min(at + REACH);
    data[at..end]
        .iter()
        .copied()
        .filter(|b| !is_glue(*b))
        .collect()
}

pub(super) fn compact(data: &[u8], out: &mut Vec<View>) {
    short_words(data, out);
    interleaved(data, out);
    joints(data, out);
    columns(data, out);
}

/// Stretches of words of at most four characters, run together; and within them the stretches of words
/// of one length, so that a token keeps the boundary before it.
fn short_words(data: &[u8], out: &mut Vec<View>) {
    let mut text = Vec::new();
    let mut words: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let gap = at;
        while at < data.len() && is_glue(data[at]) {
            at += 1;
        }
        let start = at;
        while at < data.len() && !is_glue(data[at]) {
            at += 1;
        }
        if at - start > 4 || start - gap > 64 {
            join(data, &words, &mut text);
            words.clear();
        }
        if (1..=4).contains(&(at - start)) {
            words.push((start, at));
        }
    }
    join(data, &words, &mut text);
    if !text.is_empty() {
        out.push(View::pieced("compact", text));
    }
}

fn join(data: &[u8], words: &[(usize, usize)], text: &mut Vec<u8>) {
    if words.len() < 6 {
        return;
    }
    let mut emit = |words: &[(usize, usize)]| {
        let len: usize = words.iter().map(|(start, end)| end - start).sum();
        if len >= 16
            && words.iter().any(|(s, e)| {
                data[*s..*e]
                    .iter()
                    .any(|b| b.is_ascii_digit() || *b == b'_')
            })
        {
            words
                .iter()
                .for_each(|(start, end)| text.extend_from_slice(&data[*start..*end]));
            text.push(b'\n');
        }
    };
    emit(words);
    let mut from = 0;
    for i in 1..=words.len() {
        let len = |w: &(usize, usize)| w.1 - w.0;
        // The last piece of a token may be shorter.
        if i == words.len() || len(&words[i]) != len(&words[from]) {
            let end = if i < words.len() && len(&words[i]) < len(&words[from]) {
                i + 1
            } else {
                i
            };
            if i - from >= 6 && end - from < words.len() {
                emit(&words[from..end]);
            }
            from = i;
        }
    }
}

/// Stretches in which every second character is the same punctuation.
pub(super) fn interleaved(data: &[u8], out: &mut Vec<View>) {
    const PAIRS: usize = 8;
    let same = |at: usize| {
        let mark = data[at];
        !mark.is_ascii_alphanumeric()
            && mark.is_ascii()
            && mark != b' '
            && data.get(at + 2) == Some(&mark)
    };
    let mut text = Vec::new();
    let mut at = 0;
    // A stretch is sixteen bytes at least: looking at every eighth byte and its neighbour finds it.
    while at + 1 < data.len() {
        let Some(mut first) = [at, at + 1].into_iter().find(|i| same(*i)) else {
            at += PAIRS;
            continue;
        };
        let mark = data[first];
        while first >= 2 && data[first - 2] == mark {
            first -= 2;
        }
        let mut last = first;
        while data.get(last + 2) == Some(&mark) {
            last += 2;
        }
        // The characters stand before and after each mark.
        let from = first.saturating_sub(1);
        let token: Vec<u8> = data[from..data.len().min(last + 2)]
            .iter()
            .step_by(2)
            .copied()
            .collect();
        if (last - first) / 2 + 1 >= PAIRS && first > 0 && !token.iter().all(|b| *b == mark) {
            text.extend_from_slice(&token);
            text.push(b'\n');
        }
        at = last + 2;
    }
    if !text.is_empty() {
        out.push(View::pieced("interleaved", text));
    }
}

/// `"a" + "b"`, `"a" "b"`, `"a" .. "b"` and lists of literals, joined: the literals only.
fn joints(data: &[u8], out: &mut Vec<View>) {
    let quote = |b: u8| b == b'"' || b == b'\'' || b == b'`';
    let mut text = Vec::new();
    // Where the literal before the next joint began, and whether one is being joined.
    let (mut copied, mut open, mut at) = (0, false, 0);
    while at < data.len() {
        if !quote(data[at]) {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        while end < data.len() && end - at < 48 && JOINT.has(data[end]) {
            end += 1;
        }
        if end > at + 1 && end < data.len() && quote(data[end]) {
            text.extend_from_slice(&data[copied.max(at.saturating_sub(REACH))..at]);
            open = true;
            copied = end + 1;
            at = end + 1;
        } else {
            if open {
                text.extend_from_slice(&data[copied..at]);
                text.push(b'\n');
            }
            open = false;
            copied = at + 1;
            at += 1;
        }
    }
    if open {
        text.extend_from_slice(&data[copied..]);
    }
    if text.len() >= 16 {
        out.push(View::pieced("joined", text));
    }
}

/// The columns of tables with narrow cells, and the first characters of many lines.
fn columns(data: &[u8], out: &mut Vec<View>) {
    const ROWS: usize = 8;
    /// A row of narrow cells is a short line.
    const LINE: usize = 48;
    let mut block: Vec<&[u8]> = Vec::new();
    let mut firsts = Vec::new();
    for line in data.split(|b| *b == b'\n') {
        let line = line.trim_ascii();
        firsts.extend(line.first());
        if line.len() <= LINE {
            let rule = line.iter().all(|b| b"|-:+= ".contains(b));
            if !rule {
                block.push(line);
            } else if block.len() == 1 {
                // A header is no part of its column.
                block.clear();
            }
            continue;
        }
        if block.len() >= ROWS {
            table(&block, out);
        }
        block.clear();
    }
    if block.len() >= ROWS {
        table(&block, out);
    }
    if firsts.len() >= 20 {
        out.push(View::pieced("column", firsts));
    }
}

/// The columns of a block of short lines, for each mark that could part them.
fn table(lines: &[&[u8]], out: &mut Vec<View>) {
    const WIDTH: usize = 12;
    for mark in [b'|', b',', b'\t', b';', b' '] {
        if lines.iter().filter(|line| line.contains(&mark)).count() < 8 {
            continue;
        }
        let mut columns: Vec<Vec<u8>> = Vec::new();
        let narrow = if mark == b' ' { 4 } else { WIDTH };
        for line in lines.iter().filter(|line| line.contains(&mark)) {
            for (i, cell) in line.split(|b| *b == mark).take(16).enumerate() {
                if columns.len() == i {
                    columns.push(Vec::new());
                }
                let cell = cell.trim_ascii();
                if cell.len() <= narrow {
                    columns[i].extend_from_slice(cell);
                }
            }
        }
        let mut text = Vec::new();
        for column in columns.iter().filter(|c| c.len() >= 16) {
            text.extend_from_slice(column);
            text.push(b'\n');
        }
        if !text.is_empty() {
            out.push(View::pieced("column", text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(data: &str) -> Vec<String> {
        let mut out = Vec::new();
        compact(data.as_bytes(), &mut out);
        out.into_iter()
            .map(|v| String::from_utf8_lossy(&v.text).into_owned())
            .collect()
    }

    #[test]
    fn pieces_are_put_together() {
        let token = "ghp_L2m69I7wDdQGnMo6";
        let spaced: String = token.chars().map(|c| format!("{c} ")).collect();
        let dashed: String = token.chars().map(|c| format!("{c}-")).collect();
        let table: String = token
            .chars()
            .enumerate()
            .map(|(i, c)| format!("| {i} | {c} |\n"))
            .collect();
        for text in [spaced, dashed, table, "x = \"ghp_L2m69I\" + 'hello'".into()] {
            let views = all(&text);
            assert!(
                views
                    .iter()
                    .any(|v| v.contains(token) || v.contains("ghp_L2m69Ihello")),
                "{text} {views:?}"
            );
        }
    }
}
