//! The gate, step by step: what denies, in which order, and what is recorded then.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use handshake_core::{
    base_url::BaseUrl,
    code::ErrorCode,
    consent::Assurance,
    control::ControlCall,
    envelope::{Envelope, HeaderValue, Method, Salt},
    event::Body,
    finding::{FindingClass, FindingLevel, ValidatorError},
    gate::{Authorization, ControlRequest, EgressRequest, Outcome, StepName},
    ids::{ArtifactRef, ModelId, UseId},
    label::{Label, Sensitivity},
    net::AddressClass,
    policy::{AutomationLevel, Governance},
    ports::{ArtifactStore, EntropyExt, ResolveError},
    provider::ProviderRecord,
    seal::ContactGrant,
    tier::{ModelTier, Reach, Residence},
};
use handshake_testkit::{
    fixture,
    gate::{Needle, World},
    mock::MockResolver,
};
use sha2::{Digest as _, Sha256};

use super::gate_world::{
    NoArtifacts, Panics, Resolves, Says, assert_denial_recorded, assert_nothing_spent, awaiting,
    call, cleared, denied, local, named, recorded, relay, with,
};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn at(ip: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(ip.into(), 443)
}

#[tokio::test]
async fn a8_cloud_call_without_receipt_sends_no_byte() {
    for record in [relay(), named()] {
        let world = World::new(1);
        let request = call(&world, &record, "hello").await;
        let awaiting = awaiting(world.gate.clear(request).await);
        assert_nothing_spent(&world);
        assert!(
            world.memory.events().is_empty(),
            "asking is not recorded by the gate"
        );
        assert_eq!(awaiting.plan.ext.destination.tier, ModelTier::Cloud);
        assert_eq!(
            awaiting.plan.ext.destination.provider_id,
            record.provider_id
        );
    }
}

#[tokio::test]
async fn a8_local_needs_no_receipt_and_is_recorded() {
    let world = World::new(1);
    let request = call(&world, &local(), "hello").await;
    let cleared = cleared(world.gate.clear(request).await);
    assert_eq!(
        (cleared.effective_tier(), cleared.receipt()),
        (ModelTier::Local, None)
    );
    assert_eq!(cleared.peers(), [SocketAddr::new(LOOPBACK, 4000)]);
    assert_eq!(world.memory.event_ids(), ["FR-EVT-PROVIDER-006"]);
}

#[tokio::test]
async fn a7_declared_local_and_effective_cloud_is_refused() {
    for residence in [Residence::Forwarded, Residence::Unknown] {
        let world = World::new(1);
        let request = call(&world, &local(), "hello").await;
        let request = with(request, |context| context.residence = residence);
        denied(world.gate.clear(request).await, ErrorCode::TierMismatch);
        assert_denial_recorded(&world, true);
    }
    // `localhost` that is somewhere else.
    let elsewhere = Arc::new(Resolves(Ok(vec![at([93, 184, 215, 14])])));
    let world = World::wired(1, |ports, _| ports.peers = elsewhere);
    let record = fixture::record("local", "simulated", "http://localhost:4000", Reach::Direct);
    let request = call(&world, &record, "hello").await;
    denied(world.gate.clear(request).await, ErrorCode::TierMismatch);
    assert_denial_recorded(&world, true);
}

/// Whatever was listed, and whatever kind of server it is said to be.
#[tokio::test]
async fn rt_b01_a_name_that_a_daemon_forwards_is_no_local_call() {
    for name in [
        "gpt-oss:120b-cloud",
        "x:cloud",
        "x:120B-CLOUD",
        "x:cloud:local",
    ] {
        let world = World::new(1);
        let record = local();
        world.register(&record).await;
        let body =
            serde_json::json!({ "model": name, "messages": [{ "role": "user", "content": "hi" }] });
        let prepared = fixture::prepared_body(&record, name, body.to_string().into_bytes());
        let request = with(world.egress(&record, prepared), |context| {
            context.residence = Residence::Local;
        });
        denied(world.gate.clear(request).await, ErrorCode::TierMismatch);
        assert_denial_recorded(&world, true);
        // Asking the server about it is asking its vendor about it.
        let model = ModelId::new(name).expect("a model");
        let mut about_it = control(&world, &record);
        about_it.call = ControlCall::ShowModel(model);
        let refused = world.gate.clear_control(about_it).await;
        assert_eq!(
            refused.expect_err("refused").error.code,
            ErrorCode::TierMismatch
        );
    }
}

