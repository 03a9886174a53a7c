//! The names, compared in their plain form.

pub(super) use handshake_core::routing::{ROUTING, plain};

/// Fields whose presence reaches beyond the destination. Top level only: the same words are ordinary content further
/// down.
pub(super) const TOP_LEVEL: &[&str] = &[
    "agentid",
    "assistant",
    "assistantid",
    "async",
    "background",
    "batch",
    "browsersettings",
    "cachedcontent",
    "callbackurl",
    "collectionids",
    "compoundcustom",
    "connectors",
    "container",
    "contextmanagement",
    "conversation",
    "conversationid",
    "datasources",
    "deferred",
    "documentsurl",
    "enablesearch",
    "fallbackmodels",
    "fallbacks",
    "fileids",
    "filesearch",
    "include",
    "knowledgebases",
    "mcp",
    "mcpservers",
    "metadata",
    "models",
    "notificationurl",
    "parentid",
    "plugins",
    "previousmessageid",
    "previousresponseid",
    "promptcacheretention",
    "promptid",
    "retrieval",
    "route",
    "searchdomainfilter",
    "searchoptions",
    "searchparameters",
    "searchsettings",
    "service",
    "skills",
    "sourceurl",
    "store",
    "thread",
    "threadid",
    "toolresources",
    "transforms",
    "vectorstoreids",
    "webhook",
    "webhookurl",
    "websearch",
    "websearchoptions",
];

/// Fields of which an empty list or object is the published way to ask for nothing. Some clients always send them.
pub(super) const EMPTY_IS_NOTHING: &[&str] = &["include", "mcpservers", "metadata", "transforms"];

/// Types of tools that the caller runs. Every other type is run by the provider, or by whom it asks.
pub(super) const CLIENT_TOOLS: &[&str] = &["function", "custom"];

/// Choices among the caller's own tools, in plain form.
pub(super) const TOOL_CHOICES: &[&str] = &[
    "allowedtools",
    "any",
    "auto",
    "custom",
    "function",
    "none",
    "required",
    "tool",
];

/// All of them, for the epoch: other names are other rules.
pub(super) fn all() -> String {
    let lists = [
        TOP_LEVEL,
        EMPTY_IS_NOTHING,
        ROUTING,
        CLIENT_TOOLS,
        TOOL_CHOICES,
    ];
    lists.map(|list| list.join(",")).join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_their_plain_form_in_order_and_once() {
        for list in [TOP_LEVEL, ROUTING, TOOL_CHOICES] {
            assert!(list.iter().all(|name| plain(name) == **name));
        }
        assert!(TOP_LEVEL.iter().all(|name| !ROUTING.contains(name)));
        assert!(EMPTY_IS_NOTHING.iter().all(|name| TOP_LEVEL.contains(name)));
        for list in [TOP_LEVEL, EMPTY_IS_NOTHING, ROUTING, TOOL_CHOICES] {
            assert!(list.is_sorted_by(|a, b| a < b));
        }
    }
}
