//! A reply with everything filled in that does not depend on the wire.

use serde_json::{Map, Value};

use crate::ask::{Ask, Seed};
use crate::script::model::Model;
use crate::{CallSpec, Fault, Reply, ToolIdRule, UsageSpec, answer, conform, tokens};

/// The placeholder for the last user or tool text in a script.
const LAST: &str = "{{last}}";
/// The placeholder for the fence of emulated tool calls.
const FENCE: &str = "{{fence}}";

/// Content of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) text: Vec<String>,
    pub(crate) reasoning: Vec<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) refusal: Option<String>,
    /// The finish reason that the script or a bound on tokens says.
    pub(crate) finish: Option<String>,
    pub(crate) native_finish: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) stream: bool,
    pub(crate) faults: Vec<Fault>,
}

/// A tool call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Absent where a fault takes the ids away.
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) arguments: Map<String, Value>,
    /// The arguments as text, cut where a fault cuts them.
    pub(crate) text: String,
    /// The text is not the object of `arguments`.
    pub(crate) broken: bool,
}

/// Token counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
    pub(crate) cached: u64,
    pub(crate) reasoning: u64,
}

impl Plan {
    /// Fills in what the reply leaves open.
    pub(crate) fn new(ask: &Ask, model: &Model, reply: &Reply) -> Self {
        let mut finish = reply.finish.clone();
        let mut reasoning = reply.reasoning.clone();
        let mut text = content(ask, reply);
        if !reply.has_content() {
            let default = answer::default(ask, model);
            text = default.text;
            reasoning = default.reasoning;
            if default.cut && finish.is_none() {
                finish = Some("length".to_owned());
            }
        }
        for fault in &reply.faults {
            if let Fault::OversizeLine { after, bytes } = fault {
                text.insert((*after).min(text.len()), "x".repeat(*bytes));
            }
        }
        let calls: Vec<Call> = reply
            .tool_calls
            .iter()
            .enumerate()
            .map(|(index, spec)| call(ask, model, reply, index, spec))
            .collect();
        let usage = usage(ask, reply, &text, &reasoning, &calls);
        let stream = (ask.stream || reply.faults.contains(&Fault::ForceStream))
            && !reply.faults.contains(&Fault::IgnoreStream);
        Self {
            text,
            reasoning,
            calls,
            refusal: reply.refusal.clone(),
            finish,
            native_finish: reply.native_finish.clone(),
            usage,
            stream,
            faults: reply.faults.clone(),
        }
    }

    /// Whether the answer has this fault.
    pub(crate) fn has(&self, fault: &Fault) -> bool {
        self.faults.contains(fault)
    }
}

fn content(ask: &Ask, reply: &Reply) -> Vec<String> {
    let mut text: Vec<String> = reply.text.clone().unwrap_or_default();
    for chunk in &mut text {
        if chunk.contains(LAST) {
            *chunk = chunk.replace(LAST, &ask.last);
        }
        if chunk.contains(FENCE) {
            *chunk = chunk.replace(FENCE, &ask.fence);
        }
    }
    if let Some(json) = &reply.json {
        text.push(json.to_string());
    }
    if reply.conform {
        let schema = ask.schema.clone().unwrap_or(Value::Bool(true));
        text.push(conform::instance(&schema).to_string());
    }
    text
}

fn call(ask: &Ask, model: &Model, reply: &Reply, index: usize, spec: &CallSpec) -> Call {
    let mut arguments = spec.arguments.clone();
    let mut text = Value::Object(arguments.clone()).to_string();
    let mut broken = false;
    if let Some(instead) = &spec.arguments_text {
        text.clone_from(instead);
        match serde_json::from_str(instead) {
            Ok(object) => arguments = object,
            Err(_) => broken = true,
        }
    }
    for fault in &reply.faults {
        if let Fault::CutArguments { call, bytes } = fault
            && *call == index
        {
            let mut end = (*bytes).min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            broken = true;
        }
    }
    let id = spec.id.clone().unwrap_or_else(|| {
        mint(
            model.tool_ids,
            ask.seed,
            ask.prior_calls + index,
            &spec.name,
        )
    });
    Call {
        id: (!reply.faults.contains(&Fault::NoCallIds)).then_some(id),
        name: spec.name.clone(),
        arguments,
        text,
        broken,
    }
}

/// An id as the model's family mints it.
fn mint(rule: ToolIdRule, seed: Seed, position: usize, name: &str) -> String {
    let purpose = format!("call {position}");
    match rule {
        ToolIdRule::Short => format!("call_{}", seed.hex(&purpose, 8)),
        ToolIdRule::Strict9 => seed.hex(&purpose, 9),
        ToolIdRule::Kimi => format!("functions.{name}:{position}"),
    }
}

fn usage(
    ask: &Ask,
    reply: &Reply,
    text: &[String],
    reasoning: &[String],
    calls: &[Call],
) -> Option<Usage> {
    let bytes = |list: &[String]| list.iter().map(String::len).sum::<usize>();
    match reply.usage {
        UsageSpec::Absent => None,
        UsageSpec::Fixed {
            prompt,
            completion,
            cached,
            reasoning,
        } => Some(Usage {
            prompt,
            completion,
            cached,
            reasoning,
        }),
        UsageSpec::Counted => {
            let thought = tokens::count(bytes(reasoning));
            let called: usize = calls
                .iter()
                .map(|one| one.text.len() + one.name.len())
                .sum();
            let refused = reply.refusal.as_deref().map_or(0, str::len);
            Some(Usage {
                prompt: ask.prompt_tokens,
                completion: thought + tokens::count(bytes(text) + called + refused),
                cached: 0,
                reasoning: thought,
            })
        }
    }
}
