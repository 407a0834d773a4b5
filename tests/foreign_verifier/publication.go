package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Published logs (docs/spec/publication.md), and preservation numbers.

type verifierKey struct {
	name   string
	id     []byte
	public []byte
}

func hexOf(data []byte) string { return hex.EncodeToString(data) }

func decodeBase64(text string) []byte {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	require(err == nil && !strings.ContainsAny(text, "\r\n"), malformed, "no base64")
	return data
}

func isName(name string) bool {
	return name != "" && !strings.ContainsRune(name, '+') && strings.IndexFunc(name, unicode.IsSpace) < 0
}

func checkControls(text string) {
	for at := 0; at < len(text); at++ {
		require(text[at] >= 0x20 || text[at] == '\n', malformed, "a control character")
	}
}

var keyID = regexp.MustCompile(`^[0-9a-f]{8}$`)

// Points whose order is 1, 2, 4 or 8, under which anybody can sign.
var smallOrder = map[string]bool{
	"0100000000000000000000000000000000000000000000000000000000000000": true,
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": true,
	"0000000000000000000000000000000000000000000000000000000000000000": true,
	"0000000000000000000000000000000000000000000000000000000000000080": true,
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05": true,
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85": true,
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": true,
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa": true,
}

func parseVerifierKey(text string) verifierKey {
	parts := strings.SplitN(text, "+", 3)
	require(utf8.RuneCountInString(text) <= 4_096 && len(parts) == 3, malformed, "no verifier key")
	require(keyID.MatchString(parts[1]), malformed, "no key id")
	typed := decodeBase64(parts[2])
	require(len(typed) > 0, malformed, "an empty key")
	require(typed[0] == 1, unknown, "a key of another type")
	key := verifierKey{name: parts[0], id: fromHex(parts[1]), public: typed[1:]}
	checkControls(key.name)
	require(isName(key.name) && !strings.Contains(key.name, "\n") && len(key.name) <= 255, malformed, "no key name")
	require(len(key.public) == 32, malformed, "a key that has not 32 bytes")
	id := sha256.Sum256(append([]byte(key.name+"\n"), typed...))
	require(bytes.Equal(id[:4], key.id), malformed, "the id of another key")
	require(isPoint(key.public) && !smallOrder[hexOf(key.public)], malformed, "no usable point")
	return key
}

type signature struct {
	name string
	data []byte
}

func openNote(data []byte, key verifierKey) string {
	require(len(data) <= 1_000_000 && utf8.Valid(data), malformed, "no note")
	note := string(data)
	checkControls(note)
	split := strings.LastIndex(note, "\n\n")
	require(split >= 0, malformed, "no empty line")
	text, rest := note[:split+1], note[split+2:]
	require(rest != "" && strings.HasSuffix(rest, "\n"), malformed, "no signature line")
	lines := strings.Split(strings.TrimSuffix(rest, "\n"), "\n")
	require(len(lines) <= 100, malformed, "more than 100 signatures")
	var signatures []signature
	for _, line := range lines {
		parts := strings.SplitN(line, " ", 3)
		require(len(parts) == 3 && parts[0] == "\u2014" && isName(parts[1]), malformed, "no signature line")
		identified := decodeBase64(parts[2])
		require(len(identified) > 4, malformed, "no signature")
		signatures = append(signatures, signature{parts[1], identified})
	}
	isSigned := false
	for _, each := range signatures {
		if each.name == key.name && bytes.Equal(each.data[:4], key.id) {
			require(ed25519.Verify(key.public, []byte(text), each.data[4:]), mismatch, "a signature that is not valid")
			isSigned = true
		}
	}
	require(isSigned, notTrusted, "not signed by the key")
	return text
}

func decimal(text string, most int64) int64 {
	require(regexp.MustCompile(`^(0|[1-9][0-9]{0,15})$`).MatchString(text), malformed, "no decimal number")
	value, err := strconv.ParseInt(text, 10, 64)
	require(err == nil && value <= most, malformed, "a number above %d", most)
	return value
}

func parseCheckpoint(text string) (origin string, size int64, root []byte) {
	lines := strings.Split(text, "\n")
	lines = lines[:len(lines)-1]
	require(len(lines) >= 3, malformed, "no three lines")
	for _, line := range lines {
		require(line != "", malformed, "an empty line")
	}
	root = decodeBase64(lines[2])
	require(len(root) == 32, malformed, "a root that has not 32 bytes")
	return lines[0], decimal(lines[1], maxSize), root
}

