//! The named cases: what was done, and what has to be found.

use super::{
    Answer, BrokenLog, Case, Files,
    writer::{LOG_ID, Log, PERSON, hex, public},
};

mod records;

/// Twelve leaves, a checkpoint every three, one key.
pub(super) fn plain() -> Log {
    let mut log = Log::new(LOG_ID);
    for _ in 0..4 {
        log.grow(3);
        log.checkpoint();
    }
    log
}

/// The same under three keys, in turn from 5 and from 9 on.
pub(super) fn epochs() -> Log {
    let mut log = Log::new(LOG_ID);
    log.grow(3);
    log.checkpoint();
    log.grow(2);
    log.hand_over();
    log.grow(2);
    log.checkpoint();
    log.grow(2);
    log.hand_over();
    log.checkpoint();
    log.grow(3);
    log.checkpoint();
    log
}

/// Pruned twice, up to 4 and up to 7, under two keys; receipts at 3, 9 and 11.
pub(super) fn pruned() -> Log {
    let mut log = Log::new(LOG_ID);
    log.grow(3);
    log.approve();
    log.checkpoint();
    log.grow(3);
    log.prune(4);
    log.hand_over();
    log.grow(3);
    log.checkpoint();
    log.approve();
    log.prune(7);
    log.grow(2);
    log.approve();
    log.checkpoint();
    log.grow(1);
    log
}

/// Receipts at 4 and 9 of twelve leaves.
pub(super) fn approved() -> Log {
    let mut log = Log::new(LOG_ID);
    log.grow(4);
    log.approve();
    log.checkpoint();
    log.grow(5);
    log.checkpoint();
    log.approve();
    log.grow(3);
    log.checkpoint();
    log
}

fn anchor(log: &Log, size: u64) -> String {
    format!("{size}:{}", hex(&log.head(size)))
}

/// Collects cases.
#[derive(Default)]
struct Corpus(Vec<BrokenLog>);

impl Corpus {
    /// A case that was anchored at `anchors` before anything was done to it.
    fn add(&mut self, name: &'static str, files: Files, anchors: &[String], answer: Answer) {
        self.0.push(BrokenLog {
            name,
            case: Case {
                name: name.to_owned(),
                files,
                roots: vec![hex(&public(1))],
                approvers: Vec::new(),
                anchors: anchors.to_vec(),
            },
            answer,
        });
    }

    /// The case that was added last, given the approver's key too.
    fn approver(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.case.approvers.push(hex(&public(PERSON)));
        }
    }

    /// A log that was changed by `change` and written with a manifest that fits; anchored at its old end.
    fn changed(&mut self, name: &'static str, log: &Log, size: u64, change: impl FnOnce(&mut Log)) {
        let mut other = log.clone();
        change(&mut other);
        let anchors = [anchor(log, log.size())];
        self.add(name, other.files(), &anchors, Answer::Tampered { size });
    }

    /// One file of a sound log, rewritten as text.
    fn text(
        &mut self,
        name: &'static str,
        file: &'static str,
        size: u64,
        change: impl FnOnce(String) -> String,
    ) {
        let log = plain();
        let mut files = log.files();
        let text = String::from_utf8(files[file].clone()).expect("text");
        files.insert(file, change(text).into_bytes());
        self.add(name, files, &[anchor(&log, 12)], Answer::Tampered { size });
    }
}

/// Every named case. The same in every run.
///
/// # Panics
/// Never: the parts are valid.
#[must_use]
pub fn all() -> Vec<BrokenLog> {
    let mut corpus = Corpus::default();
    sound(&mut corpus);
    cut(&mut corpus);
    leaves(&mut corpus);
    records::signed(&mut corpus);
    records::seams(&mut corpus);
    records::receipts(&mut corpus);
    records::spelling(&mut corpus);
    records::nothing(&mut corpus);
    corpus.0
}

