//! Tokens cut into pieces: spaced, interleaved, concatenated, one per line or per cell.

use super::View;

/// The most that is read from an anchor on when its token is put together.
const REACH: usize = 640;

fn is_glue(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"'`+,|\\;()[]{}<>".contains(&byte)
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

/// Stretches of words of at most four characters, run together.
fn short_words(data: &[u8], out: &mut Vec<View>) {
    let mut text = Vec::new();
    let (mut from, mut count) = (0, 0);
    let mut at = 0;
    while at <= data.len() {
        let start = at;
        while at < data.len() && !is_glue(data[at]) {
            at += 1;
        }
        let word = at - start;
        let gap = at;
        while at < data.len() && is_glue(data[at]) && at - gap < 64 {
            at += 1;
        }
        if (1..=4).contains(&word) {
            if count == 0 {
                from = start;
            }
            count += 1;
        }
        if word > 4 || at >= data.len() || word == 0 {
            if count >= 6 {
                let before = text.len();
                let end = if word > 4 { start } else { at };
                text.extend(data[from..end].iter().copied().filter(|b| !is_glue(*b)));
                if text.len() - before >= 16 {
                    text.push(b'\n')
                } else {
                    text.truncate(before)
                }
            }
            count = 0;
        }
        if at >= data.len() {
            break;
        }
        at = at.max(start + 1);
    }
    if !text.is_empty() {
        out.push(View::pieced("compact", text));
    }
}

/// Stretches in which every second character is the same punctuation.
fn interleaved(data: &[u8], out: &mut Vec<View>) {
    let mut text = Vec::new();
    let mut at = 0;
    while at + 1 < data.len() {
        let mark = data[at + 1];
        if mark.is_ascii_alphanumeric() || !mark.is_ascii() || mark == b' ' {
            at += 1;
            continue;
        }
        let mut end = at;
        while end + 1 < data.len() && data[end + 1] == mark {
            end += 2;
        }
        let pairs = (end - at) / 2;
        let same = data[at..end].iter().all(|b| *b == mark);
        if pairs >= 8 && !same {
            text.extend(data[at..data.len().min(end + 1)].iter().step_by(2));
            text.push(b'\n');
        }
        at = end.max(at + 1);
    }
    if !text.is_empty() {
        out.push(View::pieced("interleaved", text));
    }
}

/// `"a" + "b"`, `"a" "b"`, `"a" .. "b"` and lists of literals, joined.
fn joints(data: &[u8], out: &mut Vec<View>) {
    let quote = |b: u8| b == b'"' || b == b'\'' || b == b'`';
    let mut text = Vec::new();
    let (mut at, mut copied, mut found) = (0, 0, 0);
    while at < data.len() {
        if quote(data[at]) {
            let mut end = at + 1;
            while end < data.len()
                && end - at < 48
                && (data[end].is_ascii_whitespace() || b"+.&,~\\()".contains(&data[end]))
            {
                end += 1;
            }
            if end > at + 1 && end < data.len() && quote(data[end]) {
                text.extend_from_slice(&data[copied..at]);
                at = end + 1;
                copied = at;
                found += 1;
                continue;
            }
        }
        at += 1;
    }
    if found > 0 {
        text.extend_from_slice(&data[copied..]);
        out.push(View::pieced("joined", text));
    }
}

/// The columns of tables with narrow cells, and the first characters of many lines.
fn columns(data: &[u8], out: &mut Vec<View>) {
    const ROWS: usize = 8;
    const WIDTH: usize = 12;
    if data.iter().filter(|b| **b == b'\n').take(ROWS).count() + 1 < ROWS {
        return;
    }
    for mark in [b'|', b',', b'\t', b';', b' '] {
        let mut columns: Vec<Vec<u8>> = Vec::new();
        let mut rows = 0;
        let mut close = |columns: &mut Vec<Vec<u8>>, rows: &mut usize| {
            if *rows >= ROWS && columns.len() > 1 {
                let mut text = Vec::new();
                for column in columns.iter().filter(|c| c.len() >= 16) {
                    text.extend_from_slice(column);
                    text.push(b'\n');
                }
                if !text.is_empty() {
                    out.push(View::pieced("column", text));
                }
            }
            columns.clear();
            *rows = 0;
        };
        for line in data.split(|b| *b == b'\n') {
            let line = line.trim_ascii();
            let cells: Vec<&[u8]> = line.split(|b| *b == mark).map(<[u8]>::trim_ascii).collect();
            let rule = !line.is_empty() && line.iter().all(|b| b"|-:+= ".contains(b));
            if rule {
                continue;
            }
            if cells.len() < 2 || rows > 0 && cells.len() != columns.len() {
                close(&mut columns, &mut rows);
            }
            if cells.len() < 2 || cells.len() > 64 {
                continue;
            }
            columns.resize(cells.len(), Vec::new());
            for (column, cell) in columns.iter_mut().zip(&cells) {
                if cell.len() <= WIDTH {
                    column.extend_from_slice(cell);
                }
            }
            rows += 1;
        }
        close(&mut columns, &mut rows);
    }
    let firsts: Vec<u8> = data
        .split(|b| *b == b'\n')
        .filter_map(|line| line.trim_ascii_start().first().copied())
        .collect();
    if firsts.len() >= 20 {
        out.push(View::pieced("column", firsts));
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
