//! The walk itself: a visitor that knows where in the body it is.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    Seen,
    names::{self, Names},
};

/// What is wrong with a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// In our own words.
    Own(&'static str),
    /// The same, and the client's own name of it.
    Member(&'static str, String),
}

/// Where the walk is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Top,
    Messages,
    Message,
    Content,
    Part,
    Tools,
    Tool,
    Calls,
    Call,
    Function,
    Format,
    JsonSchema,
    /// Schemas, arguments, metadata and whatever nobody here knows.
    Free,
}

impl Place {
    /// The names that this place has, where the protocol fixes them.
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Top => names::TOP,
            Self::Message => names::MESSAGE,
            Self::Part => names::PART,
            Self::Tool | Self::Call => names::TOOL,
            Self::Function => names::FUNCTION,
            Self::Format => names::FORMAT,
            Self::JsonSchema => names::JSON_SCHEMA,
            _ => &[],
        }
    }

    /// What the elements of an array are here.
    fn element(self) -> Self {
        match self {
            Self::Messages => Self::Message,
            Self::Content => Self::Part,
            Self::Tools => Self::Tool,
            Self::Calls => Self::Call,
            _ => Self::Free,
        }
    }

    /// What the value of a member is here, where nothing of it is needed.
    fn member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Top, "messages") => Self::Messages,
            (Self::Top, "tools") => Self::Tools,
            (Self::Message, "content") => Self::Content,
            (Self::Message, "tool_calls") => Self::Calls,
            (Self::Tool | Self::Call, "function") => Self::Function,
            (Self::Format, "json_schema") => Self::JsonSchema,
            _ => Self::Free,
        }
    }
}

/// One value.
pub(super) struct Walk<'s, 'de> {
    pub(super) seen: &'s mut Seen<'de>,
    pub(super) place: Place,
    pub(super) depth: usize,
    /// The deepest nesting, the most values.
    pub(super) bounds: (usize, usize),
}

/// What a value was.
#[derive(Clone, Copy, Default)]
pub(super) struct Was {
    null: bool,
    /// Elements of an array.
    items: u32,
}

impl<'de> Walk<'_, 'de> {
    fn fail<E: Error>(&mut self, fault: Fault) -> E {
        self.seen.fault.get_or_insert(fault);
        E::custom("refused")
    }

    fn node<E: Error>(&mut self) -> Result<(), E> {
        self.seen.nodes += 1;
        match self.seen.nodes > self.bounds.1 {
            true => Err(self.fail(Fault::Own("size"))),
            false => Ok(()),
        }
    }

    fn deeper<E: Error>(&mut self) -> Result<(), E> {
        match self.depth >= self.bounds.0 {
            true => Err(self.fail(Fault::Own("nesting"))),
            false => Ok(()),
        }
    }

    fn child(&mut self, place: Place) -> Walk<'_, 'de> {
        Walk {
            seen: self.seen,
            place,
            depth: self.depth + 1,
            bounds: self.bounds,
        }
    }

    /// The text of a value, walked all the same.
    fn raw<A: MapAccess<'de>>(
        &mut self,
        members: &mut A,
        place: Place,
    ) -> Result<&'de RawValue, A::Error> {
        let raw: &'de RawValue = members.next_value()?;
        let mut text = serde_json::Deserializer::from_str(raw.get());
        let walked = self.child(place).deserialize(&mut text);
        walked.map(|_| raw).map_err(|_| A::Error::custom("refused"))
    }

    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<(), A::Error> {
        match (self.place, name) {
            (Place::Top, "model") => self.seen.model = Some(self.raw(members, Place::Free)?),
            (Place::Top, "stream") => {
                let raw = self.raw(members, Place::Free)?;
                self.seen.stream = match raw.get() {
                    "true" => true,
                    "false" | "null" => false,
                    _ => return Err(self.fail(Fault::Own("stream"))),
                };
            }
            (Place::Top, "max_tokens" | "max_completion_tokens") => {
                let bound = self.raw(members, Place::Free)?.get().parse().ok();
                // Zero is the provider's to judge.
                let bound = bound.filter(|bound| *bound > 0);
                match name {
                    "max_tokens" => self.seen.max_tokens = bound,
                    _ => self.seen.max_completion_tokens = bound,
                }
            }
            (Place::Top, "tool_choice") => {
                self.seen.tool_choice = Some(self.raw(members, Place::Free)?);
            }
            (Place::Top, "response_format") => {
                self.seen.format = Some(self.raw(members, Place::Format)?);
            }
            (Place::Top, "reasoning_effort") => {
                let raw = self.raw(members, Place::Free)?.get();
                self.seen.needs.reasoning |= !matches!(raw, "null" | "\"none\"");
            }
            (Place::Message, "role") => match word(self.raw(members, Place::Free)?).as_deref() {
                Some("user" | "assistant") => self.seen.needs.turns += 1,
                Some("tool" | "function") => self.seen.needs.tool_calling = true,
                _ => {}
            },
            (Place::Part, "type") => {
                let kind = word(self.raw(members, Place::Free)?);
                let image = matches!(kind.as_deref(), Some("image_url" | "input_image" | "image"));
                self.seen.needs.images |= image;
            }
            _ => {
                let was = members.next_value_seed(self.child(self.place.member(name)))?;
                self.passed(name, was);
            }
        }
        Ok(())
    }

    /// What a member says by being there.
    fn passed(&mut self, name: &str, was: Was) {
        let needs = &mut self.seen.needs;
        match (self.place, name) {
            (Place::Top, "messages") => needs.messages = was.items,
            (Place::Top, "tools" | "functions") => {
                needs.tools = needs.tools.saturating_add(was.items);
                needs.tool_calling |= was.items > 0;
            }
            (Place::Top, "reasoning") => needs.reasoning |= !was.null,
            (Place::Message, "tool_calls") => needs.tool_calling |= was.items > 0,
            (Place::Message, "function_call") => needs.tool_calling |= !was.null,
            (Place::Part, "image_url") => needs.images |= !was.null,
            _ => {}
        }
    }
}

/// A word of the protocol.
fn word(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Word<'a>(#[serde(borrow)] Cow<'a, str>);
    let word: Word<'_> = serde_json::from_str(raw.get()).ok()?;
    Some(word.0)
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = Was;
    fn deserialize<D: Deserializer<'de>>(mut self, text: D) -> Result<Was, D::Error> {
        self.node()?;
        text.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = Was;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Was, E> {
        Ok(Was {
            null: true,
            items: 0,
        })
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Was, E> {
        Ok(Was::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Was, E> {
        Ok(Was::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Was, E> {
        Ok(Was::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Was, E> {
        Ok(Was::default())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Was, E> {
        Ok(Was::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Was, A::Error> {
        self.deeper()?;
        let element = self.place.element();
        let mut was = Was::default();
        while items.next_element_seed(self.child(element))?.is_some() {
            was.items = was.items.saturating_add(1);
        }
        Ok(was)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Was, A::Error> {
        self.deeper()?;
        let mut all = Names::default();
        while let Some(Name(name)) = members.next_key()? {
            if names::misspelt(self.place.known(), &name) {
                return Err(self.fail(Fault::Member("spelling", name.into_owned())));
            }
            self.member(&name, &mut members)?;
            if all.twice(name.clone()) {
                return Err(self.fail(Fault::Member("twice", name.into_owned())));
            }
        }
        Ok(Was::default())
    }
}

/// A name, borrowed where it holds no escape.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
