//! Tables: what is admitted, what is not, and why.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{
    capability::{Capabilities, Claims, Provenance},
    chat::{Attachment, AttachmentKind, Reasoning, Shape, Target, ToolCall, Verbatim},
    ids::{MessageId, ModelId, ModelRef, Principal, PrincipalKind, ProviderId, Token, ToolName},
    provider::{ProviderDraft, ProviderRecord},
    tier::Residence,
    time::UtcTime,
    tool::{RiskLevel, ToolDefinition},
};

const NOW: fn() -> UtcTime = || UtcTime::from_unix_millis(0);

fn record(base_url: &str) -> ProviderRecord {
    ProviderDraft {
        provider_id: ProviderId::new("p").expect("valid"),
        provider_kind: Token::new("kind").expect("valid"),
        tier: None,
        base_url: base_url.parse().expect(base_url),
        reach: crate::tier::Reach::Direct,
        dialect: None,
        default_model: None,
        secret_ref: None,
    }
    .into_record(NOW())
    .expect("valid")
}

fn snapshot(sources: &[(Provenance, &[(Feature, bool)])]) -> CapabilitySnapshot {
    let sources: Vec<_> = sources
        .iter()
        .map(|(from, features)| {
            let features: BTreeMap<_, _> = features.iter().copied().collect();
            (
                *from,
                Claims {
                    features,
                    ..Claims::default()
                },
            )
        })
        .collect();
    CapabilitySnapshot {
        provider_id: ProviderId::new("p").expect("valid"),
        provider_revision: 1,
        model_id: ModelId::new("m").expect("valid"),
        family: None,
        digest: None,
        server_version: None,
        profile_version: 1,
        capabilities: Capabilities::merge(&sources),
        residence: Residence::Local,
        enabled: true,
        fetched_at: NOW(),
    }
}

fn everything() -> CapabilitySnapshot {
    let all: Vec<_> = Feature::ALL.iter().map(|f| (*f, true)).collect();
    snapshot(&[(Provenance::Operator, &all)])
}

fn id(n: u8) -> MessageId {
    MessageId::from_entropy([n; 16])
}

fn say(role: Role) -> Message {
    Message::text(id(1), role, "text", NOW())
}

fn call(n: u8) -> Message {
    let call = ToolCall {
        tool_call_id: ToolCallId::from_entropy([n; 16]),
        provider_call_id: None,
        tool_id: ToolName::new("files.read").expect("valid"),
        arguments: serde_json::Map::new(),
    };
    Message::call(id(2), call, NOW())
}

fn result(n: u8) -> Message {
    Message::result(id(3), ToolCallId::from_entropy([n; 16]), "done", NOW())
}

fn tool(name: &str) -> ToolDefinition {
    ToolDefinition {
        tool_id: ToolName::new(name).expect("valid"),
        name: "Read".into(),
        description: "Reads a file.".into(),
        parameters: json!({"type": "object"}),
        required_capabilities: BTreeSet::new(),
        risk_level: RiskLevel::Low,
    }
}

fn request() -> ChatRequest {
    ChatRequest {
        session_id: crate::ids::SessionId::new("s").expect("valid"),
        trace_id: crate::ids::TraceId::from_entropy([1; 16]),
        principal: Principal {
            kind: PrincipalKind::Terminal,
            name: crate::ids::ExternalId::new("someone").expect("valid"),
        },
        target: Target::Model("p/m".parse::<ModelRef>().expect("valid")),
        messages: vec![say(Role::User)],
        tools: Vec::new(),
        tool_choice: None,
        structured_output_schema: None,
        stream: false,
        params: Params::default(),
        artifacts: Vec::new(),
        verbatim: None,
    }
}

fn with(change: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = request();
    change(&mut request);
    request
}

fn local(
    request: ChatRequest,
    snapshot: CapabilitySnapshot,
    emulation: Emulation,
) -> Result<Admitted, CallError> {
    let record = Arc::new(record("http://127.0.0.1:1234"));
    let model = snapshot.model_id.clone();
    admit(
        Arc::new(request),
        Route {
            record,
            model,
            snapshot: snapshot.into(),
        },
        emulation,
    )
}

/// The refusal on a model that can do everything.
fn refused(request: ChatRequest) -> Option<(ErrorCode, Option<&'static str>)> {
    local(request, everything(), Emulation::Off)
        .err()
        .map(|error| {
            assert_eq!(error.phase, Phase::Admit);
            (error.code, error.subject)
        })
}

