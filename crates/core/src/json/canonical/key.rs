//! Keys of maps: texts, and what `serde_json` writes as a text when it is a key.

use std::fmt::{Display, Write as _};

use serde::{Serialize, Serializer, ser::Impossible};

use super::{NUMBER_REFUSED, REFUSED, Refused};

/// Appends a key to the keys.
pub(super) struct Key<'a>(pub(super) &'a mut String);

impl Key<'_> {
    fn display(self, value: impl Display) -> Result<(), Refused> {
        write!(self.0, "{value}").map_err(|_| REFUSED)
    }
}

macro_rules! displayed {
    ($($name:ident: $kind:ty),*) => { $(
        fn $name(self, value: $kind) -> Result<(), Refused> {
            self.display(value)
        }
    )* };
}

type No = Impossible<(), Refused>;

impl Serializer for Key<'_> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

    displayed!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_i128: i128, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_char: char,
        serialize_str: &str
    );

    fn serialize_f32(self, _: f32) -> Result<(), Refused> {
        Err(NUMBER_REFUSED)
    }
    fn serialize_f64(self, _: f64) -> Result<(), Refused> {
        Err(NUMBER_REFUSED)
    }
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.display(value)
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Refused> {
        self.display(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Refused> {
        Err(REFUSED)
    }
    fn serialize_none(self) -> Result<(), Refused> {
        Err(REFUSED)
    }
    fn serialize_unit(self) -> Result<(), Refused> {
        Err(REFUSED)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        Err(REFUSED)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Refused> {
        Err(REFUSED)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<No, Refused> {
        Err(REFUSED)
    }
    fn serialize_tuple(self, _: usize) -> Result<No, Refused> {
        Err(REFUSED)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<No, Refused> {
        Err(REFUSED)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<No, Refused> {
        Err(REFUSED)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<No, Refused> {
        Err(REFUSED)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<No, Refused> {
        Err(REFUSED)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<No, Refused> {
        Err(REFUSED)
    }
}
