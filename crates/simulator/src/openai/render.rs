//! `…/chat/completions`: answering.

use std::collections::BTreeMap;

use super::chunk::{Choice, Completion, Delta, Function, Said, ToolCall, Usage};
use super::{CREATED, JSON};
use crate::ask::Ask;
use crate::frame::{self, Answer, Frame, FrameKind, Framing};
use crate::plan::{self, Plan};
use crate::script::model::Model;
use crate::{Fault, Reply};

/// Says on every answer's body, too, that no model made it.
const FINGERPRINT: &str = "fp_handshake_simulator";

/// Bytes of arguments in one delta.
const ARGUMENT_DELTA: usize = 12;

/// What every chunk of an answer has.
struct Writer<'a> {
    id: String,
    model: String,
    reasoning_field: &'a str,
    include_usage: bool,
    plan: &'a Plan,
}

/// The answer of a reply.
pub(super) fn answer(ask: &Ask, model: &Model, reply: &Reply) -> Answer {
    let plan = Plan::new(ask, model, reply);
    let mut writer = Writer {
        id: format!("chatcmpl-sim-{}", ask.seed.hex("completion", 16)),
        model: ask.model.clone(),
        reasoning_field: "reasoning_content",
        include_usage: ask.include_usage,
        plan: &plan,
    };
    for fault in &plan.faults {
        match fault {
            Fault::ModelName { name } => writer.model.clone_from(name),
            Fault::ReasoningField { name } => writer.reasoning_field = name,
            _ => {}
        }
    }
    if plan.stream {
        let frames = writer.stream();
        Answer::stream(Framing::Sse, "text/event-stream; charset=utf-8", frames)
    } else {
        Answer::whole(200, JSON, writer.whole())
    }
}

