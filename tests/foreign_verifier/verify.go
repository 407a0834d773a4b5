package main

import (
	"bytes"
	"encoding/json"
	"math/big"
	"sort"
	"strings"
)

// The eleven steps (docs/spec/verification.md).

type chain struct {
	isMain            bool
	genesis, codeHash string
	slack             int64
}

// The release's own constants (docs/contract.md, docs/verification.md).
var (
	releaseRegistry = fromHex("f525060e7f0b222b6c7a0a7445ef1c5ad1aa8069")
	chains          = map[int64]chain{
		1:        {true, "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3", "a24f885b8ff20cfe2fdc6ff023ac493d68bbd9c7e9d9050e9b0d4d6b9c7cd652", 12},
		10:       {true, "7ca38a1916c42007829c55e69d3e9a73265554b586a499015373241b8a3fa48b", "9af7be2170d4b13c784699255e2310a75691f8826f6108388c8ca5972fde7fe1", 46_800},
		8453:     {true, "f712aa9241cc24369b143cf6dce85f0902a9731e70d66818a3a5845b296c73dd", "7343e5868447092bbbb2a7356fdfa83591559a09b796449ebda0fa7d884ae18f", 46_800},
		31337:    {false, "", "5d6be8b4a25de41d59749c445c39f7a0b5f108126332ba5db758d0e30d726544", 12},
		560048:   {false, "bbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b", "9a5b834a288a8d4614daca929248d0edb3d8678dc88bbdb74d3ec6a81832aac9", 12},
		11155111: {false, "25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9", "51b55cd28dd263625ccf72b1b96880bffcf4810c6b8d56e2b93b9b98f1ab9dde", 12},
	}
	withoutHistory = map[int64]bool{42161: true, 42170: true, 421614: true}
)

const (
	defaultTolerance = 300
	lastSecond       = 253_402_300_799 // of the year 9999
)

type operator struct {
	ID         json.Number `json:"id"`
	FromBlock  int64       `json:"from_block"`
	UntilBlock *int64      `json:"until_block"`
}

type policyEntry struct {
	ChainID     int64         `json:"chain_id"`
	Genesis     string        `json:"genesis"`
	Registry    string        `json:"registry"`
	CodeHash    string        `json:"code_hash"`
	Owner       string        `json:"owner"`
	Logs        []json.Number `json:"logs"`
	Operators   *[]operator   `json:"operators"`
	TimeSlack   *int64        `json:"time_slack"`
	Tolerance   *int64        `json:"recorded_at_tolerance"`
	Assurance   string        `json:"assurance"`
	BlockHashes []string      `json:"block_hashes"`
}

type evidence struct {
	SHA256 string `json:"sha256"`
	SM3    string `json:"sm3"`
	Size   int64  `json:"size"`
}

type inputs struct {
	Evidence evidence `json:"evidence"`
	Policy   *struct {
		Trust []policyEntry `json:"trust"`
	} `json:"policy"`
	BlockHashes    []string `json:"block_hashes"`
	ChainIDs       []int64  `json:"chain_ids"`
	AcceptUnpinned bool     `json:"accept_unpinned"`
}

func (in inputs) names(chainID int64) bool {
	for _, each := range in.ChainIDs {
		if each == chainID {
			return true
		}
	}
	return false
}

// target is an anchor, or none of a promise, and what is pinned of it.
type target struct {
	anchor      *anchor
	chainID     int64
	codeHash    [32]byte
	operators   *[]operator
	slack       *int64
	tolerance   int64
	needsProof  bool
	blockHashes []string
}

type report struct {
	codes map[int]bool
	steps map[int]bool
}

func (r *report) add(step, code int) {
	if code != passed {
		r.codes[code], r.steps[step] = true, true
	}
}

func (r *report) make(step int, check func()) bool {
	ended := try(check)
	if ended != nil {
		r.add(step, ended.code)
	}
	return ended == nil
}

func (r *report) failing() []int {
	steps := []int{}
	for step := range r.steps {
		steps = append(steps, step)
	}
	sort.Ints(steps)
	return steps
}

func verify(data []byte, in inputs) (int, []int) {
	return verifyWith(data, in, func(*report, receipt, record) {})
}

