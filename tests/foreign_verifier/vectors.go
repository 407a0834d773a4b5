package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// reader returns what a verifier finds out of a case, or refuses it.
type reader func(c *object) map[string]any

var readers = []struct {
	file, list string
	read       reader
}{
	{"log/inclusion.json", "inclusion", readInclusion},
	{"log/consistency.json", "consistency", readConsistency},
	{"log/tiles.json", "trees", readTree},
	{"log/tiles.json", "paths", readTile},
	{"log/checkpoints.json", "keys", readKey},
	{"log/checkpoints.json", "notes", readNote},
	{"log/checkpoints.json", "checkpoints", readCheckpoint},
	{"log/checkpoints.json", "origins", readOrigin},
	{"state/trie.json", "proofs", readProof},
	{"state/headers.json", "headers", readHeaderCase},
	{"state/states.json", "states", readStateCase},
	{"state/submitters.json", "submitters", readSubmitter},
	{"state/beacons.json", "beacons", readBeaconCase},
	{"bundles/bundles.json", "bundles", readBundle},
	{"bundles/beacons.json", "bundles", readBundle},
	{"bundles/choices.json", "choices", readChoice},
	{"bundles/judged.json", "judged", readJudged},
	{"bags/bags.json", "bags", readBagCase},
	{"bags/records.json", "bags", readBagCase},
	{"bags/evidence.json", "evidence_bags", readBagCase},
	{"bags/zip.json", "zip_files", readZipCase},
	{"numbers/numbers.json", "records", readNumbered},
	{"numbers/numbers.json", "numbers", readNumber},
}

// vector is a case of the test vectors; judge returns what disagrees, or nothing.
type vector struct {
	isWhole bool
	judge   func() string
}

// runVectors prints each case that ends otherwise than its label says, and how many there are.
func runVectors(folder string) int {
	wrong := 0
	cases := append(loadVerifications(folder), loadLists(folder)...)
	for _, each := range cases {
		if complaint := each.judge(); complaint != "" {
			wrong++
			fmt.Println(complaint)
		}
	}
	fmt.Printf("%d cases, %d disagreements\n", len(cases), wrong)
	if wrong > 0 {
		return 1
	}
	return 0
}

func mustRead(parts ...string) []byte {
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(malformed)
	}
	return data
}

func loadLists(folder string) (cases []vector) {
	for _, each := range readers {
		each := each
		for _, entry := range parseJSON(mustRead(folder, each.file)).(*object).members[each.list].([]any) {
			c := entry.(*object)
			cases = append(cases, vector{false, func() string { return judgeEntry(each.file, each.list, each.read, c) }})
		}
	}
	return cases
}

func judgeEntry(file, list string, read reader, c *object) string {
	var found map[string]any
	ended := try(func() { found = read(c) })
	result, reason := resultOf(ended)
	if code := c.members["exit_code"]; c.has("exit_code") && code != codeOf(ended) {
		return fmt.Sprintf("%s, %q: %d, not %d", file, c.members["name"], codeOf(ended), code)
	}
	if label := c.members["result"]; result != label && !(result == "unknown" && list == "keys") {
		return fmt.Sprintf("%s, %q: %s, not %s (%s)", file, c.members["name"], result, label, reason)
	}
	for name, value := range found {
		if !reflect.DeepEqual(value, c.members[name]) {
			return fmt.Sprintf("%s, %q: %s is %v", file, c.members["name"], name, value)
		}
	}
	return ""
}

func codeOf(ended *fault) int64 {
	if ended == nil {
		return passed
	}
	return int64(ended.code)
}

func resultOf(ended *fault) (string, string) {
	switch {
	case ended == nil:
		return "valid", ""
	case ended.code == cannotCheck || ended.code == notFinal || ended.code == unknown:
		return "unknown", ended.text
	}
	return "invalid", ended.text
}

func loadVerifications(folder string) []vector {
	cases := loadIndex(filepath.Join(folder, "verification"))
	return append(cases, loadIndex(filepath.Join(folder, "receipts"))...)
}

// result is what is expected of a receipt.
type result struct {
	Index   int64 `json:"index"`
	Code    int   `json:"exit_code"`
	Failing []int `json:"failing_steps"`
}

func loadIndex(folder string) (cases []vector) {
	var index struct {
		Verifications []struct {
			inputs
			result
			Name    string `json:"name"`
			Receipt string `json:"receipt"`
		} `json:"verifications"`
		Bundles []struct {
			inputs
			Name    string   `json:"name"`
			Bundle  string   `json:"bundle"`
			Results []result `json:"results"`
		} `json:"bundles"`
	}
	if err := json.Unmarshal(mustRead(folder, "index.json"), &index); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(malformed)
	}
	for _, c := range index.Verifications {
		c := c
		receipt := mustRead(folder, c.Receipt)
		cases = append(cases, vector{true, func() string {
			code, failing := verify(receipt, c.inputs)
			if code != c.Code || !reflect.DeepEqual(failing, c.Failing) {
				return fmt.Sprintf("%q: %d at steps %v, not %d at %v", c.Name, code, failing, c.Code, c.Failing)
			}
			return ""
		}})
	}
	for _, c := range index.Bundles {
		c := c
		bundle := string(mustRead(folder, c.Bundle))
		cases = append(cases, vector{true, func() string {
			ended := []result{}
			for _, each := range parseBundle(bundle) {
				in := c.inputs
				in.Evidence = statedEvidence(each.record)
				code, failing := verifyBundled(each, in)
				ended = append(ended, result{each.index, code, failing})
			}
			if !reflect.DeepEqual(ended, c.Results) {
				return fmt.Sprintf("%q: %v", c.Name, ended)
			}
			return ""
		}})
	}
	return cases
}

