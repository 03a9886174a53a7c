//! The names. Compared in their plain form: lower case, without `_` and `-`, so that `previousResponseId` and
//! `Previous-Response-Id` are the same field.

/// The plain form of a name.
pub(super) fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-'));
    letters.flat_map(char::to_lowercase).collect()
}

/// Fields whose presence, with a value that says something, reaches beyond the destination. Top level only:
/// the same words are ordinary content further down.
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
    "fileids",
    "filesearch",
    "include",
    "knowledgebases",
    "mcp",
    "mcpservers",
    "metadata",
    "notificationurl",
    "parentid",
    "plugins",
    "previousmessageid",
    "previousresponseid",
    "promptcacheretention",
    "promptid",
    "retrieval",
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
    "websearch",
    "websearchoptions",
    "webhook",
    "webhookurl",
];

/// Fields that choose another model or recipient, or authenticate. Never consentable.
pub(super) const ROUTING: &[&str] = &[
    "accesstoken",
    "allowfallbacks",
    "apibase",
    "apikey",
    "apikeys",
    "apiversion",
    "auth",
    "authorization",
    "awsaccesskeyid",
    "awssecretaccesskey",
    "awssessiontoken",
    "baseurl",
    "bearertoken",
    "credentials",
    "customllmprovider",
    "deploymentid",
    "endpoint",
    "extrabody",
    "extraheaders",
    "extraquery",
    "fallbackmodels",
    "fallbacks",
    "headers",
    "models",
    "organization",
    "organizationid",
    "password",
    "preset",
    "project",
    "projectid",
    "provider",
    "providers",
    "proxy",
    "route",
    "router",
    "routersettings",
    "vertexcredentials",
];

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
    let lists = [TOP_LEVEL, ROUTING, CLIENT_TOOLS, TOOL_CHOICES];
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
        for list in [ROUTING, TOOL_CHOICES] {
            assert!(list.is_sorted_by(|a, b| a < b));
        }
    }
}
