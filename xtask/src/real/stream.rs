//! What a command printed: one JSON object a line, read back.

use serde_json::Value;

/// The end of one run of the program.
#[derive(Debug)]
pub(super) struct Answer {
    /// The exit status; `None` when a signal ended it.
    pub(super) code: Option<i32>,
    /// Stdout, line by line.
    pub(super) lines: Vec<Value>,
    /// The first line of stdout that is no JSON.
    pub(super) broken: Option<String>,
    /// Stderr.
    pub(super) stderr: String,
}

impl Answer {
    pub(super) fn new(code: Option<i32>, stdout: &[String], stderr: String) -> Self {
        let mut answer = Self {
            code,
            lines: Vec::new(),
            broken: None,
            stderr,
        };
        for line in stdout {
            match serde_json::from_str(line) {
                Ok(value) => answer.lines.push(value),
                Err(_) => answer.broken = answer.broken.or_else(|| Some(line.clone())),
            }
        }
        answer
    }

    /// Itself, when it ended so and printed nothing but JSON.
    pub(super) fn exits(self, code: i32) -> Result<Self, String> {
        match &self.broken {
            _ if self.code != Some(code) => {
                Err(format!("it should exit with {code}: {}", self.short()))
            }
            Some(line) => Err(format!("`{line}` is no JSON")),
            None => Ok(self),
        }
    }

    /// The only object.
    pub(super) fn object(&self) -> Result<&Value, String> {
        match self.lines.as_slice() {
            [one] => Ok(one),
            _ => Err(format!("it should print one object: {}", self.short())),
        }
    }

    /// The events of that type.
    pub(super) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }

    /// The text of the answer.
    pub(super) fn text(&self) -> String {
        self.of("text_delta")
            .filter_map(|line| line["text"].as_str())
            .collect()
    }

    /// The code of the error that ends the stream, or that the command answered with.
    pub(super) fn error_code(&self) -> Option<&str> {
        self.lines.last()?.pointer("/error/code")?.as_str()
    }

    /// How it ended, for people: the events in short, never the text of an answer.
    pub(super) fn short(&self) -> String {
        let mut shown: Vec<String> = Vec::new();
        for line in &self.lines {
            let kind = line["type"].as_str().unwrap_or("object");
            match kind {
                "text_delta" | "reasoning_delta"
                    if shown.last().is_some_and(|last| last == kind) => {}
                "text_delta" | "reasoning_delta" => shown.push(kind.to_owned()),
                _ => shown.push(line.to_string()),
            }
        }
        let code = self
            .code
            .map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let stderr = super::tool::last_lines(&self.stderr, 4);
        format!(
            "exit {code}, {}{}{stderr}",
            shown.join(" · "),
            if stderr.is_empty() { "" } else { "\n" }
        )
    }
}

/// The shape of a stream that ends well: it starts, and has exactly one terminal, which is the last line.
/// Returns the finish reason.
pub(super) fn finished(answer: &Answer) -> Result<&str, String> {
    let wrong = |what: &str| Err(format!("{what}: {}", answer.short()));
    if answer
        .lines
        .first()
        .is_none_or(|line| line["type"] != "started")
    {
        return wrong("the stream should begin with `started`");
    }
    let terminals = answer.of("finished").count() + answer.of("error").count();
    let Some(last) = answer
        .lines
        .last()
        .filter(|line| terminals == 1 && line["type"] == "finished")
    else {
        return wrong("the stream should have one terminal, `finished`, at its end");
    };
    match last["finish_reason"].as_str() {
        Some(reason @ ("STOP" | "TOOL_USE" | "LENGTH" | "CONTENT_FILTER")) => Ok(reason),
        _ => wrong("the finish reason is none of the published ones"),
    }
}

/// The same for a stream that ends in an error with that code.
pub(super) fn failed(answer: &Answer, code: &str) -> Result<(), String> {
    let terminals = answer.of("finished").count() + answer.of("error").count();
    if terminals == 1 && answer.of("error").count() == 1 && answer.error_code() == Some(code) {
        Ok(())
    } else {
        Err(format!(
            "the stream should end in one error, {code}: {}",
            answer.short()
        ))
    }
}

/// The last report of usage: both counts, not zero. Returns them.
pub(super) fn usage(answer: &Answer) -> Result<(u64, u64), String> {
    let last = answer.of("usage").last();
    let count = |name: &str| {
        last.and_then(|usage| usage[name].as_u64())
            .filter(|n| *n > 0)
    };
    match (count("prompt_tokens"), count("completion_tokens")) {
        (Some(prompt), Some(completion)) => Ok((prompt, completion)),
        _ => Err(format!(
            "the stream should report usage: {}",
            answer.short()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &[&str]) -> Answer {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Answer::new(Some(0), &lines, String::new())
    }

    const STARTED: &str = r#"{"type":"started"}"#;
    const DELTA: &str = r#"{"type":"text_delta","text":"secret"}"#;
    const USAGE: &str = r#"{"type":"usage","prompt_tokens":3,"completion_tokens":2}"#;
    const STOP: &str = r#"{"type":"finished","finish_reason":"STOP"}"#;
    const ERROR: &str = r#"{"type":"error","error":{"code":"HSK-499-CANCELLED"}}"#;

    #[test]
    fn a_whole_stream_passes() {
        let whole = answer(&[STARTED, DELTA, DELTA, USAGE, STOP]);
        assert_eq!(finished(&whole), Ok("STOP"));
        assert_eq!(usage(&whole), Ok((3, 2)));
        assert_eq!(whole.text(), "secretsecret");
        assert!(!whole.short().contains("secret"), "{}", whole.short());
        assert_eq!(
            failed(&answer(&[STARTED, ERROR]), "HSK-499-CANCELLED"),
            Ok(())
        );
    }

    #[test]
    fn anything_else_does_not() {
        for lines in [
            &[STARTED, DELTA][..],
            &[DELTA, STOP],
            &[STARTED, STOP, STOP],
            &[STARTED, STOP, ERROR],
            &[STARTED, STOP, DELTA],
            &[STARTED, r#"{"type":"finished","finish_reason":"stop"}"#],
            &[],
        ] {
            assert!(finished(&answer(lines)).is_err(), "{lines:?}");
            assert!(usage(&answer(lines)).is_err(), "{lines:?}");
            assert!(
                failed(&answer(lines), "HSK-408-TIMEOUT").is_err(),
                "{lines:?}"
            );
        }
        let twice = answer(&[STARTED, ERROR, ERROR]);
        assert!(failed(&twice, "HSK-499-CANCELLED").is_err());
    }

    #[test]
    fn lines_that_are_no_json_and_other_statuses_are_told() {
        let broken = answer(&[STARTED, "warning: x", STOP]).exits(0);
        assert_eq!(broken.expect_err("no JSON"), "`warning: x` is no JSON");
        assert!(answer(&[STARTED]).exits(1).is_err());
        let signal = Answer::new(None, &[], "gone".to_owned());
        assert_eq!(signal.short(), "exit a signal, \ngone");
    }
}
