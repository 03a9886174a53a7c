//! One turn: a request to a model, rendered and sent, and its answer folded.

use std::sync::{Arc, Weak};

use handshake_core::{
    admit::{Admitted, admit},
    chat::{ChatRequest, ChatResponse},
    code::{ErrorCode, Phase},
    envelope::Prepared,
    error::CallError,
    event::{Body, EventScope},
    gate::{CallContext, EgressRequest, Scan},
    ids::UseId,
    label::Label,
    ports::{Adapter, Batch, EntropyExt, LlmClient},
};
use tokio_util::sync::CancellationToken;

use crate::{
    attempt::Attempts,
    check::{Promises, compile_schema},
    config::{CallOptions, Config, ConsentMode},
    emit::{Ended, Log, Out},
    handle::Rest,
    ports::Ports,
    redacting::Redacting,
    route::Routed,
    size::payload_bytes,
    step::{OfCall, Steps},
    timings::CallStep,
};

/// The ids of a request's events.
pub(crate) fn scope(request: &ChatRequest, routed: &Routed, options: &CallOptions) -> EventScope {
    EventScope {
        principal: Some(request.principal.clone()),
        session_id: Some(request.session_id.clone()),
        trace_id: Some(request.trace_id),
        job_id: options.job_id.clone(),
        wp_id: options.wp_id.clone(),
        mt_id: options.mt_id.clone(),
        model_id: Some(routed.route.model.clone()),
        provider_id: Some(routed.route.record.provider_id.clone()),
    }
}

/// Admits and renders, with the adapter that will send it.
pub(crate) fn prepared(
    ports: &Ports,
    config: &Config,
    request: &Arc<ChatRequest>,
    routed: &Routed,
) -> Result<(Admitted, Prepared, Adapter), CallError> {
    let emulation = config.emulate_tools.of(&routed.route.model_ref());
    let policy = ports.gate.posture().max_context_tokens;
    let limit = routed.context_limit.map_or(policy, |role| role.min(policy));
    let admitted =
        admit(Arc::clone(request), routed.route.clone(), emulation)?.within_context(limit);
    let adapter = ports.adapters.of(&routed.route.record)?;
    let prepared = adapter.client.prepare(&admitted).map_err(|error| error.0)?;
    Ok((admitted, prepared, adapter))
}

/// What the gate is asked.
pub(crate) fn egress(
    ports: &Ports,
    request: &ChatRequest,
    routed: &Routed,
    options: &CallOptions,
    prepared: Prepared,
    label: Label,
) -> EgressRequest {
    let session = options.consent_session.as_ref();
    let mut context = CallContext::new(
        scope(request, routed, options),
        request.principal.clone(),
        session.unwrap_or(&request.session_id).clone(),
        routed.governance,
    );
    context.artifacts = request.artifacts.clone();
    context.context_label = label;
    context.residence = routed.route.snapshot.residence;
    context.reason = options.reason;
    context.waits_for_resume = matches!(options.consent, ConsentMode::Wait(_));
    EgressRequest::new(
        prepared,
        Arc::clone(&routed.route.record),
        Arc::new(context),
        UseId::from_entropy(ports.entropy.bytes()),
    )
}

/// What one turn needs besides the request.
pub(crate) struct Turn<'a> {
    pub(crate) ports: &'a Arc<Ports>,
    pub(crate) config: &'a Arc<Config>,
    pub(crate) options: &'a CallOptions,
    pub(crate) routed: &'a Routed,
    pub(crate) out: &'a Out,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) rest: &'a Weak<Rest>,
    pub(crate) log: &'a Log,
    pub(crate) steps: Steps<'a>,
    pub(crate) number: u32,
    pub(crate) label: Label,
    pub(crate) redacting: Option<&'a Redacting>,
    /// Whether the answer is needed as one: to be stored, or for its tool calls.
    pub(crate) fold: bool,
}

/// What came of one turn.
pub(crate) struct Answered {
    /// The last read of the answer, which ends in its finish and is not delivered yet.
    pub(crate) last: Batch,
    /// The folded answer, where it was asked for.
    pub(crate) response: Option<ChatResponse>,
}

/// A turn that is ready to ask the gate.
struct Ready {
    egress: EgressRequest,
    /// What was found in it, where somebody looked already.
    scan: Option<Scan>,
    client: Arc<dyn LlmClient>,
    promises: Promises,
    started: Body,
}

impl Turn<'_> {
    /// Makes the call.
    pub(crate) async fn run(&self, request: &Arc<ChatRequest>) -> Result<Answered, Ended> {
        let ready = self
            .steps
            .run(
                CallStep::Prepare,
                OfCall::default(),
                self.ready(request),
                |done| done.as_ref().err().map(|error| error.code),
            )
            .await?;
        let attempts = Attempts {
            ports: self.ports,
            config: self.config,
            options: self.options,
            client: ready.client,
            log: self.log,
            out: self.out,
            cancel: self.cancel,
            rest: self.rest,
            steps: self.steps,
            turn: self.number,
            promises: ready.promises,
            redacting: self.redacting,
            fold: self.fold,
        };
        attempts.run(ready.egress, ready.started, ready.scan).await
    }

    /// Admits, renders and hashes: off the reactor where that is much work.
    async fn ready(&self, request: &Arc<ChatRequest>) -> Result<Ready, CallError> {
        if payload_bytes(request) <= self.config.inspect_inline_bytes {
            let parts = (&**self.ports, &**self.config, self.routed);
            return ready(parts, request, self.options, self.label, self.redacting);
        }
        let (ports, config) = (Arc::clone(self.ports), Arc::clone(self.config));
        let (request, routed) = (Arc::clone(request), self.routed.clone());
        let (options, label) = (self.options.clone(), self.label);
        let redacting = self.redacting.cloned();
        let work = move || {
            let parts = (&*ports, &*config, &routed);
            ready(parts, &request, &options, label, redacting.as_ref())
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|_| {
            Err(CallError::new(ErrorCode::Protocol, Phase::Prepare).about("crash"))
        })
    }
}

fn ready(
    (ports, config, routed): (&Ports, &Config, &Routed),
    request: &Arc<ChatRequest>,
    options: &CallOptions,
    label: Label,
    redacting: Option<&Redacting>,
) -> Result<Ready, CallError> {
    let (admitted, prepared, adapter) = prepared(ports, config, request, routed)?;
    let schema = request.structured_output_schema.as_ref();
    let schema = schema.map(compile_schema).transpose()?.map(Arc::new);
    let egress = egress(ports, request, routed, options, prepared, label);
    let (egress, scan) = Redacting::redacted(redacting, ports, egress);
    Ok(Ready {
        started: started(request, routed, &admitted, egress.use_id),
        egress,
        scan,
        client: adapter.client,
        promises: Promises {
            max_tokens: admitted.max_tokens(),
            schema,
            tool_choice: request.tool_choice.clone(),
            answers_as: routed.route.snapshot.answers_as.clone(),
            suspect_refusals: config
                .suspect_refusals
                .then(|| routed.route.snapshot.family.clone()),
        },
    })
}

fn started(request: &ChatRequest, routed: &Routed, admitted: &Admitted, use_id: UseId) -> Body {
    let needs = request.needs();
    Body::CallStarted {
        use_id,
        declared_tier: routed.route.record.tier,
        capabilities: routed.route.snapshot.hash(),
        messages: needs.messages,
        tools: needs.tools,
        stream: request.stream,
        requested_max_tokens: request.params.max_tokens,
        effective_max_tokens: admitted.max_tokens(),
    }
}
