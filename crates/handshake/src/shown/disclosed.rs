//! What leaves with a request beside what was asked: names of the person and of the machine, places of their files and
//! of their work. A person is told; nothing is decided by it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Disclosed, leaves::leaves};

/// The longest example.
const EXAMPLE: usize = 60;

/// Members by their name, without case and without what separates words.
const MEMBERS: &[(&str, &str)] = &[
    ("deviceid", "device id"),
    ("machineid", "device id"),
    ("installationid", "installation id"),
    ("accountuuid", "account id"),
    ("accountid", "account id"),
    ("userid", "user id"),
    ("sessionid", "session id"),
    ("threadid", "session id"),
    ("windowid", "session id"),
    ("promptcachekey", "session id"),
    ("workspaces", "workspace paths"),
    ("associatedremoteurls", "git remotes"),
    ("latestgitcommithash", "git commit"),
    ("hostname", "host name"),
];

/// Where a person's files lie, up to the name of the person.
const HOMES: &[&str] = &["/home/", "/Users/", "C:\\Users\\", "/root/"];

#[derive(Default)]
struct Seen(BTreeMap<&'static str, (u32, Option<String>)>);

impl Seen {
    fn add(&mut self, what: &'static str, example: Option<&str>) {
        let entry = self.0.entry(what).or_default();
        entry.0 = entry.0.saturating_add(1);
        let short = example.filter(|text| !text.is_empty() && text.len() <= EXAMPLE);
        if entry.1.is_none() {
            entry.1 = short.map(str::to_owned);
        }
    }
}

/// Over the body and the headers.
pub(super) fn disclosed(body: Option<&Value>, manifest: &[u8]) -> Vec<Disclosed> {
    let mut seen = Seen::default();
    let manifest: Option<Value> = serde_json::from_slice(manifest).ok();
    let headers = manifest.as_ref().and_then(|it| it.get("headers"));
    for value in body.into_iter().chain(headers) {
        members(value, &mut seen);
        for leaf in leaves(value, "") {
            text(&leaf.text, &mut seen);
            // A header, or a field of metadata, is often JSON itself.
            if leaf.text.starts_with('{')
                && let Ok(inner) = serde_json::from_str::<Value>(&leaf.text)
            {
                members(&inner, &mut seen);
            }
        }
    }
    let all = seen.0.into_iter();
    all.map(|(what, (count, example))| Disclosed {
        what,
        count,
        example,
    })
    .collect()
}

fn members(value: &Value, seen: &mut Seen) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let plain: String = name
                    .chars()
                    .filter(|c| !matches!(c, '_' | '-' | ' '))
                    .flat_map(char::to_lowercase)
                    .collect();
                let plain = plain.trim_start_matches('x');
                if let Some((_, what)) = MEMBERS.iter().find(|(word, _)| plain.ends_with(word)) {
                    // An id says nothing to a person; a path or an address does.
                    let example = match value {
                        Value::Object(inner) => inner.keys().next().map(String::as_str),
                        _ => None,
                    };
                    seen.add(what, example);
                }
                members_of(value, seen);
            }
        }
        other => members_of(other, seen),
    }
}

fn members_of(value: &Value, seen: &mut Seen) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| members(item, seen)),
        Value::Object(_) => members(value, seen),
        _ => {}
    }
}

fn text(text: &str, seen: &mut Seen) {
    for home in HOMES {
        for (at, _) in text.match_indices(home) {
            let path = word(&text[at..]);
            if path.len() > home.len() {
                seen.add("paths of your home", Some(path));
            }
        }
    }
    for (at, _) in text.match_indices("git@") {
        let remote = word(&text[at..]);
        if remote.contains(':') {
            seen.add("git remotes", Some(remote));
        }
    }
    for (at, _) in text.match_indices(".git") {
        let from = text[..at].rfind(is_end).map_or(0, |from| from + 1);
        let url = word(text.get(from..).unwrap_or(""));
        if url.ends_with(".git") && url.contains("://") {
            seen.add("git remotes", Some(url));
        }
    }
}

fn is_end(c: char) -> bool {
    c.is_ascii() && (c.is_whitespace() || c.is_control() || "\"'`<>(),;|{}".contains(c))
}

/// Up to where a path or an address ends.
fn word(text: &str) -> &str {
    let end = text.find(is_end).unwrap_or(text.len());
    text[..end].trim_end_matches(['.', ':'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn s13_what_agents_send_of_a_machine_is_named() {
        let body = json!({
            "messages": [{ "role": "user", "content": "cwd: /home/ada/acme, see git@example.com:acme/x.git" }],
            "metadata": { "user_id": "u_1" },
            "client_metadata": { "installation_id": "i", "x-turn": "{\"workspaces\":{\"/home/ada/acme\":{\
                \"associated_remote_urls\":{\"origin\":\"https://example.com/acme.git\"}}}}" },
        });
        let manifest =
            json!({ "headers": { "x-agent-session-id": "s", "x-other": "C:\\Users\\ada\\x" } });
        let found = disclosed(Some(&body), manifest.to_string().as_bytes());
        let found: Vec<(&str, u32, Option<&str>)> = found
            .iter()
            .map(|it| (it.what, it.count, it.example.as_deref()))
            .collect();
        assert_eq!(
            found,
            [
                ("git remotes", 3, Some("https://example.com/acme.git")),
                ("installation id", 1, None),
                ("paths of your home", 3, Some("/home/ada/acme")),
                ("session id", 1, None),
                ("user id", 1, None),
                ("workspace paths", 1, Some("/home/ada/acme")),
            ]
        );
        assert_eq!(disclosed(Some(&json!({ "messages": [] })), b""), Vec::new());
    }
}
