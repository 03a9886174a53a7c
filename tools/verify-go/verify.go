package main

import (
	"encoding/hex"
	"math"
	"sort"
	"strings"
)

type anchor struct {
	size   uint64
	digits string
}

type trust struct {
	roots, approvers []publicKey
	anchors          []anchor
}

func anchorOf(text string) (a anchor, ok bool) {
	size, digits, found := strings.Cut(text, ":")
	value, good := number(size)
	good = good && found && len(digits) >= 12 && len(digits) <= 64
	return anchor{value, digits}, good && strings.Trim(digits, "0123456789abcdef") == ""
}

// verdict is the outcome, as JSON.
type verdict struct {
	Verdict          string  `json:"verdict"`
	Root             *string `json:"root"`
	LogID            *string `json:"log_id"`
	Size             uint64  `json:"size"`
	Pruned           uint64  `json:"pruned,omitempty"`
	Head             *string `json:"head"`
	AnchoredAt       *uint64 `json:"anchored_at"`
	AnchoredBy       *string `json:"anchored_by"`
	AnchorBits       *int    `json:"anchor_bits"`
	CheckpointedSize *uint64 `json:"checkpointed_size"`
	Unanchored       uint64  `json:"unanchored"`
	EpochKeys        int     `json:"epoch_keys"`
}

func (v verdict) exitCode() int {
	return map[string]int{"intact": 0, "self_consistent_only": 4}[v.Verdict] + map[string]int{"tampered": 5}[v.Verdict]
}

type witness struct {
	size       uint64
	digits     string
	isAnchor   bool
	outside    bool
	checkpoint bool
}

type epoch struct {
	key      publicKey
	from, to uint64
}

type verifier struct {
	logID     string
	idKnown   bool
	epochs    map[keyID]*epoch
	witnesses []witness
	faults    int
	pruned    uint64
	head      hash
	headKnown bool
}

func (v *verifier) fault() { v.faults++ }

func (v *verifier) hear(size uint64, head hash, w witness) {
	w.size, w.digits = size, hex.EncodeToString(head[:])
	v.witnesses = append(v.witnesses, w)
}

// counts says whether the key of this id signed, and counts at this size.
func (v *verifier) counts(id keyID, size uint64, signed []byte, signature [64]byte) bool {
	found := v.epochs[id]
	return found != nil && found.from <= size && size <= found.to && found.key.verifies(signed, signature)
}

func (v *verifier) takeHandovers(roots []publicKey, all []handover) {
	for _, root := range roots {
		if len(all) == 0 || all[0].from == root {
			v.epochs[root.id()] = &epoch{root, 0, math.MaxUint64}
		}
	}
	before := uint64(0)
	for n, h := range all {
		follows := len(v.epochs) > 0
		if n > 0 {
			follows = all[n-1].to == h.from
		}
		ours := v.idKnown && h.logID == v.logID && h.epoch == uint64(n)+1
		if !follows || !ours || v.epochs[h.to.id()] != nil || h.atSize < before || !h.from.verifies(h.signed(), h.signature) {
			v.fault()
			return
		}
		v.epochs[h.from.id()].to = h.atSize
		before = h.atSize
		v.epochs[h.to.id()] = &epoch{h.to, before, math.MaxUint64}
	}
	for _, h := range all {
		v.hear(h.atSize, h.atHead, witness{})
	}
}

func (v *verifier) takeCheckpoints(all []checkpoint) {
	size, prev := uint64(0), genesis(v.logID)
	for _, c := range all {
		if !v.counts(c.keyID, c.size, c.signed(), c.signature) || !v.idKnown || c.logID != v.logID || c.prev != prev || c.size < size {
			v.fault()
			return
		}
		size, prev = c.size, c.sum()
		v.hear(c.size, c.head, witness{checkpoint: true})
	}
}

func (v *verifier) takeSeams(all []seam) {
	size, atSize, prev := uint64(0), uint64(0), genesis(v.logID)
	for _, s := range all {
		good := v.counts(s.keyID, s.atSize, s.signed(), s.signature) && v.idKnown && s.logID == v.logID && s.prev == prev
		if !good || size == math.MaxUint64 || s.first != size+1 || s.size < s.first || s.atSize < s.size || s.atSize < atSize {
			v.fault()
			return
		}
		size, atSize, prev = s.size, s.atSize, s.sum()
		v.hear(s.size, s.head, witness{})
		v.hear(s.atSize, s.atHead, witness{})
		v.pruned, v.head, v.headKnown = s.size, s.head, true
	}
}

func (v *verifier) takeReceipts(approvers []publicKey, all []receipt) {
	for _, r := range all {
		signed := false
		for _, key := range approvers {
			signed = signed || key.verifies(r.signed(), r.signature)
		}
		if len(approvers) > 0 && !signed {
			v.fault()
			continue
		}
		if r.named {
			v.hear(r.size, r.head, witness{outside: signed})
		}
	}
}

// comparePruned holds what is said about pruned leaves against each other.
func (v *verifier) comparePruned() {
	said := map[uint64]string{}
	for _, w := range v.witnesses {
		if w.size < v.pruned && !w.isAnchor {
			if known, ok := said[w.size]; ok && known != w.digits {
				v.fault()
			}
			said[w.size] = w.digits
		}
	}
	for _, w := range v.witnesses {
		if known, ok := said[w.size]; ok && w.isAnchor && w.size < v.pruned && !strings.HasPrefix(known, w.digits) {
			v.fault()
		}
	}
}

// export is the files by their names. A file that is not there is not in it.
type export map[string][]byte

