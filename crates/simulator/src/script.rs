//! What the simulator serves: models, and rules from requests to replies.

pub(crate) mod model;
pub(crate) mod payload;
pub(crate) mod reply;
pub(crate) mod rule;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ScriptError;
use model::Model;
use rule::Rule;

/// Models and an ordered list of rules; the first rule that matches a request answers it.
///
/// What a server would refuse by itself, such as an unknown model, is refused whatever a rule
/// says in answer; its faults, and a whole answer byte for byte, come first. A request that no rule
/// matches gets the default answer, which is a function of the request.
/// The JSON of `handshake simulate --script FILE` is this type; unknown members are refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// What is listed and answered. Empty means the three default models `sim-small:latest`,
    /// `sim-large:latest` and `sim-embed:latest`.
    pub models: Vec<Model>,
    /// Answer for names that are not listed, too, as if they had every capability.
    pub any_model: bool,
    /// How the Ollama side presents itself.
    pub daemon: Daemon,
    /// Rules, in order of precedence.
    pub rules: Vec<Rule>,
}

/// How the Ollama side presents itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Daemon {
    /// The answer of `/api/version`.
    pub version: String,
    /// Whether `NAME:local` means the local form of `NAME`. Older daemons answer 404.
    pub local_suffix: bool,
    /// Answer 403 for forwarded names, as `OLLAMA_NO_CLOUD=1` does.
    pub cloud_disabled: bool,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            version: "0.20.5".to_owned(),
            local_suffix: true,
            cloud_disabled: false,
        }
    }
}

impl Script {
    /// A script without rules that serves the default models.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a script file.
    ///
    /// # Errors
    /// [`ScriptError`] where it is not the JSON of a script or cannot be served.
    pub fn from_json(json: &str) -> Result<Self, ScriptError> {
        let script: Self = serde_json::from_str(json)?;
        script.check()?;
        Ok(script)
    }

    /// Adds a model. The first one added replaces the default models.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.models.push(model);
        self
    }

    /// Answers for every model name.
    #[must_use]
    pub fn any_model(mut self) -> Self {
        self.any_model = true;
        self
    }

    /// Adds a rule behind those that are there.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets how the Ollama side presents itself.
    #[must_use]
    pub fn daemon(mut self, daemon: Daemon) -> Self {
        self.daemon = daemon;
        self
    }

    /// Refuses what could not be served as written.
    pub(crate) fn check(&self) -> Result<(), ScriptError> {
        let mut names = BTreeSet::new();
        for model in &self.models {
            if !names.insert(model.name.as_str()) {
                return Err(ScriptError::DuplicateModel(model.name.clone()));
            }
        }
        for (index, rule) in self.rules.iter().enumerate() {
            rule.reply.check().map_err(|reason| ScriptError::Rule {
                rule: index,
                reason,
            })?;
        }
        Ok(())
    }

    /// The models that are listed.
    pub(crate) fn listed(&self) -> Vec<Model> {
        if self.models.is_empty() {
            Model::defaults()
        } else {
            self.models.clone()
        }
    }
}
