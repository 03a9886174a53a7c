//! The scenarios, in the order in which they run, and how they are told.

mod both;
mod each;
mod end;
mod llama;
mod ollama;

use super::bench::{Bench, Provider};

/// What a scenario answers: nothing, or what is wrong.
pub(super) type Outcome = Result<(), String>;

/// What a scenario is about.
#[derive(Clone, Copy, Debug)]
enum On {
    /// Every server, one after the other.
    Each(fn(&Bench, &Provider) -> Outcome),
    /// The llama.cpp server.
    Llama(fn(&Bench, &Provider) -> Outcome),
    /// The Ollama daemon.
    Ollama(fn(&Bench, &Provider) -> Outcome),
    /// One server and the other.
    Both(fn(&Bench, &Provider, &Provider) -> Outcome),
    /// What all of it left behind.
    End(fn(&Bench) -> Outcome),
}

/// One scenario.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    name: &'static str,
    /// What holds when it passes.
    holds: &'static str,
    on: On,
}

const fn scenario(name: &'static str, holds: &'static str, on: On) -> Scenario {
    Scenario { name, holds, on }
}

const SCENARIOS: &[Scenario] = &[
    scenario(
        "enrol",
        "a provider is added and shown as it was given",
        On::Each(each::enrol),
    ),
    scenario(
        "models",
        "the model is listed with what it can do",
        On::Each(each::models),
    ),
    scenario(
        "stream",
        "an answer streams: start, text, usage, one terminal",
        On::Each(each::stream),
    ),
    scenario(
        "health",
        "a server with its model loaded is ready",
        On::Each(each::health),
    ),
    scenario(
        "whole",
        "an answer that is not streamed has the same shape",
        On::Each(each::whole),
    ),
    scenario(
        "length",
        "a bound on the answer holds and is told",
        On::Each(each::length),
    ),
    scenario(
        "turns",
        "a session remembers what was said",
        On::Each(each::turns),
    ),
    scenario(
        "schema",
        "an answer matches the schema that was asked for",
        On::Each(each::schema),
    ),
    scenario(
        "unknown-model",
        "a model that is not there is HSK-404-MODEL",
        On::Each(each::unknown_model),
    ),
    scenario(
        "too-long",
        "a prompt beyond the window is HSK-413-CONTEXT-WINDOW",
        On::Each(each::too_long),
    ),
    scenario(
        "cancel",
        "an interrupted answer is HSK-499-CANCELLED, and the server is let go",
        On::Each(each::cancel),
    ),
    scenario(
        "required-call",
        "a required call that the server ignores is HSK-422-TOOL-CALL-PARSE",
        On::Llama(llama::required_call),
    ),
    scenario(
        "tool-loop",
        "the model calls a tool, the tool runs, the model goes on",
        On::Ollama(ollama::tool_loop),
    ),
    scenario(
        "emulated-call",
        "a model without tool calling calls a tool in text, the tool runs, the model goes on",
        On::Each(each::emulated_call),
    ),
    scenario(
        "cloud-name",
        "a name that the daemon would forward is refused before any byte",
        On::Ollama(ollama::cloud_name),
    ),
    scenario(
        "swap",
        "a session moves from one server to the other and goes on",
        On::Both(both::swap),
    ),
    scenario(
        "gone",
        "a server that is not there is unreachable, HSK-503-NOT-READY",
        On::End(end::gone),
    ),
    scenario(
        "denials",
        "each denial is one FR-EVT-EGRESS event",
        On::End(end::denials),
    ),
    scenario("events", "every path left its events", On::End(end::events)),
    scenario(
        "no-payload",
        "neither the log nor any file of the home holds a word of a prompt",
        On::End(end::no_payload),
    ),
    scenario("verify", "the log verifies", On::End(end::verify)),
];

/// A scenario that did not hold.
#[derive(Debug)]
pub(super) struct Failure {
    /// `scenario` or `scenario/provider`.
    pub(super) name: String,
    /// What should have held, and what was seen.
    pub(super) what: String,
}

/// Runs them all. A server that cannot even be enrolled is asked nothing more.
pub(super) fn run(bench: &Bench, say: impl Fn(&str)) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut out = Vec::new();
    for scenario in SCENARIOS {
        for (subject, outcome) in one(bench, scenario.on, &out) {
            let name = match subject {
                Some(id) => format!("{}/{id}", scenario.name),
                None => scenario.name.to_owned(),
            };
            say(&format!(
                "real: {name} {}",
                if outcome.is_ok() { "ok" } else { "FAILED" }
            ));
            if let Err(seen) = outcome {
                if scenario.name == "enrol" {
                    out.extend(subject);
                }
                failures.push(Failure {
                    name,
                    what: format!("{}; but {seen}", scenario.holds),
                });
            }
        }
    }
    failures
}

/// Runs one on whatever it is about, except on servers that are out.
fn one(bench: &Bench, on: On, out: &[&str]) -> Vec<(Option<&'static str>, Outcome)> {
    let there = |provider: &&Provider| !out.contains(&provider.id);
    let llama = Some(&bench.llama).filter(there);
    let ollama = bench.ollama.as_ref().filter(there);
    let told = |provider: &Provider, run: fn(&Bench, &Provider) -> Outcome| {
        (Some(provider.id), run(bench, provider))
    };
    match on {
        On::Each(run) => llama
            .into_iter()
            .chain(ollama)
            .map(|p| told(p, run))
            .collect(),
        On::Llama(run) => llama.into_iter().map(|p| told(p, run)).collect(),
        On::Ollama(run) => ollama.into_iter().map(|p| told(p, run)).collect(),
        On::Both(run) => llama
            .zip(ollama)
            .map(|(a, b)| (None, run(bench, a, b)))
            .into_iter()
            .collect(),
        On::End(run) => vec![(None, run(bench))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_enrolment_comes_first() {
        let mut names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names[0], "enrol");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCENARIOS.len());
    }
}