#[tokio::test]
async fn a7_declared_cloud_and_a_peer_on_loopback_is_refused() {
    let public = IpAddr::from([93, 184, 215, 14]);
    for addresses in [
        vec![LOOPBACK],
        vec![public, LOOPBACK],
        vec![LOOPBACK, public],
    ] {
        for residence in [Residence::Local, Residence::Forwarded, Residence::Unknown] {
            let world = World::new(1);
            world.memory.resolve_to(&addresses);
            let request = call(&world, &named(), "hello").await;
            let request = with(request, |context| context.residence = residence);
            denied(world.gate.clear(request).await, ErrorCode::TierMismatch);
            assert_denial_recorded(&world, true);
        }
    }
}

#[tokio::test]
async fn a8_s16_locked_denies_without_prompt_or_lookup() {
    type Lock = fn(&World, EgressRequest) -> EgressRequest;
    let locks: [Lock; 3] = [
        |_, request| {
            with(request, |c| {
                c.governance.automation_level = AutomationLevel::Locked
            })
        },
        |world, request| {
            world.policy.set(|posture| posture.locked = true);
            request
        },
        |world, request| {
            world.memory.set_locked(true);
            request
        },
    ];
    for lock in locks {
        let world = World::new(1);
        let request = call(&world, &named(), "hello").await;
        let request = lock(&world, request);
        denied(world.gate.clear(request).await, ErrorCode::GovernanceLocked);
        assert_eq!(world.memory.lookups(), 0);
        assert_denial_recorded(&world, true);
        // Local is untouched.
        let request = call(&world, &local(), "hello").await;
        let request = lock(&world, request);
        let _cleared = cleared(world.gate.clear(request).await);
    }
}

/// No name is looked up once a step has denied.
#[tokio::test]
async fn a15_rt_ssr_001_nothing_is_looked_up_after_a_denial() {
    type Edit = fn(&World, &mut EgressRequest);
    let cases: [(ErrorCode, Edit); 15] = [
        (ErrorCode::CloudEscalationDenied, |world, _| {
            world.policy.set(|posture| posture.cloud_allowed = false);
        }),
        (ErrorCode::CloudEscalationDenied, |_, request| {
            Arc::make_mut(&mut request.context)
                .governance
                .allow_cloud_escalation = false;
        }),
        (ErrorCode::MaxBytes, |world, _| {
            world.policy.set(|posture| posture.max_body_bytes = 10)
        }),
        (ErrorCode::InvalidBaseUrl, |_, request| {
            envelope(request, |e| e.path = "/v2/chat".to_owned())
        }),
        (ErrorCode::InvalidBaseUrl, |_, request| {
            envelope(request, |e| e.path = "/v1/../admin".to_owned());
        }),
        (ErrorCode::InvalidBaseUrl, |_, request| {
            envelope(request, |e| {
                let value = HeaderValue::Plain("evil.example.org".to_owned());
                e.headers.insert("host".to_owned(), value);
            });
        }),
        (ErrorCode::InvalidBaseUrl, |_, request| {
            envelope(request, |e| {
                e.base_url = BaseUrl::parse("https://evil.example.org/v1").expect("url");
            });
        }),
        (ErrorCode::InvalidBaseUrl, |_, request| {
            envelope(request, |e| e.revision = 2)
        }),
        (ErrorCode::InvalidBaseUrl, |_, request| {
            envelope(request, |e| e.model_id = None)
        }),
        (ErrorCode::SecretUnbound, |_, request| {
            envelope(request, |e| {
                let secret_ref = "vault:key".parse().expect("a reference");
                e.headers.insert(
                    "authorization".to_owned(),
                    HeaderValue::Secret {
                        secret_ref,
                        prefix: "Bearer ",
                    },
                );
            });
        }),
        (ErrorCode::SecretUnbound, |world, request| {
            world
                .memory
                .bind_secret("vault:key", "https://evil.example.org", b"value");
            envelope(request, |e| {
                let secret_ref = "vault:key".parse().expect("a reference");
                e.headers.insert(
                    "authorization".to_owned(),
                    HeaderValue::Secret {
                        secret_ref,
                        prefix: "Bearer ",
                    },
                );
            });
        }),
        (ErrorCode::Revision, |world, _| {
            world
                .memory
                .set_policy_epoch(handshake_core::digest::Digest::of(&[b"other rules"]));
        }),
        (ErrorCode::Revision, |world, _| world.memory.trust(None)),
        (ErrorCode::Revision, |_, request| {
            let mut record = (*request.record).clone();
            record.revision = 2;
            request.record = Arc::new(record);
            envelope(request, |e| e.revision = 2);
        }),
        (ErrorCode::Storage, |world, _| {
            world.memory.set_storage_failing(true)
        }),
    ];
    for (n, (code, edit)) in cases.into_iter().enumerate() {
        let mut resolver = MockResolver::new();
        resolver.expect_resolve().never();
        let world = World::wired(1, |ports, _| ports.peers = Arc::new(resolver));
        let mut request = call(&world, &named(), "hello").await;
        edit(&world, &mut request);
        denied(world.gate.clear(request).await, code);
        if code != ErrorCode::Storage {
            assert_denial_recorded(&world, true);
        }
        assert!(world.memory.event_ids().len() <= 2, "case {n}");
    }
}