#[test]
fn b6_calls_and_results_are_correlated() {
    use Role::{Assistant, System, User};
    let u = || say(User);
    let good: Vec<Vec<Message>> = vec![
        vec![u()],
        vec![say(System), u()],
        vec![u(), say(Assistant), call(1), result(1)],
        vec![
            u(),
            call(1),
            call(2),
            result(2),
            result(1),
            say(Assistant),
            u(),
        ],
        vec![u(), call(1), say(System), result(1)],
    ];
    for messages in good {
        let shape: Vec<_> = messages.iter().map(|m| m.role).collect();
        assert_eq!(refused(with(|r| r.messages = messages)), None, "{shape:?}");
    }
    let bad: Vec<(Vec<Message>, &str)> = vec![
        (vec![], "messages"),
        (vec![u(), result(1)], "tool_result"),
        (vec![result(1), call(1)], "tool_result"),
        (vec![u(), call(1), result(2)], "tool_result"),
        (vec![u(), call(1), result(1), result(1)], "tool_result"),
        (vec![u(), call(1)], "tool_call"),
        (vec![u(), call(1), u(), result(1)], "tool_call"),
        (vec![u(), call(1), say(Assistant), result(1)], "tool_call"),
        (vec![u(), call(1), call(2), result(1)], "tool_call"),
        (vec![u(), call(1), call(1), result(1)], "tool_call_id"),
        (
            vec![u(), call(1), result(1), call(1), result(1)],
            "tool_call_id",
        ),
        (
            vec![Message {
                role: User,
                ..result(1)
            }],
            "role",
        ),
        (
            vec![Message {
                role: Role::ToolResult,
                ..u()
            }],
            "role",
        ),
        (
            vec![
                Message {
                    tool_call: None,
                    ..call(1)
                },
                result(1),
            ],
            "role",
        ),
        (
            vec![Message {
                tool_call_id: None,
                ..call(1)
            }],
            "role",
        ),
        (
            vec![Message {
                tool_call: call(1).tool_call,
                ..result(1)
            }],
            "role",
        ),
        (
            vec![
                Message {
                    tool_call_id: result(2).tool_call_id,
                    ..call(1)
                },
                result(2),
            ],
            "tool_call_id",
        ),
    ];
    for (n, (messages, subject)) in bad.into_iter().enumerate() {
        let refusal = refused(with(|r| r.messages = messages));
        assert_eq!(
            refusal,
            Some((ErrorCode::InvalidRequest, Some(subject))),
            "case {n}"
        );
    }
}

#[test]
fn b6_a_clients_own_body_is_not_judged_by_its_turns_but_by_its_features() {
    let verbatim = || Verbatim {
        shape: Shape::ChatCompletions,
        body: bytes::Bytes::from_static(b"{}"),
        headers: BTreeMap::new(),
        needs: Default::default(),
    };
    let orphan = with(|r| {
        r.messages = vec![result(1)];
        r.verbatim = Some(verbatim());
    });
    assert_eq!(refused(orphan.clone()), None);
    let error =
        local(orphan, snapshot(&[]), Emulation::Off).expect_err("tools are needed all the same");
    assert_eq!(error.code, ErrorCode::CapabilityUnknown);
}

#[test]
fn b6_content_is_what_was_hashed() {
    let altered = with(|r| r.messages[0].content = format!("{}!", r.messages[0].content).into());
    assert_eq!(
        refused(altered),
        Some((ErrorCode::InvalidRequest, Some("content_hash")))
    );
}

#[test]
fn b3_tools_are_declared_once_and_choices_are_declared() {
    let tools = |names: &[&str]| names.iter().map(|n| tool(n)).collect::<Vec<_>>();
    let named = |n: &str| Some(ToolChoice::Named(ToolName::new(n).expect("valid")));
    let many: Vec<_> = (0..129).map(|n| tool(&format!("t.n{n}"))).collect();
    let bad = |subject| Some((ErrorCode::InvalidRequest, Some(subject)));
    assert_eq!(refused(with(|r| r.tools = tools(&["a.b", "a.c"]))), None);
    assert_eq!(refused(with(|r| r.tools = many[..128].to_vec())), None);
    assert_eq!(refused(with(|r| r.tools = many.clone())), bad("tools"));
    assert_eq!(
        refused(with(|r| r.tools = tools(&["a.b", "a.b"]))),
        bad("tools")
    );
    assert_eq!(
        refused(with(|r| r.tools = vec![ToolDefinition {
            parameters: json!(1),
            ..tool("a.b")
        }])),
        bad("tools")
    );
    for choice in [named("a.b"), Some(ToolChoice::Required)] {
        assert_eq!(
            refused(with(|r| r.tool_choice = choice.clone())),
            bad("tool_choice")
        );
        assert_eq!(
            refused(with(
                |r| (r.tools, r.tool_choice) = (tools(&["a.b"]), choice)
            )),
            None
        );
    }
    let undeclared = with(|r| (r.tools, r.tool_choice) = (tools(&["a.b"]), named("a.c")));
    assert_eq!(refused(undeclared), bad("tool_choice"));
    for choice in [ToolChoice::Auto, ToolChoice::None] {
        assert_eq!(refused(with(|r| r.tool_choice = Some(choice))), None);
    }
}