// statedEvidence returns the file that a record states.
func statedEvidence(text string) evidence {
	rec := parseRecord(text)
	return evidence{SHA256: rec.digests["sha256"], SM3: rec.digests["sm3"], Size: *rec.size}
}

func text(c *object, name string) string { return c.members[name].(string) }

// filled returns a text of the case with its padding.
func filled(c *object, name string) string {
	if !c.has("padding") {
		return text(c, name)
	}
	padding, all := c.members["padding"].(*object).members, []rune(text(c, name))
	at, run := padding["at"].(int64), strings.Repeat(padding["text"].(string), int(padding["times"].(int64)))
	return string(all[:at]) + run + string(all[at:])
}

func hashes(value any) (found [][32]byte) {
	for _, each := range value.([]any) {
		found = append(found, hash(each, ""))
	}
	return found
}

func proofOf(value any) (proof [][]byte) {
	for _, each := range value.([]any) {
		proof = append(proof, hexBytes(each, "0x", 0, 1<<20))
	}
	return proof
}

func readInclusion(c *object) map[string]any {
	leaf := hash(c.members["leaf"], "")
	if c.has("record") {
		require(hashLeaf(fromHex(text(c, "record"))) == leaf, mismatch, "the leaf of another record")
	}
	h := head{size: c.members["size"].(int64), root: hash(c.members["root"], ""), path: hashes(c.members["path"])}
	foldPath(leaf, c.members["index"].(int64), h)
	return nil
}

func readConsistency(c *object) map[string]any {
	checkConsistency(c.members["old_size"].(int64), c.members["new_size"].(int64),
		hash(c.members["old_root"], ""), hash(c.members["new_root"], ""), hashes(c.members["proof"]))
	return nil
}

func readTree(c *object) map[string]any {
	leaves := make([][32]byte, c.members["size"].(int64))
	for at := range leaves {
		leaves[at] = hashLeaf(binary.BigEndian.AppendUint64(nil, uint64(at)))
	}
	tiles, root := buildTiles(leaves)
	require(hexOf(root[:]) == c.members["root"], mismatch, "another root")
	stated := c.members["tiles"].(*object)
	require(len(stated.names) == len(tiles), mismatch, "another number of tiles")
	for _, path := range stated.names {
		data, ok := tiles[path]
		digest := sha256.Sum256(data)
		require(ok && hexOf(digest[:]) == stated.members[path], mismatch, "another tile %s", path)
	}
	return nil
}

func readTile(c *object) map[string]any {
	level, number, width := parseTilePath(text(c, "path"))
	return map[string]any{"level": level, "number": number, "width": int64(width)}
}

func readKey(c *object) map[string]any {
	key := parseVerifierKey(text(c, "verifier"))
	return map[string]any{"key_name": key.name, "key_id": hexOf(key.id), "public_key": hexOf(key.public)}
}

func noteOf(c *object) []byte {
	if c.has("note_hex") {
		return fromHex(text(c, "note_hex"))
	}
	return []byte(filled(c, "note"))
}

func readNote(c *object) map[string]any {
	opened := openNote(noteOf(c), parseVerifierKey(text(c, "verifier")))
	require(opened == filled(c, "text"), mismatch, "another text")
	return nil
}

func readCheckpoint(c *object) map[string]any {
	origin, size, root := parseCheckpoint(openNote(noteOf(c), parseVerifierKey(text(c, "verifier"))))
	return map[string]any{"origin": origin, "size": size, "root": hexOf(root)}
}

func readOrigin(c *object) map[string]any {
	chainID, registry, log := parseOrigin(text(c, "origin"))
	return map[string]any{"chain_id": chainID, "registry": registry, "log": log}
}

func readProof(c *object) map[string]any {
	value := prove(hash(c.members["root"], "0x"), hash(c.members["key"], "0x"), proofOf(c.members["proof"]))
	if value == nil {
		return map[string]any{"value": nil}
	}
	return map[string]any{"value": "0x" + hexOf(value)}
}

func bytesOf(c *object, name string) []byte { return hexBytes(c.members[name], "0x", 0, 1<<20) }

func readHeaderCase(c *object) map[string]any {
	h := parseHeader(bytesOf(c, "header"))
	return map[string]any{
		"hash": "0x" + hexOf(h.hash[:]), "state_root": "0x" + hexOf(h.stateRoot[:]),
		"number": int64(h.number), "timestamp": int64(h.timestamp),
	}
}

