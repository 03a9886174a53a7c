//! `…/models` and `…/models/NAME`.

use serde::Serialize;

use super::{CREATED, JSON, WIRE, missing};
use crate::dispatch::{Call, Outcome, control};
use crate::engine::Probe;
use crate::frame::Answer;
use crate::{Route, SIMULATOR_NAME};

#[derive(Serialize)]
struct List {
    object: &'static str,
    data: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

fn entry(name: &str) -> Entry {
    Entry {
        id: name.to_owned(),
        object: "model",
        created: CREATED,
        owned_by: SIMULATOR_NAME,
    }
}

/// Answers `…/models`.
pub(super) fn list(call: &Call<'_>) -> Outcome {
    control(call, Probe::control(WIRE, Route::Models, ""), || {
        let data = call.engine(|engine| {
            let models = engine.models().iter();
            models.map(|model| entry(&model.name)).collect()
        });
        let list = List {
            object: "list",
            data,
        };
        Answer::json(200, JSON, &list)
    })
}

/// Answers `…/models/NAME`.
pub(super) fn show(call: &Call<'_>, name: &str) -> Outcome {
    control(call, Probe::control(WIRE, Route::Show, name), || match call
        .engine(|engine| engine.find(WIRE, name))
    {
        Ok(_) => Answer::json(200, JSON, &entry(name)),
        Err(reason) => missing(reason, name),
    })
}
