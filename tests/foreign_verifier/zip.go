package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"sort"
	"strings"
	"unicode/utf8"
)

// ZIP files of bags (docs/spec/bag.md, "ZIP files"; PKWARE APPNOTE 6.3.10).

const (
	endSize      = 22
	longEndSize  = 56
	locatorSize  = 20
	full16       = 0xFFFF
	full32       = 0xFFFFFFFF
	maxEntries   = 200_000
	maxDirectory = 1 << 26
	freeUnpacked = 1 << 26
	maxRatio     = 100
	utf8Flag     = 1 << 11
	knownFlags   = utf8Flag | 1<<1 | 1<<2
)

// fields reads the fields of a record one after the other.
type fields struct {
	data []byte
	at   uint64
}

func (f *fields) take(count uint64) []byte {
	require(count <= uint64(len(f.data))-f.at, malformed, "the ZIP file is cut short")
	f.at += count
	return f.data[f.at-count : f.at]
}

func (f *fields) number(width uint64) uint64 {
	var wide [8]byte
	copy(wide[:], f.take(width))
	return binary.LittleEndian.Uint64(wide[:])
}

func (f *fields) expect(mark string) {
	require(string(f.take(4)) == mark, malformed, "no mark %q", mark)
}

type zipEntry struct {
	raw                        string
	flags, method, crc, kind   uint64
	packed, size, offset, data uint64
}

func (e zipEntry) isFolder() bool { return strings.HasSuffix(e.raw, "/") }

func openZip(data []byte) source {
	start, directory, count := findDirectory(data)
	entries := []zipEntry{}
	for ; count > 0; count-- {
		entries = append(entries, readListed(directory))
	}
	require(directory.at == uint64(len(directory.data)), malformed, "a directory with more than its entries")
	var packed, size uint64
	for _, each := range entries {
		packed, size = packed+each.packed, size+each.size
	}
	require(size <= maxRatio*packed+freeUnpacked, malformed, "it unpacks to far more")
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].offset < entries[j].offset })
	end := uint64(0)
	for at := range entries {
		require(entries[at].offset == end, malformed, "bytes of no entry, or of two")
		end = checkHeader(data[:start], &entries[at])
	}
	require(end == start, malformed, "bytes before the directory")
	return stripTop(data, entries)
}

// findDirectory returns where the directory begins, its fields, and how many entries it has.
func findDirectory(data []byte) (uint64, *fields, uint64) {
	end := &fields{data: data}
	if len(data) > endSize {
		end.at = uint64(len(data) - endSize)
	}
	place := end.at
	end.expect("PK\x05\x06")
	disk, firstDisk, here, count := end.number(2), end.number(2), end.number(2), end.number(2)
	size, start := end.number(4), end.number(4)
	require(end.number(2) == 0, malformed, "a comment")
	require(disk == 0 && firstDisk == 0 && here == count, malformed, "one of several parts")
	if count == full16 || size == full32 || start == full32 {
		require(place >= longEndSize+locatorSize, malformed, "no end of 64 bits")
		place -= longEndSize + locatorSize
		longCount, longSize, longStart := readLongEnd(&fields{data: data, at: place}, place)
		require(count == full16 || count == longCount, malformed, "two counts")
		require(size == full32 || size == longSize, malformed, "two sizes")
		require(start == full32 || start == longStart, malformed, "two offsets")
		count, size, start = longCount, longSize, longStart
	}
	require(count <= maxEntries, malformed, "more than %d entries", maxEntries)
	require(size <= maxDirectory, malformed, "a directory of more than %d bytes", maxDirectory)
	require(size <= place && start == place-size, malformed, "a directory elsewhere")
	return start, &fields{data: data[start:place]}, count
}

func readLongEnd(end *fields, place uint64) (count, size, start uint64) {
	end.expect("PK\x06\x06")
	require(end.number(8) == longEndSize-12, malformed, "an end of another length")
	end.take(4)
	disk, firstDisk, here := end.number(4), end.number(4), end.number(8)
	count, size, start = end.number(8), end.number(8), end.number(8)
	require(disk == 0 && firstDisk == 0 && here == count, malformed, "one of several parts")
	end.expect("PK\x06\x07")
	require(end.number(4) == 0, malformed, "an end in another part")
	require(end.number(8) == place, malformed, "an end elsewhere")
	require(end.number(4) == 1, malformed, "several parts")
	return count, size, start
}

