//! Byte classes as tables: the passes over a text ask for them at every byte.

/// A set of bytes.
pub(crate) struct Class([bool; 256]);

impl Class {
    /// The bytes of `members`, and ASCII letters and digits where asked for.
    pub(crate) const fn new(members: &[u8], alphanumeric: bool) -> Self {
        let mut table = [false; 256];
        let mut i = 0;
        while i < members.len() {
            table[members[i] as usize] = true;
            i += 1;
        }
        let mut b = 0;
        while b < 128 {
            table[b] = table[b] || alphanumeric && (b as u8).is_ascii_alphanumeric();
            b += 1;
        }
        Self(table)
    }

    #[inline]
    pub(crate) const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }
}

/// White space and the punctuation of split literals.
pub(crate) static GLUE: Class = Class::new(b" \t\n\r\x0c\"'`+,|\\;()[]{}<>", false);
/// What tokens are made of.
pub(crate) static TOKEN: Class = Class::new(b"_-.~+/=:", true);
/// The alphabets of base64 and base64url.
pub(crate) static BASE64: Class = Class::new(b"+/-_", true);
/// What may stand between two literals that are one.
pub(crate) static JOINT: Class = Class::new(b" \t\n\r\x0c+.&,~\\()", false);
/// Where an escape may begin.
pub(crate) static ESCAPE: Class = Class::new(b"\\%&=U", false);
/// Letters and digits.
pub(crate) static WORD: Class = Class::new(b"", true);
