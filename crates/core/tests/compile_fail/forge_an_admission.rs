//! Adapters render admitted requests only.
use std::sync::Arc;

use handshake_core::{
    admit::{Admitted, Route},
    chat::{ChatRequest, ToolMode},
};

fn forge(request: Arc<ChatRequest>, route: Route) -> Admitted {
    Admitted { request, route, tool_mode: ToolMode::Native, max_tokens: None }
}

fn main() {}
