//! An adapter as another team would write one, in about a hundred lines, held to the adapter suite against the
//! simulator. It speaks chat completions without streaming on the wire.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use handshake_core::{
    admit::Admitted,
    capability::Claims,
    chat::{ChatEvent, FinishReason, Role},
    code::{ErrorCode, Phase},
    control::{ControlCall, ControlReport, ModelListing},
    envelope::{Envelope, HeaderValue, Method, Prepared},
    error::{CallError, PrepareError, SendError},
    gate::{Cleared, ClearedControl},
    ids::{ModelId, ProviderId, Token},
    ports::{Adapter, AdapterError, AdapterFactory, Answer, LlmClient, ProviderControl},
    provider::{InvalidProvider, ProviderRecord},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
    tier::{Reach, Residence},
};
use handshake_simulator::{Fault, Model, Reply, Rule, Script, SimConfig, Simulator};
use handshake_testkit::{fixture, memory::Memory, suite::adapter};
use handshake_transport::{Limits, Transport, stream};
use serde_json::{Value, json};

struct Plain {
    kind: Token,
    transport: Transport,
}

struct Half {
    transport: Transport,
    record: Arc<ProviderRecord>,
}

impl Half {
    fn envelope(
        &self,
        method: Method,
        path: &str,
        model: Option<&ModelId>,
        body: Vec<u8>,
    ) -> Envelope {
        let mut headers = BTreeMap::new();
        if !body.is_empty() {
            let json = HeaderValue::Plain("application/json".to_owned());
            headers.insert("content-type".to_owned(), json);
        }
        if let Some(secret_ref) = self.record.secret_ref.clone() {
            let secret = HeaderValue::Secret {
                secret_ref,
                prefix: "Bearer ",
            };
            headers.insert("authorization".to_owned(), secret);
        }
        Envelope {
            method,
            base_url: self.record.base_url.clone(),
            path: format!(
                "{}{path}",
                self.record.base_url.path().trim_end_matches('/')
            ),
            headers,
            provider_id: self.record.provider_id.clone(),
            revision: self.record.revision,
            model_id: model.cloned(),
            body: body.into(),
        }
    }

    /// A clearance of somebody else is not ours to send.
    fn owns(&self, record: &ProviderRecord) -> Result<(), SendError> {
        if *record == *self.record {
            return Ok(());
        }
        let error = CallError::new(ErrorCode::InvalidRequest, Phase::Connect).about("clearance");
        Err(SendError::unsent(error))
    }
}

#[async_trait]
impl LlmClient for Half {
    fn provider(&self) -> &ProviderId {
        &self.record.provider_id
    }

    fn prepare(&self, admitted: &Admitted) -> Result<Prepared, PrepareError> {
        let (request, model) = (admitted.request(), &admitted.route().model);
        // What this adapter does not speak is refused by name and never dropped.
        if !request.tools.is_empty() {
            return Err(PrepareError::new(
                ErrorCode::ToolCallingUnsupported,
                "tools",
            ));
        }
        if request.structured_output_schema.is_some() || request.verbatim.is_some() {
            return Err(PrepareError::new(ErrorCode::ParameterUnsupported, "schema"));
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
        let params = &request.params;
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
        if params.top_p.is_some() || params.reasoning.is_some() {
            return Err(PrepareError::new(
                ErrorCode::ParameterUnsupported,
                "top_p, reasoning",
            ));
        }
        let mut reply = ReplySpec::offline(Token::new("plain").expect("a token"), false);
        reply.requested_model = Some(model.clone());
        let body = body.to_string().into_bytes();
        let envelope = self.envelope(Method::Post, "/chat/completions", Some(model), body);
        Ok(Prepared::new(envelope, reply, Vec::new()))
    }

    async fn send(&self, cleared: Cleared) -> Result<Answer, SendError> {
        self.owns(cleared.record())?;
        let response = self.transport.send(&cleared).await?;
        if response.head.status != 200 {
            let error =
                CallError::new(ErrorCode::Provider, Phase::Status).status(response.head.status);
            return Err(SendError::in_doubt(error));
        }
        Ok(Answer::ok(stream(
            response,
            Box::new(Whole::default()),
            false,
        )))
    }
}

#[async_trait]
impl ProviderControl for Half {
    fn prepare(&self, call: &ControlCall) -> Result<Envelope, PrepareError> {
        match call {
            ControlCall::ListModels => Ok(self.envelope(Method::Get, "/models", None, Vec::new())),
            _ => Err(PrepareError::new(ErrorCode::ParameterUnsupported, "call")),
        }
    }

    async fn send(&self, cleared: ClearedControl) -> Result<ControlReport, SendError> {
        self.owns(cleared.record())?;
        let response = self.transport.send_control(&cleared).await?;
        let bytes = response.whole(1 << 20).await.map_err(SendError::in_doubt)?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let listed = value["data"].as_array().into_iter().flatten();
        let models = listed.filter_map(|model| ModelId::new(model["id"].as_str()?).ok());
        let listing = |model_id| ModelListing {
            model_id,
            digest: None,
            size_bytes: None,
            residence: Residence::Local,
            claims: Claims::default(),
            family: None,
        };
        Ok(ControlReport {
            models: models.map(listing).collect(),
            ..ControlReport::default()
        })
    }
}

impl AdapterFactory for Plain {
    fn kind(&self) -> &Token {
        &self.kind
    }

    fn validate(&self, _: &ProviderRecord) -> Result<(), InvalidProvider> {
        Ok(())
    }

    fn build(&self, record: Arc<ProviderRecord>) -> Result<Adapter, AdapterError> {
        let half = || Half {
            transport: self.transport.clone(),
            record: Arc::clone(&record),
        };
        Ok(Adapter {
            client: Arc::new(half()),
            control: Arc::new(half()),
        })
    }

