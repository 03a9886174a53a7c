//! Consent receipts as evidence: a person's key signed them, and each says which head the log had then.

use crate::{
    anchor::Anchor,
    format::MalformedLine,
    key::{self, PublicKey, RECEIPT_DOMAIN, SignatureText},
    leaf::{self, LogHead},
};

/// The member of a receipt that names the head of the log at the moment of the decision.
const MEMBER: &[u8] = br#""recorder_checkpoint":"#;

/// A consent receipt: the exact bytes that were signed, and the signature. Of what it says, only the head of the
/// log is read here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt {
    payload: Vec<u8>,
    signature: SignatureText,
    head: Option<LogHead>,
}

impl Receipt {
    /// Takes the bytes that were signed. The signature is not verified here.
    ///
    /// # Errors
    /// [`MalformedLine`] for what an export cannot hold byte for byte, and for a head that is spelled otherwise than
    /// `"recorder_checkpoint":"SIZE:HASH"` or stands twice.
    pub fn new(payload: Vec<u8>, signature: [u8; 64]) -> Result<Self, MalformedLine> {
        Self::read(payload, SignatureText(signature))
    }

    fn read(payload: Vec<u8>, signature: SignatureText) -> Result<Self, MalformedLine> {
        leaf::check_payload(&payload).map_err(|_| MalformedLine)?;
        let head = named_head(&payload)?;
        Ok(Self {
            payload,
            signature,
            head,
        })
    }

    /// The head of the log when it was signed; `None` where it names none.
    #[must_use]
    pub fn head(&self) -> Option<LogHead> {
        self.head
    }

    /// The line of `receipts.jsonl`, without its line break: `{"signature":"HEX","receipt":PAYLOAD}` with the
    /// payload's exact bytes.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = format!(r#"{{"signature":"{}","receipt":"#, self.signature).into_bytes();
        line.extend_from_slice(&self.payload);
        line.push(b'}');
        line
    }

    /// Reads a line of `receipts.jsonl`.
    ///
    /// # Errors
    /// [`MalformedLine`] for everything that [`Receipt::to_line`] does not produce.
    pub fn from_line(line: &[u8]) -> Result<Self, MalformedLine> {
        let rest = line
            .strip_prefix(br#"{"signature":""#)
            .ok_or(MalformedLine)?;
        let (digits, rest) = rest.split_at_checked(128).ok_or(MalformedLine)?;
        let signature = String::from_utf8(digits.to_vec())
            .ok()
            .and_then(|text| SignatureText::try_from(text).ok())
            .ok_or(MalformedLine)?;
        let payload = rest
            .strip_prefix(br#"","receipt":"#)
            .and_then(|rest| rest.strip_suffix(b"}"))
            .ok_or(MalformedLine)?;
        Self::read(payload.to_vec(), signature)
    }

    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(&key::framed(RECEIPT_DOMAIN, &self.payload), &self.signature)
    }
}

/// The head that a payload names. Found by its bytes, so that every verifier finds the same: in valid JSON, a quote
/// after `{` or `,` is never inside a string that goes on with a name and `":`.
fn named_head(payload: &[u8]) -> Result<Option<LogHead>, MalformedLine> {
    let mut found = None;
    for (at, window) in payload.windows(MEMBER.len()).enumerate() {
        let begins = at
            .checked_sub(1)
            .is_some_and(|before| matches!(payload[before], b'{' | b','));
        if window != MEMBER || !begins {
            continue;
        }
        if found.is_some() {
            return Err(MalformedLine);
        }
        found = Some(value(&payload[at + MEMBER.len()..])?);
    }
    Ok(found.flatten())
}

/// `null`, or `"SIZE:HASH"` in full, and the end of the member.
fn value(rest: &[u8]) -> Result<Option<LogHead>, MalformedLine> {
    let ends = |rest: &[u8]| matches!(rest.first(), Some(b',' | b'}'));
    if let Some(rest) = rest.strip_prefix(b"null") {
        return ends(rest).then_some(None).ok_or(MalformedLine);
    }
    let rest = rest.strip_prefix(b"\"").ok_or(MalformedLine)?;
    let end = rest
        .iter()
        .position(|&byte| byte == b'"')
        .filter(|&end| ends(&rest[end + 1..]))
        .ok_or(MalformedLine)?;
    let text = std::str::from_utf8(&rest[..end]).map_err(|_| MalformedLine)?;
    match text.parse() {
        Ok(Anchor::Head(head)) => Ok(Some(head)),
        _ => Err(MalformedLine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &str) -> Result<Option<LogHead>, MalformedLine> {
        Receipt::new(payload.as_bytes().to_vec(), [0; 64]).map(|receipt| receipt.head())
    }

    #[test]
    fn s62_the_head_of_a_receipt_is_found_by_its_bytes() {
        let hash = "0a".repeat(32);
        let head = LogHead {
            size: 7,
            hash: hash.parse().expect("a hash"),
        };
        let with =
            |value: &str| format!(r#"{{"ext":{{"a":1,"recorder_checkpoint":{value},"z":2}}}}"#);
        assert_eq!(read(&with(&format!("\"7:{hash}\""))), Ok(Some(head)));
        assert_eq!(read(&with("null")), Ok(None));
        assert_eq!(read(r#"{"ext":{}}"#), Ok(None));
        // In a string it is no member.
        assert_eq!(
            read(r#"{"a":"{\"recorder_checkpoint\":\"7:00\"","b":",\"recorder_checkpoint\":"}"#),
            Ok(None)
        );
        for bad in [
            "\"7\"".to_owned(),
            "7".to_owned(),
            "nullx".to_owned(),
            " null".to_owned(),
            format!("\"07:{hash}\""),
            format!("\"7:{}\"", &hash[..12]),
            format!("\"7:{hash}\" "),
            format!("\"7:{hash}\",\"recorder_checkpoint\":null"),
        ] {
            assert_eq!(read(&with(&bad)), Err(MalformedLine), "{bad}");
        }
        for bad in ["", "[]", "{}{}", "{\"a\":\n1}"] {
            assert_eq!(read(bad), Err(MalformedLine), "{bad}");
        }
    }

    #[test]
    fn s62_a_receipt_keeps_its_exact_bytes() {
        let receipt = Receipt::new(br#"{ "b":1, "a":1.50e3 }"#.to_vec(), [7; 64]).expect("good");
        let line = receipt.to_line();
        assert_eq!(Receipt::from_line(&line), Ok(receipt));
        let text = String::from_utf8(line).expect("text");
        for other in [
            text.replace("0707", "07"),
            text.replace("\"signature\"", "\"signature\" "),
            text.replace(",\"receipt\"", ", \"receipt\""),
            text.replacen("07", "0A", 1),
            format!("{text} "),
            text[..text.len() - 1].to_owned(),
        ] {
            assert_eq!(
                Receipt::from_line(other.as_bytes()),
                Err(MalformedLine),
                "{other}"
            );
        }
    }
}
