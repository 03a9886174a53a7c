package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
)

type (
	publicKey [32]byte
	keyID     [8]byte
)

// What a point of small order looks like, without its sign bit.
var smallOrder = func() (all [7][32]byte) {
	for i, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		if _, err := hex.Decode(all[i][:], []byte(text)); err != nil {
			panic(err)
		}
	}
	return all
}()

func isSmallOrder(encoding [32]byte) bool {
	encoding[31] &= 0x7f
	for _, small := range smallOrder {
		if encoding == small {
			return true
		}
	}
	return false
}

var (
	one   = big.NewInt(1)
	prime = new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	curve = func() *big.Int {
		inverse := new(big.Int).ModInverse(big.NewInt(121666), prime)
		d := new(big.Int).Mul(big.NewInt(-121665), inverse)
		return d.Mod(d, prime)
	}()
)

// usable says whether these are the bytes of a point of the curve that is not of small order.
func (k publicKey) usable() bool {
	if isSmallOrder(k) {
		return false
	}
	k[31] &= 0x7f
	for i, j := 0, len(k)-1; i < j; i, j = i+1, j-1 {
		k[i], k[j] = k[j], k[i]
	}
	y := new(big.Int).SetBytes(k[:])
	square := y.Mul(y, y)
	square.Mod(square, prime)
	above := new(big.Int).Sub(square, one)
	below := new(big.Int).Mul(curve, square)
	below.Add(below, one).Mod(below, prime)
	// x² = above / below; `below` is never 0, as -1/d is no square.
	x := above.Mul(above, below.ModInverse(below, prime))
	x.Mod(x, prime)
	return big.Jacobi(x, prime) >= 0
}

func (k publicKey) id() (id keyID) {
	sum := sha256.Sum256(append([]byte("hsk.key.v1\x00"), k[:]...))
	copy(id[:], sum[:8])
	return id
}

func (k publicKey) verifies(signed []byte, signature [64]byte) bool {
	if isSmallOrder(k) || isSmallOrder([32]byte(signature[:32])) {
		return false
	}
	return ed25519.Verify(k[:], signed, signature[:])
}

func keyOf(text string) (key publicKey, ok bool) {
	return key, unhex(text, key[:]) && key.usable()
}

// message joins what is signed or hashed.
type message struct{ bytes.Buffer }

func begin(domain string) *message {
	m := new(message)
	m.WriteString(domain)
	m.WriteByte(0)
	return m
}

func (m *message) u32(n int) *message {
	m.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	return m
}

func (m *message) u64(n uint64) *message {
	m.u32(int(n >> 32)).u32(int(n & 0xffffffff))
	return m
}

func (m *message) raw(b []byte) *message {
	m.Write(b)
	return m
}

// text is framed by its length.
func (m *message) text(b []byte) *message {
	return m.u32(len(b)).raw(b)
}

func (m *message) sum() hash { return sha256.Sum256(m.Bytes()) }

func genesis(logID string) hash {
	return begin("hsk.log.v1").text([]byte(logID)).sum()
}

func (f leaf) sum() hash {
	m := new(message)
	m.WriteByte(0)
	m.WriteString("hsk.leaf.v1\x00")
	return m.u64(f.seq).raw(f.prev[:]).text(f.payload).sum()
}

func (c checkpoint) signed() []byte {
	m := begin("hsk.checkpoint.v1").text([]byte(c.logID)).u64(c.size).raw(c.head[:])
	return m.text([]byte(c.time)).raw(c.keyID[:]).raw(c.prev[:]).Bytes()
}

func (c checkpoint) sum() hash {
	return begin("hsk.checkpoint_hash.v1").text(c.signed()).raw(c.signature[:]).sum()
}

func (h handover) signed() []byte {
	m := begin("hsk.epoch_handover.v1").text([]byte(h.logID)).u64(h.epoch).raw(h.from[:]).raw(h.to[:])
	return m.u64(h.atSize).raw(h.atHead[:]).Bytes()
}

func (s seam) signed() []byte {
	m := begin("hsk.log_seam.v1").text([]byte(s.logID)).u64(s.first).u64(s.size).raw(s.head[:])
	m.u64(s.atSize).raw(s.atHead[:]).text([]byte(s.time))
	return m.raw(s.keyID[:]).raw(s.prev[:]).Bytes()
}

func (s seam) sum() hash {
	return begin("hsk.log_seam_hash.v1").text(s.signed()).raw(s.signature[:]).sum()
}

func (r receipt) signed() []byte {
	return begin("hsk.consent_receipt.v1").raw(r.payload).Bytes()
}