fn envelope(request: &mut EgressRequest, edit: impl FnOnce(&mut Envelope)) {
    request.prepared = request.prepared.clone().edited(edit);
}

#[tokio::test]
async fn a15_rt_ssr_001_every_address_is_classified_before_anything_else() {
    let public = at([93, 184, 215, 14]);
    let refused = [
        vec![at([169, 254, 169, 254])],
        vec![public, at([169, 254, 169, 254])],
        vec![at([10, 0, 0, 7])],
        vec![public, at([192, 168, 1, 1])],
        vec![at([0, 0, 0, 0])],
        vec![at([224, 0, 0, 1])],
        vec!["[::ffff:169.254.169.254]:443".parse().expect("an address")],
        Vec::new(),
    ];
    for addresses in refused {
        let world = World::wired(1, |ports, _| {
            ports.peers = Arc::new(Resolves(Ok(addresses)))
        });
        let request = call(&world, &named(), "hello").await;
        denied(world.gate.clear(request).await, ErrorCode::SsrfBlocked);
        assert_denial_recorded(&world, true);
        assert_eq!(recorded(&world, "FR-EVT-EGRESS"), ["FR-EVT-EGRESS-004"]);
    }
    let failing = Arc::new(Resolves(Err(ResolveError)));
    let world = World::wired(1, |ports, _| ports.peers = failing);
    let request = call(&world, &named(), "hello").await;
    denied(world.gate.clear(request).await, ErrorCode::SsrfBlocked);
}

#[tokio::test]
async fn s42_a_private_host_is_dialled_only_where_a_person_allowed_it() {
    let private = || Arc::new(Resolves(Ok(vec![at([10, 0, 0, 7])])));
    let world = World::wired(1, |ports, _| ports.peers = private());
    world.policy.set(|posture| {
        posture.private_hosts = ["api.example.com".to_owned()].into();
    });
    let request = call(&world, &named(), "hello").await;
    let _asks = awaiting(world.gate.clear(request).await);
    // The spelling is exact, and allowing a host allows no metadata service.
    world
        .policy
        .set(|posture| posture.private_hosts = ["example.com".to_owned()].into());
    let request = world.egress(&named(), fixture::prepared(&named(), "m", "hello"));
    denied(world.gate.clear(request).await, ErrorCode::SsrfBlocked);
    let metadata = Arc::new(Resolves(Ok(vec![at([169, 254, 169, 254])])));
    let world = World::wired(1, |ports, _| ports.peers = metadata);
    world
        .policy
        .set(|posture| posture.private_hosts = ["api.example.com".to_owned()].into());
    let request = call(&world, &named(), "hello").await;
    denied(world.gate.clear(request).await, ErrorCode::SsrfBlocked);
}

