//! Cases about what is kept beside the leaves, about spelling, and about what is missing.

use super::{
    super::writer::{Log, hex, key, public},
    Answer, Corpus, approved, epochs, plain, pruned,
};

pub(super) fn signed(corpus: &mut Corpus) {
    use ed25519_dalek::Signer as _;
    corpus.changed("foreign-key", &plain(), 12, |log| {
        log.checkpoints.pop();
        log.signer = 9;
        log.checkpoint();
    });
    corpus.add(
        "foreign-root",
        plain().files(),
        &[],
        Answer::Tampered { size: 12 },
    );
    corpus.0.last_mut().expect("added").case.roots = vec![hex(&public(9))];
    corpus.changed("replayed-checkpoint", &plain(), 12, |log| {
        let old = log.checkpoints[1].clone();
        log.checkpoints.push(old);
    });
    corpus.changed("edited-checkpoint", &plain(), 12, |log| {
        log.checkpoints[3].size = 11
    });
    corpus.changed("skipped-checkpoint", &plain(), 12, |log| {
        log.checkpoints.remove(1);
    });
    corpus.changed("checkpoint-that-lies", &plain(), 12, |log| {
        let mut made = log.checkpoints.pop().expect("there");
        made.head = [7; 32];
        made.signature = key(1).sign(&made.signed()).to_bytes();
        log.checkpoints.push(made);
    });
    corpus.changed("checkpoint-of-another-log", &plain(), 12, |log| {
        let mut made = log.checkpoints.pop().expect("there");
        "hsk.local/another".clone_into(&mut made.log_id);
        made.signature = key(1).sign(&made.signed()).to_bytes();
        log.checkpoints.push(made);
    });
    corpus.changed("checkpoint-of-the-largest-size", &plain(), 12, |log| {
        let mut made = log.checkpoints.pop().expect("there");
        made.size = u64::MAX;
        made.signature = key(1).sign(&made.signed()).to_bytes();
        log.checkpoints.push(made);
    });
    // S + L verifies the same equation; the strict rules refuse it.
    corpus.changed("malleable-signature", &plain(), 12, |log| {
        add_order(&mut log.checkpoints[3].signature);
    });
    // S = H(R, A, M)·a for R of order 1: the equation holds, and the strict rules refuse it.
    corpus.changed("signature-of-small-order", &plain(), 12, |log| {
        let made = &mut log.checkpoints[3].signature;
        *made = [0; 64];
        made[0] = 1;
        made[32..].copy_from_slice(&SMALL_ORDER_S);
    });
    corpus.changed("checkpoint-that-shrinks", &plain(), 12, |log| {
        let mut made = log.checkpoints[0].clone();
        made.prev = log.checkpoints[3].hash();
        made.signature = key(1).sign(&made.signed()).to_bytes();
        log.checkpoints.push(made);
    });
    let none = Answer::SelfConsistentOnly { size: 12 };
    let mut unsigned = plain();
    unsigned.checkpoints.clear();
    corpus.add("checkpoints-removed", unsigned.files(), &[], none);
    corpus.changed("late-key", &epochs(), 12, |log| {
        log.checkpoints.pop();
        log.signer = 1;
        log.checkpoint();
    });
    corpus.changed("early-key", &epochs(), 12, |log| {
        log.checkpoints.truncate(1);
        let mut made = log.checkpoints[0].clone();
        made.key = public(2);
        made.signature = key(2).sign(&made.signed()).to_bytes();
        log.checkpoints[0] = made;
    });
    corpus.changed("handover-to-an-earlier-key", &epochs(), 12, |log| {
        log.hand_over();
        let mut made = log.handovers.pop().expect("there");
        made.to = public(1);
        made.signature = key(3).sign(&made.signed()).to_bytes();
        log.handovers.push(made);
    });
    corpus.changed("handover-that-goes-back", &epochs(), 12, |log| {
        log.hand_over();
        let mut made = log.handovers.pop().expect("there");
        (made.at_size, made.at_head) = (6, log.head(6));
        made.signature = key(3).sign(&made.signed()).to_bytes();
        log.handovers.push(made);
    });
    corpus.changed("forged-handover", &epochs(), 12, |log| {
        log.handovers[1].to = public(9);
    });
    corpus.changed("handover-removed", &epochs(), 12, |log| {
        log.handovers.remove(0);
    });
    corpus.changed("handovers-reordered", &epochs(), 12, |log| {
        log.handovers.swap(0, 1)
    });
    corpus.changed("handover-to-a-weak-key", &epochs(), 12, |log| {
        log.checkpoints.pop();
        log.hand_over();
        let mut made = log.handovers.pop().expect("there");
        made.to = [0; 32];
        made.to[0] = 1;
        made.signature = key(3).sign(&made.signed()).to_bytes();
        log.handovers.push(made);
    });
}

