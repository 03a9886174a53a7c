//! Random edits: of bytes and lines by whoever can write the files, of records by whoever holds a key.

use ed25519_dalek::Signer as _;

use super::{
    Case, Files,
    named::{approved, epochs, plain, pruned},
    writer::{Log, PERSON, hex, key, public},
};

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % n.max(1) as u64).expect("below n")
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[0]
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// The case number `n` under a seed: a sound log, edited at random. Some edits change nothing.
#[must_use]
pub fn edited(seed: u64, n: u64) -> Case {
    let mut dice = Dice(seed.wrapping_mul(0x1000_0000_01b3).wrapping_add(n));
    let base = dice.below(4);
    let mut log = [plain, epochs, pruned, approved][base]();
    let sound = log.clone();
    let by_key = dice.one_in(3);
    if by_key {
        for _ in 0..=dice.below(2) {
            edit_log(&mut dice, &mut log);
        }
    }
    let mut files = log.files();
    if !by_key || dice.one_in(4) {
        for _ in 0..=dice.below(3) {
            edit_files(&mut dice, &mut files);
        }
    }
    if dice.one_in(40) {
        files.retain(|name, _| *name == "log.jsonl");
    }
    let mut case = Case {
        name: format!("edit-{seed}-{n}"),
        files,
        roots: vec![hex(&public(1))],
        approvers: Vec::new(),
        anchors: Vec::new(),
    };
    trust(&mut dice, &sound, &mut case);
    case
}

/// What the caller brings: mostly what fits the log before it was edited.
fn trust(dice: &mut Dice, sound: &Log, case: &mut Case) {
    if dice.one_in(10) {
        case.roots.insert(dice.below(2), hex(&public(2)));
    }
    if dice.one_in(25) {
        case.roots = vec![hex(&public(3))];
    }
    if dice.one_in(2) {
        case.approvers.push(hex(&public(PERSON)));
    }
    if dice.one_in(25) {
        case.approvers.push(hex(&public(5)));
    }
    let sizes = usize::try_from(sound.size()).expect("small") + 2;
    for _ in 0..dice.below(3) {
        let size = dice.below(sizes) as u64;
        let mut digits = hex(&sound.head(size));
        if dice.one_in(12) {
            digits = hex(&[dice.byte(); 32]);
        }
        digits.truncate(12 + dice.below(53));
        case.anchors.push(format!("{size}:{digits}"));
    }
}

/// What whoever holds a key, or writes the files through, may do: everything is hashed and signed again.
fn edit_log(dice: &mut Dice, log: &mut Log) {
    if log.leaves.is_empty() {
        log.grow(1);
    }
    let at = dice.below(log.leaves.len());
    match dice.below(14) {
        0 | 1 => {
            log.leaves[at].payload = payload(dice);
            log.rehash();
        }
        2 => {
            log.leaves.remove(at);
            log.rehash();
        }
        3 => log.leaves.truncate(at.max(1)),
        4 => {
            let seq = [0, 1, 2, u64::MAX, u64::MAX - 1];
            log.leaves[at].seq = *dice.of(&seq);
        }
        5 => log.grow(dice.below(3) as u64 + 1),
        6 => log.checkpoint(),
        7 => log.hand_over(),
        8 => {
            let size = log.leaves[at].seq;
            if log.leaves.len() > 1 && size > log.seams.last().map_or(0, |seam| seam.size) {
                log.prune(size);
            }
        }
        9 => log.approve(),
        10 => {
            let payload = receipt(dice);
            log.approve_as(payload);
        }
        11 => sign_other_checkpoint(dice, log),
        12 => sign_other_handover(dice, log),
        _ => sign_other_seam(dice, log),
    }
    if dice.one_in(3) {
        log.checkpoint();
    }
}

fn sizes(dice: &mut Dice, log: &Log) -> u64 {
    let size = log.size();
    let near = [
        0,
        1,
        size / 2,
        size.saturating_sub(1),
        size,
        size.wrapping_add(1),
        u64::MAX,
    ];
    *dice.of(&near)
}

fn sign_other_checkpoint(dice: &mut Dice, log: &mut Log) {
    let size = sizes(dice, log);
    let seed = *dice.of(&[1, 1, 2, 3, 9]);
    let head = log.head(size);
    let time = *dice.of(&[
        "2026-11-29T00:00:00Z",
        "9999-99-99T99:99:99.123456789Z",
        "2026-11-29T00:00:00.Z",
        "2026-11-29t00:00:00Z",
        "",
    ]);
    if let Some(last) = log.checkpoints.last_mut() {
        match dice.below(5) {
            0 => last.size = size,
            1 => (last.size, last.head) = (size, head),
            2 => last.key = public(seed),
            3 => time.clone_into(&mut last.time),
            _ => last.prev = [seed; 32],
        }
        last.signature = key(seed).sign(&last.signed()).to_bytes();
    }
}

fn sign_other_handover(dice: &mut Dice, log: &mut Log) {
    let size = sizes(dice, log);
    let seed = *dice.of(&[1, 2, 3, 9]);
    let mut odd = [0; 32];
    odd.fill_with(|| dice.byte());
    if let Some(last) = log.handovers.last_mut() {
        match dice.below(6) {
            0 => last.at_size = size,
            1 => last.epoch = size,
            2 => last.to = public(seed),
            // Half of all numbers are points of the curve.
            3 => last.to = odd,
            4 => last.from = public(seed),
            _ => last.at_head = odd,
        }
        last.signature = key(seed).sign(&last.signed()).to_bytes();
    }
}

