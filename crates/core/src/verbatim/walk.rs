//! The walk itself: a visitor that knows where in the body it is.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    Bounds,
    names::{self, Names, Wrong},
    place::Place,
};
use crate::{
    chat::{Needs, Shape},
    routing::is_routing,
};

/// What is wrong with a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// In our own words.
    Own(&'static str),
    /// The same, and the client's own name of it.
    Member(&'static str, String),
}

/// What the pass collects.
#[derive(Default)]
pub(super) struct Seen<'de> {
    pub(super) model: Option<&'de RawValue>,
    pub(super) stream: Option<bool>,
    pub(super) max_tokens: Option<u64>,
    pub(super) max_completion_tokens: Option<u64>,
    pub(super) tool_choice: Option<&'de RawValue>,
    pub(super) format: Option<&'de RawValue>,
    pub(super) needs: Needs,
    pub(super) fault: Option<Fault>,
    nodes: usize,
}

/// One value.
pub(super) struct Walk<'s, 'de> {
    pub(super) seen: &'s mut Seen<'de>,
    pub(super) shape: Shape,
    pub(super) place: Place,
    pub(super) depth: usize,
    pub(super) bounds: Bounds,
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
        match self.seen.nodes > self.bounds.nodes {
            true => Err(self.fail(Fault::Own("size"))),
            false => Ok(()),
        }
    }

    fn deeper<E: Error>(&mut self) -> Result<(), E> {
        match self.depth >= self.bounds.depth {
            true => Err(self.fail(Fault::Own("nesting"))),
            false => Ok(()),
        }
    }

    fn child(&mut self, place: Place) -> Walk<'_, 'de> {
        Walk {
            seen: self.seen,
            shape: self.shape,
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
        let place = self.place.member(name);
        match (self.place, name) {
            (Place::Top, "model") => self.seen.model = Some(self.raw(members, place)?),
            (Place::Top, "stream") => {
                let raw = self.raw(members, place)?;
                self.seen.stream = match raw.get() {
                    "true" => Some(true),
                    "false" => Some(false),
                    "null" => None,
                    _ => return Err(self.fail(Fault::Own("stream"))),
                };
            }
            (Place::Top, "max_tokens") if !self.shape.is_bounded_by_options() => {
                self.seen.max_tokens = self.bound(members, "max_tokens")?;
            }
            (Place::Top, "max_completion_tokens") if self.shape == Shape::ChatCompletions => {
                self.seen.max_completion_tokens = self.bound(members, "max_completion_tokens")?;
            }
            (Place::Options, "num_predict") if self.shape.is_bounded_by_options() => {
                self.seen.max_tokens = self.bound(members, "num_predict")?;
            }
            (Place::Top, "tool_choice") => {
                self.seen.tool_choice = Some(self.raw(members, place)?);
            }
            (Place::Top, name) if name == self.shape.format_member() => {
                self.seen.format = Some(self.raw(members, place)?);
            }
            // Absent, in other words, is how some clients always send them.
            (Place::Top, name) if is_routing(name) => {
                if !matches!(self.raw(members, place)?.get(), "null" | "false") {
                    return Err(self.fail(Fault::Member("routing field", name.to_owned())));
                }
            }
            (Place::Top, "reasoning_effort") => {
                let raw = self.raw(members, place)?.get();
                self.seen.needs.reasoning |= !matches!(raw, "null" | "\"none\"");
            }
            (Place::Top, "think" | "thinking") => {
                let raw = self.raw(members, place)?;
                let off = matches!(raw.get(), "null" | "false")
                    || kind(raw).is_some_and(|it| it == "disabled");
                self.seen.needs.reasoning |= !off;
            }
            (Place::Message, "role") => match word(self.raw(members, place)?).as_deref() {
                Some("user" | "assistant") => self.seen.needs.turns += 1,
                Some("tool" | "function") => self.seen.needs.tool_calling = true,
                _ => {}
            },
            (Place::Part | Place::Content, "type") => {
                let kind = word(self.raw(members, place)?);
                let needs = &mut self.seen.needs;
                match kind.as_deref() {
                    Some("image_url" | "input_image" | "image") => needs.images = true,
                    Some("tool_use" | "tool_result") => needs.tool_calling = true,
                    _ => {}
                }
            }
            _ => {
                let was = members.next_value_seed(self.child(place))?;
                self.passed(name, was);
            }
        }
        Ok(())
    }

    /// A bound on the answer: a whole number, written plainly, so that every reader reads the same one. What is not
    /// above zero is the provider's to judge.
    fn bound<A: MapAccess<'de>>(
        &mut self,
        members: &mut A,
        subject: &'static str,
    ) -> Result<Option<u64>, A::Error> {
        let text = self.raw(members, Place::Free)?.get();
        match text.parse::<i64>() {
            Ok(bound) => Ok(u64::try_from(bound).ok().filter(|bound| *bound > 0)),
            Err(_) if text == "null" => Ok(None),
            Err(_) => Err(self.fail(Fault::Own(subject))),
        }
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
            (Place::Message, "images") => needs.images |= was.items > 0,
            (Place::Part | Place::Content, "image_url") => needs.images |= !was.null,
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

/// The `type` of an object.
pub(super) fn kind(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    let kind: Kind<'_> = serde_json::from_str(raw.get()).ok()?;
    Some(kind.kind)
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
        let mut all = Names::new(names::known(self.place));
        while let Some(Name(name)) = members.next_key()? {
            if let Err(wrong) = all.add(name.clone()) {
                let why = match wrong {
                    Wrong::Twice => "twice",
                    Wrong::Spelling => "spelling",
                };
                return Err(self.fail(Fault::Member(why, name.into_owned())));
            }
            self.member(&name, &mut members)?;
        }
        Ok(Was::default())
    }
}

/// A name, borrowed where it holds no escape.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
