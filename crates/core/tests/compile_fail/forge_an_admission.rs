//! Adapters render admitted requests only.
use std::sync::Arc;

use handshake_core::{
    admit::{Admitted, Route},
    chat::ChatRequest,
};

fn forge(request: Arc<ChatRequest>, route: Route) -> Admitted {
    Admitted { request, route, emulated: None, max_tokens: None, context_limit: None }
}

fn main() {}
