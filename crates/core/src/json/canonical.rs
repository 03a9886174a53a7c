//! Writes canonical JSON (RFC 8785) in one pass, without a tree: members are written where they come and put in
//! order when their object ends. Held against a tree-based implementation by a property test.

use std::{cmp::Ordering, fmt, ops::Range};

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use crate::digest::NotCanonical;

mod key;

/// The largest integer that a double, and so RFC 8785, holds with all its neighbours below.
const EXACT: u64 = 1 << 53;
/// What `serde_json` calls its own wrappers when another serialiser meets them.
const NUMBER: &str = "$serde_json::private::Number";
const RAW: &str = "$serde_json::private::RawValue";

/// Appends the canonical form of a value. After a refusal `out` is as it was.
pub(crate) fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), NotCanonical> {
    let before = out.len();
    let mut writer = Writer {
        out,
        keys: String::new(),
        members: Vec::new(),
        sorted: Vec::new(),
    };
    let written = value.serialize(&mut writer);
    written.map_err(|Refused(why)| {
        out.truncate(before);
        why
    })
}

/// serde's error: which of the two refusals it is, and nothing of the value.
#[derive(Debug)]
struct Refused(NotCanonical);

const NUMBER_REFUSED: Refused = Refused(NotCanonical::Number);
const REFUSED: Refused = Refused(NotCanonical::Unserialisable);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl serde::ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        REFUSED
    }
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// The unescaped keys of the members of all objects that are not ended yet.
    keys: String,
    members: Vec<Member>,
    /// Room for the members of an object in their order.
    sorted: Vec<u8>,
}

/// Where a member's key and its text `"key":value` stand.
struct Member {
    key: Range<usize>,
    text: Range<usize>,
}

impl Writer<'_> {
    fn string(&mut self, text: &str) {
        push_string(self.out, text);
    }

    fn unsigned(&mut self, number: u64) -> Result<(), Refused> {
        if number > EXACT {
            return Err(NUMBER_REFUSED);
        }
        let mut digits = [0; 20];
        let mut rest = number;
        let mut first = digits.len();
        loop {
            first -= 1;
            // A digit fits.
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[first..]);
        Ok(())
    }

    fn signed(&mut self, number: i64) -> Result<(), Refused> {
        if number.unsigned_abs() > EXACT {
            return Err(NUMBER_REFUSED);
        }
        if number < 0 {
            self.out.push(b'-');
        }
        self.unsigned(number.unsigned_abs())
    }

    /// The part between the brackets of an enum's variant.
    fn variant(&mut self, name: &str) {
        self.out.push(b'{');
        self.string(name);
        self.out.push(b':');
    }
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    while let Some(at) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let low = HEX[usize::from(control & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (control >> 4), low]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// The order of RFC 8785: by UTF-16 code units. For ASCII that is the order of the bytes.
fn by_code_units(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        a.cmp(b)
    } else {
        a.encode_utf16().cmp(b.encode_utf16())
    }
}

/// An object that is being written.
struct Object<'a, 'o> {
    writer: &'a mut Writer<'o>,
    start: usize,
    first_member: usize,
    first_key: usize,
    /// What stands after the last member.
    end: &'static [u8],
}

impl<'a, 'o> Object<'a, 'o> {
    fn begin(writer: &'a mut Writer<'o>, end: &'static [u8]) -> Self {
        writer.out.push(b'{');
        Self {
            start: writer.out.len(),
            first_member: writer.members.len(),
            first_key: writer.keys.len(),
            writer,
            end,
        }
    }

    /// Begins a member whose key was put at the end of `keys`.
    fn key(&mut self, key: Range<usize>) {
        let writer = &mut *self.writer;
        if writer.members.len() > self.first_member {
            writer.out.push(b',');
        }
        let start = writer.out.len();
        push_string(writer.out, &writer.keys[key.clone()]);
        writer.out.push(b':');
        let text = start..start;
        writer.members.push(Member { key, text });
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut *self.writer)?;
        let end = self.writer.out.len();
        // Without a key there is no member: a map that was written against serde's rules.
        let member = self.writer.members.get_mut(self.first_member..);
        let member = member.and_then(<[Member]>::last_mut).ok_or(REFUSED)?;
        member.text.end = end;
        Ok(())
    }

    fn member<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        let from = self.writer.keys.len();
        self.writer.keys.push_str(name);
        self.key(from..self.writer.keys.len());
        self.value(value)
    }

    fn finish(self) {
        let Writer {
            out,
            keys,
            members,
            sorted,
        } = self.writer;
        let own = &mut members[self.first_member..];
        let order =
            |a: &Member, b: &Member| by_code_units(&keys[a.key.clone()], &keys[b.key.clone()]);
        if !own.is_sorted_by(|a, b| order(a, b) == Ordering::Less) {
            own.sort_by(order);
            sorted.clear();
            for (n, member) in own.iter().enumerate() {
                // Of equal keys the last one written counts, as in a map.
                if own
                    .get(n + 1)
                    .is_some_and(|next| order(member, next) == Ordering::Equal)
                {
                    continue;
                }
                if !sorted.is_empty() {
                    sorted.push(b',');
                }
                sorted.extend_from_slice(&out[member.text.clone()]);
            }
            out.truncate(self.start);
            out.extend_from_slice(sorted);
        }
        out.extend_from_slice(self.end);
        members.truncate(self.first_member);
        keys.truncate(self.first_key);
    }
}

/// An array that is being written.
struct Array<'a, 'o> {
    writer: &'a mut Writer<'o>,
    empty: bool,
    end: &'static [u8],
}

