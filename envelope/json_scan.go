package envelope

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// JSONScanner walks a JSON text in place, value by value. It never recurses: what is open is a bit for each level, so
// that data of any depth can be passed on, at the cost of an eighth of its size. Text must be UTF-8, also in escapes,
// and names may be repeated.
type JSONScanner struct {
	text []byte
	pos  int
}

// NewJSONScanner returns a scanner at the start of a text.
func NewJSONScanner(text []byte) JSONScanner { return JSONScanner{text: text} }

// JSONError says where a text stops being JSON.
type JSONError struct {
	// Offset is the byte at fault, counted from 0; it is the length of a text that ends too early.
	Offset int
	// Problem says what is there.
	Problem string
}

// Error returns the offset and the problem.
func (e *JSONError) Error() string { return "at byte " + strconv.Itoa(e.Offset) + ": " + e.Problem }

// Offset returns how many bytes were read.
func (s *JSONScanner) Offset() int { return s.pos }

// Peek passes over white space and returns the byte after it, 0 at the end of the text. No value begins with 0.
func (s *JSONScanner) Peek() byte {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// End reports whether nothing but white space follows.
func (s *JSONScanner) End() bool { return s.Peek() == 0 && s.pos == len(s.text) }

// Open passes over the bracket that begins an object or an array; ok is false where another byte is next.
func (s *JSONScanner) Open(bracket byte) (ok bool) {
	if s.Peek() != bracket {
		return false
	}
	s.pos++
	return true
}

// More passes over the comma before the next member or item, or over the closing bracket; more tells which. The first
// one of an object or array has no comma before it.
func (s *JSONScanner) More(first bool, closing byte) (more bool, err error) {
	switch c := s.Peek(); {
	case c == closing:
		s.pos++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.pos++
		return true, nil
	}
	return false, s.unexpected("a comma or " + strconv.QuoteRune(rune(closing)))
}

// Name reads a member's name, in its quotes, and the colon behind it.
func (s *JSONScanner) Name() ([]byte, error) {
	name, err := s.name()
	if err != nil {
		return nil, err
	}
	return name, nil
}

func (s *JSONScanner) name() ([]byte, *JSONError) {
	if s.Peek() != '"' {
		return nil, s.unexpected("a name in quotes")
	}
	start := s.pos
	if err := s.quoted(); err != nil {
		return nil, err
	}
	end := s.pos
	if s.Peek() != ':' {
		return nil, s.unexpected("a colon")
	}
	s.pos++
	return s.text[start:end:end], nil
}

// Value reads the next value and returns it as a part of the text.
func (s *JSONScanner) Value() ([]byte, error) {
	s.Peek()
	start := s.pos
	if err := s.skip(); err != nil {
		return nil, err
	}
	return s.text[start:s.pos:s.pos], nil
}

// levels are the objects and arrays that are open: a bit for each, 1 for an object. The innermost ones stand in a word,
// so that only deeper values need memory.
type levels struct {
	depth int
	inner uint64
	outer []uint64
}

func (l *levels) push(object uint64) {
	if l.depth > 0 && l.depth%64 == 0 {
		l.outer = append(l.outer, l.inner)
	}
	l.inner = l.inner<<1 | object
	l.depth++
}

func (l *levels) pop() {
	l.inner >>= 1
	if l.depth--; l.depth > 0 && l.depth%64 == 0 {
		last := len(l.outer) - 1
		l.inner, l.outer = l.outer[last], l.outer[:last]
	}
}

// skip passes over a value, whatever lies inside it.
func (s *JSONScanner) skip() *JSONError {
	var open levels
	for {
		begun, err := s.begin(&open)
		if err != nil {
			return err
		}
		if begun {
			continue
		}
		if err := s.finish(&open); err != nil || open.depth == 0 {
			return err
		}
	}
}

// begin passes over a value without members, or over the beginning of another up to its first value.
func (s *JSONScanner) begin(open *levels) (begun bool, err *JSONError) {
	switch c := s.Peek(); c {
	case '{':
		s.pos++
		if s.Peek() == '}' {
			s.pos++
			return false, nil
		}
		open.push(1)
		_, err = s.name()
		return true, err
	case '[':
		s.pos++
		if s.Peek() == ']' {
			s.pos++
			return false, nil
		}
		open.push(0)
		return true, nil
	case '"':
		return false, s.quoted()
	case 't':
		return false, s.word("true")
	case 'f':
		return false, s.word("false")
	case 'n':
		return false, s.word("null")
	}
	return false, s.number()
}

// finish follows the end of a value: it closes what ends there, up to where another value follows or nothing is open.
func (s *JSONScanner) finish(open *levels) *JSONError {
	for open.depth > 0 {
		object := open.inner&1 == 1
		switch c := s.Peek(); {
		case c == ',':
			s.pos++
			if object {
				_, err := s.name()
				return err
			}
			return nil
		case c == '}' && object, c == ']' && !object:
			s.pos++
			open.pop()
		case object:
			return s.unexpected("a comma or '}'")
		default:
			return s.unexpected("a comma or ']'")
		}
	}
	return nil
}

func (s *JSONScanner) word(want string) *JSONError {
	for i := range len(want) {
		if s.pos+i == len(s.text) || s.text[s.pos+i] != want[i] {
			s.pos += i
			return s.unexpected(want)
		}
	}
	s.pos += len(want)
	return nil
}

// number passes over a number, or says that there is no value.
func (s *JSONScanner) number() *JSONError {
	i, ok := s.pos, false
	if i < len(s.text) && s.text[i] == '-' {
		i++
	}
	if i < len(s.text) && s.text[i] == '0' {
		i++
	} else if i, ok = s.digits(i); !ok {
		if i == s.pos {
			return s.unexpected("a value")
		}
		s.pos = i
		return s.unexpected("a digit")
	}
	if i < len(s.text) && s.text[i] == '.' {
		if i, ok = s.digits(i + 1); !ok {
			s.pos = i
			return s.unexpected("a digit")
		}
	}
	if i < len(s.text) && s.text[i]|0x20 == 'e' {
		i++
		if i < len(s.text) && (s.text[i] == '+' || s.text[i] == '-') {
			i++
		}
		if i, ok = s.digits(i); !ok {
			s.pos = i
			return s.unexpected("a digit")
		}
	}
	s.pos = i
	return nil
}

// digits returns where the digits that begin at i end; ok is false where there is none.
func (s *JSONScanner) digits(i int) (end int, ok bool) {
	start := i
	for i < len(s.text) && s.text[i]-'0' <= 9 {
		i++
	}
	return i, i > start
}

// quoted passes over a string.
func (s *JSONScanner) quoted() *JSONError {
	for s.pos++; ; {
		s.pos = plainEnd(s.text, s.pos)
		if s.pos == len(s.text) {
			return s.unexpected("the end of the string")
		}
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.problem("a control character in a string")
		default:
			_, size := utf8.DecodeRune(s.text[s.pos:])
			if size == 1 {
				return s.problem("a string is not UTF-8")
			}
			s.pos += size
		}
	}
}

