//! Prints the schemas of the published types as one JSON object, by schema id.
//!
//! `cargo run -p handshake-core --example schemas`
#![allow(
    clippy::print_stdout,
    reason = "an example is a program; printing is what it does"
)]

use std::collections::BTreeMap;

use handshake_core::{
    capability::CapabilitySnapshot,
    chat::{ChatEvent, ChatRequest, ChatResponse, TurnEvent},
    consent::{CloudEscalationRequest, ConsentReceipt, ProjectionPlan},
    event::RecordedEvent,
    finding::LeakageFinding,
    profile::{WORK_PROFILE, WorkProfile},
    provider::{ProviderDraft, ProviderRecord},
    swap::{MODEL_SWAP, ModelSwapRequest},
    tool::{ToolDefinition, ToolEntry, ToolRequest, ToolResponse},
};
use schemars::schema_for;

fn main() -> Result<(), serde_json::Error> {
    let schemas = BTreeMap::from([
        ("hsk.provider_record@0.1", schema_for!(ProviderRecord)),
        ("hsk.provider_draft@0.1", schema_for!(ProviderDraft)),
        (
            "hsk.capability_snapshot@0.1",
            schema_for!(CapabilitySnapshot),
        ),
        ("hsk.chat_request@0.1", schema_for!(ChatRequest)),
        ("hsk.chat_response@0.1", schema_for!(ChatResponse)),
        ("hsk.chat_event@0.1", schema_for!(ChatEvent)),
        ("hsk.turn_event@0.1", schema_for!(TurnEvent)),
        (WORK_PROFILE, schema_for!(WorkProfile)),
        (MODEL_SWAP, schema_for!(ModelSwapRequest)),
        (
            "hsk.cloud_escalation@0.4",
            schema_for!(CloudEscalationRequest),
        ),
        ("hsk.projection_plan@0.4", schema_for!(ProjectionPlan)),
        ("hsk.consent_receipt@0.4", schema_for!(ConsentReceipt)),
        ("hsk.event@0.1", schema_for!(RecordedEvent)),
        ("hsk.leakage_finding@0.1", schema_for!(LeakageFinding)),
        ("hsk.tool_entry@0.1", schema_for!(ToolEntry)),
        ("hsk.tool_definition@0.1", schema_for!(ToolDefinition)),
        ("htc-1.0.request", schema_for!(ToolRequest)),
        ("htc-1.0.response", schema_for!(ToolResponse)),
    ]);
    println!("{}", serde_json::to_string_pretty(&schemas)?);
    Ok(())
}
