//! A body that is accepted has one meaning: a reader in Go and a reader in Python take from it what we take from it.
//!
//! `HANDSHAKE_BODIES` says how many hostile bodies are made for each position of each protocol, `HANDSHAKE_SEED` which
//! ones. What a reader refuses is no other meaning.

mod bodies;
mod readers;

use bytes::Bytes;
use handshake_core::{chat::Shape, json::read_strict, verbatim::Verbatim};
use serde_json::Value;

use self::{
    bodies::{Hostile, Random, SHAPES},
    readers::{Readers, ours},
};

fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number"))
    })
}

/// How many bodies go to the readers at once.
const BATCH: usize = 2_000;

/// A body, and where it is hostile.
struct Asked {
    shape: Shape,
    word: &'static str,
    place: String,
    body: Vec<u8>,
}

/// What was seen.
#[derive(Default)]
struct Seen {
    bodies: u64,
    taken: u64,
    traps: u64,
}

impl Seen {
    fn judge(&mut self, asked: &Asked, others: &[(&'static str, Value)]) {
        let Asked {
            word, place, body, ..
        } = asked;
        let accepted = Verbatim::read(asked.shape, Bytes::copy_from_slice(body));
        self.bodies += 1;
        let Ok(accepted) = accepted else {
            // What would have been read in two ways, had it been taken in.
            let mut read = others.iter().map(|(_, theirs)| theirs);
            let first = read.next();
            self.traps += u64::from(read.any(|theirs| Some(theirs) != first));
            return;
        };
        self.taken += 1;
        let text = String::from_utf8_lossy(body);
        let value = read_strict(body).unwrap_or_else(|_| panic!("not one strict value: {text}"));
        let ours = ours(&accepted, &value);
        for (reader, theirs) in others {
            assert!(
                theirs.is_null() || *theirs == ours,
                "{reader} reads another meaning at {word} {place}\n{text}\nours   {ours}\ntheirs {theirs}",
            );
        }
    }
}

#[test]
fn s36_what_is_accepted_is_read_alike_by_other_readers() {
    let readers = Readers::start();
    for program in &readers.missing {
        println!("{program} is not on PATH: nothing is compared with its reading");
    }
    let (count, seed) = (number("HANDSHAKE_BODIES", 100), number("HANDSHAKE_SEED", 7));
    println!("seed {seed}, {count} bodies for each position, read by [{readers}]");
    let mut seen = Seen::default();
    let mut batch = Vec::new();
    let mut flush = |batch: &mut Vec<Asked>| {
        let lines = batch.iter().map(|asked| (asked.word, &*asked.body));
        for (asked, others) in batch.iter().zip(readers.read(lines)) {
            seen.judge(asked, &others);
        }
        batch.clear();
    };
    for (shape, word, honest) in SHAPES {
        let honest = serde_json::from_str(honest).expect("an honest body");
        for place in bodies::places(&honest) {
            let name = format!("{word} {place:?}");
            let mut random = Random::new(seed, &name);
            for _ in 0..count {
                batch.push(Asked {
                    shape: *shape,
                    word,
                    place: name.clone(),
                    body: Hostile::at(&honest, &place, &mut random).written(),
                });
                if batch.len() == BATCH {
                    flush(&mut batch);
                }
            }
        }
    }
    flush(&mut batch);
    let Seen {
        bodies,
        taken,
        traps,
    } = seen;
    println!(
        "{bodies} bodies: {taken} taken in, {traps} refused that two readers read in two ways"
    );
    assert!(
        taken > bodies / 20,
        "nearly everything is refused: {taken} of {bodies}"
    );
    assert!(
        !readers.are_two() || traps > 0,
        "the bodies hold no trap, so that they show nothing"
    );
}

#[test]
fn s36_the_honest_bodies_are_taken_in() {
    for (shape, word, honest) in SHAPES {
        let read = Verbatim::read(*shape, Bytes::copy_from_slice(honest.as_bytes()));
        assert!(read.is_ok(), "{word}: {read:?}");
    }
    assert!(SHAPES.iter().any(|(shape, ..)| *shape == Shape::Messages));
}
