package main

// RLP in its only encoding (docs/spec/state-proof.md, "RLP").

const maxLists = 8

type item struct {
	isList  bool
	text    []byte
	items   []item
	encoded []byte
}

func parseRLP(data []byte) item {
	found, end := readItem(data, 0, 0)
	require(end == len(data), malformed, "data after the RLP")
	return found
}

func readItem(data []byte, at, lists int) (item, int) {
	require(lists <= maxLists, malformed, "an item within more than %d lists", maxLists)
	require(at < len(data), malformed, "the RLP ends early")
	first := int(data[at])
	if first < 0x80 {
		return item{text: data[at : at+1], encoded: data[at : at+1]}, at + 1
	}
	isList := first >= 0xc0
	base := 0x80
	if isList {
		base = 0xc0
	}
	begin, length := at+1, first-base
	if length > 55 {
		digits := length - 55
		require(begin+digits <= len(data), malformed, "the RLP ends early")
		require(data[begin] != 0, malformed, "a length with a leading zero")
		length = 0
		for _, digit := range data[begin : begin+digits] {
			require(length < 1<<40, malformed, "the RLP ends early")
			length = length<<8 | int(digit)
		}
		require(length > 55, malformed, "a length in needless bytes")
		begin += digits
	}
	end := begin + length
	require(end <= len(data), malformed, "the RLP ends early")
	found := item{isList: isList, encoded: data[at:end]}
	if !isList {
		found.text = data[begin:end]
		require(length != 1 || found.text[0] >= 0x80, malformed, "a byte with a needless prefix")
		return found, end
	}
	for next := begin; next < end; {
		var entry item
		entry, next = readItem(data[:end], next, lists+1)
		found.items = append(found.items, entry)
	}
	return found, end
}

func (i item) bytes(length int) []byte {
	require(!i.isList && len(i.text) == length, malformed, "not a string of %d bytes", length)
	return i.text
}

// integer returns the bytes of an integer of at most so many bytes, padded to 32.
func (i item) integer(most int) (padded [32]byte) {
	require(!i.isList && len(i.text) <= most, malformed, "not an integer of at most %d bytes", most)
	require(len(i.text) == 0 || i.text[0] != 0, malformed, "an integer with a leading zero")
	copy(padded[32-len(i.text):], i.text)
	return padded
}

func (i item) isNothing() bool { return !i.isList && len(i.text) == 0 }
