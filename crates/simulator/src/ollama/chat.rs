//! `/api/chat`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::dto::{ChatRequest, Message};
use super::{CREATED_AT, JSON, WIRE, error, json, missing};
use crate::ask::{Ask, Seed, fence};
use crate::dispatch::{Call, Outcome, control, finish};
use crate::engine::{Found, Probe};
use crate::frame::{Answer, Frame, FrameKind, Framing};
use crate::plan::{Plan, Usage};
use crate::script::model::Remote;
use crate::{Fault, Reply, Route, tokens};

/// Context where a request asks for none.
const DEFAULT_CONTEXT: u64 = 4096;

/// A line of a stream, and the whole answer otherwise. Counters are left out, not zero.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_host: Option<&'a str>,
    created_at: &'static str,
    message: LineMessage<'a>,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_eval_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_eval_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_duration: Option<u64>,
}

#[derive(Debug, Default, Serialize)]
struct LineMessage<'a> {
    role: &'static str,
    content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<LineCall<'a>>,
}

#[derive(Debug, Serialize)]
struct LineCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    function: LineFunction<'a>,
}

#[derive(Debug, Serialize)]
struct LineFunction<'a> {
    index: usize,
    name: &'a str,
    arguments: &'a Map<String, Value>,
}

/// Answers `/api/chat`.
pub(super) fn answer(call: &Call<'_>) -> Outcome {
    let request: ChatRequest = match serde_json::from_slice(call.body) {
        Ok(request) => request,
        Err(reason) => return error(400, &go_error(call.body, &reason)).into(),
    };
    let name = request.model.as_str();
    let messages = request.messages.as_deref().unwrap_or_default();
    if messages.is_empty() {
        let probe = Probe::control(WIRE, Route::Load, name);
        return control(call, probe, || load(call, &request));
    }

    let ask = ask(call, &request, messages);
    let probe = Probe {
        wire: WIRE,
        route: Route::Chat,
        model: name,
        last: &ask.last,
        has_tools: ask.has_tools,
        after_tool: ask.after_tool,
    };
    // A rule is counted, and its faults happen, also where the daemon would refuse; what it says
    // does not.
    let reply = call.pick(probe).unwrap_or_default();
    finish(WIRE, reply, |reply| {
        let found = match call.engine(|engine| engine.find(WIRE, name)) {
            Ok(found) => found,
            Err(reason) => return missing(reason, name),
        };
        let context = context(&request, &found);
        if let Some(refusal) = refuse(&request, &found, &ask, context) {
            return refusal;
        }
        if found.remote.is_none() {
            call.engine(|engine| {
                if unloads(request.keep_alive.as_ref()) {
                    engine.unload(&found.model.name);
                } else {
                    engine.load(&found.model.name, context);
                }
            });
        }
        render(&ask, &found, reply)
    })
}

/// The context that a request loads the model with.
fn context(request: &ChatRequest, found: &Found) -> u64 {
    let asked = request.options.as_ref().and_then(|options| options.num_ctx);
    asked
        .unwrap_or(DEFAULT_CONTEXT)
        .min(found.model.context_length)
}

/// The daemon's words for a body that is not a request.
fn go_error(body: &[u8], reason: &serde_json::Error) -> String {
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    let array = parsed.ok().is_some_and(|value| {
        value["messages"]
            .as_array()
            .is_some_and(|list| list.iter().any(|message| message["content"].is_array()))
    });
    if array {
        "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type \
         string"
            .to_owned()
    } else {
        format!("json: {reason}")
    }
}

