//! What a command prints: for people, or one JSON object a line. Everything that may hold bytes from a model,
//! provider, tool, file or client passes the allow-list encoder before a terminal.

use std::{
    io::{IsTerminal, Write},
    os::fd::AsFd,
};

use serde::Serialize;

use crate::error::{AppError, Exit};

pub(crate) mod wrap;

/// Where output goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    pub(crate) json: bool,
    color: bool,
}

/// Warns on standard error, in every mode: it is about the home, and not this command's result.
pub(crate) fn warn(text: &str, help: &str) {
    let text = text.replace('\n', "\\n");
    let said = printable(&format!("warning: {text}\nhelp: {help}"));
    fitted(std::io::stderr().lock(), &said, INDENT);
}

/// What is wrong with a command line, as clap says it.
pub(crate) fn usage(text: &str) {
    fitted(std::io::stderr().lock(), printable(text).trim_end(), INDENT);
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            json,
            color: color && !json,
        }
    }

    /// One JSON object, in JSON mode.
    pub(crate) fn object<T: Serialize>(self, value: &T) {
        if self.json
            && let Ok(text) = serde_json::to_string(value)
        {
            write_line(&mut std::io::stdout().lock(), &text);
        }
    }

    /// A line for people. Encoded, and broken where it is longer than the terminal.
    pub(crate) fn line(self, text: impl AsRef<str>) {
        self.raw(&printable(text.as_ref()));
    }

    /// A line that is copied from here, such as a command: it is not broken. Holds nothing foreign.
    pub(crate) fn whole(self, text: impl AsRef<str>) {
        if !self.json {
            write_line(&mut std::io::stdout().lock(), &printable(text.as_ref()));
        }
    }

    /// A line of content, behind its rule: what of it is longer than the terminal stands behind one, too.
    pub(crate) fn ruled(self, text: impl AsRef<str>) {
        if !self.json {
            let sink = std::io::stdout().lock();
            fitted(sink, &printable(text.as_ref()), CONTINUED);
        }
    }

    /// Text of a stream, for people: encoded, without a line end, at once.
    pub(crate) fn text(self, text: &str) {
        if !self.json {
            let mut stdout = std::io::stdout().lock();
            // A reader that went away (a closed pipe) is no failure of the call.
            let _closed = stdout
                .write_all(printable(text).as_bytes())
                .and_then(|()| stdout.flush());
        }
    }

    /// Bytes as they are, for a file or another program; a terminal is shown each of them, encoded.
    pub(crate) fn bytes(self, bytes: &[u8]) {
        if self.json {
            return;
        }
        let mut stdout = std::io::stdout();
        if stdout.is_terminal() {
            let mut text = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                text.push_str(&printable(chunk.valid()));
                for byte in chunk.invalid() {
                    text.push_str(&format!("\\x{byte:02x}"));
                }
            }
            for line in text.split('\n') {
                self.ruled(format!("  | {line}"));
            }
        } else {
            // A reader that went away (a closed pipe) is no failure of the command.
            let _closed = stdout.write_all(bytes).and_then(|()| stdout.flush());
        }
    }

    /// Whether a person sees what is printed as it comes.
    pub(crate) fn is_seen(self) -> bool {
        !self.json && std::io::stdout().is_terminal()
    }

    /// Rings the terminal's bell, where there is one.
    pub(crate) fn bell(self) {
        if self.is_seen() {
            let mut stdout = std::io::stdout().lock();
            let _rung = stdout.write_all(b"\x07").and_then(|()| stdout.flush());
        }
    }

    /// Begins the screen anew, where there is one. These bytes are ours.
    pub(crate) fn clear(self) {
        if self.is_seen() {
            let mut stdout = std::io::stdout().lock();
            let _cleared = stdout
                .write_all(b"\x1b[H\x1b[2J\x1b[3J")
                .and_then(|()| stdout.flush());
        }
    }

    /// A heading for people.
    pub(crate) fn heading(self, text: &str) {
        use owo_colors::OwoColorize;
        if self.color {
            self.raw(&format!("\n{}", printable(text).bold()));
        } else {
            self.raw(&format!("\n{}", printable(text)));
        }
    }

    /// A good or a bad mark before a line.
    pub(crate) fn mark(self, good: bool, text: impl AsRef<str>) {
        use owo_colors::OwoColorize;
        let text = printable(text.as_ref());
        let line = match (good, self.color) {
            (true, true) => format!("  {} {text}", "ok".green()),
            (true, false) => format!("  ok {text}"),
            (false, true) => format!("  {} {text}", "!!".red()),
            (false, false) => format!("  !! {text}"),
        };
        self.raw(&line);
    }

    /// A table for people.
    pub(crate) fn table(self, head: &[&str], rows: &[Vec<String>]) {
        if self.json {
            return;
        }
        let mut table = comfy_table::Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_header(head);
        for row in rows {
            table.add_row(row.iter().map(|cell| printable(cell)));
        }
        self.raw(&table.to_string());
    }

    fn raw(self, text: &str) {
        if !self.json {
            fitted(std::io::stdout().lock(), text, INDENT);
        }
    }

    /// A remark on stderr, for people.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.json {
            fitted(std::io::stderr().lock(), &printable(text.as_ref()), INDENT);
        }
    }

    /// The end of a failed command: `error: what happened: the thing named [CODE]`, `help: what to do`.
    pub(crate) fn fail(self, error: &AppError) -> Exit {
        if self.json {
            self.object(&serde_json::json!({ "error": error }));
        } else {
            // A message is one line: what it repeats of a file or a name ends none.
            let message = error.message.replace('\n', "\\n");
            let mut text = format!("error: {message} [{}]", error.code);
            if let Some(step) = &error.next_step {
                text.push_str(&format!("\nhelp: {step}"));
            }
            fitted(std::io::stderr().lock(), &printable(&text), INDENT);
        }
        error.exit
    }
}

/// What begins the rest of a line of ours, and of a line of content.
const INDENT: &str = "    ";
const CONTINUED: &str = "  : ";

/// Writes lines, broken where a terminal would break them.
fn fitted(mut sink: impl Write + AsFd, text: &str, rule: &str) {
    match wrap::columns(&sink) {
        Some(columns) => write_line(&mut sink, &wrap::wrapped(text, columns, rule)),
        None => write_line(&mut sink, text),
    }
}

fn write_line(sink: &mut impl Write, text: &str) {
    // A reader that went away (a closed pipe) is no failure of the command.
    let _closed = writeln!(sink, "{text}").and_then(|()| sink.flush());
}

/// Text that a terminal only shows: line ends and tabs stay; every other control, every direction mark and
/// every invisible character becomes visible.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let invisible = matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{2800}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}');
        match c {
            '\n' | '\t' => shown.push(c),
            c if c.is_control() || invisible => shown.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn s10_a_terminal_is_only_ever_shown_text() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{7}"), "a\\u{1b}[2Jb\\u{d}\\u{7}");
        assert_eq!(printable("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(printable("x\u{202e}y\u{200b}"), "x\\u{202e}y\\u{200b}");
        assert_eq!(printable("plain ünïcode\n\tok"), "plain ünïcode\n\tok");
    }
}
