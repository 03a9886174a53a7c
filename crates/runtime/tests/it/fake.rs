//! An adapter that renders as any other and answers from a script. What it is given to send is kept.

use std::{
    collections::{BTreeSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use handshake_core::{
    admit::Admitted,
    capability::Claims,
    chat::{ChatEvent, FinishReason, TokenUsage, ToolCall, ToolMode},
    code::{ErrorCode, Phase},
    control::{ControlCall, ControlReport, ModelListing, ServerIdentity},
    envelope::{Envelope, HeaderValue, Method, Prepared},
    error::{CallError, PrepareError, SendError},
    gate::{Cleared, ClearedControl},
    ids::{ModelId, ProviderId, Token, ToolCallId, ToolName},
    ports::{
        Adapter, AdapterError, AdapterFactory, Answer as Head, Batch, LlmClient, ProviderControl,
    },
    provider::{InvalidProvider, ProviderRecord},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
    tier::Residence,
};
use handshake_testkit::fixture::claims_all;
use tokio::sync::Semaphore;

/// One step of an answer.
pub(crate) enum Step {
    /// An event.
    Event(ChatEvent),
    /// The failure that ends it.
    Fail(ErrorCode),
    /// A bug.
    Panic,
    /// Nothing more, for ever.
    Hang,
}

/// What comes of one `send`.
pub(crate) enum Answer {
    /// A response head, and these steps.
    Stream(Vec<Step>),
    /// No response head.
    Refuse(SendError),
    /// A bug before the head.
    Panic,
    /// No head, for ever.
    Hang,
}

/// What one `send` was given.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) body: Bytes,
    pub(crate) attempt: u32,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    sent: Vec<Sent>,
    controls: Vec<ControlCall>,
    broken: BTreeSet<&'static str>,
    claims: Option<Claims>,
    residence: Option<Residence>,
    identity: Option<ServerIdentity>,
    built: usize,
    held: Option<Arc<Semaphore>>,
}

/// The script, and what was sent. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

pub(crate) fn text(text: &str) -> Step {
    Step::Event(ChatEvent::TextDelta {
        text: text.to_owned(),
    })
}

pub(crate) fn started() -> Step {
    Step::Event(ChatEvent::Started)
}

pub(crate) fn finished(finish_reason: FinishReason) -> Step {
    let tool_mode = ToolMode::Native;
    Step::Event(ChatEvent::Finished {
        finish_reason,
        tool_mode,
        refusal_suspected: false,
    })
}

pub(crate) fn usage(tokens: u64) -> Step {
    Step::Event(ChatEvent::Usage(TokenUsage {
        completion_tokens: Some(tokens),
        ..TokenUsage::default()
    }))
}

/// A whole answer.
pub(crate) fn says(words: &str) -> Answer {
    Answer::Stream(vec![
        started(),
        text(words),
        usage(3),
        finished(FinishReason::Stop),
    ])
}

/// An answer that calls tools.
pub(crate) fn calls(calls: &[(u8, &str, serde_json::Value)]) -> Answer {
    let mut steps = vec![started()];
    steps.extend(calls.iter().map(|(n, tool, arguments)| {
        Step::Event(ChatEvent::ToolCall(ToolCall {
            tool_call_id: ToolCallId::from_entropy([*n; 16]),
            provider_call_id: None,
            tool_id: ToolName::new(tool).expect("a tool name"),
            arguments: arguments.as_object().expect("an object").clone(),
        }))
    }));
    steps.push(finished(FinishReason::ToolUse));
    Answer::Stream(steps)
}

/// A failure of this code at the response head.
pub(crate) fn refuses(code: ErrorCode, in_doubt: bool) -> Answer {
    let error = CallError::new(code, Phase::Status);
    Answer::Refuse(SendError { error, in_doubt })
}

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds answers to the end of the script.
    pub(crate) fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().answers.extend(answers);
    }

    /// Everything that was sent so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    /// The payload-free calls so far.
    pub(crate) fn controls(&self) -> Vec<ControlCall> {
        self.state().controls.clone()
    }

    /// Makes one thing fail: `prepare`, `load`, `unload`, `list`, `show`.
    pub(crate) fn breaks(&self, what: &'static str) {
        self.state().broken.insert(what);
    }

    /// Makes it work again.
    pub(crate) fn mends(&self, what: &'static str) {
        self.state().broken.remove(what);
    }

    /// Where its models run, as the record alone says.
    pub(crate) fn resides(&self, residence: Residence) {
        self.state().residence = Some(residence);
    }

    /// What its server turns out to be from now on.
    pub(crate) fn is(&self, software: &str, kind: Option<&str>, forwards: bool) {
        let token = |text: &str| Token::new(text).expect("a token");
        self.state().identity = Some(ServerIdentity {
            software: Some(token(software)),
            kind: kind.map(token),
            forwards,
            ..ServerIdentity::default()
        });
    }

    /// How many adapters were built.
    pub(crate) fn built(&self) -> usize {
        self.state().built
    }

    /// Holds back the answers to payload-free calls; each permit lets one go.
    pub(crate) fn hold(&self) -> Arc<Semaphore> {
        let held = Arc::new(Semaphore::new(0));
        self.state().held = Some(Arc::clone(&held));
        held
    }

    /// What the server claims about its models from now on.
    pub(crate) fn claims(&self, claims: Claims) {
        self.state().claims = Some(claims);
    }
}

