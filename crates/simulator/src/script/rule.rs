//! Rules: which request gets which reply.

use serde::{Deserialize, Serialize};

use super::reply::Reply;
use crate::Wire;

/// A reply and the requests it is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Conditions; all of them hold.
    #[serde(default)]
    pub when: Match,
    /// What is answered.
    pub reply: Reply,
    /// How often the rule may answer; afterwards the next rules are tried. Absent: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// Conditions of a rule; an absent one holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The kind of request; chat where absent.
    pub route: Route,
    /// The wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<Wire>,
    /// The model's name exactly as the request spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The text of the last user or tool message contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// The request is the n-th, from one, that meets the other conditions of this rule; requests
    /// that an earlier rule answers are counted, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// The request offers tools, or does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_tools: Option<bool>,
    /// The last message is a tool result, or is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_tool: Option<bool>,
}

/// The kind of request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// `/api/chat` with messages, `…/chat/completions`.
    #[default]
    Chat,
    /// `/api/chat` without messages: load or unload.
    Load,
    /// `/api/tags`, `…/models`.
    Models,
    /// `/api/show`, `…/models/NAME`.
    Show,
    /// `/api/ps`.
    Running,
    /// `/api/version`.
    Version,
    /// `/api/embed`, `…/embeddings`.
    Embed,
    /// Every route of this list.
    Any,
}

impl Rule {
    /// A rule for every chat call.
    #[must_use]
    pub fn new(reply: impl Into<Reply>) -> Self {
        Self {
            when: Match::default(),
            reply: reply.into(),
            times: None,
        }
    }

    /// For requests of this kind.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.when.route = route;
        self
    }

    /// For this wire.
    #[must_use]
    pub fn wire(mut self, wire: Wire) -> Self {
        self.when.wire = Some(wire);
        self
    }

    /// For this model name.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.when.model = Some(name.into());
        self
    }

    /// For requests whose last user or tool message contains `text`.
    #[must_use]
    pub fn contains(mut self, text: impl Into<String>) -> Self {
        self.when.contains = Some(text.into());
        self
    }

    /// For the n-th request, from one, that meets the other conditions.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.when.nth = Some(n);
        self
    }

    /// For requests that offer tools, or that do not.
    #[must_use]
    pub fn has_tools(mut self, yes: bool) -> Self {
        self.when.has_tools = Some(yes);
        self
    }

    /// For requests whose last message is a tool result, or is not.
    #[must_use]
    pub fn after_tool(mut self, yes: bool) -> Self {
        self.when.after_tool = Some(yes);
        self
    }

    /// Answers `n` times at most.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }
}
