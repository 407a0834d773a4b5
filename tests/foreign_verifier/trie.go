package main

import "encoding/hex"

// Proofs in Merkle-Patricia tries (docs/spec/state-proof.md, "Proofs" and "Nodes").

const (
	maxNodes = 65
	maxNode  = 532
	keyEnd   = 64
)

type walk struct {
	proof  [][]byte
	taken  int
	digits []byte
	depth  int
}

// prove returns the value under a key, or nil if the trie holds nothing there.
func prove(root [32]byte, key [32]byte, proof [][]byte) []byte {
	require(len(proof) <= maxNodes, malformed, "more than %d nodes", maxNodes)
	if root == keccak256([]byte{0x80}) {
		require(len(proof) == 0, malformed, "a node of the empty trie")
		return nil
	}
	w := &walk{proof: proof}
	for _, each := range key {
		w.digits = append(w.digits, each>>4, each&15)
	}
	value := w.follow(item{text: root[:]})
	require(w.taken == len(proof), malformed, "a node too many")
	return value
}

func (w *walk) follow(child item) []byte {
	belowExtension := false
	for {
		node := w.open(child)
		require(!belowExtension || len(node.items) == 17, malformed, "no branch below an extension")
		belowExtension = false
		if len(node.items) == 17 {
			if child = w.passBranch(node.items); child.isNothing() {
				return nil
			}
			continue
		}
		isLeaf, path := readPath(node.items[0])
		end := w.depth + len(path)
		matches := end <= keyEnd && string(w.digits[w.depth:end]) == string(path)
		if isLeaf {
			require(end == keyEnd, malformed, "a leaf that does not end with the keys")
			require(!node.items[1].isList && len(node.items[1].text) > 0, malformed, "a leaf without a value")
			if !matches {
				return nil
			}
			return node.items[1].text
		}
		require(len(path) > 0 && end < keyEnd, malformed, "an extension of no digits, or of all")
		child = node.items[1]
		require(!child.isNothing(), malformed, "an extension without a child")
		checkChild(child)
		if !matches {
			return nil
		}
		w.depth, belowExtension = end, true
	}
}

// open returns a node that is embedded, or the next of the proof by its hash.
func (w *walk) open(child item) item {
	node := child
	if !child.isList {
		require(w.taken < len(w.proof), malformed, "a node is missing")
		encoded := w.proof[w.taken]
		require(len(encoded) <= maxNode, malformed, "a node of more than %d bytes", maxNode)
		hash := keccak256(encoded)
		require(string(hash[:]) == string(child.text), mismatch, "node %d has another hash", w.taken)
		require(w.taken == 0 || len(encoded) >= 32, malformed, "node %d belongs into its parent", w.taken)
		w.taken++
		node = parseRLP(encoded)
	}
	require(node.isList && (len(node.items) == 17 || len(node.items) == 2), malformed, "no node")
	return node
}

func (w *walk) passBranch(items []item) item {
	require(w.depth < keyEnd, malformed, "a branch below the last digit")
	require(items[16].isNothing(), malformed, "a branch with a value")
	children := 0
	for _, child := range items[:16] {
		if !child.isNothing() {
			checkChild(child)
			children++
		}
	}
	require(children >= 2, malformed, "a branch with fewer than two children")
	w.depth++
	return items[w.digits[w.depth-1]]
}

func checkChild(child item) {
	if child.isList {
		require(len(child.encoded) < 32, malformed, "an embedded node of 32 bytes or more")
	} else {
		require(len(child.text) == 32, malformed, "a child that is no hash")
	}
}

func readPath(path item) (isLeaf bool, digits []byte) {
	require(!path.isList && len(path.text) > 0, malformed, "no hex-prefix encoding")
	for _, each := range path.text {
		digits = append(digits, each>>4, each&15)
	}
	flag := digits[0]
	require(flag <= 3, malformed, "no hex-prefix encoding")
	if flag%2 == 1 {
		return flag == 3, digits[1:]
	}
	require(digits[1] == 0, malformed, "no hex-prefix encoding")
	return flag == 2, digits[2:]
}

func fromHex(text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}
