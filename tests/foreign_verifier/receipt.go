package main

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Receipts (docs/spec/receipt.md): their members, types and bounds.

const (
	maxReceipt = 1 << 20
	maxRecord  = 65_535
	maxSize    = 1<<48 - 1
	maxPath    = 48
	maxAnchors = 16
	maxHeader  = 8_192
)

type head struct {
	size int64
	root [32]byte
	path [][32]byte
}

type anchor struct {
	head
	chainID                          int64
	registry                         []byte
	sequence, blockNumber, timestamp int64
	state                            *stateProof
}

type blockProof struct {
	header                []byte
	accountProof, storage [][]byte
}

type stateProof struct {
	blockProof
	operatorProof [][]byte
	successor     *successorProof
	beacon        *blockProof
}

type successorProof struct {
	proof    [][]byte
	takeover *takeover
}

type takeover struct {
	root  [32]byte
	proof [][]byte
}

type receipt struct {
	record  string
	log     []byte
	index   int64
	promise *head
	anchors []anchor
}

func parseReceipt(data []byte) receipt {
	require(len(data) <= maxReceipt, malformed, "more than %d bytes", maxReceipt)
	document, ok := parseJSON(data).(*object)
	require(ok, malformed, "the receipt is no object")
	checkVersion(document, "format", "anchor-receipt/1")
	entries := list(document.members["anchors"], 0, maxAnchors)
	required := []string{"format", "record", "log", "index", "anchors"}
	if len(entries) == 0 {
		required = append(required, "head")
	}
	checkMembers(document, required)
	found := receipt{
		record: recordText(document.members["record"]),
		log:    hexBytes(document.members["log"], "0x", 32, 32),
		index:  integer(document.members["index"], 0, maxSize-1),
	}
	if len(entries) == 0 {
		promised := members(document.members["head"], []string{"size", "root", "path"})
		promise := readHead(promised)
		promise.path = readPathOf(promised.members["path"])
		found.promise = &promise
	}
	for _, entry := range entries {
		found.anchors = append(found.anchors, readAnchor(entry, false))
	}
	return found
}

func checkVersion(document *object, member, version string) {
	require(document.has(member), malformed, "no %s", member)
	require(document.members[member] == version, unknown, "an unknown %s", member)
}

func recordText(value any) string {
	text, ok := value.(string)
	require(ok && utf8.RuneCountInString(text) <= maxRecord, malformed, "the record is no string of its size")
	return text
}

// members returns an object that has these members, and no others but the optional ones.
func members(value any, required []string, optional ...string) *object {
	found, ok := value.(*object)
	require(ok, malformed, "no object")
	checkMembers(found, required, optional...)
	return found
}

func checkMembers(found *object, required []string, optional ...string) {
	known := map[string]bool{}
	for _, name := range required {
		require(found.has(name), malformed, "no %s", name)
		known[name] = true
	}
	for _, name := range optional {
		known[name] = true
	}
	for _, name := range found.names {
		require(known[name], malformed, "a member %q", name)
	}
}

func integer(value any, least, most int64) int64 {
	number, ok := value.(int64)
	require(ok && least <= number && number <= most, malformed, "no integer from %d to %d", least, most)
	return number
}

func list(value any, least, most int) []any {
	entries, ok := value.([]any)
	require(ok && least <= len(entries) && len(entries) <= most, malformed, "no list of %d to %d", least, most)
	return entries
}

func hexBytes(value any, prefix string, least, most int) []byte {
	text, ok := value.(string)
	require(ok && strings.HasPrefix(text, prefix), malformed, "no hex with %q", prefix)
	digits := text[len(prefix):]
	require(digits == strings.ToLower(digits), malformed, "hex in upper case")
	data, err := hex.DecodeString(digits)
	require(err == nil && least <= len(data) && len(data) <= most, malformed, "no hex of %d to %d bytes", least, most)
	return data
}

func hash(value any, prefix string) [32]byte { return [32]byte(hexBytes(value, prefix, 32, 32)) }

func readPathOf(value any) (path [][32]byte) {
	for _, each := range list(value, 0, maxPath) {
		path = append(path, hash(each, ""))
	}
	return path
}

func readHead(found *object) head {
	return head{
		size: integer(found.members["size"], 1, maxSize),
		root: hash(found.members["root"], ""),
	}
}

// readAnchor reads an anchor; one that is shared by receipts has no path and no beacon.
func readAnchor(value any, isShared bool) anchor {
	required := []string{"chain_id", "registry", "size", "root", "sequence", "block_number", "timestamp"}
	if !isShared {
		required = append(required, "path")
	}
	m := members(value, required, "hints", "state").members
	found := anchor{
		head:        readHead(value.(*object)),
		chainID:     integer(m["chain_id"], 1, maxInteger),
		registry:    hexBytes(m["registry"], "0x", 20, 20),
		sequence:    integer(m["sequence"], 1, 1<<40-1),
		blockNumber: integer(m["block_number"], 0, maxSize),
		timestamp:   integer(m["timestamp"], 0, maxSize),
	}
	if !isShared {
		found.path = readPathOf(m["path"])
	}
	if hints, ok := m["hints"]; ok {
		h := members(hints, []string{"tx_hash", "block_hash"}).members
		hash(h["tx_hash"], "0x")
		hash(h["block_hash"], "0x")
	}
	if state, ok := m["state"]; ok {
		found.state = readState(state, isShared)
	}
	return found
}

var blockMembers = []string{"header", "account_proof", "storage_proof"}

func readBlock(m map[string]any) blockProof {
	return blockProof{
		header:       hexBytes(m["header"], "0x", 1, maxHeader),
		accountProof: nodes(m["account_proof"]),
		storage:      nodes(m["storage_proof"]),
	}
}

func readBeacon(value any) *blockProof {
	found := readBlock(members(value, blockMembers).members)
	return &found
}

func nodes(value any) (proof [][]byte) {
	for _, each := range list(value, 1, maxNodes) {
		proof = append(proof, hexBytes(each, "0x", 1, maxNode))
	}
	return proof
}

func readState(value any, isShared bool) *stateProof {
	optional := []string{"operator_proof", "successor"}
	if !isShared {
		optional = append(optional, "beacon")
	}
	m := members(value, blockMembers, optional...).members
	found := &stateProof{blockProof: readBlock(m)}
	if proof, ok := m["operator_proof"]; ok {
		found.operatorProof = nodes(proof)
	}
	if value, ok := m["successor"]; ok {
		s := members(value, []string{"proof"}, "takeover").members
		found.successor = &successorProof{proof: nodes(s["proof"])}
		if value, ok := s["takeover"]; ok {
			t := members(value, []string{"root", "proof"}).members
			found.successor.takeover = &takeover{root: hash(t["root"], ""), proof: nodes(t["proof"])}
		}
	}
	if value, ok := m["beacon"]; ok {
		found.beacon = readBeacon(value)
	}
	return found
}
