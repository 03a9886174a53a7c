//! Which rule answers, and what is loaded.

use std::collections::BTreeMap;

use crate::script::model::{self, Model, Remote};
use crate::{Daemon, Match, Reply, Route, Script, Wire};

/// What a rule can look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) wire: Wire,
    pub(crate) route: Route,
    pub(crate) model: &'a str,
    pub(crate) last: &'a str,
    pub(crate) has_tools: bool,
    pub(crate) after_tool: bool,
}

impl<'a> Probe<'a> {
    /// A request that carries no conversation.
    pub(crate) fn control(wire: Wire, route: Route, model: &'a str) -> Self {
        Self {
            wire,
            route,
            model,
            last: "",
            has_tools: false,
            after_tool: false,
        }
    }
}

/// A model that answers a request.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) model: Model,
    /// Where the answer comes from, if not from here.
    pub(crate) remote: Option<Remote>,
}

/// Why no model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Unknown,
    CloudDisabled,
}

/// Script and what changes while it is served.
#[derive(Debug)]
pub(crate) struct Engine {
    script: Script,
    models: Vec<Model>,
    /// For each rule, requests that met its conditions but `nth`.
    met: Vec<u64>,
    /// For each rule, how often it answered.
    answered: Vec<u64>,
    /// Loaded models and their context.
    loaded: BTreeMap<String, u64>,
}

impl Engine {
    pub(crate) fn new(script: Script) -> Self {
        Self {
            models: script.listed(),
            met: vec![0; script.rules.len()],
            answered: vec![0; script.rules.len()],
            loaded: BTreeMap::new(),
            script,
        }
    }

    /// The first rule that matches, and counts for all.
    pub(crate) fn pick(&mut self, probe: Probe<'_>) -> Option<Reply> {
        let mut picked = None;
        for (index, rule) in self.script.rules.iter().enumerate() {
            if !meets(&rule.when, probe) {
                continue;
            }
            self.met[index] += 1;
            let turn = rule.when.nth.is_none_or(|nth| nth == self.met[index]);
            let left = rule.times.is_none_or(|times| self.answered[index] < times);
            if picked.is_none() && turn && left {
                self.answered[index] += 1;
                picked = Some(rule.reply.clone());
            }
        }
        picked
    }

    /// The listed models.
    pub(crate) fn models(&self) -> &[Model] {
        &self.models
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        &self.script.daemon
    }

    /// The model that answers for `name`.
    ///
    /// On the Ollama wire names are what a daemon makes of them: `:local` is a form of the name,
    /// and a cloud name is forwarded although nothing of that name is here.
    pub(crate) fn find(&self, wire: Wire, name: &str) -> Result<Found, Missing> {
        let local = match wire {
            Wire::Ollama if self.script.daemon.local_suffix => name.strip_suffix(":local"),
            _ => None,
        };
        let bare = local.unwrap_or(name);
        let listed = self
            .models
            .iter()
            .find(|model| model.name == bare)
            .or_else(|| {
                let latest = format!("{bare}:latest");
                self.models.iter().find(|model| model.name == latest)
            });
        let remote = listed.map_or_else(|| model::remote_by_name(bare), Model::forwarded);
        if remote.is_some() {
            if local.is_some() {
                return Err(Missing::Unknown);
            }
            if self.script.daemon.cloud_disabled {
                return Err(Missing::CloudDisabled);
            }
        }
        let model = match listed {
            Some(model) => model.clone(),
            None if remote.is_some() || self.script.any_model => Model::anything(bare),
            None => return Err(Missing::Unknown),
        };
        Ok(Found { model, remote })
    }

    /// Marks a model as loaded with this context.
    pub(crate) fn load(&mut self, name: &str, context: u64) {
        self.loaded.insert(name.to_owned(), context);
    }

    pub(crate) fn unload(&mut self, name: &str) {
        self.loaded.remove(name);
    }

    /// Loaded models and their context, by name.
    pub(crate) fn running(&self) -> Vec<(Model, u64)> {
        self.loaded
            .iter()
            .map(|(name, context)| {
                let model = self.models.iter().find(|model| &model.name == name);
                let model = model.cloned().unwrap_or_else(|| Model::anything(name));
                (model, *context)
            })
            .collect()
    }
}

fn meets(when: &Match, probe: Probe<'_>) -> bool {
    (when.route == Route::Any || when.route == probe.route)
        && when.wire.is_none_or(|wire| wire == probe.wire)
        && when.model.as_deref().is_none_or(|name| name == probe.model)
        && when
            .contains
            .as_deref()
            .is_none_or(|text| probe.last.contains(text))
        && when.has_tools.is_none_or(|has| has == probe.has_tools)
        && when
            .after_tool
            .is_none_or(|after| after == probe.after_tool)
}