// plainEnd returns where characters end that mean themselves: printable ASCII without the quote and the backslash. It
// looks at eight bytes at a time, because almost all of an event is such characters.
func plainEnd(text []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(text) {
		w := binary.LittleEndian.Uint64(text[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		// A byte's top bit says that it ends the run. A borrow can set bits above the first one, never below it.
		found := (w | (w - ' '*ones) | (quote - ones) | (slash - ones)) & tops
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
		i += 8
	}
	for i < len(text) && text[i] >= ' ' && text[i] < utf8.RuneSelf && text[i] != '"' && text[i] != '\\' {
		i++
	}
	return i
}

// escape passes over a backslash and what it escapes. Half a surrogate pair is no text.
func (s *JSONScanner) escape() *JSONError {
	if s.pos+1 == len(s.text) {
		s.pos++
		return s.unexpected("an escaped character")
	}
	switch s.text[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case 'u':
	default:
		return s.problem("an escape that JSON does not have")
	}
	first, ok := s.unit(s.pos)
	if !ok {
		return s.problem("an escape without four hexadecimal digits")
	}
	length := len(`\u0000`)
	if first>>11 == 0xd800>>11 {
		second, ok := s.unit(s.pos + length)
		if first >= 0xdc00 || !ok || second>>10 != 0xdc00>>10 {
			return s.problem("an escape of half a surrogate pair")
		}
		length *= 2
	}
	s.pos += length
	return nil
}

// unit reads the UTF-16 unit of an escape at i.
func (s *JSONScanner) unit(i int) (unit uint32, ok bool) {
	if i+6 > len(s.text) || s.text[i] != '\\' || s.text[i+1] != 'u' {
		return 0, false
	}
	for _, c := range s.text[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			unit = unit<<4 | uint32(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			unit = unit<<4 | uint32(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return unit, true
}

// unexpected says that something is not there.
func (s *JSONScanner) unexpected(want string) *JSONError {
	if s.pos >= len(s.text) {
		return s.problem("the text ends where " + want + " should be")
	}
	r, _ := utf8.DecodeRune(s.text[s.pos:])
	return s.problem(strconv.QuoteRune(r) + " where " + want + " should be")
}

func (s *JSONScanner) problem(text string) *JSONError {
	return &JSONError{Offset: s.pos, Problem: text}
}