fn sound(corpus: &mut Corpus) {
    let intact = |size, anchored_at| Answer::Intact { size, anchored_at };
    let (log, keys, seams, receipts) = (plain(), epochs(), pruned(), approved());
    corpus.add("valid", log.files(), &[anchor(&log, 12)], intact(12, 12));
    let short = anchor(&log, 7)[.."7:".len() + 12].to_owned();
    corpus.add("valid-short-anchor", log.files(), &[short], intact(12, 7));
    let none = Answer::SelfConsistentOnly { size: 12 };
    corpus.add("valid-unanchored", log.files(), &[], none);
    corpus.add("anchored-at-nothing", log.files(), &[anchor(&log, 0)], none);
    corpus.add(
        "valid-epochs",
        keys.files(),
        &[anchor(&keys, 10)],
        intact(12, 10),
    );
    corpus.add("valid-approved", receipts.files(), &[], intact(12, 9));
    corpus.approver();
    corpus.add("valid-approver-unknown", receipts.files(), &[], none);
    corpus.add(
        "pruned-seam",
        seams.files(),
        &[anchor(&seams, 12)],
        intact(12, 12),
    );
    corpus.add("pruned-seam-approved", seams.files(), &[], intact(12, 11));
    corpus.approver();
    let mut empty = Log::new(LOG_ID);
    corpus.add(
        "valid-empty",
        empty.files(),
        &[anchor(&empty, 0)],
        intact(0, 0),
    );
    empty.append(format!(r#"{{"a":{}1{}}}"#, "[".repeat(127), "]".repeat(127)).as_bytes());
    empty.append(br#"{ "b":1.50e+3,"a":"\ud800 \u00e9 [[[ \\\"","a":[ ] }"#);
    corpus.add(
        "valid-odd-payloads",
        empty.files(),
        &[anchor(&empty, 2)],
        intact(2, 2),
    );
    let alone = Files::from([("log.jsonl", log.files()["log.jsonl"].clone())]);
    let nothing = Files::from([("log.jsonl", Vec::new())]);
    let at_nothing = anchor(&log, 0);
    corpus.add(
        "leaves-alone-and-none-of-them",
        nothing,
        &[at_nothing],
        Answer::SelfConsistentOnly { size: 0 },
    );
    corpus.add("leaves-alone", alone, &[anchor(&log, 5)], intact(12, 5));
}

/// The end is missing: with everything that was signed about it, as whoever can write the files would.
fn cut(corpus: &mut Corpus) {
    let shorten = |log: &mut Log, size: u64| {
        log.leaves.retain(|leaf| leaf.seq <= size);
        log.checkpoints.retain(|checkpoint| checkpoint.size <= size);
        log.handovers.retain(|handover| handover.at_size <= size);
    };
    let empty = |log: &mut Log| shorten(log, 0);
    corpus.changed("cut-tail", &plain(), 6, |log| shorten(log, 6));
    corpus.changed("emptied", &plain(), 0, empty);
    corpus.changed("cut-tail-below-a-checkpoint", &plain(), 8, |log| {
        log.leaves.truncate(8);
    });
    corpus.changed("cut-tail-beside-a-receipt", &approved(), 6, |log| {
        shorten(log, 6)
    });
    corpus.0.last_mut().expect("added").case.anchors.clear();
    corpus.changed("emptied-beside-a-receipt", &approved(), 0, empty);
    corpus.0.last_mut().expect("added").case.anchors.clear();
    // What no verifier can show, and none may call verified.
    let (log, mut less) = (plain(), plain());
    shorten(&mut less, 6);
    let only = |size| Answer::SelfConsistentOnly { size };
    corpus.add("cut-tail-unanchored", less.files(), &[], only(6));
    let known = Answer::Intact {
        size: 6,
        anchored_at: 3,
    };
    corpus.add(
        "cut-tail-after-the-anchor",
        less.files(),
        &[anchor(&log, 3)],
        known,
    );
    empty(&mut less);
    corpus.add("emptied-unanchored", less.files(), &[], only(0));
    let (mut files, manifest) = (less.files(), log.files()["manifest.json"].clone());
    files.insert("manifest.json", manifest);
    corpus.add(
        "emptied-with-its-manifest",
        files,
        &[],
        Answer::Tampered { size: 0 },
    );
}

fn leaves(corpus: &mut Corpus) {
    corpus.changed("edited-leaf", &plain(), 4, |log| {
        log.leaves[4].payload = br#"{"event_id":"5","type":"call_failed"}"#.to_vec();
    });
    corpus.changed("edited-leaf-hashed", &plain(), 5, |log| {
        let (seq, prev) = (log.leaves[4].seq, log.leaves[4].prev);
        let payload = br#"{"event_id":"5","type":"call_failed"}"#.to_vec();
        log.leaves[4] = super::writer::Leaf::new(seq, prev, payload);
    });
    corpus.changed("rewritten", &plain(), 12, |log| {
        log.leaves[4].payload = br#"{"event_id":"5","type":"call_failed"}"#.to_vec();
        log.rehash();
    });
    // By whoever holds the key: only an anchor shows it.
    corpus.changed("rewritten-and-signed", &plain(), 12, |log| {
        log.leaves[10].payload = b"{}".to_vec();
        log.rehash();
        log.checkpoints.pop();
        log.checkpoint();
    });
    corpus.changed("forked", &plain(), 6, |log| {
        let prev = log.leaves[5].prev;
        let twin = super::writer::Leaf::new(6, prev, b"{\"twin\":true}".to_vec());
        log.leaves.insert(6, twin);
    });
    corpus.changed("reordered", &plain(), 4, |log| log.leaves.swap(4, 7));
    corpus.changed("middle-deleted", &plain(), 4, |log| {
        log.leaves.drain(4..6);
    });
    corpus.changed("middle-deleted-and-numbered", &plain(), 10, |log| {
        log.leaves.drain(4..6);
        log.rehash();
    });
    corpus.changed("doubled", &plain(), 5, |log| {
        log.leaves.insert(5, log.leaves[4].clone());
    });
    corpus.changed("inserted", &plain(), 13, |log| {
        log.leaves.insert(5, log.leaves[4].clone());
        log.rehash();
    });
    corpus.changed("gap", &plain(), 6, |log| {
        for (leaf, seq) in log.leaves.iter_mut().skip(6).zip(8..) {
            leaf.seq = seq;
        }
    });
    corpus.changed("begins-late", &plain(), 0, |log| {
        log.leaves.remove(0);
    });
    corpus.changed("wrong-log-id", &plain(), 0, |log| {
        "hsk.local/another".clone_into(&mut log.log_id);
    });
    corpus.changed("spliced", &plain(), 8, |log| {
        let mut other = Log::new("hsk.local/another");
        other.grow(12);
        log.leaves.truncate(8);
        log.leaves.extend_from_slice(&other.leaves[8..]);
    });
    corpus.changed("deep-payload", &plain(), 11, |log| {
        let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(128), "]".repeat(128));
        log.leaves[11].payload = deep.into_bytes();
        log.rehash();
    });
}
