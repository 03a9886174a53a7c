package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxLine    = 1 << 20
	maxPayload = maxLine - 1024
	maxDepth   = 128
	maxRecords = 1_000_000
)

var (
	errUnknownFormat = errors.New("unknown_format")
	errTooMany       = errors.New("too_many")
	errUnreadable    = errors.New("unreadable")
)

type hash [32]byte

// line reads one record from its front. The first thing that is not as expected makes all of it malformed.
type line struct {
	rest []byte
	bad  bool
}

func (l *line) word(text string) {
	if !bytes.HasPrefix(l.rest, []byte(text)) {
		l.bad = true
		return
	}
	l.rest = l.rest[len(text):]
}

// quoted takes what stands before the next quote, and the quote.
func (l *line) quoted() string {
	end := bytes.IndexByte(l.rest, '"')
	if end < 0 {
		l.bad = true
		return ""
	}
	text := string(l.rest[:end])
	l.rest = l.rest[end+1:]
	return text
}

func (l *line) number() uint64 {
	end := 0
	for end < len(l.rest) && l.rest[end] >= '0' && l.rest[end] <= '9' {
		end++
	}
	value, ok := number(string(l.rest[:end]))
	l.rest = l.rest[end:]
	l.bad = l.bad || !ok
	return value
}

func number(text string) (uint64, bool) {
	if text == "" || (text[0] == '0' && text != "0") || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	value, err := strconv.ParseUint(text, 10, 64)
	return value, err == nil
}

func (l *line) bytes(into []byte) {
	if !unhex(l.quoted(), into) {
		l.bad = true
	}
}

func (l *line) key() (key publicKey) {
	l.bytes(key[:])
	l.bad = l.bad || !key.usable()
	return key
}

func (l *line) logID() string {
	text := l.quoted()
	l.bad = l.bad || !isLogID(text)
	return text
}

func (l *line) time() string {
	text := l.quoted()
	l.bad = l.bad || !isTime(text)
	return text
}

// end is the closing brace and nothing after it.
func (l *line) end() bool {
	l.word("}")
	return !l.bad && len(l.rest) == 0
}

// payload is everything up to the last brace of the line.
func (l *line) payload() []byte {
	if l.bad || len(l.rest) == 0 || l.rest[len(l.rest)-1] != '}' {
		l.bad = true
		return nil
	}
	found := l.rest[:len(l.rest)-1]
	l.rest = l.rest[len(l.rest)-1:]
	l.bad = !isPayload(found)
	return append([]byte(nil), found...)
}

func unhex(text string, into []byte) bool {
	if len(text) != 2*len(into) || strings.Trim(text, "0123456789abcdef") != "" {
		return false
	}
	_, err := hex.Decode(into, []byte(text))
	return err == nil
}

func isLogID(text string) bool {
	for _, c := range []byte(text) {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !plain && !strings.ContainsRune("._:/-", rune(c)) {
			return false
		}
	}
	return len(text) >= 1 && len(text) <= 128
}

func isTime(text string) bool {
	const shape = "0000-00-00T00:00:00"
	if len(text) < len(shape)+1 || text[len(text)-1] != 'Z' {
		return false
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	for i := range shape {
		if shape[i] == '0' && !digit(text[i]) || shape[i] != '0' && text[i] != shape[i] {
			return false
		}
	}
	fraction := text[len(shape) : len(text)-1]
	if fraction == "" {
		return true
	}
	if fraction[0] != '.' || len(fraction) < 2 || len(fraction) > 10 {
		return false
	}
	for i := 1; i < len(fraction); i++ {
		if !digit(fraction[i]) {
			return false
		}
	}
	return true
}

func isPayload(text []byte) bool {
	n := len(text)
	return n >= 2 && n <= maxPayload && text[0] == '{' && text[n-1] == '}' &&
		!bytes.ContainsAny(text, "\r\n") && utf8.Valid(text) && isShallow(text) && json.Valid(text)
}

func isShallow(text []byte) bool {
	depth, inString, escaped := 0, false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case (c == '}' || c == ']') && depth > 0:
			depth--
		}
	}
	return true
}

// lines calls take with every line, without its end; nil for one that is too long or has no end. It stops where take
// says so.
func lines(file []byte, take func([]byte) bool) {
	for len(file) > 0 {
		end := bytes.IndexByte(file, '\n')
		if end < 0 || end > maxLine {
			if !take(nil) || end < 0 {
				return
			}
		} else if !take(file[:end:end]) {
			return
		}
		file = file[end+1:]
	}
}

// records reads up to the first malformed line.
func records[T any](file []byte, read func(*line) (T, bool)) (found []T, bad bool, err error) {
	lines(file, func(text []byte) bool {
		if text == nil {
			bad = true
			return false
		}
		record, ok := read(&line{rest: text})
		if !ok {
			bad = true
			return false
		}
		if len(found) == maxRecords {
			err = errTooMany
			return false
		}
		found = append(found, record)
		return true
	})
	return found, bad, err
}

type manifest struct {
	schema, logID                                 string
	size, handovers, checkpoints, seams, receipts uint64
	head                                          hash
}