// verifyWith also makes the checks of a receipt in a bag, or beside one.
func verifyWith(data []byte, in inputs, check func(*report, receipt, record)) (int, []int) {
	r := &report{map[int]bool{}, map[int]bool{}}
	var document receipt
	var rec record
	if r.make(1, func() {
		document = parseReceipt(data)
		rec = parseRecord(document.record)
	}) {
		verifyDocument(r, document, rec, in)
		check(r, document, rec)
	}
	return gravest(r.codes), r.failing()
}

// verifyBundled is the same for a receipt of a bundle.
func verifyBundled(b *bundled, in inputs) (int, []int) {
	r := &report{map[int]bool{}, map[int]bool{}}
	var rec record
	if r.make(1, func() { rec = parseRecord(b.record) }) {
		verifyDocument(r, b.document(), rec, in)
	}
	return gravest(r.codes), r.failing()
}

func verifyDocument(r *report, document receipt, rec record, in inputs) {
	r.make(2, func() { checkFile(rec, in.Evidence) })
	r.make(3, func() { checkPaths(document, rec) })
	for _, t := range chooseTargets(r, document, in) {
		verifyTarget(r, document, rec, t, in)
	}
}

func checkFile(rec record, file evidence) {
	require(rec.size == nil || *rec.size == file.Size, mismatch, "another size")
	for algorithm, own := range map[string]string{"sha256": file.SHA256, "sm3": file.SM3} {
		stated, ok := rec.digests[algorithm]
		require(!ok || stated == own, mismatch, "another %s", algorithm)
	}
}

func checkPaths(document receipt, rec record) {
	leaf := hashLeaf([]byte(document.record))
	if document.promise != nil {
		foldPath(leaf, document.index, *document.promise)
	}
	for _, each := range document.anchors {
		foldPath(leaf, document.index, each.head)
	}
	require(rec.log == nil || bytes.Equal(rec.log[12:], document.log[12:]), mismatch, "another owner's log")
}

func chooseTargets(r *report, document receipt, in inputs) []target {
	if in.Policy == nil {
		return chooseUnpinned(r, document, in)
	}
	var candidates, targets []target
	var pinned []policyEntry
	if !r.make(4, func() {
		entries := 0
		for _, e := range in.Policy.Trust {
			if !e.fits(document.log) {
				continue
			}
			entries++
			if document.promise != nil {
				pinned, candidates = append(pinned, e), append(candidates, e.target(nil))
			}
			for at := range document.anchors {
				a := &document.anchors[at]
				if a.chainID == e.ChainID && bytes.Equal(a.registry, fromHex(strings.ToLower(e.Registry[2:]))) {
					pinned, candidates = append(pinned, e), append(candidates, e.target(a))
				}
			}
		}
		require(entries > 0, notTrusted, "the log is not pinned")
		require(len(candidates) > 0, notTrusted, "no anchor is pinned")
		left := 0
		for _, each := range candidates {
			if len(in.ChainIDs) == 0 || in.names(each.chainID) {
				left++
			}
		}
		require(left > 0, notTrusted, "no anchor is on a named chain")
	}) {
		return nil
	}
	for at, each := range candidates {
		if len(in.ChainIDs) > 0 && !in.names(each.chainID) {
			continue
		}
		listed, ok := chains[each.chainID]
		if r.make(4, func() {
			known := ok && listed.genesis != ""
			require(!known || pinned[at].Genesis == "0x"+listed.genesis, notTrusted, "another genesis")
		}) {
			targets = append(targets, each)
		}
	}
	return targets
}

func (e policyEntry) fits(log []byte) bool {
	if strings.ToLower(e.Owner[2:]) != strings.ToLower(hexOf(log[12:])) {
		return false
	}
	own := new(big.Int).SetBytes(log[:12]).String()
	for _, each := range e.Logs {
		if each.String() == own {
			return true
		}
	}
	return false
}

func (e policyEntry) target(a *anchor) target {
	tolerance := int64(defaultTolerance)
	if e.Tolerance != nil {
		tolerance = *e.Tolerance
	}
	return target{
		anchor: a, chainID: e.ChainID, codeHash: [32]byte(fromHex(e.CodeHash[2:])),
		operators: e.Operators, slack: e.TimeSlack, tolerance: tolerance,
		needsProof: e.Assurance == "proof", blockHashes: e.BlockHashes,
	}
}

