package main

import (
	"crypto/sha256"
	"regexp"
	"time"
	"unicode/utf8"
)

// Records (docs/spec/record.md).

type namedBlock struct {
	chainID, number int64
	hash            [32]byte
}

type record struct {
	name       string
	digests    map[string]string
	size       *int64
	recordedAt int64
	log        []byte
	notBefore  *namedBlock
	members    map[string]any
}

var (
	timeForm   = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,6})?Z$`)
	memberForm = regexp.MustCompile(`^[!-~]+$`)
	algorithms = []string{"sha256", "sm3"}
)

func parseRecord(text string) record {
	require(len(text) <= maxRecord, malformed, "a record of more than %d bytes", maxRecord)
	value := parseJSON([]byte(text))
	require(canonical(value) == text, malformed, "a record that is not canonical")
	document, ok := value.(*object)
	require(ok, malformed, "the record is no object")
	checkVersion(document, "schema", "evidence-record/1")
	checkNames(document)
	m := document.members
	digests, ok := m["digests"].(*object)
	require(ok && len(digests.names) > 0, malformed, "no digests")
	found := record{digests: map[string]string{}, members: m}
	for _, algorithm := range algorithms {
		if digests.has(algorithm) {
			hash(digests.members[algorithm], "")
			found.digests[algorithm] = digests.members[algorithm].(string)
		}
	}
	name, ok := m["name"].(string)
	require(ok && name != "" && utf8.RuneCountInString(name) <= 4_096, malformed, "no name")
	hash(m["salt"], "")
	found.name = name
	found.recordedAt = readTime(m["recorded_at"])
	if value, ok := m["media_type"]; ok {
		_, isText := value.(string)
		require(isText, malformed, "no media_type")
	}
	if value, ok := m["size"]; ok {
		size := integer(value, 0, maxInteger)
		found.size = &size
	}
	if value, ok := m["log"]; ok {
		found.log = hexBytes(value, "0x", 32, 32)
	}
	found.notBefore = readNotBefore(m["not_before"])
	require(len(found.digests) > 0, unknown, "digests of unknown algorithms")
	return found
}

func checkNames(value any) {
	switch each := value.(type) {
	case *object:
		for _, name := range each.names {
			require(memberForm.MatchString(name), malformed, "a member named %q", name)
			checkNames(each.members[name])
		}
	case []any:
		for _, entry := range each {
			checkNames(entry)
		}
	}
}

func readTime(value any) int64 {
	text, _ := value.(string)
	match := timeForm.FindStringSubmatch(text)
	require(match != nil, malformed, "no time")
	// Go's layout accepts one digit for the hour, and the year 0; the form does not.
	parsed, err := time.Parse("2006-01-02T15:04:05", match[1])
	require(err == nil && parsed.Year() > 0, malformed, "no time")
	return parsed.Unix()
}

// readNotBefore returns nil for a member of another form, which is no fault.
func readNotBefore(value any) (block *namedBlock) {
	ended := try(func() {
		m := members(value, []string{"chain_id", "block_number", "block_hash"}).members
		block = &namedBlock{
			chainID: integer(m["chain_id"], 1, maxInteger),
			number:  integer(m["block_number"], 0, maxInteger),
			hash:    hash(m["block_hash"], "0x"),
		}
	})
	if ended != nil {
		return nil
	}
	return block
}

// Merkle trees (docs/spec/receipt.md, "Tree").

func hashLeaf(data []byte) [32]byte { return sha256.Sum256(append([]byte{0}, data...)) }

func hashNode(left, right [32]byte) [32]byte {
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// foldPath checks a path, and returns the leaf and the hash after each step.
func foldPath(leaf [32]byte, index int64, h head) [][32]byte {
	require(0 <= index && index < h.size, mismatch, "leaf %d is not below %d", index, h.size)
	fn, sn, r := index, h.size-1, leaf
	hashes := [][32]byte{leaf}
	for _, p := range h.path {
		require(sn != 0, mismatch, "the path is too long")
		if fn%2 == 1 || fn == sn {
			r = hashNode(p, r)
			for fn%2 == 0 && fn != 0 {
				fn, sn = fn/2, sn/2
			}
		} else {
			r = hashNode(r, p)
		}
		hashes = append(hashes, r)
		fn, sn = fn/2, sn/2
	}
	require(sn == 0 && r == h.root, mismatch, "the path does not lead to the root")
	return hashes
}

// checkConsistency follows RFC 9162, section 2.1.4.2.
func checkConsistency(oldSize, newSize int64, oldRoot, newRoot [32]byte, proof [][32]byte) {
	require(0 < oldSize && oldSize < newSize, mismatch, "no growth from %d to %d", oldSize, newSize)
	require(len(proof) > 0, mismatch, "an empty proof")
	fn, sn := oldSize-1, newSize-1
	for fn%2 == 1 {
		fn, sn = fn/2, sn/2
	}
	if fn == 0 {
		proof = append([][32]byte{oldRoot}, proof...)
	}
	fr, sr := proof[0], proof[0]
	for _, c := range proof[1:] {
		require(sn != 0, mismatch, "the proof is too long")
		if fn%2 == 1 || fn == sn {
			fr, sr = hashNode(c, fr), hashNode(c, sr)
			for fn%2 == 0 && fn != 0 {
				fn, sn = fn/2, sn/2
			}
		} else {
			sr = hashNode(sr, c)
		}
		fn, sn = fn/2, sn/2
	}
	require(sn == 0 && fr == oldRoot && sr == newRoot, mismatch, "the proof leads to other roots")
}