#[tokio::test]
async fn a15_rt_ssr_001_our_own_listener_is_never_dialled() {
    for (own, peer) in [
        ("127.0.0.1:4001", "127.0.0.1:4001"),
        ("127.0.0.1:4001", "[::ffff:127.0.0.1]:4001"),
        ("[::1]:4001", "[::1]:4001"),
        ("0.0.0.0:4001", "127.0.0.1:4001"),
        ("[::]:4001", "[::1]:4001"),
        ("127.0.0.1:4001", "127.0.0.2:4001"),
        ("127.0.0.1:4001", "[::1]:4001"),
        ("[::1]:4001", "127.0.0.1:4001"),
        ("127.0.0.1:4001", "[::ffff:127.8.8.8]:4001"),
    ] {
        let peer: SocketAddr = peer.parse().expect("an address");
        let world = World::wired(1, |ports, _| {
            ports.peers = Arc::new(Resolves(Ok(vec![peer])));
            ports.own_listeners = vec![own.parse().expect("an address")];
        });
        let request = call(&world, &relay(), "hello").await;
        denied(world.gate.clear(request).await, ErrorCode::SsrfBlocked);
        assert_denial_recorded(&world, true);
    }
    let world = World::wired(1, |ports, _| {
        ports.own_listeners = vec!["127.0.0.1:4477".parse().expect("an address")];
    });
    let request = call(&world, &relay(), "hello").await;
    let _asks = awaiting(world.gate.clear(request).await);
}

/// Through every name of it that a base URL takes; the others are no base URLs.
#[tokio::test]
async fn s44_our_own_listener_has_no_other_name() {
    for url in [
        "http://127.0.0.1:4477",
        "http://localhost:4477",
        "http://[::1]:4477",
        "http://127.0.0.2:4477",
        "http://127.255.255.254:4477",
    ] {
        let world = World::wired(1, |ports, _| {
            ports.own_listeners = vec!["127.0.0.1:4477".parse().expect("an address")];
        });
        for reach in [Reach::Direct, Reach::Relay] {
            let record = fixture::record(
                &format!("own-{reach:?}").to_lowercase(),
                "simulated",
                url,
                reach,
            );
            let request = call(&world, &record, "hello").await;
            let refused = denied(world.gate.clear(request).await, ErrorCode::SsrfBlocked);
            assert_eq!(refused.error.subject, Some("address"), "{url}");
        }
        assert_eq!(
            recorded(&world, "FR-EVT-EGRESS"),
            ["FR-EVT-EGRESS-004", "FR-EVT-EGRESS-004"]
        );
    }
    for url in [
        "http://127.1:4477",
        "http://2130706433:4477",
        "http://[::ffff:127.0.0.1]:4477",
        "http://0.0.0.0:4477",
    ] {
        assert!(BaseUrl::parse(url).is_err(), "{url}");
    }
}

/// What a resolver may answer for a public name: an address that wraps another one is the stricter of both.
#[tokio::test]
async fn s44_an_answer_that_wraps_another_address_is_never_dialled() {
    let public: IpAddr = "93.184.215.14".parse().expect("an address");
    for wrapped in [
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::808:808",
        "64:ff9b:1::a9fe:a9fe",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:808:808::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:808:808::5601:5601",
        "2606:4700::5efe:7f00:1",
        "2606:4700::5efe:a9fe:a9fe",
        "fe80::5efe:a9fe:a9fe",
        "fd00:ec2::254",
        "ff02::1",
        "::",
        "100::1",
    ] {
        let wrapped: IpAddr = wrapped.parse().expect("an address");
        for answer in [vec![wrapped], vec![public, wrapped], vec![wrapped, public]] {
            let peers = answer.iter().map(|ip| at(*ip)).collect();
            let world = World::wired(1, |ports, _| ports.peers = Arc::new(Resolves(Ok(peers))));
            let request = call(&world, &named(), "hello").await;
            let code = match AddressClass::of(wrapped) {
                AddressClass::Loopback => ErrorCode::TierMismatch,
                _ => ErrorCode::SsrfBlocked,
            };
            denied(world.gate.clear(request).await, code);
            assert_denial_recorded(&world, true);
        }
    }
}

