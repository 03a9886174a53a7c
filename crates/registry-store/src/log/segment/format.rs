//! The bytes of a segment: which leaves it holds, then their payloads, compressed. Hashes are not stored; they
//! follow from the first predecessor and the payloads, and the last one is compared.

use std::io::{Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use handshake_flight_recorder::{Leaf, LogHash, LogHead, MAX_PAYLOAD, advance};

const MAGIC: &[u8] = b"hsk.log_segment.v1\n";
/// Magic, first and last leaf, the predecessor's hash, the last hash.
const HEADER: usize = MAGIC.len() + 8 + 8 + 32 + 32;

/// Bytes that are not the segment they should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Damaged;

/// Which leaves a segment holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Range {
    /// The head before its first leaf.
    pub(super) before: LogHead,
    /// The head after its last leaf.
    pub(super) after: LogHead,
}

impl Range {
    fn header(&self) -> Vec<u8> {
        [
            MAGIC,
            &(self.before.size.saturating_add(1)).to_be_bytes(),
            &self.after.size.to_be_bytes(),
            self.before.hash.as_bytes(),
            self.after.hash.as_bytes(),
        ]
        .concat()
    }
}

/// Packs leaves as they come.
pub(super) struct Packer {
    before: LogHead,
    head: LogHead,
    packed: DeflateEncoder<Vec<u8>>,
}

impl Packer {
    pub(super) fn new(before: LogHead) -> Self {
        // Room for the header, which is known at the end.
        let room = vec![0; HEADER];
        Self {
            before,
            head: before,
            packed: DeflateEncoder::new(room, Compression::fast()),
        }
    }

    /// Takes the next leaf. One that does not hold is not packed: its stored hash is the evidence, and a segment
    /// would forget it.
    pub(super) fn leaf(&mut self, leaf: &Leaf) -> Result<(), Damaged> {
        let next = advance(&self.head, &leaf.payload).map_err(|_| Damaged)?;
        if (leaf.seq, leaf.prev, leaf.hash) != (next.size, self.head.hash, next.hash) {
            return Err(Damaged);
        }
        let length = u32::try_from(leaf.payload.len()).map_err(|_| Damaged)?;
        // Into memory.
        self.packed
            .write_all(&length.to_be_bytes())
            .and_then(|()| self.packed.write_all(&leaf.payload))
            .map_err(|_| Damaged)?;
        self.head = next;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(Range, Vec<u8>), Damaged> {
        let range = Range {
            before: self.before,
            after: self.head,
        };
        let mut bytes = self.packed.finish().map_err(|_| Damaged)?;
        bytes[..HEADER].copy_from_slice(&range.header());
        Ok((range, bytes))
    }
}

/// Unpacks a segment of exactly this range. Leaves come before the end of the file is known to be sound: whoever
/// takes them checks the answer too.
pub(super) fn unpack(
    bytes: &[u8],
    range: &Range,
    mut take: impl FnMut(&Leaf),
) -> Result<(), Damaged> {
    let packed = bytes.strip_prefix(&range.header()[..]).ok_or(Damaged)?;
    let mut unpacked = DeflateDecoder::new(packed);
    let mut prev: LogHash = range.before.hash;
    for seq in range.before.size + 1..=range.after.size {
        let mut length = [0; 4];
        unpacked.read_exact(&mut length).map_err(|_| Damaged)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| Damaged)?;
        if length > MAX_PAYLOAD {
            return Err(Damaged);
        }
        let mut payload = vec![0; length];
        unpacked.read_exact(&mut payload).map_err(|_| Damaged)?;
        let head = LogHead {
            size: seq - 1,
            hash: prev,
        };
        let next = advance(&head, &payload).map_err(|_| Damaged)?;
        take(&Leaf {
            seq,
            prev,
            hash: next.hash,
            payload,
        });
        prev = next.hash;
    }
    let ended = unpacked.read(&mut [0]).map_err(|_| Damaged)? == 0;
    if ended && unpacked.total_in() == packed.len() as u64 && prev == range.after.hash {
        Ok(())
    } else {
        Err(Damaged)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: usize, salt: &str) -> (LogHead, Vec<Leaf>) {
        let mut head = LogHead::genesis(&"hsk.local/t".parse().expect("id"));
        let before = head;
        let leaf = |n| {
            let payload = format!(r#"{{"n":{n},"salt":"{salt}"}}"#);
            let (leaf, next) =
                handshake_flight_recorder::append(&head, payload.into_bytes()).expect("appends");
            head = next;
            leaf
        };
        (before, (0..count).map(leaf).collect())
    }

    fn packed(before: LogHead, leaves: &[Leaf]) -> (Range, Vec<u8>) {
        let mut packer = Packer::new(before);
        for leaf in leaves {
            packer.leaf(leaf).expect("holds");
        }
        packer.finish().expect("packs")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn p9_a_segment_gives_back_every_byte(count in 1_usize..40, salt in "[a-zA-Z0-9 é€]{0,40}") {
            let (before, leaves) = leaves(count, &salt);
            let (range, bytes) = packed(before, &leaves);
            let mut back = Vec::new();
            unpack(&bytes, &range, |leaf| back.push(leaf.clone())).expect("sound");
            prop_assert_eq!(back, leaves);
        }

        #[test]
        fn p9_no_altered_byte_of_a_segment_passes(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let (before, leaves) = leaves(20, "salt");
            let (range, mut bytes) = packed(before, &leaves);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let mut back = Vec::new();
            let read = unpack(&bytes, &range, |leaf| back.push(leaf.clone()));
            // A bit that the compression does not use changes nothing that was logged; the file's own hash, which
            // is compared first, shows it.
            prop_assert!(read.is_err() || back == leaves);
        }
    }

    #[test]
    fn p9_a_leaf_that_does_not_hold_is_not_packed() {
        let (before, mut leaves) = leaves(3, "salt");
        leaves[1].payload = br#"{"n":9}"#.to_vec();
        let mut packer = Packer::new(before);
        packer.leaf(&leaves[0]).expect("holds");
        assert_eq!(packer.leaf(&leaves[1]), Err(Damaged));
        assert_eq!(packer.leaf(&leaves[2]), Err(Damaged), "out of order");
    }

    #[test]
    fn p9_a_cut_or_lengthened_segment_is_damaged() {
        let (before, leaves) = leaves(3, "salt");
        let (range, bytes) = packed(before, &leaves);
        for cut in [0, 10, HEADER, bytes.len() - 1] {
            assert_eq!(unpack(&bytes[..cut], &range, |_| {}), Err(Damaged), "{cut}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert_eq!(unpack(&longer, &range, |_| {}), Err(Damaged));
    }
}