fn sign_other_seam(dice: &mut Dice, log: &mut Log) {
    let size = sizes(dice, log);
    let seed = *dice.of(&[1, 2, 2, 9]);
    let head = log.head(size);
    if let Some(last) = log.seams.last_mut() {
        match dice.below(6) {
            0 => last.size = size,
            1 => (last.size, last.head) = (size, head),
            2 => last.at_size = size,
            3 => (last.at_size, last.at_head) = (size, head),
            4 => last.first = size,
            _ => last.key = public(seed),
        }
        last.signature = key(seed).sign(&last.signed()).to_bytes();
    }
}

/// Payloads at the edge of JSON, of UTF-8 and of what an export can hold.
fn payload(dice: &mut Dice) -> Vec<u8> {
    let pieces: [&[u8]; 30] = [
        b"0",
        b"-0",
        b"01",
        b"1e5",
        b"1E+",
        b"1.",
        b"-",
        b"9999999999999999999999",
        b"1e99999",
        b"null",
        b"nul",
        b"true",
        b"\"a\"",
        b"\"\\ud800\"",
        b"\"\\u12\"",
        b"\"\\x\"",
        b"\"\x7f\"",
        b"\"\t\"",
        b"\"\xff\"",
        b"\"\xc3\xa9\"",
        b"\"\xed\xa0\x80\"",
        b"\"\\/\"",
        b"[]",
        b"[,]",
        b"[1,]",
        b"{}",
        b"{\"a\":1,\"a\":2}",
        b"\x0b1",
        b"\t 1 ",
        b"\"\xe2\x80\xa8\"",
    ];
    let mut inner = dice.of(&pieces).to_vec();
    if dice.one_in(6) {
        let deep = *dice.of(&[1, 120, 126, 127, 128, 200]);
        inner = [&b"[".repeat(deep), &inner[..], &b"]".repeat(deep)].concat();
    }
    let mut all = [&b"{\"a\":"[..], &inner, b"}"].concat();
    for _ in 0..dice.below(3) {
        let at = dice.below(all.len());
        match dice.below(4) {
            0 => all[at] = dice.byte(),
            1 => all.insert(at, *dice.of(b" \t\r\n\"\\{}[],:")),
            2 => drop(all.remove(at)),
            _ => all[at] ^= 1 << dice.below(8),
        }
        if all.is_empty() {
            all.push(b'{');
        }
    }
    all
}

/// Receipts that name their head in every way.
fn receipt(dice: &mut Dice) -> Vec<u8> {
    let value = *dice.of(&[
        "null",
        " null",
        "\"3:00\"",
        "\"0:0000000000000000000000000000000000000000000000000000000000000000\"",
        "\"03:0000000000000000000000000000000000000000000000000000000000000000\"",
        "\"18446744073709551616:0000000000000000000000000000000000000000000000000000000000000000\"",
        "\"3:000000000000000000000000000000000000000000000000000000000000000A\"",
        "{}",
        "\"",
    ]);
    let before = *dice.of(&[
        "{",
        "{\"a\":1,",
        "{ ",
        "{\"b\":\"{\\\"recorder_checkpoint\\\":\",",
        "{\"a\":{",
    ]);
    let after = *dice.of(&[
        "}",
        ",\"z\":1}",
        " }",
        "}}",
        ",\"recorder_checkpoint\":null}",
    ]);
    format!("{before}\"recorder_checkpoint\":{value}{after}").into_bytes()
}

/// What whoever can write the files may do to their bytes and lines.
fn edit_files(dice: &mut Dice, files: &mut Files) {
    let names: Vec<&'static str> = files.keys().copied().collect();
    // The leaves are most of it, and half of the edits.
    let name = match dice.one_in(2) && files.contains_key("log.jsonl") {
        true => "log.jsonl",
        false => dice.of(&names),
    };
    if dice.one_in(60) {
        files.remove(name);
        return;
    }
    if dice.one_in(60) {
        files.insert(
            *dice.of(&["seams.jsonl", "receipts.jsonl", "manifest.json"]),
            Vec::new(),
        );
        return;
    }
    let bytes = files.get_mut(name).expect("a name of it");
    let at = dice.below(bytes.len());
    match dice.below(10) {
        0 if !bytes.is_empty() => bytes[at] = dice.byte(),
        1 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
        2 => bytes.insert(at, dice.byte()),
        3 if !bytes.is_empty() => drop(bytes.remove(at)),
        4 => bytes.truncate(at),
        5 if !bytes.is_empty() => digit(dice, bytes, at),
        _ => edit_lines(dice, bytes),
    }
}

/// Another digit for the first one from a place on.
fn digit(dice: &mut Dice, bytes: &mut [u8], at: usize) {
    let found = bytes[at..].iter().position(u8::is_ascii_hexdigit);
    if let Some(found) = found {
        bytes[at + found] = *dice.of(b"0123456789abcdefAF");
    }
}

fn edit_lines(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        return;
    }
    let (one, other) = (dice.below(lines.len()), dice.below(lines.len()));
    match dice.below(5) {
        0 => drop(lines.remove(one)),
        1 => lines.insert(one, lines[other].clone()),
        2 => lines.swap(one, other),
        3 => lines[one] = lines[other].clone(),
        _ => lines.truncate(one),
    }
    *bytes = lines.concat();
}
