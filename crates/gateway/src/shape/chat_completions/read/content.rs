//! The content of a message: one text, or parts.

use base64::Engine as _;
use handshake_core::{
    chat::{Attachment, AttachmentKind},
    error::CallError,
};
use serde_json::value::RawValue;

use super::members::{At, Members};

pub(super) fn content(
    message: &mut Members<'_, '_>,
    advisory: &mut Vec<String>,
) -> Result<(String, Vec<Attachment>), CallError> {
    let Some(raw) = message.raw("content") else {
        return Ok((String::new(), Vec::new()));
    };
    if raw.get().starts_with('"') {
        let text: String = serde_json::from_str(raw.get()).map_err(|_| message.bad("content"))?;
        return Ok((text, Vec::new()));
    }
    let parts: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| message.bad("content"))?;
    let at = At::Member(&message.at, "content");
    let (mut text, mut attachments) = (String::new(), Vec::new());
    for (index, part) in parts.into_iter().enumerate() {
        let mut part = Members::of(At::Item(&at, index), part)?;
        let kind = part.text("type")?.ok_or_else(|| part.bad("type"))?;
        match &*kind {
            kind @ ("text" | "refusal") => {
                let piece = part.text(kind)?.ok_or_else(|| part.bad(kind))?;
                text.push_str(&piece);
            }
            "image_url" => {
                let raw = part.raw("image_url").ok_or_else(|| part.bad("image_url"))?;
                let image = Members::of(At::Member(&part.at, "image_url"), raw)?;
                attachments.push(picture(image, advisory)?);
            }
            _ => return Err(part.bad("type")),
        }
        part.advisory(&["cache_control"], advisory);
        part.done()?;
    }
    Ok((text, attachments))
}

/// A picture as a data URI. A remote one would make the provider fetch it.
fn picture(
    mut image: Members<'_, '_>,
    advisory: &mut Vec<String>,
) -> Result<Attachment, CallError> {
    let url = image.text("url")?.ok_or_else(|| image.bad("url"))?;
    match image.text("detail")?.as_deref() {
        None | Some("auto") => {}
        Some("low" | "high") => image.report("detail", advisory),
        Some(_) => return Err(image.bad("detail")),
    }
    let data = url.strip_prefix("data:");
    let (media_type, data) = data
        .and_then(|rest| rest.split_once(";base64,"))
        .ok_or_else(|| image.bad("url"))?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|_| image.bad("url"))?;
    let picture = Attachment {
        kind: AttachmentKind::Image,
        media_type: media_type.to_owned(),
        bytes: bytes.into(),
    };
    image.done()?;
    Ok(picture)
}