struct Client {
    fake: Fake,
    record: Arc<ProviderRecord>,
}

#[async_trait]
impl LlmClient for Client {
    fn provider(&self) -> &ProviderId {
        &self.record.provider_id
    }

    fn prepare(&self, admitted: &Admitted) -> Result<Prepared, PrepareError> {
        assert!(
            !self.fake.state().broken.contains("prepare"),
            "a bug in an adapter"
        );
        let request = admitted.request();
        let messages: Vec<_> = request
            .messages
            .iter()
            .map(|m| serde_json::json!({ "role": m.role, "content": m.content }))
            .collect();
        let mut body = serde_json::json!({ "model": admitted.route().model, "messages": messages });
        if let Some(max) = admitted.max_tokens() {
            body["max_tokens"] = max.into();
        }
        if !request.tools.is_empty() {
            let names: Vec<_> = request
                .tools
                .iter()
                .map(|tool| tool.tool_id.as_str())
                .collect();
            body["tools"] = names.into();
        }
        let model = admitted.route().model.clone();
        let mut reply =
            ReplySpec::offline(Token::new("simulated").expect("a token"), request.stream);
        reply.requested_model = Some(model.clone());
        let mut envelope = envelope(&self.record, Method::Post, "/chat", Some(model));
        envelope.body = body.to_string().into();
        Ok(Prepared::new(envelope, reply, Vec::new()))
    }

    async fn send(&self, cleared: Cleared) -> Result<Head, SendError> {
        let answer = {
            let mut state = self.fake.state();
            let sent = Sent {
                body: cleared.envelope().body.clone(),
                attempt: cleared.attempt(),
            };
            state.sent.push(sent);
            state.answers.pop_front()
        };
        match answer {
            None => panic!("the script is over"),
            Some(Answer::Panic) => panic!("a bug in an adapter"),
            Some(Answer::Hang) => std::future::pending().await,
            Some(Answer::Refuse(error)) => Err(error),
            Some(Answer::Stream(steps)) => Ok(Head::ok(Box::pin(Script {
                steps: steps.into(),
            }))),
        }
    }
}

struct Script {
    steps: VecDeque<Step>,
}

impl Stream for Script {
    type Item = Result<Batch, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Event(event)) => Poll::Ready(Some(Ok(Batch::from(event)))),
            Some(Step::Fail(code)) => Poll::Ready(Some(Err(CallError::new(code, Phase::Stream)))),
            Some(Step::Panic) => panic!("a bug in a decoder"),
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                Poll::Pending
            }
        }
    }
}

struct Control {
    fake: Fake,
    record: Arc<ProviderRecord>,
}

fn envelope(
    record: &ProviderRecord,
    method: Method,
    path: &str,
    model_id: Option<ModelId>,
) -> Envelope {
    let mut headers = std::collections::BTreeMap::new();
    if let Some(secret_ref) = &record.secret_ref {
        let secret = HeaderValue::Secret {
            secret_ref: secret_ref.clone(),
            prefix: "Bearer ",
        };
        headers.insert("authorization".to_owned(), secret);
    }
    Envelope {
        method,
        base_url: record.base_url.clone(),
        path: format!("{}{path}", record.base_url.path().trim_end_matches('/')),
        headers,
        provider_id: record.provider_id.clone(),
        revision: record.revision,
        model_id,
        body: Bytes::new(),
    }
}

