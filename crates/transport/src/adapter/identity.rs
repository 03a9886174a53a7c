//! Telling what software a server on this machine is, by the marks that it leaves on its answers.
//!
//! Somebody who listens on loopback and forwards what they are sent looks like a model on this machine. Their software
//! mostly says what it is: in headers, on its first page, by routes that nobody else has. A server that hides its marks,
//! or shows those of another, is not told by this; nothing on a wire can.

mod marks;
mod owner;

use handshake_core::{
    code::ErrorCode,
    control::{ControlReport, ServerIdentity},
    envelope::Envelope,
    error::{CallError, PrepareError},
    ids::Token,
    provider::ProviderRecord,
    tier::ModelTier,
};
use reqwest::header::HeaderMap;
use serde_json::Value;

use self::marks::{EMULATORS, HEADERS, Mark, PAGES, PRODUCTS, PROGRAMS};
use super::request::get;
use crate::http::Response;

/// The most bytes of an answer that are looked at.
const CAP: usize = 64 << 10;

/// What is asked, at the root of the server and, where its API has a prefix, below that too.
const QUESTIONS: [&str; 4] = ["/", "/api/version", "/api/tags", "/health/liveliness"];

/// The question of a number: a GET without a secret.
pub(super) fn question(record: &ProviderRecord, number: u8) -> Result<Envelope, PrepareError> {
    let none = || PrepareError::new(ErrorCode::ParameterUnsupported, "identify");
    if record.base_url.lexical_tier() != ModelTier::Local {
        return Err(none());
    }
    let (prefix, path) = asked(record, number).ok_or_else(none)?;
    let mut bare = record.clone();
    bare.secret_ref = None;
    let mut envelope = get(&bare, "", super::BEARER);
    envelope
        .headers
        .insert("accept".to_owned(), super::request::plain("*/*"));
    envelope.path = match (prefix, path) {
        ("", path) => path.to_owned(),
        (prefix, "/") => prefix.to_owned(),
        (prefix, path) => format!("{prefix}{path}"),
    };
    Ok(envelope)
}

/// The prefix and the path of a question.
fn asked(record: &ProviderRecord, number: u8) -> Option<(&str, &'static str)> {
    let number = usize::from(number);
    let path = QUESTIONS[number % QUESTIONS.len()];
    match number / QUESTIONS.len() {
        0 => Some(("", path)),
        1 => {
            let base = record.base_url.path();
            let (prefix, _) = base.rsplit_once('/')?;
            (!prefix.is_empty()).then_some((prefix, path))
        }
        _ => None,
    }
}

/// What the answer to a question says. Whatever its status: a refusal has headers too.
pub(super) async fn answered(
    record: &ProviderRecord,
    number: u8,
    response: Response,
) -> Result<ControlReport, CallError> {
    let path = asked(record, number).map_or("", |(_, path)| path);
    let peer = response.peer();
    let found = (200..300).contains(&response.head.status);
    let head = of_headers(response.headers());
    let body = match found {
        true => of_body(path, &response.prefix(CAP).await),
        false => ServerIdentity::default(),
    };
    // Some servers speak a daemon's routes beside their own. What their headers say is what they are.
    let emulates = head
        .software
        .as_ref()
        .is_some_and(|software| EMULATORS.contains(&software.as_str()));
    let mut identity = match emulates && !body.forwards {
        true => head,
        false => head.join(body),
    };
    // The first answer is enough: what follows comes over the same connection.
    if number == 0
        && let Some(peer) = peer
    {
        let owner = tokio::task::spawn_blocking(move || owner::of(peer)).await;
        identity = listened(identity, owner.unwrap_or_default());
    }
    Ok(ControlReport {
        identity,
        ..ControlReport::default()
    })
}

/// What whoever listens there says of the server, whatever it answered: a known forwarder forwards.
fn listened(identity: ServerIdentity, owner: owner::Owner) -> ServerIdentity {
    let name = owner
        .program
        .as_deref()
        .and_then(|it| it.rsplit('/').next());
    let forwarder = name.filter(|name| PROGRAMS.contains(name)).map(word);
    ServerIdentity {
        forwards: identity.forwards || forwarder.is_some(),
        software: forwarder.flatten().or(identity.software),
        account: owner.account,
        program: owner.program,
        kind: identity.kind,
    }
}