impl<'a> Writer<'a> {
    fn finish(&self) -> &'a str {
        let usual = if self.plan.calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        };
        self.plan.finish.as_deref().unwrap_or(usual)
    }

    fn reasoning(&self, text: String) -> BTreeMap<&str, String> {
        BTreeMap::from([(self.reasoning_field, text)])
    }

    fn whole(&self) -> Vec<u8> {
        let plan = self.plan;
        let text = plan.text.concat();
        let alone = text.is_empty() && (plan.refusal.is_some() || !plan.calls.is_empty());
        let reasoning = if plan.reasoning.is_empty() {
            BTreeMap::new()
        } else {
            self.reasoning(plan.reasoning.concat())
        };
        let unfinished = plan
            .faults
            .iter()
            .any(|fault| matches!(fault, Fault::NoFinish { .. }));
        let message = Delta {
            role: Some("assistant"),
            content: Some((!alone).then_some(text)),
            refusal: Some(plan.refusal.clone()),
            reasoning,
            tool_calls: plan
                .calls
                .iter()
                .map(|call| ToolCall {
                    index: None,
                    id: call.id.as_deref(),
                    kind: Some("function"),
                    function: Function {
                        name: Some(&call.name),
                        arguments: &call.text,
                    },
                })
                .collect(),
        };
        let usage = plan
            .usage
            .map_or(Said::Absent, |usage| Said::Is(usage.into()));
        frame::json(&Completion {
            id: &self.id,
            object: "chat.completion",
            created: CREATED,
            model: &self.model,
            choices: vec![Choice {
                index: 0,
                message: Some(message),
                delta: None,
                logprobs: None,
                finish_reason: (!unfinished).then(|| self.finish()),
                native_finish_reason: plan.native_finish.as_deref(),
            }],
            usage: if unfinished { Said::Absent } else { usage },
            service_tier: "default",
            system_fingerprint: FINGERPRINT,
        })
    }

    /// A chunk with these choices.
    fn chunk(&self, kind: FrameKind, choices: Vec<Choice<'_>>, usage: Said<Usage>) -> Frame {
        let usage = match usage {
            Said::Absent if self.include_usage => Said::Null,
            said => said,
        };
        let chunk = Completion {
            id: &self.id,
            object: "chat.completion.chunk",
            created: CREATED,
            model: &self.model,
            choices,
            usage,
            service_tier: "default",
            system_fingerprint: FINGERPRINT,
        };
        Frame::new(kind, frame::json(&chunk))
    }

    fn delta(&self, delta: Delta<'_>) -> Frame {
        let choice = Choice {
            index: 0,
            message: None,
            delta: Some(delta),
            logprobs: None,
            finish_reason: None,
            native_finish_reason: None,
        };
        self.chunk(FrameKind::Content, vec![choice], Said::Absent)
    }

    fn last(&self, delta: Delta<'_>, usage: Said<Usage>) -> Frame {
        let choice = Choice {
            index: 0,
            message: None,
            delta: Some(delta),
            logprobs: None,
            finish_reason: Some(self.finish()),
            native_finish_reason: self.plan.native_finish.as_deref(),
        };
        self.chunk(FrameKind::Finish, vec![choice], usage)
    }

    fn stream(&self) -> Vec<Frame> {
        let plan = self.plan;
        let alone = plan.text.is_empty() && (plan.refusal.is_some() || !plan.calls.is_empty());
        let mut frames = vec![self.delta(Delta {
            role: Some("assistant"),
            content: Some((!alone).then(String::new)),
            refusal: Some(None),
            ..Delta::default()
        })];
        for thought in &plan.reasoning {
            frames.push(self.delta(Delta {
                reasoning: self.reasoning(thought.clone()),
                ..Delta::default()
            }));
        }
        for text in &plan.text {
            frames.push(self.delta(Delta {
                content: Some(Some(text.clone())),
                ..Delta::default()
            }));
        }
        if let Some(refusal) = &plan.refusal {
            frames.push(self.delta(Delta {
                refusal: Some(Some(refusal.clone())),
                ..Delta::default()
            }));
        }
        self.calls_and_end(&mut frames);
        frames.push(Frame::new(FrameKind::Done, b"[DONE]".to_vec()));
        frames
    }

    fn calls_and_end(&self, frames: &mut Vec<Frame>) {
        let plan = self.plan;
        let usage = plan
            .usage
            .map_or(Said::Absent, |usage| Said::Is(Usage::from(usage)));
        let together = plan.has(&Fault::CallsWithFinish);
        let mut whole = Vec::new();
        for (index, call) in plan.calls.iter().enumerate() {
            if together {
                whole.push(self.call(index, call, &call.text));
                continue;
            }
            frames.push(self.call_delta(self.call(index, call, "")));
            for piece in pieces(&call.text) {
                let blank = plan.has(&Fault::BlankContinuations).then_some("");
                frames.push(self.call_delta(ToolCall {
                    index: self.index(index),
                    id: blank,
                    kind: None,
                    function: Function {
                        name: blank,
                        arguments: piece,
                    },
                }));
            }
        }
        let delta = Delta {
            tool_calls: whole,
            ..Delta::default()
        };
        if together || plan.has(&Fault::UsageOnFinish) {
            frames.push(self.last(delta, usage));
        } else if plan.has(&Fault::DuplicateFinish) {
            frames.push(self.last(delta, Said::Absent));
            frames.push(self.last(Delta::default(), usage));
        } else {
            frames.push(self.last(delta, Said::Absent));
            if self.include_usage && !usage.is_absent() {
                frames.push(self.chunk(FrameKind::Usage, Vec::new(), usage));
            }
        }
    }

    fn index(&self, index: usize) -> Option<usize> {
        if self.plan.has(&Fault::NoCallIndex) {
            None
        } else if self.plan.has(&Fault::SameCallIndex) {
            Some(0)
        } else {
            Some(index)
        }
    }

    fn call<'c>(&self, index: usize, call: &'c plan::Call, arguments: &'c str) -> ToolCall<'c> {
        ToolCall {
            index: self.index(index),
            id: call.id.as_deref(),
            kind: Some("function"),
            function: Function {
                name: Some(&call.name),
                arguments,
            },
        }
    }

    fn call_delta(&self, call: ToolCall<'_>) -> Frame {
        self.delta(Delta {
            tool_calls: vec![call],
            ..Delta::default()
        })
    }
}

/// Arguments in small pieces that end at character boundaries.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = ARGUMENT_DELTA.min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, left) = rest.split_at(end);
        pieces.push(piece);
        rest = left;
    }
    pieces
}