#[tokio::test]
async fn a9_s28_labels_block_alone_and_through_members() {
    let low = Some(Label::INLINE);
    let high = Some(Label {
        sensitivity: Sensitivity::High,
        exportable: true,
    });
    let kept = Some(Label {
        sensitivity: Sensitivity::Low,
        exportable: false,
    });
    for (member, blocks) in [(low, false), (high, true), (kept, true), (None, true)] {
        let world = World::new(1);
        let put = async |content: &'static [u8], label, members| {
            let stored = world
                .memory
                .put(Bytes::from_static(content), label, members)
                .await;
            stored.expect("stored").artifact
        };
        let row = put(b"row", member, Vec::new()).await;
        let bundle = put(b"bundle", low, vec![row]).await;
        let request = call(&world, &relay(), "hello").await;
        let request = with(request, |context| context.artifacts = vec![bundle]);
        let answer = world.gate.clear(request).await;
        if blocks {
            denied(answer, ErrorCode::LeakageBlocked);
            assert_denial_recorded(&world, true);
            assert_eq!(recorded(&world, "FR-EVT-EGRESS"), ["FR-EVT-EGRESS-002"]);
        } else {
            let _asks = awaiting(answer);
        }
    }
}

#[tokio::test]
async fn a9_what_cannot_be_resolved_blocks() {
    let absent = || vec![ArtifactRef::new("sha256:0000").expect("a reference")];
    let world = World::new(1);
    let request = call(&world, &relay(), "hello").await;
    let request = with(request, |context| context.artifacts = absent());
    denied(world.gate.clear(request).await, ErrorCode::LeakageBlocked);
    let world = World::wired(1, |ports, _| ports.artifacts = Arc::new(NoArtifacts));
    let request = call(&world, &relay(), "hello").await;
    let request = with(request, |context| context.artifacts = absent());
    denied(world.gate.clear(request).await, ErrorCode::LeakageBlocked);
    for label in [
        Label::UNKNOWN,
        Label {
            sensitivity: Sensitivity::High,
            exportable: true,
        },
    ] {
        let world = World::new(1);
        let request = call(&world, &relay(), "hello").await;
        let request = with(request, |context| context.context_label = label);
        denied(world.gate.clear(request).await, ErrorCode::LeakageBlocked);
        // On this machine it may be used.
        let request = call(&world, &local(), "hello").await;
        let request = with(request, |context| context.context_label = label);
        let _cleared = cleared(world.gate.clear(request).await);
    }
}

#[tokio::test]
async fn a9_a_finding_blocks_and_names_its_rule_alone() {
    let world = World::with_validators(1, vec![Arc::new(Needle("hunter2".to_owned()))]);
    let request = call(&world, &relay(), "my password is hunter2").await;
    let denied = denied(world.gate.clear(request).await, ErrorCode::LeakageBlocked);
    assert_eq!(denied.findings.as_ref().map(|f| f.items.len()), Some(1));
    assert_denial_recorded(&world, true);
    let events = world.memory.events();
    let blocked = events.iter().any(|event| {
        matches!(&event.body, Body::LeakageBlocked { rule: Some(rule), findings: 1, .. }
            if rule.as_str() == "needle")
    });
    assert!(blocked);
    for text in [
        format!("{:?}", events),
        format!("{denied:?}"),
        denied.error.to_string(),
    ] {
        assert!(!text.contains("hunter2"));
    }
}

