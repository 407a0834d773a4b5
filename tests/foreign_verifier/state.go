package main

import (
	"bytes"
	"encoding/binary"
	"math/big"
)

// What a block's hash proves of the registry (docs/spec/state-proof.md, registry.md).

type header struct {
	hash, stateRoot   [32]byte
	number, timestamp uint64
}

const integerItem, anyItem = -1, -2

// The form of each item: a length in bytes, or an integer of at most so many bytes.
var headerForms = []struct{ kind, length int }{
	{0, 32}, {0, 32}, {0, 20}, {0, 32}, {0, 32}, {0, 32}, {0, 256},
	{integerItem, 32}, {integerItem, 8}, {integerItem, 8}, {integerItem, 8}, {integerItem, 8},
	{anyItem, 0}, {0, 32}, {0, 8}, {integerItem, 32}, {0, 32}, {integerItem, 8}, {integerItem, 8},
	{0, 32}, {0, 32},
}

func parseHeader(encoded []byte) header {
	require(len(encoded) <= maxHeader, malformed, "a header of more than %d bytes", maxHeader)
	found := parseRLP(encoded)
	require(found.isList, malformed, "a header that is no list")
	count := len(found.items)
	require(count == 15 || count == 16 || count == 17 || count >= 20, unknown, "a header of %d items", count)
	for at, form := range headerForms {
		if at == count {
			break
		}
		switch form.kind {
		case integerItem:
			found.items[at].integer(form.length)
		case anyItem:
			require(!found.items[at].isList, malformed, "item %d is a list", at+1)
		default:
			found.items[at].bytes(form.length)
		}
	}
	return header{
		hash:      keccak256(encoded),
		stateRoot: [32]byte(found.items[3].bytes(32)),
		number:    small(found.items[8].integer(8)),
		timestamp: small(found.items[11].integer(8)),
	}
}

func small(word [32]byte) uint64 { return binary.BigEndian.Uint64(word[24:]) }

// proveAccount returns the storage root of an account that has the code.
func proveAccount(h header, address []byte, codeHash [32]byte, proof [][]byte) [32]byte {
	encoded := prove(h.stateRoot, keccak256(address), proof)
	require(encoded != nil, notTrusted, "no account at 0x%x", address)
	account := parseRLP(encoded)
	require(account.isList && len(account.items) == 4, malformed, "no account")
	account.items[0].integer(8)
	account.items[1].integer(32)
	storageRoot, code := account.items[2].bytes(32), account.items[3].bytes(32)
	require(bytes.Equal(code, codeHash[:]), notTrusted, "other code at 0x%x", address)
	return [32]byte(storageRoot)
}

// proveSlot returns the word in a slot, which is zero where the trie holds nothing.
func proveSlot(storageRoot, slot [32]byte, proof [][]byte) (word [32]byte) {
	encoded := prove(storageRoot, keccak256(slot[:]), proof)
	if encoded == nil {
		return word
	}
	word = parseRLP(encoded).integer(32)
	require(word != [32]byte{}, malformed, "a value of zero")
	return word
}

func number(value int64) (word [32]byte) {
	binary.BigEndian.PutUint64(word[24:], uint64(value))
	return word
}

func slotOf(mapping int64, log []byte) [32]byte {
	at := number(mapping)
	return keccak256(log, at[:])
}

func nestedSlot(mapping int64, log, key []byte) [32]byte {
	at := slotOf(mapping, log)
	return keccak256(key, at[:])
}

type entry struct {
	word                                   [32]byte
	size, sequence, blockNumber, timestamp int64
	operatorID                             *big.Int
}

// readEntry returns the anchor in a word, or nil of an empty slot.
func readEntry(word [32]byte) *entry {
	if word == [32]byte{} {
		return nil
	}
	value := new(big.Int).SetBytes(word[:])
	bits := func(low, count uint) int64 {
		shifted := new(big.Int).Rsh(value, low)
		return shifted.And(shifted, big.NewInt(1<<count-1)).Int64()
	}
	found := &entry{
		word: word, size: bits(0, 48), sequence: bits(48, 40), blockNumber: bits(88, 48),
		timestamp: bits(136, 48), operatorID: new(big.Int).Rsh(value, 184),
	}
	require(found.size > 0 && found.sequence > 0, notTrusted, "a word that the registry never writes")
	return found
}

// proveEntry returns the anchor of a root, or nil if the registry holds none.
func proveEntry(h header, storageRoot [32]byte, log []byte, root [32]byte, proof [][]byte) *entry {
	found := readEntry(proveSlot(storageRoot, nestedSlot(0, log, root[:]), proof))
	require(found == nil || uint64(found.timestamp) <= h.timestamp, notTrusted, "an anchor of a later time than the block")
	return found
}

// proveSender returns the address that sent an anchor.
func proveSender(storageRoot [32]byte, log []byte, e *entry, proof [][]byte) []byte {
	if e.operatorID.Sign() == 0 {
		require(proof == nil, malformed, "a needless operator proof")
		return log[12:]
	}
	require(proof != nil, cannotCheck, "the sender is not proven")
	var id [32]byte
	e.operatorID.FillBytes(id[:])
	key := proveSlot(storageRoot, nestedSlot(2, log, id[:]), proof)
	require(key != [32]byte{} && [12]byte(key[:12]) == [12]byte{}, notTrusted, "no key")
	return key[12:]
}

func checkSuccessor(storageRoot [32]byte, log []byte, e *entry, s *successorProof) {
	next := proveSlot(storageRoot, slotOf(4, log), s.proof)
	if next == [32]byte{} {
		require(s.takeover == nil, malformed, "a needless takeover")
		return
	}
	require(s.takeover != nil, cannotCheck, "closed, and from where is not shown")
	slot := nestedSlot(0, next[:], s.takeover.root[:])
	first := readEntry(proveSlot(storageRoot, slot, s.takeover.proof))
	require(first != nil && first.sequence == 1, notTrusted, "not the successor's first anchor")
	require(e.size <= first.size, abandoned, "abandoned")
}

const historyWindow = 8_191

var (
	historyContract = fromHex("0000f90827f1c53a10cb7a02335b175320002935")
	historyCode     = [32]byte(fromHex("6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d"))
)

// checkBeacon returns the header of the block that a record names.
func checkBeacon(b *blockProof, named *namedBlock, h header, chainID, anchoredAt int64) header {
	require(named.chainID == chainID, mismatch, "a block of another chain")
	earlier := parseHeader(b.header)
	require(earlier.number == uint64(named.number), mismatch, "another number")
	require(earlier.hash == named.hash, mismatch, "another hash")
	require(earlier.number < h.number, mismatch, "not before the proof's block")
	require(h.number-earlier.number <= historyWindow, mismatch, "too old")
	storageRoot := proveAccount(h, historyContract, historyCode, b.accountProof)
	slot := number(int64(earlier.number % historyWindow))
	require(proveSlot(storageRoot, slot, b.storage) == earlier.hash, mismatch, "the slot holds another hash")
	require(earlier.timestamp <= uint64(anchoredAt), mismatch, "later than the anchor")
	return earlier
}
