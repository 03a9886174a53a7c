//! The members of one object, taken one by one into their types: what is left over at the end was not understood.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use handshake_core::error::CallError;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::bad;

/// A place in the body, written as OpenAI writes it: `messages[2].content[0].type`.
#[derive(Clone, Copy)]
pub(super) enum At<'p> {
    Top,
    Member(&'p At<'p>, &'p str),
    Item(&'p At<'p>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Member(Self::Top, name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl At<'_> {
    /// The same without indices.
    fn plain(&self) -> String {
        match self {
            Self::Top => String::new(),
            Self::Member(Self::Top, name) => (*name).to_owned(),
            Self::Member(parent, name) => format!("{}.{name}", parent.plain()),
            Self::Item(parent, _) => parent.plain(),
        }
    }

    /// The refusal of what stands here.
    pub(super) fn bad(&self) -> CallError {
        match self {
            Self::Top => bad("body"),
            _ => bad("member").member(&self.to_string()),
        }
    }
}

/// The members of one object that were not taken yet. `null` is absent.
pub(super) struct Members<'a, 'p> {
    pub(super) at: At<'p>,
    left: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

#[derive(Deserialize, Eq, Ord, PartialEq, PartialOrd)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a, 'p> Members<'a, 'p> {
    /// The members of an object.
    pub(super) fn read(at: At<'p>, object: &'a [u8]) -> Result<Self, CallError> {
        let left: BTreeMap<Name<'a>, &'a RawValue> =
            serde_json::from_slice(object).map_err(|_| at.bad())?;
        let left = left
            .into_iter()
            .filter(|(_, value)| value.get() != "null")
            .map(|(name, value)| (name.0, value));
        Ok(Self {
            at,
            left: left.collect(),
        })
    }

    /// The same of one that was cut out already.
    pub(super) fn of(at: At<'p>, object: &'a RawValue) -> Result<Self, CallError> {
        Self::read(at, object.get().as_bytes())
    }

    /// One member as it stands.
    pub(super) fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        self.left.remove(name)
    }

    /// One member in its type.
    pub(super) fn take<T: Deserialize<'a>>(&mut self, name: &str) -> Result<Option<T>, CallError> {
        self.raw(name)
            .map(|raw| serde_json::from_str(raw.get()).map_err(|_| self.bad(name)))
            .transpose()
    }

    /// One text, borrowed where it holds no escape.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, CallError> {
        Ok(self.take::<Name<'a>>(name)?.map(|text| text.0))
    }

    /// Members that are read elsewhere.
    pub(super) fn skip(&mut self, names: &[&str]) {
        for name in names {
            self.left.remove(*name);
        }
    }

    /// Members that are left out and reported.
    pub(super) fn advisory(&mut self, names: &[&str], out: &mut Vec<String>) {
        for name in names {
            if self.left.remove(*name).is_some() {
                self.report(name, out);
            }
        }
    }

    /// Reports one member as left out, once.
    pub(super) fn report(&self, name: &str, out: &mut Vec<String>) {
        // Without indices: a header of a thousand messages is no report.
        let path = At::Member(&self.at, name).plain();
        if !out.contains(&path) {
            out.push(path);
        }
    }

    /// Members that change nothing where they have one of these values.
    pub(super) fn neutral(&mut self, known: &[(&str, &[&str])]) {
        for (name, values) in known {
            if self
                .left
                .get(*name)
                .is_some_and(|raw| values.contains(&raw.get()))
            {
                self.left.remove(*name);
            }
        }
    }

    /// The refusal of one member.
    pub(super) fn bad(&self, name: &str) -> CallError {
        At::Member(&self.at, name).bad()
    }

    /// Nothing may be left.
    pub(super) fn done(self) -> Result<(), CallError> {
        match self.left.keys().next() {
            Some(name) => Err(self.bad(name)),
            None => Ok(()),
        }
    }
}
