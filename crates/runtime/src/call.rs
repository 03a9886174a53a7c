//! One turn: a request to a model, rendered and sent, and its answer folded.

use std::sync::Arc;

use handshake_core::{
    admit::{Admitted, Emulation, admit},
    chat::{ChatEvent, ChatRequest, ChatResponse, Fold},
    code::{ErrorCode, Phase},
    envelope::{Prepared, Salt},
    error::CallError,
    event::{Body, EventScope},
    gate::{CallContext, EgressRequest},
    ids::UseId,
    label::Label,
    ports::{Adapter, EntropyExt},
};
use tokio_util::sync::CancellationToken;

use crate::{
    attempt::Attempts,
    check::{Promises, compile_schema},
    config::{CallOptions, Config},
    emit::{Log, Out},
    ports::Ports,
    registry,
    route::Routed,
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
    let emulation = match config
        .emulate_tools
        .contains(&routed.route.record.provider_id)
    {
        true => Emulation::On,
        false => Emulation::Off,
    };
    let admitted = admit(Arc::clone(request), routed.route.clone(), emulation)?;
    let adapter = registry::adapter(ports, &routed.route.record)?;
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
    // The same question has the same hash, so that a yes is not lost when its asker comes back with the
    // same request; nobody without the key can try texts against it.
    let envelope = &prepared.envelope;
    let salt = ports.gate.commitments().commit(
        "hsk.salt.v1",
        &[
            request.principal.to_string().as_bytes(),
            &envelope.manifest(),
            &envelope.body,
        ],
    );
    let context = CallContext {
        scope: scope(request, routed, options),
        principal: request.principal.clone(),
        consent_session: options
            .consent_session
            .clone()
            .unwrap_or_else(|| request.session_id.clone()),
        governance: routed.governance,
        artifacts: request.artifacts.clone(),
        context_label: label,
        residence: routed.route.snapshot.residence,
        reason: options.reason,
        local_attempts: 0,
    };
    EgressRequest {
        prepared,
        record: Arc::clone(&routed.route.record),
        context: Arc::new(context),
        salt: Salt::new(*salt.digest().as_bytes()),
        use_id: UseId::from_entropy(ports.entropy.bytes()),
        attempt: 1,
    }
}

/// What one turn needs besides the request.
pub(crate) struct Turn<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) config: &'a Config,
    pub(crate) options: &'a CallOptions,
    pub(crate) routed: &'a Routed,
    pub(crate) out: &'a Out,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) log: &'a Log,
    pub(crate) number: u32,
    pub(crate) label: Label,
}

impl Turn<'_> {
    /// Makes the call. Returns the folded answer and its last event, which is not delivered yet.
    pub(crate) async fn run(
        &self,
        request: &Arc<ChatRequest>,
    ) -> Result<(ChatResponse, ChatEvent), CallError> {
        let log = self.log.scoped(scope(request, self.routed, self.options));
        let (admitted, prepared, adapter) =
            match prepared(self.ports, self.config, request, self.routed) {
                Ok(done) => done,
                Err(error) => {
                    log.refused(&error);
                    return Err(error);
                }
            };
        let schema = match request
            .structured_output_schema
            .as_ref()
            .map(compile_schema)
            .transpose()
        {
            Ok(schema) => schema.map(Arc::new),
            Err(error) => {
                log.refused(&error);
                return Err(error);
            }
        };
        let egress = egress(
            self.ports,
            request,
            self.routed,
            self.options,
            prepared,
            self.label,
        );
        let declared = self.routed.route.record.tier;
        log.record(declared, self.started(request, &admitted, egress.use_id))
            .await?;
        let attempts = Attempts {
            ports: self.ports,
            config: self.config,
            options: self.options,
            client: adapter.client,
            log,
            out: self.out,
            cancel: self.cancel,
            turn: self.number,
            promises: Promises {
                max_tokens: admitted.max_tokens(),
                schema,
                tool_choice: request.tool_choice.clone(),
            },
        };
        let events = attempts.run(egress).await?;
        let broken = |_| CallError::new(ErrorCode::Protocol, Phase::Check);
        let mut fold = Fold::new();
        let mut last = None;
        for event in events {
            last = matches!(event, ChatEvent::Finished { .. }).then(|| event.clone());
            fold.push(event).map_err(broken)?;
        }
        let finished =
            last.ok_or_else(|| CallError::new(ErrorCode::StreamTruncated, Phase::Check))?;
        Ok((fold.finish().map_err(broken)?, finished))
    }

    fn started(&self, request: &ChatRequest, admitted: &Admitted, use_id: UseId) -> Body {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Body::CallStarted {
            use_id,
            declared_tier: self.routed.route.record.tier,
            capabilities: self.routed.route.snapshot.hash(),
            messages: count(request.messages.len()),
            tools: count(request.tools.len()),
            stream: request.stream,
            requested_max_tokens: request.params.max_tokens,
            effective_max_tokens: admitted.max_tokens(),
        }
    }
}
