//! An adapter as another team would write one, in about a hundred lines. It speaks chat completions without tools or
//! streaming. `docs/write-an-adapter.md` walks through it; `adapter.rs` holds it to the adapter suite.

use std::{collections::BTreeMap, sync::Arc};

use handshake_core::{
    admit::Admitted,
    capability::Claims,
    chat::{ChatEvent, FinishReason, Role},
    code::{ErrorCode, Phase},
    control::{ControlCall, ControlReport, ModelListing},
    envelope::{Envelope, HeaderValue, Method, Prepared},
    error::{CallError, PrepareError},
    ids::{ModelId, Token},
    provider::{InvalidProvider, ProviderRecord},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
    tier::Residence,
};
use handshake_transport::{
    adapter::{Decoder, Protocol, Turn},
    framing::SseFramer,
};
use serde_json::{Value, json};

/// A server that answers chat completions, whole.
#[derive(Default)]
pub(crate) struct Plain;

impl Protocol for Plain {
    const KIND: &'static str = "plain";
    const STREAMS: &'static [&'static str] = &[];

    fn validate(&self, record: &ProviderRecord) -> Result<(), InvalidProvider> {
        match &record.dialect {
            None => Ok(()),
            Some(_) => Err(InvalidProvider {
                code: ErrorCode::InvalidConfig,
                field: "dialect",
                reason: "this API has no dialects",
            }),
        }
    }

    fn profile(&self, _: &ProviderRecord, _: &ModelId) -> (Option<Token>, Claims) {
        (None, Claims::default())
    }

    fn prepare(
        &self,
        record: &ProviderRecord,
        admitted: &Admitted,
    ) -> Result<Prepared, PrepareError> {
        let (request, model) = (admitted.request(), &admitted.route().model);
        let params = &request.params;
        // What this API does not have is refused by name and never dropped.
        let absent = [
            ("tools", request.tools.is_empty()),
            ("schema", request.structured_output_schema.is_none()),
            ("top_p", params.top_p.is_none()),
            ("reasoning", params.reasoning.is_none()),
        ];
        if let Some((name, _)) = absent.iter().find(|(_, absent)| !absent) {
            return Err(PrepareError::new(ErrorCode::ParameterUnsupported, name));
        }
        let mut messages = Vec::new();
        for message in &request.messages {
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                _ => {
                    return Err(PrepareError::new(
                        ErrorCode::ToolCallingUnsupported,
                        "messages",
                    ));
                }
            };
            messages.push(json!({ "role": role, "content": message.content }));
        }
        let mut body = json!({ "model": model, "messages": messages, "stream": false });
        let given: [(&str, Option<Value>); 4] = [
            ("max_tokens", admitted.max_tokens().map(Value::from)),
            ("temperature", params.temperature.map(Value::from)),
            ("seed", params.seed.map(Value::from)),
            (
                "stop",
                (!params.stop.is_empty()).then(|| params.stop.clone().into()),
            ),
        ];
        for (name, value) in given {
            value.into_iter().for_each(|value| body[name] = value);
        }
        let mut reply = ReplySpec::offline(record.provider_kind.clone(), false);
        reply.requested_model = Some(model.clone());
        let mut envelope = envelope(record, Method::Post, "/chat/completions", body.to_string());
        envelope.model_id = Some(model.clone());
        Ok(Prepared {
            envelope: Arc::new(envelope),
            reply: Arc::new(reply),
            adjusted: Vec::new(),
        })
    }

    fn decoder(&self, reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
        let turn = Answer {
            model: reply.requested_model.clone(),
        };
        Box::new(Decoder::new(
            reply,
            head,
            Self::STREAMS,
            SseFramer::default(),
            turn,
        ))
    }

    /// A status says enough here. An API whose errors say more has a table, and still keeps no word of them.
    fn failure(&self, head: &ResponseHead, _: &[u8], _: &ReplySpec) -> CallError {
        let code = match head.status {
            401 | 403 => ErrorCode::ProviderAuth,
            404 => ErrorCode::Model404,
            429 => ErrorCode::RateLimit,
            400..=499 => ErrorCode::ProviderRejected,
            _ => ErrorCode::Provider,
        };
        CallError::new(code, Phase::Status)
            .status(head.status)
            .retry_after(head.retry_after)
    }

    fn prepare_control(
        &self,
        record: &ProviderRecord,
        call: &ControlCall,
    ) -> Result<Envelope, PrepareError> {
        match call {
            ControlCall::ListModels => Ok(envelope(record, Method::Get, "/models", String::new())),
            _ => Err(PrepareError::new(ErrorCode::ParameterUnsupported, "call")),
        }
    }

    fn report(
        &self,
        _: &ProviderRecord,
        _: &ControlCall,
        body: &[u8],
    ) -> Result<ControlReport, CallError> {
        let value: Value = serde_json::from_slice(body).map_err(|_| protocol("models"))?;
        let listed = value["data"].as_array().ok_or_else(|| protocol("models"))?;
        let models = listed
            .iter()
            .filter_map(|model| ModelId::new(model["id"].as_str()?).ok());
        let listing = |model_id| ModelListing {
            model_id,
            digest: None,
            size_bytes: None,
            residence: Residence::Forwarded,
            claims: Claims::default(),
            family: None,
        };
        Ok(ControlReport {
            models: models.map(listing).collect(),
            ..ControlReport::default()
        })
    }
}

