//! Images, as data URIs. Nothing is fetched by anybody: the bytes are in the envelope.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use handshake_core::{
    chat::{Attachment, AttachmentKind},
    error::PrepareError,
};
use handshake_transport::image_type;

use super::{invalid, unsupported};
use crate::{
    dialect::Dialect,
    wire::request::{ImageUrl, Part},
};

/// The part that an attachment becomes.
pub(super) fn part(
    dialect: &Dialect,
    attachment: &Attachment,
) -> Result<Part<'static>, PrepareError> {
    match attachment.kind {
        AttachmentKind::Image if dialect.images => {}
        AttachmentKind::Image => return Err(unsupported("image attachments")),
        AttachmentKind::Document => return Err(unsupported("document attachments")),
        AttachmentKind::Audio => return Err(unsupported("audio attachments")),
    }
    let media = image_type(&attachment.bytes).ok_or_else(|| unsupported("image attachments"))?;
    // What a thing says it is and what it is must agree, or a person is shown something else.
    if media != attachment.media_type {
        return Err(invalid("attachments"));
    }
    let url = format!("data:{media};base64,{}", STANDARD.encode(&attachment.bytes));
    Ok(Part::ImageUrl {
        image_url: ImageUrl { url },
    })
}