fn ask(call: &Call<'_>, request: &ChatRequest, messages: &[Message]) -> Ask {
    let last = messages
        .iter()
        .rev()
        .find(|message| matches!(role(message).as_str(), "user" | "tool"));
    let bytes: usize = messages
        .iter()
        .map(|message| {
            let calls = message.tool_calls.iter().flatten();
            message.content.as_deref().map_or(0, str::len)
                + message.thinking.as_deref().map_or(0, str::len)
                + calls
                    .map(|one| one.function.name.len() + json(&one.function.arguments).len())
                    .sum::<usize>()
        })
        .sum();
    let (schema, json_mode) = match &request.format {
        Some(Value::String(word)) => (None, word == "json"),
        Some(schema @ Value::Object(_)) => (Some(schema.clone()), false),
        _ => (None, false),
    };
    Ask {
        model: request.model.clone(),
        last: last
            .and_then(|message| message.content.clone())
            .unwrap_or_default(),
        after_tool: messages
            .last()
            .is_some_and(|message| role(message) == "tool"),
        has_tools: request
            .tools
            .as_ref()
            .is_some_and(|tools| !tools.is_empty()),
        schema,
        json_mode,
        stream: request.stream.unwrap_or(true),
        include_usage: true,
        // Unset means yes for a model that can think.
        think: !matches!(request.think, Some(Value::Bool(false))),
        max_tokens: request
            .options
            .as_ref()
            .and_then(|options| options.num_predict)
            .and_then(|most| u64::try_from(most).ok()),
        prompt_tokens: tokens::count(bytes),
        prior_calls: messages
            .iter()
            .map(|message| message.tool_calls.as_ref().map_or(0, Vec::len))
            .sum(),
        fence: fence(call.body),
        seed: Seed::of(call.body),
    }
}

fn role(message: &Message) -> String {
    message.role.to_ascii_lowercase()
}

/// What a daemon refuses before the model is asked.
fn refuse(request: &ChatRequest, found: &Found, ask: &Ask, context: u64) -> Option<Answer> {
    let name = &request.model;
    match &request.format {
        None | Some(Value::Null | Value::Object(_)) => {}
        Some(Value::String(word)) if word.is_empty() || word == "json" => {}
        Some(other) => {
            let message = format!(
                "invalid format: {other:?}; expected \"json\" or a valid JSON Schema object"
            );
            return Some(error(400, &message));
        }
    }
    if !found.model.can("completion") {
        return Some(error(400, &format!("\"{name}\" does not support chat")));
    }
    if ask.has_tools && !found.model.can("tools") {
        let message = format!("registry.ollama.ai/library/{name} does not support tools");
        return Some(error(400, &message));
    }
    let thinks = matches!(request.think, Some(Value::Bool(true) | Value::String(_)));
    if thinks && !found.model.can("thinking") {
        return Some(error(400, &format!("\"{name}\" does not support thinking")));
    }
    let images = request.messages.iter().flatten();
    if images
        .flat_map(|message| &message.images)
        .any(|images| !images.is_empty())
        && !found.model.can("vision")
    {
        return Some(error(
            400,
            &format!("\"{name}\" does not support image input"),
        ));
    }
    if request.truncate == Some(false) && ask.prompt_tokens > context {
        return Some(error(400, "the input length exceeds the context length"));
    }
    let nameless = request
        .tools
        .iter()
        .flatten()
        .any(|tool| tool.function.name.is_empty());
    nameless.then(|| error(400, "tool function name is empty"))
}

/// Zero, as a number or as a duration, unloads.
fn unloads(keep_alive: Option<&Value>) -> bool {
    match keep_alive {
        Some(Value::Number(seconds)) => seconds.as_f64() == Some(0.0),
        Some(Value::String(text)) => {
            let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            number.parse::<f64>().is_ok_and(|value| value == 0.0)
        }
        _ => false,
    }
}

/// Loading and unloading: no messages, `keep_alive` says which.
fn load(call: &Call<'_>, request: &ChatRequest) -> Answer {
    let name = request.model.as_str();
    let found = match call.engine(|engine| engine.find(WIRE, name)) {
        Ok(found) => found,
        Err(reason) => return missing(reason, name),
    };
    let reason = if unloads(request.keep_alive.as_ref()) {
        call.engine(|engine| engine.unload(&found.model.name));
        "unload"
    } else {
        let context = context(request, &found);
        call.engine(|engine| engine.load(&found.model.name, context));
        "load"
    };
    let line = Line {
        model: name,
        created_at: CREATED_AT,
        message: assistant(),
        done: true,
        done_reason: Some(reason),
        ..Line::default()
    };
    Answer::whole(200, JSON, json(&line))
}

