//! What the crate does without a network: checks a URL, resolves a role, hashes an artefact.
//!
//! `cargo run -p handshake-core --example offline`
#![allow(
    clippy::print_stdout,
    reason = "an example is a program; printing is what it does"
)]

use std::{error::Error, sync::Arc};

use handshake_core::{
    base_url::BaseUrl,
    chat::Target,
    digest::{Digest, canonical_json},
    ids::RoleId,
    net::AddressClass,
    profile::{RegistryView, WorkProfile, resolve},
    provider::ProviderDraft,
    time::UtcTime,
};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    println!("URLs have one spelling, and some destinations are never dialled:");
    for text in [
        "https://api.example.com/v1",
        "http://localhost:11434",
        "http://0x7f.1",
        "https://api.example.com@203.0.113.7",
        "http://169.254.169.254",
    ] {
        match BaseUrl::parse(text) {
            Ok(url) => println!("  {text}: {:?}", url.lexical_tier()),
            Err(refused) => println!("  {text}: {refused}"),
        }
    }
    let mapped = "::ffff:169.254.169.254".parse()?;
    println!("  {mapped} is {:?}", AddressClass::of(mapped));

    println!("\nA role resolves the same way every time, and says why:");
    let draft: ProviderDraft = serde_json::from_value(json!({
        "provider_id": "home", "provider_kind": "ollama", "base_url": "http://localhost:11434",
    }))?;
    let record = draft.into_record(UtcTime::from_unix_millis(0))?;
    let local = json!({ "primary_model_id": "home/small:7b", "local_only": true });
    let profile = WorkProfile::read(&serde_json::to_vec(&json!({
        "schema": "hsk.work_profile@0.6", "profile_id": "everyday", "name": "Everyday",
        "model_assignments": {
            "frontend": local, "orchestrator": local, "worker": local, "validator": local,
            "translator": { "inherits": "worker" },
        },
        "governance": { "automation_level": "HYBRID", "allow_cloud_escalation": false },
    }))?)?;
    println!("  {}", Digest::of(&[&canonical_json(&profile)?]));
    let mut view = RegistryView {
        profile: Some(Arc::new(profile)),
        ..RegistryView::default()
    };
    view.providers
        .insert(record.provider_id.clone(), Arc::new(record));
    for reason in resolve(&Target::Role(RoleId::new("translator")?), &view)?.because {
        println!("  {reason}");
    }
    Ok(())
}