func chooseUnpinned(r *report, document receipt, in inputs) (targets []target) {
	if !in.AcceptUnpinned && document.promise != nil {
		r.add(4, cannotCheck)
	}
	if document.promise != nil {
		r.add(4, notFinal)
		return nil
	}
	left := 0
	for at := range document.anchors {
		a := &document.anchors[at]
		if len(in.ChainIDs) > 0 && !in.names(a.chainID) {
			continue
		}
		left++
		listed, ok := chains[a.chainID]
		if r.make(4, func() {
			require(bytes.Equal(a.registry, releaseRegistry), notTrusted, "another registry")
			require(ok, cannotCheck, "a chain that is not listed")
			require(listed.isMain || in.names(a.chainID), cannotCheck, "a chain that nobody names")
		}) {
			if !in.AcceptUnpinned {
				r.add(4, cannotCheck)
			}
			codeHash := [32]byte(fromHex(listed.codeHash))
			targets = append(targets, target{anchor: a, chainID: a.chainID, codeHash: codeHash, tolerance: defaultTolerance})
		}
	}
	if left == 0 {
		r.add(4, notTrusted)
	}
	return targets
}

func verifyTarget(r *report, document receipt, rec record, t target, in inputs) {
	var h header
	var storageRoot [32]byte
	var held *entry
	if !r.make(5, func() { h = checkBlock(t, in) }) {
		return
	}
	state := t.anchor.state
	if !r.make(6, func() { storageRoot = proveAccount(h, t.anchor.registry, t.codeHash, state.accountProof) }) {
		return
	}
	if !r.make(7, func() {
		held = proveEntry(h, storageRoot, document.log, t.anchor.root, state.storage)
		require(held != nil, notAnchored, "the registry does not hold the root")
	}) {
		return
	}
	r.make(8, func() { checkStated(t.anchor, held) })
	r.make(9, func() { checkOperator(t, held) })
	r.make(9, func() { proveSender(storageRoot, document.log, held, state.operatorProof) })
	if state.successor != nil {
		r.make(9, func() { checkSuccessor(storageRoot, document.log, held, state.successor) })
	}
	r.make(10, func() { checkLatest(rec, held, t) })
	named := rec.notBefore
	if named != nil && !withoutHistory[named.chainID] && state.beacon != nil {
		r.make(11, func() {
			earlier := checkBeacon(state.beacon, named, h, t.chainID, held.timestamp)
			checkEarliest(rec, earlier, t)
		})
	}
}

func checkBlock(t target, in inputs) header {
	require(t.anchor != nil && t.anchor.state != nil, cannotCheck, "no state proof")
	h := parseHeader(t.anchor.state.header)
	hash := "0x" + hexOf(h.hash[:])
	isPinned, isNamed := contains(t.blockHashes, hash), contains(in.BlockHashes, hash)
	require(isPinned || (isNamed && !t.needsProof), cannotCheck, "a block that nobody vouches for")
	return h
}

func contains(texts []string, text string) bool {
	for _, each := range texts {
		if each == text {
			return true
		}
	}
	return false
}

func checkStated(a *anchor, held *entry) {
	stated := [4]int64{a.size, a.sequence, a.blockNumber, a.timestamp}
	require(stated == [4]int64{held.size, held.sequence, held.blockNumber, held.timestamp}, mismatch, "not as stated")
}

func checkOperator(t target, held *entry) {
	if t.operators == nil {
		return
	}
	for _, each := range *t.operators {
		if each.ID.String() == held.operatorID.String() && each.FromBlock <= held.blockNumber &&
			(each.UntilBlock == nil || held.blockNumber <= *each.UntilBlock) {
			return
		}
	}
	refuse(notTrusted, "a sender that the policy does not accept")
}

func slackOf(t target) int64 {
	if t.slack != nil {
		return *t.slack
	}
	listed, ok := chains[t.chainID]
	require(ok, cannotCheck, "no slack is known")
	return listed.slack
}

func checkLatest(rec record, held *entry, t target) {
	bound := held.timestamp + slackOf(t)
	require(bound <= lastSecond, cannotCheck, "after the year 9999")
	require(rec.recordedAt-bound <= t.tolerance, cannotCheck, "recorded later")
}

func checkEarliest(rec record, earlier header, t target) {
	bound := int64(earlier.timestamp) - slackOf(t)
	if bound < 0 {
		bound = 0
	}
	require(bound <= lastSecond, cannotCheck, "after the year 9999")
	require(bound-rec.recordedAt <= t.tolerance, cannotCheck, "recorded earlier")
}
