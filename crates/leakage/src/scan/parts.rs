//! Parts that are not plain text: hidden characters and binary content.

use handshake_core::finding::{FindingClass, FindingLevel, ValidatorError};

use super::{Mode, Place, Scan, built_in_rule, is_token};
use crate::{
    binary::{self, Kind},
    tree::{Leaf, Role},
    view,
};

impl Scan<'_> {
    /// Text that a reader does not see.
    pub(super) fn hidden(&mut self, text: &str, place: Place<'_>) -> Result<(), ValidatorError> {
        if text.is_ascii() {
            return Ok(());
        }
        let (kind, spelled) = view::hidden(text);
        if let Some(kind) = kind {
            let (rule, level) = match kind {
                view::Hidden::Tags => ("hidden-tags", FindingLevel::Block),
                view::Hidden::Selectors => ("hidden-selectors", FindingLevel::Ask),
                view::Hidden::Invisible => ("hidden-invisible", FindingLevel::Ask),
            };
            self.push(
                built_in_rule(rule),
                FindingClass::Hidden,
                level,
                place.pointer,
                None,
                &[],
            );
        }
        if let Some(bytes) = spelled {
            self.text(&bytes, place, &mut vec!["selectors"], Mode::Written)?;
        }
        Ok(())
    }

    /// Binary parts: sniffed, their metadata scanned; what nobody can look into is a finding.
    pub(super) fn binary(&mut self, leaf: &Leaf, place: Place<'_>) -> Result<(), ValidatorError> {
        let mut rest = leaf.text.as_str();
        let mut uri = false;
        while let Some((media, body)) = binary::data_uri(rest) {
            uri = true;
            let len = body
                .bytes()
                .take_while(|b| *b != b'%' && *b != b'"' && is_token(*b))
                .count();
            self.part(&body[..len], Some(media), true, place)?;
            rest = &body[len..];
        }
        let text = leaf.text.trim();
        let whole = !uri
            && text.len() >= 64
            && text.bytes().all(|b| {
                crate::checksum::sextet(b).is_some() || b == b'=' || b.is_ascii_whitespace()
            });
        if whole && leaf.role != Role::State {
            self.part(text, None, leaf.role == Role::Binary, place)?;
        }
        Ok(())
    }

    fn part(
        &mut self,
        base64: &str,
        media: Option<&str>,
        declared: bool,
        place: Place<'_>,
    ) -> Result<(), ValidatorError> {
        self.budget.spend(base64.len() as u64)?;
        let joined: Vec<u8> = base64
            .bytes()
            .filter(|b| !b.is_ascii_whitespace())
            .collect();
        let bytes = crate::checksum::decode64(&joined);
        let kind = bytes.as_deref().map_or(Kind::Opaque, binary::sniff);
        for text in bytes.as_deref().map(binary::png_text).unwrap_or_default() {
            self.text(&text, place, &mut vec!["base64", "inflate"], Mode::Written)?;
        }
        let says_image =
            media.is_none_or(|m| m.starts_with("image/") || m == "application/octet-stream");
        let (rule, level) = match kind {
            Kind::Text | Kind::Inflated => return Ok(()),
            Kind::Image if says_image => ("binary-image", FindingLevel::Ask),
            Kind::Image => ("binary-mistyped", FindingLevel::Block),
            Kind::Opaque if declared || is_archive(bytes.as_deref().unwrap_or_default()) => {
                ("binary-opaque", FindingLevel::Block)
            }
            Kind::Opaque if base64.len() >= 1024 => ("binary-blob", FindingLevel::Warn),
            Kind::Opaque => return Ok(()),
        };
        self.push(
            built_in_rule(rule),
            FindingClass::Uninspectable,
            level,
            place.pointer,
            None,
            &[],
        );
        Ok(())
    }
}

fn is_archive(bytes: &[u8]) -> bool {
    const MAGIC: &[&[u8]] = &[
        b"PK\x03\x04",
        b"%PDF",
        b"\x1f\x8b",
        b"7z\xbc\xaf",
        b"Rar!",
        b"BZh",
        b"\xfd7zXZ",
        b"ID3",
        b"OggS",
        b"fLaC",
        b"\x28\xb5\x2f\xfd",
        b"SQLite format 3",
        b"\x7fELF",
        b"MZ\x90",
    ];
    MAGIC.iter().any(|magic| bytes.starts_with(magic))
        || bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE")
}
