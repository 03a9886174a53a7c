//! Answers of the payload-free routes.

use serde::Deserialize;
use serde_json::{Map, Value};

/// `/api/version`.
#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
}

/// `/api/tags` and `/api/ps`. Each entry is read on its own, so that one odd one hides no other.
#[derive(Deserialize)]
pub(crate) struct Listing {
    #[serde(default)]
    pub(crate) models: Option<Vec<Value>>,
}

/// One entry of a listing.
#[derive(Deserialize)]
pub(crate) struct Entry {
    #[serde(default)]
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) digest: Option<String>,
    #[serde(default)]
    pub(crate) size: Option<u64>,
    #[serde(default)]
    pub(crate) remote_model: Option<String>,
    #[serde(default)]
    pub(crate) remote_host: Option<String>,
    #[serde(default)]
    pub(crate) details: Option<Details>,
    #[serde(default)]
    pub(crate) capabilities: Option<Vec<String>>,
}

/// What a model is made of.
#[derive(Deserialize)]
pub(crate) struct Details {
    #[serde(default)]
    pub(crate) family: Option<String>,
}

/// `/api/show`.
#[derive(Deserialize)]
pub(crate) struct Show {
    #[serde(default)]
    pub(crate) remote_model: Option<String>,
    #[serde(default)]
    pub(crate) remote_host: Option<String>,
    #[serde(default)]
    pub(crate) details: Option<Details>,
    #[serde(default)]
    pub(crate) model_info: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) capabilities: Option<Vec<String>>,
}

/// The answer to loading and unloading.
#[derive(Deserialize)]
pub(crate) struct Loaded {
    #[serde(default)]
    pub(crate) done: bool,
    #[serde(default)]
    pub(crate) done_reason: Option<String>,
}