func verify(files export, known trust) (verdict, error) {
	_, log := files["log.jsonl"]
	whole := !log || len(files) > 1
	for _, name := range []string{"manifest.json", "log.jsonl", "checkpoints.jsonl", "handovers.jsonl"} {
		if _, there := files[name]; whole && !there {
			return verdict{}, errUnreadable
		}
	}
	v := &verifier{epochs: map[keyID]*epoch{}}
	var m *manifest
	var counts [4]uint64
	var firstSigner *keyID
	recordsGood := true
	var handovers []handover
	if whole {
		var err error
		if m, err = manifestOf(files["manifest.json"]); err != nil {
			return verdict{}, err
		}
		var bad [4]bool
		var checkpoints []checkpoint
		var seams []seam
		var receipts []receipt
		if handovers, bad[0], err = records(files["handovers.jsonl"], readHandover); err != nil {
			return verdict{}, err
		}
		if checkpoints, bad[1], err = records(files["checkpoints.jsonl"], readCheckpoint); err != nil {
			return verdict{}, err
		}
		if seams, bad[2], err = records(files["seams.jsonl"], readSeam); err != nil {
			return verdict{}, err
		}
		if receipts, bad[3], err = records(files["receipts.jsonl"], readReceipt); err != nil {
			return verdict{}, err
		}
		counts = [4]uint64{uint64(len(handovers)), uint64(len(checkpoints)), uint64(len(seams)), uint64(len(receipts))}
		for _, one := range bad {
			if one {
				recordsGood = false
				v.fault()
			}
		}
		switch {
		case m != nil:
			v.logID, v.idKnown = m.logID, true
		case len(checkpoints) > 0:
			v.logID, v.idKnown = checkpoints[0].logID, true
		}
		if m == nil {
			v.fault()
		}
		if v.idKnown {
			v.head, v.headKnown = genesis(v.logID), true
		}
		if len(checkpoints) > 0 {
			firstSigner = &checkpoints[0].keyID
		}
		v.takeHandovers(known.roots, handovers)
		v.takeCheckpoints(checkpoints)
		v.takeSeams(seams)
		v.takeReceipts(known.approvers, receipts)
	} else {
		v.takeHandovers(known.roots, nil)
	}
	for _, a := range known.anchors {
		v.witnesses = append(v.witnesses, witness{size: a.size, digits: a.digits, isAnchor: true, outside: true})
	}
	v.comparePruned()
	sort.SliceStable(v.witnesses, func(i, j int) bool { return v.witnesses[i].size < v.witnesses[j].size })

	size, unbroken := v.pruned, true
	var found verdict
	at := sort.Search(len(v.witnesses), func(i int) bool { return v.witnesses[i].size >= v.pruned })
	meet := func() {
		for ; at < len(v.witnesses) && v.witnesses[at].size == size; at++ {
			w := v.witnesses[at]
			if !v.headKnown {
				continue
			}
			if !strings.HasPrefix(hex.EncodeToString(v.head[:]), w.digits) {
				v.fault()
				continue
			}
			if w.checkpoint {
				found.CheckpointedSize = ptr(size)
			}
			if w.outside {
				found.anchor(w)
			}
		}
	}
	meet()
	lines(files["log.jsonl"], func(text []byte) bool {
		var f leaf
		good := text != nil
		if good {
			f, good = readLeaf(&line{rest: text})
		}
		if !good || size == math.MaxUint64 || f.seq != size+1 || v.headKnown && f.prev != v.head || f.sum() != f.hash {
			unbroken = false
			v.fault()
			return false
		}
		size, v.head, v.headKnown = f.seq, f.hash, true
		meet()
		return true
	})
	if unbroken && at < len(v.witnesses) {
		v.fault()
	}
	if m != nil && recordsGood && counts != [4]uint64{m.handovers, m.checkpoints, m.seams, m.receipts} {
		v.fault()
	}
	if m != nil && unbroken && (m.size != size || m.head != v.head) {
		v.fault()
	}

	found.Size, found.Pruned, found.EpochKeys = size, v.pruned, len(v.epochs)
	found.Unanchored = size
	if found.AnchoredAt != nil {
		found.Unanchored = size - *found.AnchoredAt
	}
	if v.idKnown {
		found.LogID = &v.logID
	}
	if v.headKnown {
		found.Head = ptr(hex.EncodeToString(v.head[:]))
	}
	for _, root := range known.roots {
		mine := len(handovers) > 0 && handovers[0].from == root
		mine = mine || len(handovers) == 0 && (len(known.roots) == 1 || firstSigner != nil && *firstSigner == root.id())
		if mine {
			found.Root = ptr(hex.EncodeToString(root[:]))
			break
		}
	}
	switch {
	case v.faults > 0:
		found.Verdict = "tampered"
	case found.AnchoredAt != nil && (*found.AnchoredAt > 0 || size == 0):
		found.Verdict = "intact"
	default:
		found.Verdict = "self_consistent_only"
	}
	return found, nil
}

// anchor notes an outside witness that agreed. Sizes only grow.
func (v *verdict) anchor(w witness) {
	bits, by := 4*len(w.digits), "receipt"
	if w.isAnchor {
		by = "anchor"
	}
	if v.AnchoredAt != nil && *v.AnchoredAt == w.size {
		if bits < *v.AnchorBits || bits == *v.AnchorBits && by == "receipt" {
			return
		}
	}
	v.AnchoredAt, v.AnchoredBy, v.AnchorBits = ptr(w.size), ptr(by), ptr(bits)
}

func ptr[T any](value T) *T { return &value }