func readManifest(l *line) (m manifest, ok bool) {
	l.word(`{"schema":"`)
	m.schema = l.quoted()
	l.word(`,"log_id":"`)
	m.logID = l.logID()
	l.word(`,"size":`)
	m.size = l.number()
	l.word(`,"head":"`)
	l.bytes(m.head[:])
	l.word(`,"handovers":`)
	m.handovers = l.number()
	l.word(`,"checkpoints":`)
	m.checkpoints = l.number()
	for _, more := range []struct {
		word string
		into *uint64
	}{{`,"seams":`, &m.seams}, {`,"receipts":`, &m.receipts}} {
		if bytes.HasPrefix(l.rest, []byte(more.word)) {
			l.word(more.word)
			*more.into = l.number()
			l.bad = l.bad || *more.into == 0
		}
	}
	return m, l.end()
}

func (m manifest) form() string {
	switch {
	case m.receipts > 0:
		return "hsk.log_export@0.3"
	case m.seams > 0:
		return "hsk.log_export@0.2"
	}
	return "hsk.log_export@0.1"
}

// manifestOf gives nil for a malformed one.
func manifestOf(file []byte) (*manifest, error) {
	found, bad, err := records(file, readManifest)
	if err != nil || bad || len(found) != 1 {
		return nil, err
	}
	m := found[0]
	version, ours := strings.CutPrefix(m.schema, "hsk.log_export@")
	known := version == "0.1" || version == "0.2" || version == "0.3"
	if ours && !known && version != "" && strings.Trim(version, "0123456789.") == "" {
		return nil, errUnknownFormat
	}
	if m.schema != m.form() {
		return nil, nil
	}
	return &m, nil
}

type leaf struct {
	seq        uint64
	prev, hash hash
	payload    []byte
}

func readLeaf(l *line) (f leaf, ok bool) {
	l.word(`{"seq":`)
	f.seq = l.number()
	l.word(`,"prev":"`)
	l.bytes(f.prev[:])
	l.word(`,"hash":"`)
	l.bytes(f.hash[:])
	l.word(`,"event":`)
	f.payload = l.payload()
	return f, l.end() && f.seq > 0
}

type checkpoint struct {
	logID, time string
	size        uint64
	head, prev  hash
	keyID       keyID
	signature   [64]byte
}

func readCheckpoint(l *line) (c checkpoint, ok bool) {
	l.word(`{"log_id":"`)
	c.logID = l.logID()
	l.word(`,"size":`)
	c.size = l.number()
	l.word(`,"head":"`)
	l.bytes(c.head[:])
	l.word(`,"time":"`)
	c.time = l.time()
	l.word(`,"key_id":"`)
	l.bytes(c.keyID[:])
	l.word(`,"prev_checkpoint_hash":"`)
	l.bytes(c.prev[:])
	l.word(`,"signature":"`)
	l.bytes(c.signature[:])
	return c, l.end()
}

type handover struct {
	logID         string
	epoch, atSize uint64
	from, to      publicKey
	atHead        hash
	signature     [64]byte
}

func readHandover(l *line) (h handover, ok bool) {
	l.word(`{"log_id":"`)
	h.logID = l.logID()
	l.word(`,"epoch":`)
	h.epoch = l.number()
	l.word(`,"from_key":"`)
	h.from = l.key()
	l.word(`,"to_key":"`)
	h.to = l.key()
	l.word(`,"at_size":`)
	h.atSize = l.number()
	l.word(`,"at_head":"`)
	l.bytes(h.atHead[:])
	l.word(`,"signature":"`)
	l.bytes(h.signature[:])
	return h, l.end()
}

type seam struct {
	logID, time         string
	first, size, atSize uint64
	head, atHead, prev  hash
	keyID               keyID
	signature           [64]byte
}

func readSeam(l *line) (s seam, ok bool) {
	l.word(`{"log_id":"`)
	s.logID = l.logID()
	l.word(`,"first":`)
	s.first = l.number()
	l.word(`,"size":`)
	s.size = l.number()
	l.word(`,"head":"`)
	l.bytes(s.head[:])
	l.word(`,"at_size":`)
	s.atSize = l.number()
	l.word(`,"at_head":"`)
	l.bytes(s.atHead[:])
	l.word(`,"time":"`)
	s.time = l.time()
	l.word(`,"key_id":"`)
	l.bytes(s.keyID[:])
	l.word(`,"prev_seam_hash":"`)
	l.bytes(s.prev[:])
	l.word(`,"signature":"`)
	l.bytes(s.signature[:])
	return s, l.end()
}

type receipt struct {
	payload   []byte
	signature [64]byte
	named     bool
	size      uint64
	head      hash
}

func readReceipt(l *line) (r receipt, ok bool) {
	l.word(`{"signature":"`)
	l.bytes(r.signature[:])
	l.word(`,"receipt":`)
	r.payload = l.payload()
	if !l.end() {
		return r, false
	}
	return r, r.findHead()
}

// findHead looks for the one member that names the head of the log.
func (r *receipt) findHead() bool {
	member := []byte(`"recorder_checkpoint":`)
	seen := false
	for at := 1; at+len(member) <= len(r.payload); at++ {
		before := r.payload[at-1]
		if before != '{' && before != ',' || !bytes.HasPrefix(r.payload[at:], member) {
			continue
		}
		if seen {
			return false
		}
		seen = true
		l := line{rest: r.payload[at+len(member):]}
		if bytes.HasPrefix(l.rest, []byte("null")) {
			l.word("null")
		} else {
			l.word(`"`)
			size, digits, found := strings.Cut(l.quoted(), ":")
			value, good := number(size)
			r.named, r.size = true, value
			l.bad = l.bad || !found || !good || !unhex(digits, r.head[:])
		}
		if l.bad || len(l.rest) == 0 || l.rest[0] != ',' && l.rest[0] != '}' {
			return false
		}
	}
	return true
}