#[async_trait]
impl ProviderControl for Control {
    fn prepare(&self, call: &ControlCall) -> Result<Envelope, PrepareError> {
        let path = match call {
            ControlCall::Version => "/version",
            ControlCall::ListModels => "/models",
            ControlCall::ShowModel(_) => "/model",
            ControlCall::Running => "/running",
            ControlCall::Load(..) => "/load",
            ControlCall::Unload(_) => "/unload",
            ControlCall::Identify(0) if self.fake.state().identity.is_some() => "/",
            ControlCall::Identify(_) => {
                let code = ErrorCode::ParameterUnsupported;
                return Err(PrepareError::new(code, "identify"));
            }
        };
        Ok(envelope(&self.record, Method::Get, path, None))
    }

    async fn send(&self, cleared: ClearedControl) -> Result<ControlReport, SendError> {
        let call = cleared.call().clone();
        let held = {
            let mut state = self.fake.state();
            state.controls.push(call.clone());
            state.held.clone()
        };
        if let Some(held) = held {
            held.acquire().await.expect("open").forget();
        }
        let state = self.fake.state();
        let what = match &call {
            ControlCall::Load(..) => "load",
            ControlCall::Unload(_) => "unload",
            ControlCall::ListModels => "list",
            ControlCall::ShowModel(_) => "show",
            ControlCall::Identify(_) => "identify",
            ControlCall::Version | ControlCall::Running => "other",
        };
        if state.broken.contains(what) {
            return Err(SendError::in_doubt(CallError::new(
                ErrorCode::Provider,
                Phase::Status,
            )));
        }
        let listing = |model_id| ModelListing {
            model_id,
            digest: None,
            size_bytes: None,
            residence: Residence::Local,
            claims: state.claims.clone().unwrap_or_else(claims_all),
            family: None,
        };
        let model = |name| ModelId::new(name).expect("a model");
        Ok(match call {
            ControlCall::Version => ControlReport {
                version: Some("1.2.3".to_owned()),
                ..ControlReport::default()
            },
            ControlCall::ListModels => ControlReport {
                models: vec![listing(model("m")), listing(model("n"))],
                ..ControlReport::default()
            },
            ControlCall::Running => ControlReport {
                models: vec![listing(model("m"))],
                ..ControlReport::default()
            },
            ControlCall::ShowModel(name) => ControlReport {
                models: vec![listing(name)],
                ..ControlReport::default()
            },
            ControlCall::Load(..) | ControlCall::Unload(_) => ControlReport::default(),
            ControlCall::Identify(_) => ControlReport {
                identity: state.identity.clone().unwrap_or_default(),
                ..ControlReport::default()
            },
        })
    }
}

/// The factory of the script's adapters.
pub(crate) struct Factory {
    pub(crate) fake: Fake,
    pub(crate) kind: Token,
}

impl AdapterFactory for Factory {
    fn kind(&self) -> &Token {
        &self.kind
    }

    fn validate(&self, _: &ProviderRecord) -> Result<(), InvalidProvider> {
        Ok(())
    }

    fn build(&self, record: Arc<ProviderRecord>) -> Result<Adapter, AdapterError> {
        let fake = self.fake.clone();
        fake.state().built += 1;
        Ok(Adapter {
            client: Arc::new(Client {
                fake: fake.clone(),
                record: Arc::clone(&record),
            }),
            control: Arc::new(Control { fake, record }),
        })
    }

    fn profile(&self, _: &ProviderRecord, _: &ModelId) -> (Option<Token>, Claims) {
        (None, Claims::default())
    }

    fn residence(&self, _: &ProviderRecord) -> Option<Residence> {
        self.fake.state().residence
    }

    fn decoder(&self, _: &ReplySpec, _: &ResponseHead) -> Box<dyn ReplyDecoder> {
        struct Nothing;
        impl ReplyDecoder for Nothing {
            fn push(&mut self, _: &[u8], _: &mut Vec<ChatEvent>) -> Result<(), CallError> {
                Err(CallError::new(ErrorCode::Protocol, Phase::Decode))
            }
            fn finish(&mut self, _: &mut Vec<ChatEvent>) -> Result<(), CallError> {
                Err(CallError::new(ErrorCode::Protocol, Phase::Decode))
            }
            fn complete(&self) -> usize {
                0
            }
        }
        Box::new(Nothing)
    }
}