func proveCase(c *object) (h header, storageRoot [32]byte, held *entry) {
	h = parseHeader(bytesOf(c, "header"))
	require("0x"+hexOf(h.hash[:]) == text(c, "block_hash"), mismatch, "another block")
	codeHash := hash(c.members["code_hash"], "0x")
	storageRoot = proveAccount(h, bytesOf(c, "registry"), codeHash, proofOf(c.members["account_proof"]))
	held = proveEntry(h, storageRoot, bytesOf(c, "log"), hash(c.members["root"], ""), proofOf(c.members["storage_proof"]))
	return h, storageRoot, held
}

func readStateCase(c *object) map[string]any {
	h, _, held := proveCase(c)
	found := map[string]any{"number": int64(h.number), "timestamp": int64(h.timestamp), "word": nil}
	if held != nil {
		found["word"] = "0x" + hexOf(held.word[:])
	}
	return found
}

func readSubmitter(c *object) map[string]any {
	_, storageRoot, held := proveCase(c)
	var proof [][]byte
	if c.members["operator_proof"] != nil {
		proof = proofOf(c.members["operator_proof"])
	}
	sender := proveSender(storageRoot, bytesOf(c, "log"), held, proof)
	return map[string]any{"operator_id": fmt.Sprintf("0x%x", held.operatorID), "submitter": "0x" + hexOf(sender)}
}

func readBeaconCase(c *object) map[string]any {
	named := readNotBefore(c.members["not_before"])
	require(named != nil, cannotCheck, "no block is named")
	beacon := readBeacon(c.members["beacon"])
	proven := parseHeader(bytesOf(c, "header"))
	earlier := checkBeacon(beacon, named, proven, c.members["chain_id"].(int64), c.members["anchored_at"].(int64))
	return map[string]any{"number": int64(earlier.number), "timestamp": int64(earlier.timestamp)}
}

func readBundle(c *object) map[string]any {
	found := parseBundle(filled(c, "bundle"))
	if !c.has("receipts") {
		return nil
	}
	stated := c.members["receipts"].([]any)
	require(len(stated) == len(found), mismatch, "%d receipts", len(found))
	for at, each := range found {
		said := stated[at].(*object)
		var path []any = []any{}
		for _, node := range each.head.path {
			path = append(path, hexOf(node[:]))
		}
		beacon := any(nil)
		if each.beacon != nil {
			hash := keccak256(each.beacon.header)
			beacon = "0x" + hexOf(hash[:])
		}
		members := map[string]any{
			"index": each.index, "record": each.record, "size": each.head.size,
			"root": hexOf(each.head.root[:]), "path": path, "beacon": beacon,
		}
		for _, name := range said.names {
			require(reflect.DeepEqual(members[name], said.members[name]), mismatch, "%s of receipt %d", name, at)
		}
	}
	return nil
}

func readChoice(c *object) map[string]any {
	given := c.members["evidence"].(*object)
	file := evidence{SHA256: text(given, "sha256"), SM3: text(given, "sm3"), Size: given.members["size"].(int64)}
	chosen := choose(parseBundle(text(c, "bundle")), text(c, "file_name"), file)
	require(chosen != nil, malformed, "no receipt is the file's")
	return map[string]any{"index": chosen.index}
}

func readNumbered(c *object) map[string]any {
	digest := sha256.Sum256([]byte(text(c, "record")))
	require(formatNumber(digest[:10]) == text(c, "number"), mismatch, "the number of another record")
	return nil
}

func readNumber(c *object) map[string]any {
	digest := parseNumber(text(c, "text"))
	return map[string]any{"digest": hexOf(digest), "number": formatNumber(digest)}
}

func inputsOf(c *object) (in inputs) {
	if err := json.Unmarshal([]byte(canonical(c)), &in); err != nil {
		panic(err)
	}
	return in
}

// readJudged verifies the one receipt of a bundle.
func readJudged(c *object) map[string]any {
	in := inputsOf(c)
	code, results := passed, []any{}
	for _, each := range parseBundle(text(c, "bundle")) {
		var failing []int
		code, failing = verifyBundled(each, in)
		steps := []any{}
		for _, step := range failing {
			steps = append(steps, int64(step))
		}
		names := []string{"index", "exit_code", "failing_steps"}
		members := map[string]any{"index": each.index, "exit_code": int64(code), "failing_steps": steps}
		results = append(results, &object{names, members})
	}
	require(canonical(results) == canonical(c.members["results"]), -1, "other results")
	require(code == passed, code, "the receipt")
	return nil
}

func readBagCase(c *object) map[string]any {
	var beside *string
	if receipt, ok := c.members["receipt"].(string); ok {
		beside = &receipt
	}
	code := judgeBag(openTexts(c.members["files"].(*object)), beside, inputsOf(c))
	require(code == passed, code, "the bag")
	return nil
}

func readZipCase(c *object) map[string]any {
	data, err := base64.StdEncoding.DecodeString(text(c, "zip"))
	if err != nil {
		panic(err)
	}
	readBag(openZip(data))
	return nil
}