/// A name as a token.
fn word(name: &str) -> Option<Token> {
    let word: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(32)
        .collect();
    Token::new(word).ok()
}

fn identity(mark: &Mark) -> ServerIdentity {
    ServerIdentity {
        software: Token::new(mark.software).ok(),
        kind: mark.kind.and_then(|kind| Token::new(kind).ok()),
        forwards: mark.forwards,
        ..ServerIdentity::default()
    }
}

/// What the headers of any answer say.
pub(super) fn of_headers(headers: &HeaderMap) -> ServerIdentity {
    let known = headers.keys().filter_map(|name| {
        let name = name.as_str();
        let mark = HEADERS.iter().find(|(start, _)| name.starts_with(start));
        mark.map(|(_, mark)| identity(mark))
    });
    let product = headers.get("server").and_then(|value| value.to_str().ok());
    let product = product.map(of_product).unwrap_or_default();
    known.fold(product, ServerIdentity::join)
}

/// Whether the headers of an answer say that it was handed on. For every answer of a model: no more than that is made of
/// them.
pub(super) fn hands_on(headers: &HeaderMap) -> bool {
    let by_name = headers.keys().any(|name| {
        let mut known = HEADERS.iter();
        known
            .find(|(start, _)| name.as_str().starts_with(start))
            .is_some_and(|(_, mark)| mark.forwards)
    });
    by_name
        || headers.get("server").is_some_and(|value| {
            let product = value.as_bytes().split(|b| matches!(b, b'/' | b' '));
            let product = product.into_iter().next().unwrap_or_default();
            PRODUCTS
                .iter()
                .any(|(name, mark)| mark.forwards && product.eq_ignore_ascii_case(name.as_bytes()))
        })
}

/// What the `server` header says: a product that is known, or the product's own name.
fn of_product(value: &str) -> ServerIdentity {
    let product = value.split(['/', ' ']).next().unwrap_or_default();
    let product = product.to_ascii_lowercase();
    if let Some((_, mark)) = PRODUCTS.iter().find(|(name, _)| *name == product) {
        return identity(mark);
    }
    ServerIdentity {
        software: word(&product),
        ..ServerIdentity::default()
    }
}

/// What a body says that came with a good status.
fn of_body(path: &str, body: &[u8]) -> ServerIdentity {
    let json = || serde_json::from_slice::<Value>(body).ok();
    match path {
        "/" => of_page(body),
        "/api/version" => match json().as_ref().and_then(|it| it.get("version")) {
            Some(Value::String(_)) => identity(&marks::DAEMON),
            _ => ServerIdentity::default(),
        },
        // Others list under this name too; only the daemon's list has nothing beside it and a digest of every model.
        "/api/tags" => match json() {
            Some(Value::Object(members)) if members.len() == 1 => match members.get("models") {
                Some(Value::Array(models)) if models.iter().all(has_digest) => {
                    identity(&marks::DAEMON)
                }
                _ => ServerIdentity::default(),
            },
            _ => ServerIdentity::default(),
        },
        "/health/liveliness" if body.trim_ascii() == marks::ALIVE => identity(&marks::ALIVE_IS),
        _ => ServerIdentity::default(),
    }
}

fn has_digest(model: &Value) -> bool {
    let digest = model.get("digest").and_then(Value::as_str);
    digest.is_some_and(|digest| digest.len() >= 32)
}

/// What a first page says, in its first words or its title.
fn of_page(body: &[u8]) -> ServerIdentity {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start();
    let title = text.find("<title").and_then(|at| {
        let rest = &text[at..];
        let (_, rest) = rest.split_once('>')?;
        rest.split_once("</title").map(|(title, _)| title.trim())
    });
    let says = |start: &str| {
        let starts = |it: &str| {
            it.get(..start.len())
                .is_some_and(|it| it.eq_ignore_ascii_case(start))
        };
        starts(text) || title.is_some_and(starts)
    };
    let mark = PAGES.iter().find(|(start, _)| says(start));
    mark.map(|(_, mark)| identity(mark)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