#[test]
fn b12_every_feature_fails_closed_with_its_own_code() {
    type Case = (Feature, ErrorCode, &'static str, fn(&mut ChatRequest));
    let cases: &[Case] = &[
        (
            Feature::SupportsStreaming,
            ErrorCode::StreamingUnsupported,
            "supports_streaming",
            |r| {
                r.stream = true;
            },
        ),
        (
            Feature::SupportsToolCalling,
            ErrorCode::ToolCallingUnsupported,
            "supports_tool_calling",
            |r| {
                r.tools = vec![tool("a.b")];
            },
        ),
        (
            Feature::SupportsToolCalling,
            ErrorCode::ToolCallingUnsupported,
            "supports_tool_calling",
            |r| {
                r.messages.extend([call(1), result(1)]);
            },
        ),
        (
            Feature::SupportsStructuredOutput,
            ErrorCode::StructuredOutputUnsupported,
            "supports_structured_output",
            |r| r.structured_output_schema = Some(json!({"type": "object"})),
        ),
        (
            Feature::SupportsMultiTurn,
            ErrorCode::MultiTurnUnsupported,
            "supports_multi_turn",
            |r| {
                r.messages = vec![say(Role::User), say(Role::Assistant), say(Role::User)];
            },
        ),
        (
            Feature::SupportsVision,
            ErrorCode::VisionUnsupported,
            "supports_vision",
            |r| {
                r.messages[0].attachments.push(Attachment {
                    kind: AttachmentKind::Image,
                    media_type: "image/png".into(),
                    bytes: bytes::Bytes::new(),
                });
            },
        ),
        (
            Feature::SupportsThinking,
            ErrorCode::ThinkingUnsupported,
            "supports_thinking",
            |r| {
                r.params.reasoning = Some(Reasoning::Low);
            },
        ),
    ];
    for (feature, code, name, change) in cases {
        let verdict = |snapshot| {
            local(with(*change), snapshot, Emulation::Off)
                .err()
                .map(|error| {
                    assert_eq!(error.subject, Some(*name));
                    error.code
                })
        };
        use Provenance::{Operator, Server};
        assert_eq!(
            verdict(snapshot(&[(Server, &[(*feature, true)])])),
            None,
            "{name}"
        );
        assert_eq!(
            verdict(snapshot(&[(Server, &[(*feature, false)])])),
            Some(*code)
        );
        assert_eq!(
            verdict(snapshot(&[])),
            Some(ErrorCode::CapabilityUnknown),
            "{name}"
        );
        let contested = snapshot(&[
            (Operator, &[(*feature, true)]),
            (Server, &[(*feature, false)]),
        ]);
        assert_eq!(
            verdict(contested.clone()),
            Some(ErrorCode::CapabilityConflict),
            "{name}"
        );
        assert!(
            local(request(), contested, Emulation::Off).is_ok(),
            "{name} is not needed"
        );
    }
    assert!(
        local(
            with(|r| r.params.reasoning = Some(Reasoning::Off)),
            snapshot(&[]),
            Emulation::Off
        )
        .is_ok()
    );
}

#[test]
fn b7_emulation_stands_in_where_it_is_configured_and_says_so() {
    let tools = || with(|r| r.tools = vec![tool("a.b")]);
    let calls = Feature::SupportsToolCalling;
    let no = || snapshot(&[(Provenance::Server, &[(calls, false)])]);
    let mode = |snapshot, emulation| local(tools(), snapshot, emulation).map(|a| a.tool_mode());
    assert_eq!(
        mode(no(), Emulation::On).expect("admitted"),
        ToolMode::EmulatedV1
    );
    assert_eq!(
        mode(snapshot(&[]), Emulation::On).expect("admitted"),
        ToolMode::EmulatedV1
    );
    assert_eq!(
        mode(everything(), Emulation::On).expect("admitted"),
        ToolMode::Native
    );
    assert_eq!(
        mode(no(), Emulation::Off).expect_err("no").code,
        ErrorCode::ToolCallingUnsupported
    );
    let contested = snapshot(&[
        (Provenance::Operator, &[(calls, true)]),
        (Provenance::Server, &[(calls, false)]),
    ]);
    assert_eq!(
        mode(contested, Emulation::On).expect_err("no").code,
        ErrorCode::CapabilityConflict
    );
    let without = local(request(), no(), Emulation::On).expect("admitted");
    assert_eq!(
        without.tool_mode(),
        ToolMode::Native,
        "no tools, nothing to emulate"
    );
}

#[test]
fn b12_parameters_have_ranges() {
    type Case = (fn(&mut Params), Option<&'static str>);
    let cases: &[Case] = &[
        (|p| p.temperature = Some(0.0), None),
        (|p| p.temperature = Some(2.0), None),
        (|p| p.temperature = Some(2.1), Some("temperature")),
        (|p| p.temperature = Some(-0.1), Some("temperature")),
        (|p| p.temperature = Some(f64::NAN), Some("temperature")),
        (|p| p.temperature = Some(f64::INFINITY), Some("temperature")),
        (|p| p.top_p = Some(1.0), None),
        (|p| p.top_p = Some(1.1), Some("top_p")),
        (|p| p.max_tokens = Some(1), None),
        (|p| p.max_tokens = Some(0), Some("max_tokens")),
        (|p| p.stop = vec!["\n".into()], None),
        (|p| p.stop = vec![String::new()], Some("stop")),
    ];
    for (n, (change, subject)) in cases.iter().enumerate() {
        let refusal = refused(with(|r| change(&mut r.params)));
        assert_eq!(
            refusal,
            subject.map(|s| (ErrorCode::InvalidRequest, Some(s))),
            "case {n}"
        );
    }
    for schema in [
        json!(true),
        json!({"$ref": "https://evil.example/schema.json"}),
    ] {
        let schema = with(|r| r.structured_output_schema = Some(schema));
        let subject = Some("structured_output_schema");
        assert_eq!(refused(schema), Some((ErrorCode::SchemaKeyword, subject)));
    }
}

#[test]
fn b12_a_bound_above_the_models_limit_is_clamped() {
    let mut known = everything();
    known.capabilities.limits.insert(
        Limit::MaxOutputTokens,
        crate::capability::Sourced {
            value: 100,
            from: Provenance::Server,
        },
    );
    for (asked, effective) in [(None, None), (Some(99), Some(99)), (Some(101), Some(100))] {
        let admitted = local(
            with(|r| r.params.max_tokens = asked),
            known.clone(),
            Emulation::Off,
        );
        assert_eq!(admitted.expect("admitted").max_tokens(), effective);
    }
    let unbounded = local(
        with(|r| r.params.max_tokens = Some(7)),
        everything(),
        Emulation::Off,
    );
    assert_eq!(unbounded.expect("admitted").max_tokens(), Some(7));
}

#[test]
fn b1_a_cloud_model_answers_only_when_a_person_enabled_it() {
    let admitted = |base_url: &str, enabled| {
        let snapshot = CapabilitySnapshot {
            enabled,
            ..everything()
        };
        let record = Arc::new(record(base_url));
        let model = snapshot.model_id.clone();
        let route = Route {
            record,
            model,
            snapshot: snapshot.into(),
        };
        admit(Arc::new(request()), route, Emulation::Off)
            .err()
            .map(|error| error.code)
    };
    assert_eq!(admitted("https://api.example.com/v1", true), None);
    assert_eq!(
        admitted("https://api.example.com/v1", false),
        Some(ErrorCode::Model404)
    );
    assert_eq!(
        admitted("http://127.0.0.1:11434", false),
        None,
        "local models need no enabling"
    );
}

#[test]
fn b1_what_is_known_about_another_model_is_no_knowledge() {
    let record = Arc::new(record("http://127.0.0.1:1234"));
    let route = Route {
        record,
        model: ModelId::new("other").expect("valid"),
        snapshot: everything().into(),
    };
    let error = admit(Arc::new(request()), route, Emulation::Off).expect_err("refused");
    assert_eq!(error.code, ErrorCode::CapabilityUnknown);
}