/// Of the last checkpoint of the plain log, under its key.
const SMALL_ORDER_S: [u8; 32] = [
    0x6d, 0xaf, 0x77, 0x1e, 0x70, 0x7c, 0xa3, 0x08, 0x3d, 0xf1, 0x75, 0x2a, 0xbf, 0x94, 0xb6, 0xd0,
    0xc3, 0xb8, 0x45, 0x28, 0x29, 0xbc, 0x6a, 0x47, 0xbb, 0x9b, 0x68, 0x56, 0xb5, 0xbf, 0x3e, 0x09,
];

/// Adds the group's order to the second half of a signature.
fn add_order(signature: &mut [u8; 64]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0_u16;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
}

pub(super) fn seams(corpus: &mut Corpus) {
    use ed25519_dalek::Signer as _;
    let log = pruned;
    corpus.changed("forged-seam", &log(), 4, |log| {
        let mut made = log.seams.pop().expect("there");
        made.key = public(9);
        made.signature = key(9).sign(&made.signed()).to_bytes();
        log.seams.push(made);
    });
    corpus.changed("seam-removed", &log(), 4, |log| {
        log.seams.pop();
    });
    corpus.changed("first-seam-removed", &log(), 0, |log| {
        log.seams.remove(0);
    });
    corpus.changed("edited-seam", &log(), 4, |log| log.seams[1].size = 8);
    corpus.changed("seam-that-skips", &log(), 4, |log| {
        log.seams[1].first = 6;
        log.seams[1].signature = key(2).sign(&log.seams[1].signed()).to_bytes();
    });
    corpus.changed("seam-of-an-earlier-time", &log(), 4, |log| {
        // Signed at 5, when the first one had been signed at 6 already.
        let mut made = log.seams.pop().expect("there");
        (made.size, made.head, made.at_size) = (5, log.leaves[0].prev, 5);
        made.signature = key(2).sign(&made.signed()).to_bytes();
        log.seams.push(made);
    });
    corpus.changed("seam-over-another-log", &log(), 7, |log| {
        let mut made = log.seams.pop().expect("there");
        made.head = [9; 32];
        made.signature = key(2).sign(&made.signed()).to_bytes();
        log.seams.push(made);
    });
    corpus.changed("seam-of-the-largest-size", &log(), u64::MAX, |log| {
        let mut made = log.seams.pop().expect("there");
        (made.size, made.at_size) = (u64::MAX, u64::MAX);
        made.signature = key(2).sign(&made.signed()).to_bytes();
        log.seams.push(made);
    });
    corpus.changed("leaves-missing-after-a-seam", &log(), 7, |log| {
        log.leaves.remove(0);
    });
    let sound = log();
    let behind = format!("3:{}", "ab".repeat(32));
    let tampered = Answer::Tampered { size: 12 };
    corpus.add(
        "anchor-against-what-was-pruned",
        sound.files(),
        &[behind],
        tampered,
    );
}

