//! `…/embeddings`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::dto::{EmbedInput, EmbedRequest};
use super::{JSON, WIRE, error, missing};
use crate::dispatch::{Call, Outcome, control};
use crate::engine::Probe;
use crate::frame::Answer;
use crate::{Route, tokens};

#[derive(Serialize)]
struct List {
    object: &'static str,
    data: Vec<Entry>,
    model: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Entry {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

/// Numbers, or little-endian 32-bit floats in base64.
#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Answers `…/embeddings`.
pub(super) fn answer(call: &Call<'_>) -> Outcome {
    let request: EmbedRequest = match serde_json::from_slice(call.body) {
        Ok(request) => request,
        Err(reason) => {
            let message = format!("We could not parse the JSON body of your request: {reason}");
            return error(400, &message, None, None).into();
        }
    };
    let texts = match request.input {
        EmbedInput::One(text) => vec![text],
        EmbedInput::Many(texts) => texts,
    };
    let name = request.model;
    let base64 = request.encoding_format.as_deref() == Some("base64");
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
            return error(
                403,
                "You are not allowed to generate embeddings from this model",
                None,
                None,
            );
        }
        // More dimensions than a model has are not to be had.
        let most = found.model.embedding_length;
        let length = request.dimensions.unwrap_or(most).min(most);
        let prompt = tokens::count(texts.iter().map(String::len).sum());
        let data = texts
            .iter()
            .enumerate()
            .map(|(index, text)| Entry {
                object: "embedding",
                index,
                embedding: vector(tokens::embedding(text, length), base64),
            })
            .collect();
        let list = List {
            object: "list",
            data,
            model: name.clone(),
            usage: Usage {
                prompt_tokens: prompt,
                total_tokens: prompt,
            },
        };
        Answer::json(200, JSON, &list)
    })
}

fn vector(numbers: Vec<f32>, base64: bool) -> Vector {
    if base64 {
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        Vector::Base64(STANDARD.encode(bytes))
    } else {
        Vector::Numbers(numbers)
    }
}
