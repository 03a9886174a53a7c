//! `/api/embed`.

use serde::Serialize;

use super::dto::{EmbedInput, EmbedRequest};
use super::{JSON, WIRE, error, json, missing};
use crate::dispatch::{Call, Outcome, control};
use crate::engine::Probe;
use crate::frame::Answer;
use crate::{Route, tokens};

#[derive(Serialize)]
struct Embeddings {
    model: String,
    embeddings: Vec<Vec<f32>>,
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: u64,
}

/// Answers `/api/embed`.
pub(super) fn answer(call: &Call<'_>) -> Outcome {
    let request: EmbedRequest = match serde_json::from_slice(call.body) {
        Ok(request) => request,
        Err(reason) => return error(400, &format!("json: {reason}")).into(),
    };
    let texts = match request.input {
        Some(EmbedInput::One(text)) => vec![text],
        Some(EmbedInput::Many(texts)) => texts,
        None => Vec::new(),
    };
    let name = request.model;
    let probe = Probe {
        last: texts.last().map_or("", String::as_str),
        ..Probe::control(WIRE, Route::Embed, &name)
    };
    control(call, probe, || {
        let found = match call.engine(|engine| engine.find(WIRE, &name)) {
            Ok(found) => found,
            Err(reason) => return missing(reason, &name),
        };
        if !found.model.can("embedding") {
            return error(400, &format!("\"{name}\" does not support embeddings"));
        }
        let embeddings = Embeddings {
            model: name.clone(),
            embeddings: texts
                .iter()
                .map(|text| tokens::embedding(text, found.model.embedding_length))
                .collect(),
            total_duration: 2_000_000,
            load_duration: 1_000_000,
            prompt_eval_count: tokens::count(texts.iter().map(String::len).sum()),
        };
        Answer::whole(200, JSON, json(&embeddings))
    })
}
