//! Where the blocks of a body stand, for whoever shows them. The outline of a call does not ask: what is shown costs a
//! call nothing.

use serde_json::Value;

use super::{Block, Outline, SYSTEM, TOOLS};
use crate::{digest::CommitmentKey, json::read_strict};

/// A block of content and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placed {
    /// JSON pointer into the body. Empty for what stands between its values: white space and escapes.
    pub pointer: String,
    /// The block.
    pub block: Block,
}

/// Where the frame of a body stands: what is no block of content, and what a lease covers only unchanged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frame {
    /// Pointers of system prompts, in members of their own and among the messages.
    pub system: Vec<String>,
    /// Pointers of lists of tools.
    pub tools: Vec<String>,
}

/// Notes places where somebody wants them.
#[derive(Debug, Default)]
pub(super) struct Places {
    wanted: bool,
    at: String,
    /// None for what is shown with the frame.
    blocks: Vec<Option<String>>,
    system: Vec<String>,
}

impl Places {
    /// What comes next stands here.
    pub(super) fn at(&mut self, pointer: impl FnOnce() -> String) {
        if self.wanted {
            self.at = pointer();
        }
    }

    /// It is a block.
    pub(super) fn block(&mut self) {
        if self.wanted {
            self.blocks.push(Some(std::mem::take(&mut self.at)));
        }
    }

    /// A block that stands inside the frame.
    pub(super) fn in_the_frame(&mut self) {
        if self.wanted {
            self.blocks.push(None);
        }
    }

    /// It belongs to the system prompt.
    pub(super) fn system(&mut self) {
        if self.wanted {
            self.system.push(std::mem::take(&mut self.at));
        }
    }
}

impl Outline {
    /// The outline of a body with the place of each block and of its frame, and the body as it was read. Every part of
    /// the body but the name of the model is in one of them. `None` as for [`Outline::of`].
    #[must_use]
    pub fn placed(body: &[u8], key: &CommitmentKey) -> Option<(Self, Vec<Placed>, Frame, Value)> {
        let whole = read_strict(body).ok()?;
        let mut places = Places {
            wanted: true,
            ..Places::default()
        };
        let outline = Self::read(&whole, body, key, &mut places)?;
        let named = |names: &[&str]| -> Vec<String> {
            let there = names.iter().filter(|name| whole.get(**name).is_some());
            there.map(|name| format!("/{name}")).collect()
        };
        let mut frame = Frame {
            system: named(SYSTEM),
            tools: named(TOOLS),
        };
        frame.system.append(&mut places.system);
        let blocks = outline.blocks.iter().zip(places.blocks);
        let placed = blocks.filter_map(|(block, pointer)| {
            Some(Placed {
                pointer: pointer?,
                block: *block,
            })
        });
        let placed = placed.collect();
        Some((outline, placed, frame, whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s13_every_block_has_its_place_and_nothing_but_the_model_has_none() {
        let key = CommitmentKey::new([9; 32]).expect("key");
        let body = br#"{"model":"m","instructions":"be kind","messages":[{"role":"system","content":"s"},
            {"role":"user","content":"a"},{"role":"assistant","content":"b"}],"input":"c","tools":[{"name":"t"}],
            "a/b~":1,"stream":true}"#;
        let (outline, placed, frame, whole) = Outline::placed(body, &key).expect("readable");
        assert_eq!(Some(&outline), Outline::of(body, &key).as_ref());
        let at: Vec<&str> = placed.iter().map(|it| it.pointer.as_str()).collect();
        assert_eq!(
            at,
            [
                "/messages/1",
                "/messages/2",
                "/input",
                "/a~1b~0",
                "/stream",
                ""
            ]
        );
        assert_eq!(placed.len(), outline.blocks.len());
        assert_eq!(frame.system, ["/instructions", "/messages/0"]);
        assert_eq!(frame.tools, ["/tools"]);
        for pointer in at
            .into_iter()
            .chain(frame.system.iter().map(String::as_str))
        {
            assert!(whole.pointer(pointer).is_some(), "{pointer}");
        }
        let known: Vec<&str> = vec![
            "model",
            "instructions",
            "messages",
            "input",
            "tools",
            "a/b~",
            "stream",
        ];
        assert_eq!(
            whole.as_object().map(serde_json::Map::len),
            Some(known.len())
        );
        assert!(Outline::placed(b"[]", &key).is_none());
    }
}
