//! The answer. Members that nobody here needs are skipped; a needed one that stands twice, or that is of
//! an impossible type, is an error. Texts are borrowed from the frame that they stand in, and members that
//! matter rarely are left as they stand until they do; what is rare is boxed, because these structures are moved once
//! for every token.

use std::{borrow::Cow, fmt};

use handshake_transport::adapter::Text;
use serde::{
    Deserialize, Deserializer,
    de::{
        IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::{Map, Value, value::RawValue};

/// One chunk of a stream, or one whole answer.
#[derive(Deserialize)]
pub(crate) struct Chunk<'a> {
    #[serde(default, borrow)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) object: Option<Loose<'a>>,
    #[serde(default, borrow)]
    pub(crate) model: Option<Loose<'a>>,
    #[serde(default, borrow)]
    pub(crate) choices: Option<Choices<'a>>,
    #[serde(default, borrow)]
    pub(crate) usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) x_groq: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) timings: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) prompt_filter_results: Option<IgnoredAny>,
    #[serde(default, borrow, rename = "type")]
    pub(crate) kind: Option<Loose<'a>>,
    /// Members of an error object that does not say that it is one.
    #[serde(default, borrow)]
    pub(crate) message: Option<Loose<'a>>,
    #[serde(default)]
    pub(crate) detail: Present,
    /// How MiniMax reports a failure under 200.
    #[serde(default)]
    pub(crate) base_resp: Option<BaseResp>,
}

/// A status inside an answer; zero is none.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct BaseResp {
    #[serde(default)]
    pub(crate) status_code: i64,
}

/// The choices of a chunk: one as a rule, which then needs no list.
pub(crate) struct Choices<'a> {
    pub(crate) first: Option<Choice<'a>>,
    pub(crate) others: Vec<Choice<'a>>,
}

impl<'a> Choices<'a> {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Choice<'a>> {
        self.first.iter().chain(&self.others)
    }
}

#[derive(Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(default)]
    pub(crate) index: Option<i64>,
    #[serde(default, borrow)]
    pub(crate) delta: Option<Delta<'a>>,
    #[serde(default, borrow)]
    pub(crate) message: Option<Box<Delta<'a>>>,
    #[serde(default, borrow)]
    pub(crate) finish_reason: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) native_finish_reason: Option<Loose<'a>>,
    #[serde(default, borrow)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) usage: Option<&'a RawValue>,
}

/// A part of a message, or a whole one: the two differ in nothing that matters.
#[derive(Default, Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(default, borrow)]
    pub(crate) content: Option<Loose<'a>>,
    #[serde(default, borrow)]
    pub(crate) refusal: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) reasoning_content: Option<Loose<'a>>,
    #[serde(default, borrow)]
    pub(crate) reasoning: Option<Loose<'a>>,
    #[serde(default, borrow)]
    pub(crate) reasoning_text: Option<Loose<'a>>,
    #[serde(default)]
    pub(crate) reasoning_details: Option<Vec<Map<String, Value>>>,
    #[serde(default, borrow)]
    pub(crate) tool_calls: Option<Vec<CallDelta<'a>>>,
    #[serde(default, borrow)]
    pub(crate) function_call: Option<Box<FunctionDelta<'a>>>,
}

#[derive(Deserialize)]
pub(crate) struct CallDelta<'a> {
    #[serde(default)]
    pub(crate) index: Option<i64>,
    #[serde(default, borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(default, borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) function: Option<FunctionDelta<'a>>,
    #[serde(default)]
    pub(crate) extra_content: Option<Value>,
}

#[derive(Default, Deserialize)]
pub(crate) struct FunctionDelta<'a> {
    #[serde(default, borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(crate) arguments: Option<Loose<'a>>,
}

/// Any value, of which a text is the usual one.
pub(crate) enum Loose<'a> {
    Text(Cow<'a, str>),
    Other(Box<Value>),
}

impl Loose<'_> {
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Loose<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Loose<'de>, E> {
                Ok(Loose::Other(Box::new(Value::Null)))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Loose<'de>, E> {
                Ok(Loose::Other(Box::new(value.into())))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Loose<'de>, E> {
                Ok(Loose::Other(Box::new(value.into())))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Loose<'de>, E> {
                Ok(Loose::Other(Box::new(value.into())))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Loose<'de>, E> {
                Ok(Loose::Other(Box::new(value.into())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Loose<'de>, A::Error> {
                Box::deserialize(SeqAccessDeserializer::new(seq)).map(Loose::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Loose<'de>, A::Error> {
                Box::deserialize(MapAccessDeserializer::new(map)).map(Loose::Other)
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Choices<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices<'de>, A::Error> {
                let first = seq.next_element()?;
                let mut others = Vec::new();
                while let Some(choice) = seq.next_element()? {
                    others.push(choice);
                }
                Ok(Choices { first, others })
            }
        }

        deserializer.deserialize_seq(Reader)
    }
}

/// Whether a member is there at all, be it `null`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Present(pub(crate) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}