pub(super) fn receipts(corpus: &mut Corpus) {
    let log = approved;
    corpus.changed("forged-receipt", &log(), 12, |log| {
        log.receipts[1].signature = [3; 64];
    });
    corpus.approver();
    corpus.changed("edited-receipt", &log(), 12, |log| {
        let text = String::from_utf8(log.receipts[0].payload.clone()).expect("text");
        log.receipts[0].payload = text.replace("true", "false").into_bytes();
    });
    corpus.approver();
    corpus.changed("receipt-of-another-log", &log(), 12, |log| {
        let mut other = Log::new("hsk.local/another");
        other.grow(4);
        other.approve();
        log.receipts.append(&mut other.receipts);
    });
    corpus.changed("receipt-that-names-more", &log(), 12, |log| {
        let payload = br#"{"recorder_checkpoint":null }"#;
        log.approve_as(payload.to_vec());
    });
    corpus.approver();
    corpus.changed("receipt-that-names-two-heads", &log(), 12, |log| {
        let twice = br#"{"recorder_checkpoint":null,"ext":{"recorder_checkpoint":null}}"#;
        log.approve_as(twice.to_vec());
    });
    corpus.approver();
    let mut files = log().files();
    files.remove("receipts.jsonl");
    corpus.add(
        "receipts-removed",
        files,
        &[],
        Answer::Tampered { size: 12 },
    );
}

pub(super) fn spelling(corpus: &mut Corpus) {
    let log = "log.jsonl";
    corpus.text("upper-case-hash", log, 0, |text| {
        let at = text.find("\"hash\":\"").expect("there") + 8;
        let (before, after) = text.split_at(at);
        format!("{before}{}{}", after[..64].to_uppercase(), &after[64..])
    });
    corpus.text("spaced", log, 0, |text| {
        text.replacen(",\"prev\"", ", \"prev\"", 1)
    });
    corpus.text("leading-zero", log, 0, |text| {
        text.replacen("\"seq\":1", "\"seq\":01", 1)
    });
    corpus.text("crlf", log, 0, |text| text.replace('\n', "\r\n"));
    corpus.text("no-line-end", log, 11, |text| text.trim_end().to_owned());
    corpus.text("empty-line", log, 12, |text| format!("{text}\n"));
    corpus.text("byte-order-mark", log, 0, |text| format!("\u{feff}{text}"));
    corpus.text("no-json", log, 11, |text| {
        let at = text.rfind("\"event\":").expect("there") + 8;
        format!("{}{{'a':1}}}}\n", &text[..at])
    });
    corpus.text("manifest-edited", "manifest.json", 12, |text| {
        text.replacen("\"size\":12", "\"size\":11", 1)
    });
    corpus.text("manifest-head-edited", "manifest.json", 12, |text| {
        let at = text.find("\"head\":\"").expect("there") + 8;
        format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..])
    });
    corpus.text(
        "manifest-that-counts-nothing",
        "manifest.json",
        12,
        |text| text.replacen("}", ",\"seams\":0}", 1),
    );
    corpus.text("manifest-twice", "manifest.json", 12, |text| {
        format!("{text}{text}")
    });
    corpus.text("manifest-of-another-form", "manifest.json", 12, |text| {
        text.replacen("@0.1", "@0.2", 1)
    });
    corpus.text("checkpoint-spaced", "checkpoints.jsonl", 12, |text| {
        text.replacen(",\"head\"", " ,\"head\"", 1)
    });
    corpus.text("checkpoint-at-no-time", "checkpoints.jsonl", 12, |text| {
        text.replacen("2026-11-29T", "2026-11-29 ", 1)
    });
}

pub(super) fn nothing(corpus: &mut Corpus) {
    let none = Answer::NoVerdict;
    let mut files = plain().files();
    let text = String::from_utf8(files["manifest.json"].clone()).expect("text");
    files.insert(
        "manifest.json",
        text.replacen("@0.1", "@1.0", 1).into_bytes(),
    );
    corpus.add("unknown-version", files, &[], none);
    for (name, file) in [
        ("manifest-missing", "manifest.json"),
        ("log-missing", "log.jsonl"),
        ("checkpoints-missing", "checkpoints.jsonl"),
        ("handovers-missing", "handovers.jsonl"),
    ] {
        let mut files = plain().files();
        files.remove(file);
        corpus.add(name, files, &[], none);
    }
}