#[tokio::test]
async fn a9_no_verdict_is_a_denial() {
    type Wire = fn(&mut handshake_core::gate::GatePorts);
    let wires: [Wire; 6] = [
        |ports| ports.validators.clear(),
        |ports| {
            ports
                .validators
                .push(Arc::new(Says(Err(ValidatorError::Failed))))
        },
        |ports| {
            ports
                .validators
                .push(Arc::new(Says(Err(ValidatorError::Budget))))
        },
        |ports| {
            ports
                .validators
                .insert(0, Arc::new(Says(Err(ValidatorError::Undecodable))))
        },
        |ports| ports.validators.push(Arc::new(Panics)),
        |ports| ports.work_budget = 3,
    ];
    for wire in wires {
        let world = World::wired(1, |ports, _| wire(ports));
        let request = call(&world, &relay(), "hello").await;
        denied(world.gate.clear(request).await, ErrorCode::LeakageUndecided);
        assert_denial_recorded(&world, true);
        let request = call(&world, &local(), "hello").await;
        let _cleared = cleared(world.gate.clear(request).await);
    }
    // A certain leak is reported as one, whoever else gave no verdict.
    let world = World::wired(1, |ports, _| {
        let block = Ok(vec![(FindingClass::Secret, FindingLevel::Block)]);
        ports.validators = vec![Arc::new(Panics), Arc::new(Says(block))];
    });
    let request = call(&world, &relay(), "hello").await;
    denied(world.gate.clear(request).await, ErrorCode::LeakageBlocked);
}

#[tokio::test]
async fn a9_a_secret_that_another_process_enrolled_makes_our_verdict_none() {
    let world = World::new(1);
    world.memory.set_enrolled(1);
    let request = call(&world, &relay(), "hello").await;
    denied(world.gate.clear(request).await, ErrorCode::LeakageUndecided);
}

#[tokio::test]
async fn s20_a_scan_is_reused_for_the_same_bytes_and_rules_only() {
    let world = World::with_validators(1, vec![Arc::new(Needle("hunter2".to_owned()))]);
    let record = relay();
    let clean = call(&world, &record, "clean").await;
    let located = world.gate.locate(clean.clone()).await.expect("located");
    let inspected = world.gate.inspect(located, None);
    let scan = inspected.scan().cloned();
    assert_eq!(
        scan.as_ref()
            .and_then(|scan| scan.findings())
            .map(|f| f.items.len()),
        Some(0)
    );
    // Another envelope does not pass on the strength of a clean one.
    let dirty = world.egress(&record, fixture::prepared(&record, "m", "hunter2"));
    let located = world.gate.locate(dirty).await.expect("located");
    let inspected = world.gate.inspect(located, scan.clone());
    denied(
        world.gate.authorize(inspected).await,
        ErrorCode::LeakageBlocked,
    );
    // Nor do other rules: a gate with others looks for itself.
    let stricter = World::with_validators(1, vec![Arc::new(Needle("clean".to_owned()))]);
    stricter.register(&record).await;
    let located = stricter.gate.locate(clean).await.expect("located");
    let inspected = stricter.gate.inspect(located, scan);
    denied(
        stricter.gate.authorize(inspected).await,
        ErrorCode::LeakageBlocked,
    );
}

#[tokio::test]
async fn a8_an_empty_body_is_not_sent_to_cloud() {
    let world = World::new(1);
    let record = relay();
    world.register(&record).await;
    let request = world.egress(&record, fixture::prepared_body(&record, "m", Vec::new()));
    denied(world.gate.clear(request).await, ErrorCode::MaxBytes);
}

#[tokio::test]
async fn a12_a_log_that_cannot_be_written_changes_neither_code_nor_outcome() {
    let world = World::new(1);
    let request = call(&world, &local(), "hello").await;
    let request = with(request, |context| context.residence = Residence::Forwarded);
    world.memory.set_storage_failing(true);
    denied(world.gate.clear(request).await, ErrorCode::TierMismatch);
}

