package main

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Groups of records (docs/record-groups.md, docs/schemas/record.json). What has another form is a statement, so that
// the results of faults here do not matter.

// form refuses a value of another form.
type form func(value any)

func characters(value any, least, most int) string {
	text, _ := value.(string)
	length := utf8.RuneCountInString(text)
	require(least <= length && length <= most, malformed, "no text of its size")
	return text
}

func line(value any) {
	text := characters(value, 1, 1_000)
	require(strings.TrimSpace(text) != "", malformed, "a text of nothing")
	for _, each := range text {
		require(unicode.IsGraphic(each), malformed, "a text that is not printable")
	}
}

func path(value any) { characters(value, 1, 4_096) }

func words(known ...string) form {
	return func(value any) {
		text, _ := value.(string)
		require(contains(known, text), malformed, "another word")
	}
}

func count(value any)  { integer(value, 0, maxInteger) }
func digest(value any) { hash(value, "") }
func moment(value any) { readTime(value) }

// group is the forms of an object's members, and which of them are required.
type group struct {
	required []string
	members  map[string]form
}

func readGroup(value any, g group) (found map[string]any, ok bool) {
	ended := try(func() {
		optional := []string{}
		for name := range g.members {
			optional = append(optional, name)
		}
		m := members(value, g.required, optional...)
		for _, name := range m.names {
			g.members[name](m.members[name])
		}
		found = m.members
	})
	return found, ended == nil
}

var (
	digestsForm  = group{nil, map[string]form{"sha256": digest, "sm3": digest}}
	manifestForm = group{
		[]string{"format", "sha256", "files", "bytes"},
		map[string]form{"format": words("bagit-1.0"), "sha256": digest, "files": count, "bytes": count},
	}
	itemForm = group{
		[]string{"path", "digests", "size"},
		map[string]form{
			"path": path, "digests": someDigests, "size": count,
			"media_type": line, "derived_from": path, "derivation": line,
		},
	}
	custodyForm = group{
		[]string{"subject", "event", "at", "actor"},
		map[string]form{
			"subject": digest, "previous_event": digest, "digest_before": digest, "digest_after": digest, "at": moment,
			"event": words("collect", "seal", "copy", "transfer", "access", "analyse", "export", "renew", "erase"),
			"place": line, "from": line, "to": line, "actor": line,
			"purpose": line, "authority": line, "medium": line,
		},
	}
)

func someDigests(value any) {
	found, _ := readGroup(value, digestsForm)
	require(len(found) > 0, malformed, "no digests")
}

func readItems(value any) (items []map[string]any, ok bool) {
	ended := try(func() {
		for _, each := range list(value, 1, 200) {
			item, isOne := readGroup(each, itemForm)
			require(isOne, malformed, "no item")
			items = append(items, item)
		}
	})
	return items, ended == nil
}

// unseen is what a notice's texts have none of.
var unseen = regexp.MustCompile("[\\x00-\\x1f\\x7f-\\x{9f}\\x{61c}\\x{200b}-\\x{200f}\\x{2028}-\\x{202e}\\x{2060}-\\x{206f}\\x{feff}]")

// about is a receipt of a custody event or a notice, its record, and what that says.
type about struct {
	data     []byte
	document receipt
	rec      record
	digest   string // of the record
	said     map[string]any
	evidence evidence
}

// verify returns the result of the receipt with what its record says as evidence.
func (a about) verify(in inputs) int {
	in.Evidence = a.evidence
	code, _ := verify(a.data, in)
	return code
}

// listRecords returns the custody events or notices in a folder about a record; other files are enclosures.
func (b *bag) listRecords(folder, subject string) (records []about) {
	for _, name := range b.names(folder) {
		a := about{data: b.read(name)}
		if try(func() {
			require(strings.HasSuffix(name, suffix), malformed, "no receipt by its name")
			a.document = parseReceipt(a.data)
			a.rec = parseRecord(a.document.record)
			if folder == "custody/" {
				a.readEvent()
			} else {
				a.readNotice()
			}
			require(a.said["subject"] == subject, mismatch, "about another record")
		}) == nil {
			a.digest = sha256Hex([]byte(a.document.record))
			records = append(records, a)
		}
	}
	return records
}

func (a *about) readEvent() {
	found, _ := readGroup(a.rec.members["custody"], custodyForm)
	require(a.rec.members["kind"] == "custody-event", malformed, "no custody event")
	a.said, a.evidence = found, fileOf([]byte(canonical(a.rec.members["custody"])))
	require(a.rec.digests["sha256"] == a.evidence.SHA256, malformed, "the digest of another event")
	other, stated := a.rec.digests["sm3"]
	require(!stated || other == a.evidence.SM3, malformed, "the SM3 of another event")
}

func (a *about) readNotice() {
	kind := a.rec.members["kind"]
	require(kind == "supersedes" || kind == "withdraws", malformed, "no notice by its kind")
	notice, ok := a.rec.members["notice"].(*object)
	require(ok, malformed, "no notice")
	a.said, a.evidence = notice.members, fileOf([]byte(canonical(notice)))
	if kind == "supersedes" {
		digest(a.said["replacement"])
	} else {
		require(!notice.has("replacement"), malformed, "a withdrawal with a replacement")
	}
	at, _ := a.said["at"].(string)
	require(timeForm.MatchString(at), malformed, "no time")
	for _, name := range []string{"reason", "actor"} {
		require(!unseen.MatchString(characters(a.said[name], 1, 1_000)), malformed, "an unseen character in %s", name)
	}
}
