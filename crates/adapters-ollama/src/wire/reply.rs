//! Answers that we read. A known member that stands twice is an error.

use std::{fmt, marker::PhantomData};

use handshake_transport::adapter::Text;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Value, value::RawValue};

/// An object, and nothing else: serde would read a structure from a list as well.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// A line of a stream, or a whole answer.
#[derive(Default, Deserialize)]
pub(crate) struct Line<'a> {
    #[serde(default, borrow)]
    pub(crate) model: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) remote_model: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) remote_host: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) message: Option<Object<Message<'a>>>,
    #[serde(default)]
    pub(crate) done: Option<bool>,
    #[serde(default, borrow)]
    pub(crate) done_reason: Option<Text<'a>>,
    /// Absent is not zero: a prompt that was cached whole is not counted.
    #[serde(default)]
    pub(crate) prompt_eval_count: Option<u64>,
    #[serde(default)]
    pub(crate) eval_count: Option<u64>,
    #[serde(default)]
    pub(crate) error: Option<Value>,
}

/// The message of a line.
#[derive(Default, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(default, borrow)]
    pub(crate) content: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) thinking: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) tool_calls: Option<Vec<Object<Call<'a>>>>,
}

/// A call. Whole, always.
#[derive(Deserialize)]
pub(crate) struct Call<'a> {
    #[serde(default, borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) function: Option<Object<Function<'a>>>,
}

/// The function of a call.
#[derive(Deserialize)]
pub(crate) struct Function<'a> {
    #[serde(default, borrow)]
    pub(crate) name: Option<Text<'a>>,
    /// As it stands: an object, in old daemons a string that holds one.
    #[serde(default, borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
}