func readListed(f *fields) (e zipEntry) {
	f.expect("PK\x01\x02")
	f.take(4)
	e.flags, e.method = f.number(2), f.number(2)
	f.take(4)
	e.crc, e.packed, e.size = f.number(4), f.number(4), f.number(4)
	nameLength, extraLength, commentLength := f.number(2), f.number(2), f.number(2)
	require(f.number(2) == 0, malformed, "an entry in another part")
	f.take(4)
	e.kind, e.offset = f.number(2)>>12, f.number(4)
	e.raw = string(f.take(nameLength))
	extra := f.take(extraLength)
	f.take(commentLength)
	if e.flags&utf8Flag != 0 {
		require(utf8.ValidString(e.raw), malformed, "a name that is not UTF-8")
	} else {
		require(utf8.ValidString(e.raw) && utf8.RuneCountInString(e.raw) == len(e.raw), malformed, "a name that is not ASCII")
	}
	widen(extra, &e.size, &e.packed, &e.offset)
	require(e.flags&^knownFlags == 0, malformed, "flags of %q", e.raw)
	if e.kind != 0 {
		require((e.kind == 4) == e.isFolder(), malformed, "the kind of %q", e.raw)
		require(e.kind == 4 || e.kind == 8, malformed, "the kind of %q", e.raw)
	}
	require(e.method == 0 || e.method == 8, unknown, "the method of %q", e.raw)
	require(e.method == 8 || e.packed == e.size, malformed, "two sizes of %q", e.raw)
	return e
}

// widen puts values of 64 bits in the place of those that are all ones.
func widen(extra []byte, values ...*uint64) {
	var wide *fields
	for f := (&fields{data: extra}); f.at < uint64(len(extra)); {
		kind, length := f.number(2), f.number(2)
		field := f.take(length)
		require(kind != 0x6375 && kind != 0x7075, malformed, "another name or comment")
		if kind == 1 {
			require(wide == nil, malformed, "two fields of 64 bits")
			wide = &fields{data: field}
		}
	}
	used := false
	for _, value := range values {
		if *value == full32 {
			require(wide != nil, malformed, "no field of 64 bits")
			*value, used = wide.number(8), true
			require(*value <= maxTotal, malformed, "more than %d bytes", int64(maxTotal))
		}
	}
	require(!used || wide.at == uint64(len(wide.data)), malformed, "a field of 64 bits of another length")
}

// checkHeader compares an entry's own header with the directory, and returns where its data end.
func checkHeader(data []byte, e *zipEntry) uint64 {
	f := &fields{data: data, at: e.offset}
	f.expect("PK\x03\x04")
	f.take(2)
	flags, method := f.number(2), f.number(2)
	f.take(4)
	crc, packed, size := f.number(4), f.number(4), f.number(4)
	nameLength, extraLength := f.number(2), f.number(2)
	require(string(f.take(nameLength)) == e.raw, malformed, "another name of %q", e.raw)
	widen(f.take(extraLength), &size, &packed)
	require(flags == e.flags, malformed, "other flags of %q", e.raw)
	require(method == e.method, malformed, "another method of %q", e.raw)
	require(crc == e.crc, malformed, "another CRC of %q", e.raw)
	require(packed == e.packed && size == e.size, malformed, "other sizes of %q", e.raw)
	e.data = f.at
	f.take(e.packed)
	return f.at
}

func stripTop(data []byte, entries []zipEntry) source {
	held := map[string]zipEntry{}
	sizes := map[string]int64{}
	var files, folders []string
	var total int64
	require(len(entries) > 0, malformed, "no entries")
	first, _, _ := strings.Cut(entries[0].raw, "/")
	checkBagName(first)
	for _, each := range entries {
		top, name, _ := strings.Cut(each.raw, "/")
		require(top == first, malformed, "not one folder")
		if each.isFolder() {
			require(each.size == 0 && each.packed == 0, malformed, "a folder with data")
			if name != "" {
				folders = append(folders, strings.TrimSuffix(name, "/"))
			}
			continue
		}
		files, total = append(files, name), total+int64(each.size)
		held[name], sizes[name] = each, int64(each.size)
	}
	checkBagNames(files, folders, total)
	return source{sizes, func(name string) []byte { return unpack(data, held[name]) }}
}

func unpack(data []byte, e zipEntry) []byte {
	packed := data[e.data : e.data+e.packed]
	if e.method == 0 {
		return packed
	}
	// A reader by bytes takes none behind the last block.
	left := bytes.NewReader(packed)
	unpacked, err := io.ReadAll(io.LimitReader(flate.NewReader(left), int64(e.size)+1))
	require(err == nil && uint64(len(unpacked)) == e.size, malformed, "%q is not of its size", e.raw)
	require(left.Len() == 0, malformed, "bytes behind %q", e.raw)
	return unpacked
}
