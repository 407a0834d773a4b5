package main

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Bags (docs/spec/bag.md): names, lists and the six parts.

const (
	maxFiles     = 100_000
	maxTotal     = 1 << 44
	maxNameBytes = 1_024
	maxListBytes = 1 << 25
	manifestName = "manifest-sha256.txt"
	tagsName     = "tagmanifest-sha256.txt"
	sm3Name      = "sm3sums.txt"
	infoName     = "bag-info.txt"
	suffix       = ".anchor.json"
)

var (
	required     = []string{infoName, manifestName, sm3Name, tagsName}
	declared     = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
	otherVersion = regexp.MustCompile(`^BagIt-Version: ([0-9]{1,4}\.[0-9]{1,4})\n`)
	otherList    = regexp.MustCompile(`^(tag)?manifest-[^/]*\.txt$`)
	listLine     = regexp.MustCompile(`^([0-9a-f]{64})  ([^\r]+)$`)
	infoLine     = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*): ([^\r]*)$`)
	oxumForm     = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)
	control      = regexp.MustCompile(`[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]`)
	beyond       = regexp.MustCompile(`[^\x00-\x7f\x{4e00}-\x{9fff}]`)
	escaped      = strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n")
	withoutThem  = strings.NewReplacer("%25", "_", "%0D", "_", "%0A", "_")
)

// source is the files of a bag, whose names were checked.
type source struct {
	sizes map[string]int64
	read  func(name string) []byte
}

func (s source) has(name string) bool {
	_, ok := s.sizes[name]
	return ok
}

// names returns those that begin with a prefix.
func (s source) names(prefix string) (names []string) {
	for name := range s.sizes {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

func (s source) payloadSize() (size int64) {
	for _, name := range s.names("data/") {
		size += s.sizes[name]
	}
	return size
}

// within returns the files in a folder of the bag as those of a bag of their own. What only the top of a bag
// must not have, an evidence bag has not either.
func (s source) within(folder string) source {
	inner := source{map[string]int64{}, func(name string) []byte { return s.read(folder + name) }}
	for _, name := range s.names(folder) {
		inner.sizes[strings.TrimPrefix(name, folder)] = s.sizes[name]
	}
	return inner
}

func openTexts(files *object) source {
	s := source{map[string]int64{}, func(name string) []byte { return []byte(files.members[name].(string)) }}
	total := int64(0)
	for _, name := range files.names {
		s.sizes[name] = int64(len(files.members[name].(string)))
		total += s.sizes[name]
	}
	checkBagNames(files.names, nil, total)
	return s
}

// checkBagNames is part 1; folders are those that are listed on their own.
func checkBagNames(files, folders []string, total int64) {
	require(len(files) <= maxFiles, malformed, "more than %d files", maxFiles)
	require(total <= maxTotal, malformed, "more than %d bytes", int64(maxTotal))
	known, names := map[string]bool{}, append([]string{}, files...)
	for _, name := range files {
		checkBagName(name)
		require(!known[strings.ToUpper(name)], malformed, "the name %q twice", name)
		known[strings.ToUpper(name)] = true
	}
	for _, name := range folders {
		checkBagName(name)
		names = append(names, name+"/")
	}
	for _, name := range names {
		parts := strings.Split(strings.ToUpper(name), "/")
		for at := range parts {
			parent := strings.Join(parts[:at], "/")
			require(!known[parent], malformed, "%q is a file and a folder", parent)
		}
	}
	for _, name := range files {
		lower := strings.ToLower(name)
		require(lower != "fetch.txt", malformed, "files are to be fetched")
		isKnown := name == manifestName || name == tagsName
		require(isKnown || !otherList.MatchString(lower), unknown, "the list %q", name)
	}
}

func checkBagName(name string) {
	require(len(name) <= maxNameBytes, malformed, "a name of more than %d bytes", maxNameBytes)
	require(!strings.ContainsAny(name, `\:`), malformed, "a backslash or a colon in %q", name)
	for _, part := range strings.Split(name, "/") {
		require(part != "" && part != "." && part != "..", malformed, "a part of %q", name)
	}
	require(!control.MatchString(name), malformed, "a control character in %q", name)
	// Go's standard library has no NFC: of other characters this reader cannot tell.
	require(!beyond.MatchString(name), unknown, "%q has characters beyond ASCII and ideographs", name)
}

func readLines(s source, name string) []string {
	require(s.sizes[name] <= maxListBytes, malformed, "%s of more than %d bytes", name, maxListBytes)
	text := string(s.read(name))
	require(utf8.ValidString(text), malformed, "%s is not UTF-8", name)
	lines := strings.Split(text, "\n")
	last := len(lines) - 1
	require(lines[last] == "", malformed, "%s does not end with a line feed", name)
	return lines[:last]
}

func readList(s source, name string) map[string]string {
	digests := map[string]string{}
	for _, line := range readLines(s, name) {
		match := listLine.FindStringSubmatch(line)
		require(match != nil, malformed, "a line of %s", name)
		require(!strings.Contains(withoutThem.Replace(match[2]), "%"), malformed, "an escape in %s", name)
		listed := escaped.Replace(match[2])
		checkBagName(listed)
		_, twice := digests[listed]
		require(!twice, malformed, "%q twice in %s", listed, name)
		digests[listed] = match[1]
	}
	return digests
}

func readInfo(s source) map[string]string {
	info, labels := map[string]string{}, map[string]bool{}
	for _, line := range readLines(s, infoName) {
		match := infoLine.FindStringSubmatch(line)
		require(match != nil, malformed, "a line of %s", infoName)
		label := strings.ToLower(match[1])
		require(!labels[label], malformed, "the label %s twice", match[1])
		info[match[1]], labels[label] = match[2], true
	}
	return info
}

func checkListed(listed map[string]string, names []string) {
	require(len(listed) == len(names), mismatch, "%d files of %d", len(listed), len(names))
	for _, name := range names {
		_, ok := listed[name]
		require(ok, mismatch, "%q is not listed", name)
	}
}

func sha256Hex(data []byte) string {
	digest := sha256.Sum256(data)
	return hexOf(digest[:])
}

func fileOf(data []byte) evidence {
	return evidence{SHA256: sha256Hex(data), SM3: sm3(data), Size: int64(len(data))}
}

// bag is one that is complete and unchanged in itself.
type bag struct {
	source
	isEvidence bool
	payload    map[string]evidence
	captures   map[string]string // the SHA-256 of the manifest of each folder, with a slash
}

// readBag makes parts 2 to 6; whoever opened the source has made part 1.
func readBag(s source) *bag {
	require(s.has("bagit.txt"), malformed, "no bagit.txt")
	for _, name := range required {
		require(s.has(name), mismatch, "no %s", name)
	}
	checkDeclaration(string(s.read("bagit.txt")))
	b := &bag{source: s, payload: map[string]evidence{}}
	b.checkTags()
	info := readInfo(s)
	format, ok := info["Bag-Format"]
	require(ok, malformed, "no Bag-Format")
	b.isEvidence = format == "anchor-evidence-bag/1"
	require(b.isEvidence || format == "anchor-bag/1", unknown, "the format %q", format)
	payload := s.names("data/")
	if b.isEvidence {
		require(len(s.sizes)-len(payload) == 1+len(required), mismatch, "files that no receipt covers")
	}
	manifest := readList(s, manifestName)
	checkListed(manifest, payload)
	sums := readList(s, sm3Name)
	checkListed(sums, payload)
	if !b.isEvidence {
		b.checkReceipts(payload)
	}
	originals := map[string]bool{}
	for _, name := range payload {
		file := fileOf(s.read(name))
		require(file.SHA256 == manifest[name], mismatch, "another SHA-256 of %q", name)
		require(file.SM3 == sums[name], mismatch, "another SM3 of %q", name)
		b.payload[name], originals[file.SHA256] = file, true
	}
	b.matchCaptures(originals)
	stated := info["Payload-Oxum"]
	require(oxumForm.MatchString(stated), malformed, "no Payload-Oxum")
	require(stated == fmt.Sprintf("%d.%d", s.payloadSize(), len(payload)), mismatch, "another Payload-Oxum")
	return b
}

func checkDeclaration(text string) {
	match := otherVersion.FindStringSubmatch(text)
	require(match == nil || match[1] == "1.0", unknown, "another version of BagIt")
	require(text == declared, malformed, "another declaration")
}

func (b *bag) checkTags() {
	tags := readList(b.source, tagsName)
	outside := []string{}
	for _, name := range b.names("") {
		if !strings.HasPrefix(name, "data/") && name != tagsName {
			outside = append(outside, name)
		}
	}
	checkListed(tags, outside)
	for _, name := range outside {
		require(sha256Hex(b.read(name)) == tags[name], mismatch, "another SHA-256 of %q", name)
	}
}

func receiptOf(original string) string {
	return "receipts/" + strings.TrimPrefix(original, "data/originals/") + suffix
}

func (b *bag) checkReceipts(payload []string) {
	receipts := b.names("receipts/")
	require(len(receipts) > 0, malformed, "no receipts")
	originals := map[string]bool{}
	for _, name := range receipts {
		require(strings.HasSuffix(name, suffix), malformed, "%q is not named as a receipt", name)
		original := "data/originals/" + strings.TrimSuffix(strings.TrimPrefix(name, "receipts/"), suffix)
		require(b.has(original), mismatch, "no %q", original)
		originals[original] = true
	}
	for _, name := range payload {
		require(originals[name], mismatch, "no receipt of %q", name)
	}
}

func (b *bag) matchCaptures(originals map[string]bool) {
	b.captures = map[string]string{}
	for _, name := range b.names("captures/") {
		inner, _, _ := strings.Cut(strings.TrimPrefix(name, "captures/"), "/")
		folder := "captures/" + inner + "/"
		require(b.has(folder+manifestName), mismatch, "no list of %q", folder)
		b.captures[folder] = sha256Hex(b.read(folder + manifestName))
		require(originals[b.captures[folder]], mismatch, "%q is of no original", folder)
	}
}