fn assistant<'a>() -> LineMessage<'a> {
    LineMessage {
        role: "assistant",
        ..LineMessage::default()
    }
}

fn render(ask: &Ask, found: &Found, reply: &Reply) -> Answer {
    let plan = Plan::new(ask, &found.model, reply);
    let mut name = ask.model.clone();
    let mut remote = found.remote.clone();
    for fault in &plan.faults {
        match fault {
            Fault::ModelName { name: other } => name.clone_from(other),
            Fault::RemoteHost { host } => {
                remote = Some(Remote {
                    host: host.clone(),
                    model: ask.model.clone(),
                });
            }
            _ => {}
        }
    }
    let line = || Line {
        model: &name,
        remote_model: remote.as_ref().map(|remote| remote.model.as_str()),
        remote_host: remote.as_ref().map(|remote| remote.host.as_str()),
        created_at: CREATED_AT,
        message: assistant(),
        ..Line::default()
    };
    let content_line = |message: LineMessage<'_>| {
        let line = Line { message, ..line() };
        Frame::new(FrameKind::Content, json(&line))
    };
    // Arguments are objects here: a call whose arguments are not one is dropped without a word.
    let calls: Vec<LineCall<'_>> = plan
        .calls
        .iter()
        .filter(|call| !call.broken)
        .enumerate()
        .map(|(index, call)| LineCall {
            id: call.id.as_deref(),
            function: LineFunction {
                index,
                name: &call.name,
                arguments: &call.arguments,
            },
        })
        .collect();
    let unfinished = plan
        .faults
        .iter()
        .any(|fault| matches!(fault, Fault::NoFinish { .. }));

    if !plan.stream {
        let mut whole = Line {
            message: LineMessage {
                content: plan.text.concat() + plan.refusal.as_deref().unwrap_or_default(),
                thinking: plan.reasoning.concat(),
                tool_calls: calls,
                ..assistant()
            },
            ..line()
        };
        if !unfinished {
            end(&mut whole, &plan);
        }
        return Answer::whole(200, JSON, json(&whole));
    }

    let mut frames = Vec::new();
    for thought in &plan.reasoning {
        frames.push(content_line(LineMessage {
            thinking: thought.clone(),
            ..assistant()
        }));
    }
    for text in plan.text.iter().chain(&plan.refusal) {
        frames.push(content_line(LineMessage {
            content: text.clone(),
            ..assistant()
        }));
    }
    for call in calls {
        frames.push(content_line(LineMessage {
            tool_calls: vec![call],
            ..assistant()
        }));
    }
    let mut last = line();
    end(&mut last, &plan);
    let last = Frame::new(FrameKind::Finish, json(&last));
    if plan.has(&Fault::DuplicateFinish) {
        frames.push(last.clone());
    }
    frames.push(last);
    Answer::stream(Framing::Ndjson, "application/x-ndjson", frames)
}

/// The members that only the end has.
fn end<'a>(line: &mut Line<'a>, plan: &'a Plan) {
    line.done = true;
    // Never "tool_calls": a daemon says "stop" behind calls, too.
    line.done_reason = Some(plan.finish.as_deref().unwrap_or("stop"));
    line.total_duration = Some(5_000_000);
    line.load_duration = Some(1_000_000);
    if let Some(Usage {
        prompt, completion, ..
    }) = plan.usage
    {
        line.prompt_eval_count = Some(prompt);
        line.prompt_eval_duration = Some(1_000_000);
        line.eval_count = Some(completion);
        line.eval_duration = Some(3_000_000);
    }
}