    fn profile(&self, _: &ProviderRecord, _: &ModelId) -> (Option<Token>, Claims) {
        (None, Claims::default())
    }

    fn decoder(&self, _: &ReplySpec, _: &ResponseHead) -> Box<dyn ReplyDecoder> {
        Box::new(Whole::default())
    }
}

/// Decodes one whole JSON answer.
#[derive(Default)]
struct Whole(Vec<u8>);

impl ReplyDecoder for Whole {
    fn push(&mut self, bytes: &[u8], _: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn complete(&self) -> usize {
        // One value: its bytes are whole when it is read, which is at the end.
        0
    }

    fn finish(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        let truncated = |_| CallError::new(ErrorCode::StreamTruncated, Phase::Decode);
        let value: Value = serde_json::from_slice(&self.0).map_err(truncated)?;
        let protocol = || CallError::new(ErrorCode::Protocol, Phase::Decode);
        let choice = &value["choices"][0];
        let text = choice["message"]["content"].as_str().ok_or_else(protocol)?;
        let finish_reason = match choice["finish_reason"].as_str() {
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            _ => return Err(protocol()),
        };
        events.push(ChatEvent::Started);
        events.push(ChatEvent::TextDelta {
            text: text.to_owned(),
        });
        let tool_mode = handshake_core::chat::ToolMode::Native;
        events.push(ChatEvent::Finished {
            finish_reason,
            tool_mode,
            refusal_suspected: false,
        });
        Ok(())
    }
}

fn factory() -> Plain {
    let memory = Arc::new(Memory::new(1));
    let transport = Transport::new(memory.clone(), memory, Limits::default()).expect("a transport");
    Plain {
        kind: Token::new("plain").expect("a kind"),
        transport,
    }
}

async fn served(reply: Reply) -> (Simulator, Arc<ProviderRecord>) {
    let script = Script::new()
        .model(Model::new("tiny"))
        .rule(Rule::new(reply));
    let simulator = Simulator::start(SimConfig::with_script(script))
        .await
        .expect("a simulator");
    let record = fixture::record("kit", "plain", &simulator.openai_url(), Reach::Direct);
    (simulator, record)
}

#[tokio::test]
async fn a_plain_adapter_passes_the_kit() {
    let (simulator, record) = served(Reply::text("Hello there.")).await;
    let factory = factory();
    adapter::it_is_for_its_record(&factory, &record);
    adapter::a13_prepare_is_pure(&factory, &record, "tiny");
    adapter::a13_an_envelope_is_of_its_record(&factory, &record, "tiny");
    assert_eq!(
        simulator.connections(),
        0,
        "nothing so far needed a network"
    );
    adapter::b5_an_answer_has_one_end(&factory, &record, "tiny").await;
    adapter::b5_a_whole_answer_is_the_fold_of_its_stream(&factory, &record, "tiny").await;
    adapter::a4_a_listing_finds_the_model(&factory, &record, "tiny").await;
    let before = simulator.requests();
    adapter::s20_a_clearance_of_somebody_else_is_refused(&factory, &record, "tiny").await;
    assert_eq!(simulator.requests(), before);
    let head = ResponseHead {
        status: 200,
        ..ResponseHead::default()
    };
    let body = r#"{"choices":[{"message":{"content":"Grüße \u00e9 😀"},"finish_reason":"stop"}]}"#;
    adapter::b5_any_chunking_decodes_the_same(&factory, &record, "tiny", &head, body.as_bytes());
    simulator.shutdown().await;
    adapter::a14_nobody_there_is_not_in_doubt(&factory, &record, "tiny").await;
}

#[tokio::test]
async fn a_cut_answer_is_no_answer() {
    let (_simulator, record) =
        served(Reply::text("Hello there.").fault(Fault::DropAfter { bytes: 20 })).await;
    adapter::b5_a_cut_answer_is_an_error(&factory(), &record, "tiny").await;
}

/// The kit finds an adapter that sends whatever it is given.
#[tokio::test]
#[should_panic(expected = "was sent")]
async fn an_adapter_that_sends_anything_does_not_pass() {
    struct Careless(Plain);
    struct Client(Half);
    #[async_trait]
    impl LlmClient for Client {
        fn provider(&self) -> &ProviderId {
            &self.0.record.provider_id
        }
        fn prepare(&self, admitted: &Admitted) -> Result<Prepared, PrepareError> {
            LlmClient::prepare(&self.0, admitted)
        }
        async fn send(&self, cleared: Cleared) -> Result<Answer, SendError> {
            let response = self.0.transport.send(&cleared).await?;
            Ok(Answer::ok(stream(
                response,
                Box::new(Whole::default()),
                false,
            )))
        }
    }
    impl AdapterFactory for Careless {
        fn kind(&self) -> &Token {
            &self.0.kind
        }
        fn validate(&self, record: &ProviderRecord) -> Result<(), InvalidProvider> {
            self.0.validate(record)
        }
        fn build(&self, record: Arc<ProviderRecord>) -> Result<Adapter, AdapterError> {
            let built = self.0.build(Arc::clone(&record))?;
            let client = Client(Half {
                transport: self.0.transport.clone(),
                record,
            });
            Ok(Adapter {
                client: Arc::new(client),
                ..built
            })
        }
        fn profile(&self, record: &ProviderRecord, model: &ModelId) -> (Option<Token>, Claims) {
            self.0.profile(record, model)
        }
        fn decoder(&self, reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
            self.0.decoder(reply, head)
        }
    }
    let (_simulator, record) = served(Reply::text("Hello there.")).await;
    let careless = Careless(factory());
    adapter::s20_a_clearance_of_somebody_else_is_refused(&careless, &record, "tiny").await;
}
