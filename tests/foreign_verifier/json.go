package main

import (
	"bytes"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Strict JSON (docs/spec/README.md, "JSON"): nil, bool, int64, string, []any and *object.

const (
	maxLevels  = 16
	maxInteger = 1<<53 - 1
)

type object struct {
	names   []string
	members map[string]any
}

func (o *object) has(name string) bool {
	_, ok := o.members[name]
	return ok
}

type parser struct {
	data []byte
	at   int
}

func parseJSON(data []byte) any {
	require(utf8.Valid(data), malformed, "not UTF-8")
	p := &parser{data: data}
	p.skip()
	value := p.value(0)
	p.skip()
	require(p.at == len(data), malformed, "more than one JSON value")
	return value
}

func (p *parser) fail() { refuse(malformed, "no strict JSON at byte %d", p.at) }

func (p *parser) peek() byte {
	if p.at >= len(p.data) {
		return 0
	}
	return p.data[p.at]
}

func (p *parser) skip() {
	for p.at < len(p.data) && strings.IndexByte(" \t\n\r", p.data[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) expect(text string) {
	if !bytes.HasPrefix(p.data[p.at:], []byte(text)) {
		p.fail()
	}
	p.at += len(text)
}

func (p *parser) value(level int) any {
	switch first := p.peek(); {
	case first == '{':
		return p.object(level + 1)
	case first == '[':
		return p.list(level + 1)
	case first == '"':
		return p.text()
	case first == 't':
		p.expect("true")
		return true
	case first == 'f':
		p.expect("false")
		return false
	case first == 'n':
		p.expect("null")
		return nil
	default:
		return p.integer()
	}
}

func (p *parser) integer() int64 {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	digits := p.at
	for p.peek() >= '0' && p.peek() <= '9' {
		p.at++
	}
	length := p.at - digits
	if length == 0 || length > 16 || (p.data[digits] == '0' && (length > 1 || digits > start)) {
		p.fail()
	}
	// A fraction or an exponent is left over, and fits nothing that may follow.
	number, err := strconv.ParseInt(string(p.data[start:p.at]), 10, 64)
	if err != nil || number > maxInteger || number < -maxInteger {
		p.fail()
	}
	return number
}

func (p *parser) list(level int) []any {
	require(level <= maxLevels, malformed, "more than %d levels", maxLevels)
	p.expect("[")
	values := []any{}
	for p.skip(); p.peek() != ']'; p.skip() {
		if len(values) > 0 {
			p.expect(",")
			p.skip()
		}
		values = append(values, p.value(level))
	}
	p.at++
	return values
}

func (p *parser) object(level int) *object {
	require(level <= maxLevels, malformed, "more than %d levels", maxLevels)
	p.expect("{")
	found := &object{members: map[string]any{}}
	for p.skip(); p.peek() != '}'; p.skip() {
		if len(found.names) > 0 {
			p.expect(",")
			p.skip()
		}
		if p.peek() != '"' {
			p.fail()
		}
		name := p.text()
		require(!found.has(name), malformed, "the member %q twice", name)
		p.skip()
		p.expect(":")
		p.skip()
		found.names = append(found.names, name)
		found.members[name] = p.value(level)
	}
	p.at++
	return found
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (p *parser) text() string {
	p.at++
	var text []byte
	for {
		if p.at >= len(p.data) || p.data[p.at] < 0x20 {
			p.fail()
		}
		switch each := p.data[p.at]; each {
		case '"':
			p.at++
			return string(text)
		case '\\':
			p.at++
			if plain, ok := escapes[p.peek()]; ok {
				text = append(text, plain)
				p.at++
				continue
			}
			code := p.unit()
			if utf16.IsSurrogate(code) {
				code = utf16.DecodeRune(code, p.second())
				if code == utf8.RuneError {
					p.fail()
				}
			}
			text = utf8.AppendRune(text, code)
		default:
			text = append(text, each)
			p.at++
		}
	}
}

// unit reads what follows a backslash: u and four hex digits.
func (p *parser) unit() rune {
	if p.peek() != 'u' || p.at+5 > len(p.data) {
		p.fail()
	}
	var code rune
	for _, digit := range p.data[p.at+1 : p.at+5] {
		at := strings.IndexByte("0123456789abcdef", digit|0x20)
		if at < 0 || (digit < '0') || (digit > '9' && digit < 'A') {
			p.fail()
		}
		code = code<<4 | rune(at)
	}
	p.at += 5
	return code
}

func (p *parser) second() rune {
	if p.peek() != '\\' {
		p.fail()
	}
	p.at++
	return p.unit()
}

// canonical writes the form of RFC 8785 (docs/spec/record.md, "Bytes").
func canonical(value any) string {
	switch each := value.(type) {
	case *object:
		names := append([]string{}, each.names...)
		sort.Slice(names, func(i, j int) bool { return precedes(names[i], names[j]) })
		parts := []string{}
		for _, name := range names {
			parts = append(parts, quote(name)+":"+canonical(each.members[name]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		parts := []string{}
		for _, entry := range each {
			parts = append(parts, canonical(entry))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case string:
		return quote(each)
	case nil:
		return "null"
	default:
		return fmt.Sprint(each)
	}
}

func precedes(a, b string) bool {
	first, second := utf16.Encode([]rune(a)), utf16.Encode([]rune(b))
	for at := range first {
		if at == len(second) || first[at] != second[at] {
			return at < len(second) && first[at] < second[at]
		}
	}
	return len(first) < len(second)
}

var shortEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\t': `\t`, '\n': `\n`, '\f': `\f`, '\r': `\r`}

func quote(text string) string {
	var quoted strings.Builder
	quoted.WriteByte('"')
	for _, each := range text {
		if short, ok := shortEscapes[each]; ok {
			quoted.WriteString(short)
		} else if each < 0x20 {
			fmt.Fprintf(&quoted, `\u%04x`, each)
		} else {
			quoted.WriteRune(each)
		}
	}
	quoted.WriteByte('"')
	return quoted.String()
}
