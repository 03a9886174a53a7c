//! serde's side of the writer.

use std::fmt;

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{Array, NUMBER_REFUSED, Object, REFUSED, Refused, Writer, key, push_escaped};

/// What `serde_json` calls its own wrappers when another serialiser meets them.
const NUMBER: &str = "$serde_json::private::Number";
const RAW: &str = "$serde_json::private::RawValue";

/// A struct: an object, or one of the wrappers with which `serde_json` carries a number or raw text.
pub(super) enum Struct<'a, 'o> {
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
