package main

import (
	"math/bits"
	"strings"
)

// Bundles (docs/spec/receipt.md, "Bundle").

const maxLine = 1 << 20

type bundle struct {
	log        []byte
	count      int64
	next       int64
	shared     *anchor // of an anchor, or nil
	promise    *head
	beacon     *blockProof
	beaconUsed bool
	before     *bundled
}

// bundled is a receipt as it was read, and the hashes along its path.
type bundled struct {
	receipt
	head   head
	shared *anchor
	beacon *blockProof
	hashes [][32]byte
}

// document returns the receipt that the bundle's lines stand for.
func (b *bundled) document() receipt {
	whole := b.receipt
	if b.shared == nil {
		whole.promise = &b.head
		return whole
	}
	a := *b.shared
	a.head = b.head
	if b.beacon != nil {
		state := *a.state
		state.beacon, a.state = b.beacon, &state
	}
	whole.anchors = []anchor{a}
	return whole
}

func parseBundle(text string) (receipts []*bundled) {
	var b *bundle
	for at := 0; at < len(text) || b == nil; {
		end := strings.IndexByte(text[at:], '\n')
		line := text[at:]
		if end >= 0 {
			line = text[at : at+end+1]
		}
		at += len(line)
		require(len(line) <= maxLine, malformed, "a line of more than %d bytes", maxLine)
		value, ok := parseJSON([]byte(line)).(*object)
		require(ok, malformed, "a line that is no object")
		require(end >= 0, malformed, "a line without line feed")
		if b == nil {
			b = readBundleHeader(value)
		} else if found := b.take(value); found != nil {
			receipts = append(receipts, found)
		}
	}
	require(b.count == 0, malformed, "receipts are missing")
	return receipts
}

func readBundleHeader(line *object) *bundle {
	checkVersion(line, "format", "anchor-receipts/1")
	m := members(line, []string{"format", "log", "count"}).members
	return &bundle{log: hexBytes(m["log"], "0x", 32, 32), count: integer(m["count"], 1, maxSize), beaconUsed: true}
}

func (b *bundle) take(line *object) *bundled {
	require(b.count > 0, malformed, "more than the header counts")
	switch {
	case line.has("anchor") || line.has("head"):
		b.begin(line)
		return nil
	case line.has("beacon") && !line.has("record"):
		b.endBeacon()
		found := readBeacon(members(line, []string{"beacon"}).members["beacon"])
		require(b.shared != nil && b.shared.state != nil, malformed, "a beacon without a state proof")
		b.beacon, b.beaconUsed = found, false
		return nil
	}
	return b.read(line)
}

func (b *bundle) begin(line *object) {
	require(b.before != nil || (b.shared == nil && b.promise == nil), malformed, "no receipt follows an anchor")
	b.endBeacon()
	b.shared, b.promise, b.before = nil, nil, nil
	if line.has("anchor") {
		found := readAnchor(members(line, []string{"anchor"}).members["anchor"], true)
		b.shared = &found
		return
	}
	found := readHead(members(members(line, []string{"head"}).members["head"], []string{"size", "root"}))
	b.promise = &found
}

func (b *bundle) endBeacon() {
	require(b.beaconUsed, malformed, "no receipt refers to a beacon")
	b.beacon = nil
}

func (b *bundle) read(line *object) *bundled {
	m := members(line, []string{"record", "index", "path"}, "beacon").members
	if value, ok := m["beacon"]; ok {
		require(value == true, malformed, "a beacon that is not true")
		require(b.beacon != nil, malformed, "no beacon precedes")
		b.beaconUsed = true
	}
	found := &bundled{receipt: receipt{record: recordText(m["record"]), log: b.log, index: integer(m["index"], 0, maxSize-1)}}
	path := readPathOf(m["path"])
	require(b.shared != nil || b.promise != nil, malformed, "no anchor precedes")
	if b.shared != nil {
		found.head, found.shared = b.shared.head, b.shared
	} else {
		found.head = *b.promise
	}
	if line.has("beacon") {
		found.beacon = b.beacon
	}
	require(found.index >= b.next, malformed, "an index that does not ascend")
	require(found.index < found.head.size, malformed, "an index that is not below the size")
	if b.before != nil {
		k := bits.Len64(uint64(b.before.index^found.index)) - 1
		path = append(append(path, b.before.hashes[k]), b.before.head.path[k+1:]...)
	}
	require(len(path) == pathLength(found.index, found.head.size), malformed, "a path of another length")
	found.head.path = path
	found.hashes = foldPath(hashLeaf([]byte(found.record)), found.index, found.head)
	b.before, b.next = found, found.index+1
	b.count--
	return found
}

func pathLength(index, size int64) (length int) {
	for last := size - 1; last > 0; index, last = index/2, last/2 {
		if index%2 == 1 || index < last {
			length++
		}
	}
	return length
}

// choose returns the receipt of a file: the first of its name and digests, else the first of its
// digests, else, as it may have been altered, the first of its name.
func choose(receipts []*bundled, name string, file evidence) (chosen *bundled) {
	best := 0
	for _, each := range receipts {
		var rec record
		if try(func() { rec = parseRecord(each.record) }) != nil {
			continue
		}
		rank := 0
		if try(func() { checkFile(rec, file) }) == nil {
			rank = 2
		}
		if rec.name[strings.LastIndex(rec.name, "/")+1:] == name {
			rank++
		}
		if rank > best {
			best, chosen = rank, each
		}
	}
	return chosen
}