fn control(world: &World, record: &Arc<ProviderRecord>) -> ControlRequest {
    let envelope = Envelope {
        method: Method::Get,
        base_url: record.base_url.clone(),
        path: format!("{}/models", record.base_url.path().trim_end_matches('/')),
        headers: Default::default(),
        provider_id: record.provider_id.clone(),
        revision: record.revision,
        model_id: None,
        body: Bytes::new(),
    };
    ControlRequest::new(
        envelope,
        ControlCall::ListModels,
        Arc::clone(record),
        Governance::NO_PROFILE,
        UseId::from_entropy(world.memory.bytes()),
    )
}

#[tokio::test]
async fn a3_s15_a_cloud_origin_is_not_contacted_without_a_grant() {
    use handshake_core::ports::ContactGrants;
    let (world, record) = (World::new(1), named());
    world.register(&record).await;
    let denied = world
        .gate
        .clear_control(control(&world, &record))
        .await
        .expect_err("denied");
    assert_eq!(denied.error.code, ErrorCode::ContactNotGranted);
    assert_eq!(
        denied.decision.outcome,
        Outcome::Deny(StepName::Contact, ErrorCode::ContactNotGranted)
    );
    assert_eq!(world.memory.lookups(), 0, "a lookup is contact");
    assert_denial_recorded(&world, true);
    world
        .memory
        .grant(
            &ContactGrant {
                provider_revision: record.revision + 1,
                ..ContactGrant::of(&record)
            },
            fixture::seal(),
        )
        .await
        .expect("granted");
    let other = world
        .gate
        .clear_control(control(&world, &record))
        .await
        .expect_err("denied");
    assert_eq!(
        other.error.code,
        ErrorCode::ContactNotGranted,
        "another revision"
    );
    world
        .memory
        .grant(&ContactGrant::of(&record), fixture::seal())
        .await
        .expect("granted");
    let cleared = world
        .gate
        .clear_control(control(&world, &record))
        .await
        .expect("cleared");
    assert_eq!(cleared.effective_tier(), ModelTier::Cloud);
    assert!(cleared.intent().is_some() && cleared.epochs().is_some());
    assert_eq!(recorded(&world, "FR-EVT-PROVIDER"), ["FR-EVT-PROVIDER-006"]);
    world.memory.set_locked(true);
    let locked = world
        .gate
        .clear_control(control(&world, &record))
        .await
        .expect_err("denied");
    assert_eq!(locked.error.code, ErrorCode::GovernanceLocked);
}

#[tokio::test]
async fn a3_a_local_server_is_asked_without_a_grant() {
    let (world, record) = (World::new(1), local());
    world.register(&record).await;
    let cleared = world
        .gate
        .clear_control(control(&world, &record))
        .await
        .expect("cleared");
    assert_eq!(
        (cleared.effective_tier(), cleared.intent()),
        (ModelTier::Local, None)
    );
}

/// Against the formula of the published data model, put together by hand.
#[test]
fn a8_the_envelope_hash_is_the_published_formula() {
    let record = named();
    let prepared = fixture::prepared(&record, "m/1", "hello").edited(|envelope| {
        let secret_ref = "vault:key".parse().expect("a reference");
        envelope.headers.insert(
            "authorization".to_owned(),
            HeaderValue::Secret {
                secret_ref,
                prefix: "Bearer ",
            },
        );
    });
    let manifest = concat!(
        r#"{"headers":{"authorization":{"secret_ref":"vault:key"},"content-type":"application/json"},"#,
        r#""method":"POST","model_id":"m/1","origin":"https://api.example.com","path":"/v1/chat","#,
        r#""provider_id":"named","revision":1}"#
    );
    assert_eq!(std::str::from_utf8(prepared.manifest()), Ok(manifest));
    let salt = [9u8; 32];
    let mut bytes = b"hsk.envelope.v1\0".to_vec();
    bytes.extend_from_slice(&salt);
    bytes.extend_from_slice(&u32::try_from(manifest.len()).expect("short").to_be_bytes());
    bytes.extend_from_slice(manifest.as_bytes());
    bytes.extend_from_slice(&prepared.envelope().body);
    let expected = Sha256::digest(&bytes);
    assert_eq!(
        prepared.envelope_sha256(&Salt::new(salt)).as_bytes()[..],
        expected[..]
    );
    let payload = Sha256::digest([&salt[..], &prepared.envelope().body].concat());
    assert_eq!(
        prepared.payload_sha256(&Salt::new(salt)).as_bytes()[..],
        payload[..]
    );
}