impl<'a, 'o> Array<'a, 'o> {
    fn begin(writer: &'a mut Writer<'o>, end: &'static [u8]) -> Self {
        writer.out.push(b'[');
        Self {
            writer,
            empty: true,
            end,
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        if !std::mem::take(&mut self.empty) {
            self.writer.out.push(b',');
        }
        value.serialize(&mut *self.writer)
    }

    fn finish(self) {
        self.writer.out.extend_from_slice(self.end);
    }
}

/// A struct: an object, or one of the wrappers with which `serde_json` carries a number or raw text.
enum Struct<'a, 'o> {
    Object(Object<'a, 'o>),
    Number(&'a mut Writer<'o>),
    Raw(&'a mut Writer<'o>),
}

impl<'a, 'o> Serializer for &'a mut Writer<'o> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Array<'a, 'o>;
    type SerializeTuple = Array<'a, 'o>;
    type SerializeTupleStruct = Array<'a, 'o>;
    type SerializeTupleVariant = Array<'a, 'o>;
    type SerializeMap = Object<'a, 'o>;
    type SerializeStruct = Struct<'a, 'o>;
    type SerializeStructVariant = Object<'a, 'o>;

    fn serialize_bool(self, value: bool) -> Result<(), Refused> {
        let word: &[u8] = if value { b"true" } else { b"false" };
        self.out.extend_from_slice(word);
        Ok(())
    }
    fn serialize_i8(self, value: i8) -> Result<(), Refused> {
        self.signed(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<(), Refused> {
        self.signed(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<(), Refused> {
        self.signed(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<(), Refused> {
        self.signed(value)
    }
    fn serialize_i128(self, value: i128) -> Result<(), Refused> {
        self.signed(value.try_into().map_err(|_| NUMBER_REFUSED)?)
    }
    fn serialize_u8(self, value: u8) -> Result<(), Refused> {
        self.unsigned(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<(), Refused> {
        self.unsigned(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<(), Refused> {
        self.unsigned(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<(), Refused> {
        self.unsigned(value)
    }
    fn serialize_u128(self, value: u128) -> Result<(), Refused> {
        self.unsigned(value.try_into().map_err(|_| NUMBER_REFUSED)?)
    }
    fn serialize_f32(self, _: f32) -> Result<(), Refused> {
        Err(NUMBER_REFUSED)
    }
    fn serialize_f64(self, _: f64) -> Result<(), Refused> {
        Err(NUMBER_REFUSED)
    }
    fn serialize_char(self, value: char) -> Result<(), Refused> {
        self.string(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }
    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.string(value);
        Ok(())
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.out.push(b'"');
        fmt::Write::write_fmt(&mut Escaping(self.out), format_args!("{value}"))
            .map_err(|_| REFUSED)?;
        self.out.push(b'"');
        Ok(())
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        let mut array = Array::begin(self, b"]");
        value.iter().try_for_each(|byte| array.item(byte))?;
        array.finish();
        Ok(())
    }
    fn serialize_none(self) -> Result<(), Refused> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), Refused> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Refused> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.variant(variant);
        value.serialize(&mut *self)?;
        self.out.push(b'}');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'a, 'o>, Refused> {
        Ok(Array::begin(self, b"]"))
    }
    fn serialize_tuple(self, _: usize) -> Result<Array<'a, 'o>, Refused> {
        Ok(Array::begin(self, b"]"))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'a, 'o>, Refused> {
        Ok(Array::begin(self, b"]"))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'a, 'o>, Refused> {
        self.variant(variant);
        Ok(Array::begin(self, b"]}"))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a, 'o>, Refused> {
        Ok(Object::begin(self, b"}"))
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct<'a, 'o>, Refused> {
        Ok(match name {
            NUMBER => Struct::Number(self),
            RAW => Struct::Raw(self),
            _ => Struct::Object(Object::begin(self, b"}")),
        })
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a, 'o>, Refused> {
        self.variant(variant);
        Ok(Object::begin(self, b"}}"))
    }
}

/// Text that is written piece by piece.
struct Escaping<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

macro_rules! array {
    ($($shape:ident $item:ident),*) => { $(
        impl $shape for Array<'_, '_> {
            type Ok = ();
            type Error = Refused;
            fn $item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.item(value)
            }
            fn end(self) -> Result<(), Refused> {
                self.finish();
                Ok(())
            }
        }
    )* };
}
array!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

impl SerializeMap for Object<'_, '_> {
    type Ok = ();
    type Error = Refused;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        let from = self.writer.keys.len();
        key.serialize(key::Key(&mut self.writer.keys))?;
        self.key(from..self.writer.keys.len());
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.value(value)
    }
    fn end(self) -> Result<(), Refused> {
        self.finish();
        Ok(())
    }
}

impl SerializeStructVariant for Object<'_, '_> {
    type Ok = ();
    type Error = Refused;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.member(name, value)
    }
    fn end(self) -> Result<(), Refused> {
        self.finish();
        Ok(())
    }
}

impl SerializeStruct for Struct<'_, '_> {
    type Ok = ();
    type Error = Refused;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        let (writer, raw) = match self {
            Self::Object(object) => return object.member(name, value),
            Self::Number(writer) => (writer, false),
            Self::Raw(writer) => (writer, true),
        };
        let mut text = String::new();
        value.serialize(key::Key(&mut text))?;
        if raw {
            let tree: serde_json::Value = serde_json::from_str(&text).map_err(|_| REFUSED)?;
            return tree.serialize(&mut **writer);
        }
        match (text.parse(), text.parse()) {
            (Ok(number), _) => writer.unsigned(number),
            (_, Ok(number)) => writer.signed(number),
            _ => Err(NUMBER_REFUSED),
        }
    }
    fn end(self) -> Result<(), Refused> {
        if let Self::Object(object) = self {
            object.finish();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