fn envelope(record: &ProviderRecord, method: Method, path: &str, body: String) -> Envelope {
    let mut headers = BTreeMap::new();
    if !body.is_empty() {
        let json = HeaderValue::Plain("application/json".to_owned());
        headers.insert("content-type".to_owned(), json);
    }
    // The secret itself is filled in by the transport, behind the gate.
    if let Some(secret_ref) = record.secret_ref.clone() {
        let secret = HeaderValue::Secret {
            secret_ref,
            prefix: "Bearer ",
        };
        headers.insert("authorization".to_owned(), secret);
    }
    Envelope {
        method,
        base_url: record.base_url.clone(),
        path: format!("{}{path}", record.base_url.path()),
        headers,
        provider_id: record.provider_id.clone(),
        revision: record.revision,
        model_id: None,
        body: body.into(),
    }
}

/// One answer.
struct Answer {
    model: Option<ModelId>,
}

impl Turn<SseFramer> for Answer {
    fn frame(
        &mut self,
        _: <SseFramer as handshake_transport::framing::Framer>::Frame<'_>,
        _: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        Err(protocol("stream"))
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        let cut = |_| CallError::new(ErrorCode::StreamTruncated, Phase::Decode);
        let value: Value = serde_json::from_slice(body).map_err(cut)?;
        // Another model's answer is no answer.
        let model = self.model.as_ref().map(ModelId::as_str);
        if value["model"]
            .as_str()
            .is_some_and(|answered| model.is_some_and(|asked| asked != answered))
        {
            return Err(protocol("model"));
        }
        let choice = &value["choices"][0];
        let text = choice["message"]["content"]
            .as_str()
            .ok_or_else(|| protocol("content"))?;
        let finish_reason = match choice["finish_reason"].as_str() {
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            _ => return Err(protocol("finish reason")),
        };
        events.push(ChatEvent::Started);
        events.push(ChatEvent::TextDelta {
            text: text.to_owned(),
        });
        events.push(ChatEvent::Finished {
            finish_reason,
            tool_mode: handshake_core::chat::ToolMode::Native,
            refusal_suspected: false,
        });
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        Err(CallError::new(ErrorCode::StreamTruncated, Phase::Decode))
    }

    fn failure(&self, head: &ResponseHead, body: &[u8]) -> CallError {
        Plain.failure(
            head,
            body,
            &ReplySpec::offline(Token::new("plain").expect("a token"), false),
        )
    }
}

fn protocol(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::Protocol, Phase::Decode).about(subject)
}