#[tokio::test]
async fn a8_the_plan_shows_what_leaves() {
    let (world, record) = (World::new(1), relay());
    world.register(&record).await;
    let body =
        super::gate_world::body(&[("system", "be kind"), ("user", "one"), ("assistant", "two")]);
    let size = body.len() as u64;
    let prepared = fixture::prepared_body(&record, "m", body.clone()).edited(|envelope| {
        let agent = HeaderValue::Plain("agent/1".to_owned());
        envelope.headers.insert("x-client".to_owned(), agent);
    });
    let request = world.egress(&record, prepared);
    let salt = request.salt(world.gate.commitments());
    let hash = request.prepared.envelope_sha256(&salt);
    let awaiting = awaiting(world.gate.clear(request).await);
    let (plan, ext) = (&awaiting.plan, &awaiting.plan.ext);
    assert_eq!((plan.max_bytes, ext.envelope_sha256), (size, hash));
    assert_eq!(
        plan.include_fields,
        Some(vec!["messages".into(), "model".into(), "stream".into()])
    );
    assert_eq!(ext.client_metadata, ["x-client"]);
    let provenance: Vec<_> = ext
        .provenance
        .iter()
        .map(|(who, n)| (who.as_str(), *n))
        .collect();
    assert_eq!(provenance, [("model", 1), ("person", 1), ("system", 1)]);
    // The switch that asks for a stream is one of them.
    assert_eq!((ext.blocks, ext.new_blocks), (3, 3));
    let submission = awaiting.submission(handshake_core::ports::Clock::now(&world.memory));
    assert_eq!(submission.content.body, body);
    assert_eq!(
        submission.request.projection_plan_id,
        plan.projection_plan_id
    );
}

#[tokio::test]
async fn a10_explain_says_what_the_gate_would_say_and_does_nothing() {
    let world = World::new(1);
    let request = call(&world, &named(), "hello").await;
    let explained = world.gate.explain(request.clone()).await;
    assert_eq!(
        explained.decision.outcome,
        Outcome::NeedsFact(StepName::Peer)
    );
    assert_eq!(explained.expected.outcome, Outcome::AskPerson);
    assert_eq!(world.memory.lookups(), 0);
    assert!(world.memory.events().is_empty());
    let awaiting = awaiting(world.gate.clear(request.clone()).await);
    assert_eq!(explained.envelope_sha256, awaiting.plan.ext.envelope_sha256);
    assert_eq!(explained.ask, awaiting.plan.ext.asked_because);
    world.approve(&awaiting);
    let explained = world.gate.explain(request.clone()).await;
    assert_eq!(explained.expected.outcome, Outcome::Allow);
    assert!(world.memory.events().is_empty(), "nothing is spent");
    world.memory.set_locked(true);
    let explained = world.gate.explain(request).await;
    assert_eq!(
        explained.decision.denied_with(),
        Some(ErrorCode::GovernanceLocked)
    );
}

#[tokio::test]
async fn a8_every_automation_level_needs_a_person() {
    for level in [
        AutomationLevel::FullHuman,
        AutomationLevel::Hybrid,
        AutomationLevel::Autonomous,
    ] {
        let world = World::new(1);
        world
            .policy
            .set(|posture| posture.min_assurance = Assurance::A0);
        let request = call(&world, &relay(), "hello").await;
        let request = with(request, |context| {
            context.governance.automation_level = level
        });
        let answer = world.gate.clear(request).await;
        assert!(
            matches!(answer, Authorization::AwaitingConsent(_)),
            "{level:?}"
        );
    }
}
