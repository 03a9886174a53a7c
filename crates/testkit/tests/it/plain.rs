//! An adapter as another team would write one. It speaks chat completions without tools or streaming.
//! `docs/write-an-adapter.md` walks through it; `adapter.rs` holds it to the adapter suite.

use handshake_core::{
    admit::Admitted,
    capability::Claims,
    chat::{ChatEvent, FinishReason, Role, ToolMode},
    code::{ErrorCode, Phase},
    control::{ControlCall, ControlReport, ModelListing},
    envelope::{Envelope, Prepared},
    error::{CallError, PrepareError},
    ids::{ModelId, Token},
    provider::{InvalidProvider, ProviderRecord},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
    tier::Residence,
};
use handshake_transport::{
    adapter::{self, BEARER, Decoder, Protocol, Turn},
    framing::NdjsonFramer,
};
use serde_json::{Value, json};

#[derive(Default)]
pub(crate) struct Plain;

impl Protocol for Plain {
    const KIND: &'static str = "plain";
    const STREAMS: &'static [&'static str] = &[];

    fn validate(&self, _: &ProviderRecord) -> Result<(), InvalidProvider> {
        Ok(())
    }

    fn profile(&self, _: &ProviderRecord, _: &ModelId) -> (Option<Token>, Claims) {
        (None, Claims::default())
    }

    fn prepare(&self, to: &ProviderRecord, admitted: &Admitted) -> Result<Prepared, PrepareError> {
        let (request, model) = (admitted.request(), &admitted.route().model);
        let params = &request.params;
        // What this API does not have is refused by name and never dropped.
        for (name, asked) in [
            ("tools", !request.tools.is_empty()),
            ("schema", request.structured_output_schema.is_some()),
            ("top_p", params.top_p.is_some()),
            ("reasoning", params.reasoning.is_some()),
        ] {
            if asked {
                return Err(PrepareError::new(ErrorCode::ParameterUnsupported, name));
            }
        }
        let role = |role| match role {
            Role::System => Ok("system"),
            Role::User => Ok("user"),
            Role::Assistant => Ok("assistant"),
            _ => Err(PrepareError::new(
                ErrorCode::ToolCallingUnsupported,
                "messages",
            )),
        };
        let mut body = json!({ "model": model, "messages": [], "stream": false });
        for message in &request.messages {
            let message = json!({ "role": role(message.role)?, "content": message.content });
            body["messages"]
                .as_array_mut()
                .expect("a list")
                .push(message);
        }
        let stop = (!params.stop.is_empty()).then(|| params.stop.clone());
        for (name, value) in [
            ("max_tokens", admitted.max_tokens().map(Value::from)),
            ("temperature", params.temperature.map(Value::from)),
            ("seed", params.seed.map(Value::from)),
            ("stop", stop.map(Value::from)),
        ] {
            value.into_iter().for_each(|value| body[name] = value);
        }
        let (path, json) = ("/chat/completions", "application/json");
        let mut envelope = adapter::post(to, path, BEARER, json, body.to_string());
        envelope.model_id = Some(model.clone());
        let mut reply = ReplySpec::offline(to.provider_kind.clone(), false);
        reply.requested_model = Some(model.clone());
        Ok(Prepared::new(envelope, reply, Vec::new()))
    }

    fn decoder(&self, reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
        let (framer, turn) = (NdjsonFramer::default(), Whole(reply.clone()));
        Box::new(Decoder::new(reply, head, Self::STREAMS, framer, turn))
    }

    fn failure(&self, head: &ResponseHead, _: &[u8], _: &ReplySpec) -> CallError {
        // An API whose errors say more than their status has a table here, and still keeps no word of them.
        let code = match head.status {
            401 | 403 => ErrorCode::ProviderAuth,
            404 => ErrorCode::Model404,
            429 => ErrorCode::RateLimit,
            400..=499 => ErrorCode::ProviderRejected,
            _ => ErrorCode::Provider,
        };
        let error = CallError::new(code, Phase::Status).status(head.status);
        error.retry_after(head.retry_after)
    }

    fn prepare_control(
        &self,
        to: &ProviderRecord,
        call: &ControlCall,
    ) -> Result<Envelope, PrepareError> {
        match call {
            ControlCall::ListModels => Ok(adapter::get(to, "/models", BEARER)),
            _ => Err(PrepareError::new(ErrorCode::ParameterUnsupported, "call")),
        }
    }

    fn report(
        &self,
        _: &ProviderRecord,
        _: &ControlCall,
        body: &[u8],
    ) -> Result<ControlReport, CallError> {
        let value: Value = serde_json::from_slice(body).map_err(|_| odd("models"))?;
        let mut report = ControlReport::default();
        for model in value["data"].as_array().ok_or_else(|| odd("models"))? {
            let id = model["id"].as_str().ok_or_else(|| odd("models"))?;
            report.models.push(ModelListing {
                model_id: ModelId::new(id).map_err(|_| odd("models"))?,
                digest: None,
                size_bytes: None,
                residence: Residence::Forwarded,
                claims: Claims::default(),
                family: None,
            });
        }
        Ok(report)
    }
}

/// An answer that comes as one JSON value.
struct Whole(ReplySpec);

impl Turn<NdjsonFramer> for Whole {
    fn frame(&mut self, _: &[u8], _: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        Err(odd("stream"))
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        let cut = |_| CallError::new(ErrorCode::StreamTruncated, Phase::Decode);
        let value: Value = serde_json::from_slice(body).map_err(cut)?;
        if let (Some(asked), Some(model)) = (&self.0.requested_model, value["model"].as_str())
            && asked.as_str() != model
        {
            return Err(odd("model"));
        }
        let choice = &value["choices"][0];
        let text = choice["message"]["content"]
            .as_str()
            .ok_or_else(|| odd("content"))?
            .to_owned();
        let finish_reason = match choice["finish_reason"].as_str() {
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            _ => return Err(odd("finish reason")),
        };
        let (tool_mode, refusal_suspected) = (ToolMode::Native, false);
        events.push(ChatEvent::Started);
        events.push(ChatEvent::TextDelta { text });
        events.push(ChatEvent::Finished {
            finish_reason,
            tool_mode,
            refusal_suspected,
        });
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        Err(odd("end"))
    }

    fn failure(&self, head: &ResponseHead, body: &[u8]) -> CallError {
        Plain.failure(head, body, &self.0)
    }
}

fn odd(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::Protocol, Phase::Decode).about(subject)
}