func parseOrigin(text string) (chainID int64, registry, log string) {
	parts := strings.Split(strings.TrimPrefix(text, "eip155:"), "/")
	require(strings.HasPrefix(text, "eip155:") && len(parts) == 3, malformed, "no origin")
	chainID = decimal(parts[0], maxInteger)
	require(chainID >= 1, malformed, "no chain id")
	hexBytes(parts[1], "0x", 20, 20)
	hexBytes(parts[2], "0x", 32, 32)
	return chainID, parts[1], parts[2]
}

var tileForm = regexp.MustCompile(`^tile/([0-5])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?$`)

func parseTilePath(path string) (level, number int64, width int) {
	match := tileForm.FindStringSubmatch(path)
	require(match != nil && !strings.HasPrefix(match[2], "x000"), malformed, "no path of a tile")
	groups := strings.NewReplacer("x", "", "/", "").Replace(match[2])
	number, err := strconv.ParseInt(groups, 10, 64)
	require(err == nil, malformed, "no path of a tile")
	level, width = int64(match[1][0]-'0'), 256
	if match[3] != "" {
		width, _ = strconv.Atoi(match[3])
		require(width < 256, malformed, "a partial tile of %d", width)
	}
	return level, number, width
}

func tilePath(level, number, width int) string {
	groups := fmt.Sprintf("%03d", number%1000)
	for number /= 1000; number > 0; number /= 1000 {
		groups = fmt.Sprintf("x%03d/%s", number%1000, groups)
	}
	if width < 256 {
		groups += fmt.Sprintf(".p/%d", width)
	}
	return fmt.Sprintf("tile/%d/%s", level, groups)
}

// buildTiles returns the tiles of a log by their paths, and its root.
func buildTiles(leaves [][32]byte) (map[string][]byte, [32]byte) {
	tiles := map[string][]byte{}
	for level, hashes := 0, leaves; len(hashes) > 0 && level < 6; level++ {
		for start := 0; start < len(hashes); start += 256 {
			end := start + 256
			if end > len(hashes) {
				end = len(hashes)
			}
			var data []byte
			for _, each := range hashes[start:end] {
				data = append(data, each[:]...)
			}
			tiles[tilePath(level, start/256, end-start)] = data
		}
		var above [][32]byte
		for start := 0; start+256 <= len(hashes); start += 256 {
			above = append(above, rootOf(hashes[start:start+256]))
		}
		hashes = above
	}
	return tiles, rootOf(leaves)
}

func rootOf(leaves [][32]byte) [32]byte {
	if len(leaves) == 0 {
		return sha256.Sum256(nil)
	}
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	return hashNode(rootOf(leaves[:k]), rootOf(leaves[k:]))
}

const symbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func remainder(bits []byte) (rest byte) {
	for _, bit := range bits {
		rest = rest<<1 | bit
		if rest&32 != 0 {
			rest ^= 0b100101
		}
	}
	return rest
}

// formatNumber returns the preservation number of 10 bytes (docs/preservation-number.md).
func formatNumber(digest []byte) string {
	var bits []byte
	for _, each := range digest {
		for at := 7; at >= 0; at-- {
			bits = append(bits, each>>at&1)
		}
	}
	check := remainder(append(bits, 0, 0, 0, 0, 0))
	var text strings.Builder
	for at := 0; at < 80; at += 5 {
		value := 0
		for _, bit := range bits[at : at+5] {
			value = value<<1 | int(bit)
		}
		text.WriteByte(symbols[value])
		if at/5%4 == 3 {
			text.WriteByte('-')
		}
	}
	text.WriteByte(symbols[check])
	return text.String()
}

func parseNumber(text string) []byte {
	var bits []byte
	plain := strings.NewReplacer(" ", "", "-", "").Replace(text)
	for _, each := range plain {
		if each >= 'a' && each <= 'z' {
			each -= 'a' - 'A'
		}
		value := strings.IndexRune(symbols, map[rune]rune{'I': '1', 'L': '1', 'O': '0'}[each])
		if value < 0 {
			value = strings.IndexRune(symbols, each)
		}
		require(value >= 0, malformed, "no symbol")
		for at := 4; at >= 0; at-- {
			bits = append(bits, byte(value>>at&1))
		}
	}
	require(len(bits) == 85, malformed, "not 17 symbols")
	require(remainder(bits) == 0, malformed, "another check symbol")
	digest := make([]byte, 10)
	for at, bit := range bits[:80] {
		digest[at/8] |= bit << (7 - at%8)
	}
	return digest
}
